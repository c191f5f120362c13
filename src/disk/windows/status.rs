//! What the system's own codes mean for callers.
//!
//! Most calls of this room answer with an NTSTATUS, some with a Win32 code; both are one number here. Several statuses share
//! a Win32 code that says too little ("access is denied" for a folder, for a name that is being deleted, for a file in use),
//! so these are told apart first.

use std::io;

use windows_sys::Win32::Foundation as win;
use windows_sys::Win32::Foundation::{NTSTATUS, RtlNtStatusToDosError};

use crate::disk::ErrorKind;

/// A call that failed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Status(NTSTATUS);

/// "Error, of the facility of Win32 codes": how the system itself wraps these in a status.
const WRAPPED: u32 = 0xc007_0000;

impl Status {
    pub const BARRED: Status = Status(win::STATUS_REPARSE_POINT_ENCOUNTERED);
    pub const BUSY: Status = Status(win::STATUS_SHARING_VIOLATION);
    pub const CANNOT_DELETE: Status = Status(win::STATUS_CANNOT_DELETE);
    pub const DENIED: Status = Status(win::STATUS_ACCESS_DENIED);
    pub const EXISTS: Status = Status(win::STATUS_OBJECT_NAME_COLLISION);
    pub const INVALID: Status = Status(win::STATUS_INVALID_PARAMETER);
    pub const IS_FOLDER: Status = Status(win::STATUS_FILE_IS_A_DIRECTORY);
    pub const NO_FOLDER: Status = Status(win::STATUS_NOT_A_DIRECTORY);
    pub const NO_MORE_FILES: Status = Status(win::STATUS_NO_MORE_FILES);
    /// The answer of an empty folder of some file systems.
    pub const NO_SUCH_FILE: Status = Status(win::STATUS_NO_SUCH_FILE);
    pub const OPLOCK: Status = Status(win::STATUS_CANNOT_BREAK_OPLOCK);
    /// An answer that makes no sense.
    pub const NONSENSE: Status = Status(win::STATUS_FILE_CORRUPT_ERROR);
    pub const UNSUPPORTED: Status = Status(win::STATUS_NOT_SUPPORTED);

    /// The answer of an NT call. Warnings that leave a part out (`STATUS_BUFFER_OVERFLOW`) are no failure.
    pub fn of(status: NTSTATUS) -> Result<(), Status> {
        if status >= 0 || status == win::STATUS_BUFFER_OVERFLOW { Ok(()) } else { Err(Status(status)) }
    }

    /// A Win32 code.
    pub fn win32(code: u32) -> Status {
        Status((WRAPPED | (code & 0xffff)).cast_signed())
    }

    /// An error of the standard library.
    pub fn of_io(error: &io::Error) -> Status {
        error.raw_os_error().map_or(Status::NONSENSE, |code| Status::win32(code.cast_unsigned()))
    }

    /// The Win32 code that people find explained.
    pub fn code(self) -> u32 {
        let bits = self.0.cast_unsigned();
        match self.0 {
            win::STATUS_DELETE_PENDING => win::ERROR_DELETE_PENDING,
            win::STATUS_FILE_IS_A_DIRECTORY => win::ERROR_DIRECTORY_NOT_SUPPORTED,
            win::STATUS_OBJECT_PATH_NOT_FOUND | win::STATUS_OBJECT_NAME_NOT_FOUND => win::ERROR_FILE_NOT_FOUND,
            _ if bits & 0xffff_0000 == WRAPPED => bits & 0xffff,
            // SAFETY: a pure table look-up; no memory is involved.
            status => unsafe { RtlNtStatusToDosError(status) },
        }
    }

    pub fn kind(self, remote: bool) -> ErrorKind {
        match self.0 {
            // Win32 says "access is denied" to all of these.
            win::STATUS_DELETE_PENDING | win::STATUS_CANNOT_DELETE => ErrorKind::Busy,
            win::STATUS_FILE_IS_A_DIRECTORY => ErrorKind::WrongKind,
            win::STATUS_STOPPED_ON_SYMLINK | win::STATUS_REPARSE_POINT_ENCOUNTERED => ErrorKind::Barred,
            status if is_line_cut(status) => ErrorKind::Gone,
            _ => kind_of(self.code(), remote),
        }
    }

    /// Worth another moment: indexers and virus scanners hold new files for some milliseconds.
    pub fn passes(self) -> bool {
        let passing = [win::STATUS_SHARING_VIOLATION, win::STATUS_DELETE_PENDING, win::STATUS_CANNOT_DELETE];
        passing.contains(&self.0) || self.code() == win::ERROR_SHARING_VIOLATION
    }

    /// The file system, or this version of Windows, does not know what it was asked for.
    pub fn is_unknown_request(self) -> bool {
        matches!(
            self.code(),
            win::ERROR_INVALID_FUNCTION
                | win::ERROR_NOT_SUPPORTED
                | win::ERROR_INVALID_PARAMETER
                | win::ERROR_CALL_NOT_IMPLEMENTED
                | win::ERROR_INVALID_LEVEL
                | win::ERROR_FILE_SYSTEM_LIMITATION
                | win::ERROR_BAD_LENGTH
                | win::ERROR_NOT_SAME_DEVICE
        )
    }

    pub fn source(self) -> io::Error {
        match self.code() {
            win::ERROR_MR_MID_NOT_FOUND => io::Error::other(format!("the system says {:#010x}", self.0.cast_unsigned())),
            code => io::Error::from_raw_os_error(code.cast_signed()),
        }
    }
}

impl std::fmt::Debug for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#010x} ({})", self.0.cast_unsigned(), self.code())
    }
}

/// What a Win32 code means.
pub(super) fn kind_of(code: u32, remote: bool) -> ErrorKind {
    match code {
        win::ERROR_FILE_NOT_FOUND | win::ERROR_PATH_NOT_FOUND | win::ERROR_INVALID_DRIVE => ErrorKind::Absent,
        win::ERROR_FILE_EXISTS | win::ERROR_ALREADY_EXISTS => ErrorKind::Exists,
        win::ERROR_DIR_NOT_EMPTY => ErrorKind::NotEmpty,
        win::ERROR_WRITE_PROTECT => ErrorKind::ReadOnly,
        win::ERROR_DISK_FULL | win::ERROR_HANDLE_DISK_FULL | win::ERROR_DISK_QUOTA_EXCEEDED => ErrorKind::Full,
        win::ERROR_DIRECTORY | win::ERROR_DIRECTORY_NOT_SUPPORTED => ErrorKind::WrongKind,
        _ if is_offline(code) || remote && is_offline_if_remote(code) => ErrorKind::Gone,
        _ => of_a_name_or_right(code),
    }
}

fn of_a_name_or_right(code: u32) -> ErrorKind {
    match code {
        win::ERROR_ACCESS_DENIED
        | win::ERROR_NETWORK_ACCESS_DENIED
        | win::ERROR_PRIVILEGE_NOT_HELD
        | win::ERROR_LOGON_FAILURE
        | win::ERROR_VIRUS_INFECTED
        | win::ERROR_CANT_ACCESS_FILE
        | win::ERROR_ENCRYPTION_FAILED
        | win::ERROR_DECRYPTION_FAILED => ErrorKind::Denied,
        win::ERROR_SHARING_VIOLATION
        | win::ERROR_LOCK_VIOLATION
        | win::ERROR_DRIVE_LOCKED
        | win::ERROR_LOCK_FAILED
        | win::ERROR_BUSY
        | win::ERROR_OPLOCK_NOT_GRANTED
        | win::ERROR_DELETE_PENDING
        | win::ERROR_CANNOT_BREAK_OPLOCK
        | win::ERROR_USER_MAPPED_FILE
        | win::ERROR_DEVICE_IN_USE => ErrorKind::Busy,
        win::ERROR_INVALID_NAME
        | win::ERROR_BAD_PATHNAME
        | win::ERROR_BUFFER_OVERFLOW
        | win::ERROR_FILENAME_EXCED_RANGE
        | win::ERROR_NO_UNICODE_TRANSLATION => ErrorKind::BadName,
        win::ERROR_REPARSE_POINT_ENCOUNTERED
        | win::ERROR_STOPPED_ON_SYMLINK
        | win::ERROR_NOT_A_REPARSE_POINT
        | win::ERROR_REPARSE_TAG_MISMATCH => ErrorKind::Barred,
        win::ERROR_INVALID_FUNCTION
        | win::ERROR_NOT_SAME_DEVICE
        | win::ERROR_NOT_SUPPORTED
        | win::ERROR_INVALID_PARAMETER
        | win::ERROR_CALL_NOT_IMPLEMENTED
        | win::ERROR_INVALID_LEVEL
        | win::ERROR_FILE_SYSTEM_LIMITATION
        | win::ERROR_SYMLINK_NOT_SUPPORTED => ErrorKind::Unsupported,
        _ => ErrorKind::Other,
    }
}

/// A server, a session with it or the line went away. Some of these share a Win32 code with an end of file or a bad handle.
fn is_line_cut(status: NTSTATUS) -> bool {
    matches!(
        status,
        win::STATUS_BAD_NETWORK_PATH
            | win::STATUS_CONNECTION_ABORTED
            | win::STATUS_CONNECTION_DISCONNECTED
            | win::STATUS_CONNECTION_INVALID
            | win::STATUS_CONNECTION_RESET
            | win::STATUS_FILE_FORCED_CLOSED
            | win::STATUS_LOCAL_DISCONNECT
            | win::STATUS_NETWORK_NAME_DELETED
            | win::STATUS_NETWORK_SESSION_EXPIRED
            | win::STATUS_REMOTE_DISCONNECT
            | win::STATUS_USER_SESSION_DELETED
            | win::STATUS_VIRTUAL_CIRCUIT_CLOSED
    )
}

/// Where these come from nothing answers any more, whatever was asked: a server, a line, a stick that was pulled.
fn is_offline(code: u32) -> bool {
    matches!(
        code,
        win::ERROR_NOT_READY
            | win::ERROR_REM_NOT_LIST
            | win::ERROR_BAD_NETPATH
            | win::ERROR_NETWORK_BUSY
            | win::ERROR_DEV_NOT_EXIST
            | win::ERROR_BAD_NET_RESP
            | win::ERROR_UNEXP_NET_ERR
            | win::ERROR_NETNAME_DELETED
            | win::ERROR_BAD_NET_NAME
            | win::ERROR_NET_WRITE_FAULT
            | win::ERROR_SEM_TIMEOUT
            | win::ERROR_VC_DISCONNECTED
            | win::ERROR_NO_SUCH_DEVICE
            | win::ERROR_FILE_INVALID
            | win::ERROR_MEDIA_CHANGED
            | win::ERROR_NO_MEDIA_IN_DRIVE
            | win::ERROR_DEVICE_NOT_CONNECTED
            | win::ERROR_BAD_DEVICE
            | win::ERROR_CONNECTION_UNAVAIL
            | win::ERROR_NO_NET_OR_BAD_PATH
            | win::ERROR_NO_NETWORK
            | win::ERROR_CONNECTION_REFUSED
            | win::ERROR_CONNECTION_INVALID
            | win::ERROR_GRACEFUL_DISCONNECT
            | win::ERROR_NETWORK_UNREACHABLE
            | win::ERROR_HOST_UNREACHABLE
            | win::ERROR_PROTOCOL_UNREACHABLE
            | win::ERROR_PORT_UNREACHABLE
            | win::ERROR_CONNECTION_ABORTED
            | win::ERROR_HOST_DOWN
            | win::ERROR_NO_LOGON_SERVERS
            | win::ERROR_NOT_CONNECTED
            | win::ERROR_DEVICE_REMOVED
    )
}

/// These can have other causes on a disk of this machine. A handle that a server forgot when the line broke is invalid, a
/// request that was under way is aborted.
fn is_offline_if_remote(code: u32) -> bool {
    matches!(
        code,
        win::ERROR_INVALID_HANDLE
            | win::ERROR_ADAP_HDW_ERR
            | win::ERROR_TOO_MANY_CMDS
            | win::ERROR_REQ_NOT_ACCEP
            | win::ERROR_NOT_ENOUGH_SERVER_MEMORY
            | win::ERROR_RETRY
            | win::ERROR_OPERATION_ABORTED
            | win::ERROR_IO_DEVICE
            | win::ERROR_REQUEST_ABORTED
            | win::ERROR_TIMEOUT
            | win::WAIT_TIMEOUT
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_mean_what_callers_branch_on() {
        use ErrorKind::{
            Absent, BadName, Barred, Busy, Denied, Exists, Full, Gone, NotEmpty, Other, ReadOnly, Unsupported, WrongKind,
        };
        let both = [
            (Absent, &[2, 3, 15][..]),
            (Exists, &[80, 183]),
            (Denied, &[5, 65, 1314, 1326]),
            (Busy, &[32, 33, 170, 303, 1224]),
            (Full, &[39, 112, 1295]),
            (ReadOnly, &[19]),
            (
                Gone,
                &[
                    21, 51, 53, 54, 55, 58, 59, 64, 67, 88, 121, 240, 433, 1006, 1110, 1112, 1167, 1200, 1201, 1203, 1222, 1225,
                    1226, 1229, 1231, 1232, 1233, 1234, 1236, 1256, 1311, 1617, 2250,
                ],
            ),
            (NotEmpty, &[145]),
            (BadName, &[111, 123, 161, 206]),
            (WrongKind, &[267, 336]),
            (Barred, &[681, 4390, 4395]),
            (Unsupported, &[1, 17, 50, 87, 120, 124, 665]),
            (Other, &[8, 23, 1392, 1142]),
        ];
        for (kind, codes) in both {
            for code in codes {
                assert_eq!((kind_of(*code, false), kind_of(*code, true)), (kind, kind), "{code}");
            }
        }
        for code in [6, 56, 57, 71, 258, 995, 1117, 1130, 1235, 1237, 1460] {
            assert_eq!((kind_of(code, false), kind_of(code, true)), (Other, Gone), "{code}");
        }
    }

    #[test]
    fn statuses_that_win32_cannot_tell_apart_are_told_apart() {
        let rows = [
            (win::STATUS_ACCESS_DENIED, ErrorKind::Denied, 5),
            (win::STATUS_DELETE_PENDING, ErrorKind::Busy, 303),
            (win::STATUS_CANNOT_DELETE, ErrorKind::Busy, 5),
            (win::STATUS_FILE_IS_A_DIRECTORY, ErrorKind::WrongKind, 336),
            (win::STATUS_NOT_A_DIRECTORY, ErrorKind::WrongKind, 267),
            (win::STATUS_OBJECT_NAME_NOT_FOUND, ErrorKind::Absent, 2),
            (win::STATUS_OBJECT_PATH_NOT_FOUND, ErrorKind::Absent, 2),
            (win::STATUS_OBJECT_NAME_COLLISION, ErrorKind::Exists, 183),
            (win::STATUS_SHARING_VIOLATION, ErrorKind::Busy, 32),
            (win::STATUS_DIRECTORY_NOT_EMPTY, ErrorKind::NotEmpty, 145),
            (win::STATUS_DISK_FULL, ErrorKind::Full, 112),
            (win::STATUS_NETWORK_NAME_DELETED, ErrorKind::Gone, 64),
            (win::STATUS_BAD_NETWORK_NAME, ErrorKind::Gone, 67),
            (win::STATUS_IO_TIMEOUT, ErrorKind::Gone, 121),
            (win::STATUS_INVALID_DEVICE_REQUEST, ErrorKind::Unsupported, 1),
        ];
        for (status, kind, code) in rows {
            assert_eq!((Status(status).kind(false), Status(status).code()), (kind, code), "{status:#x}");
        }
        for status in [
            win::STATUS_USER_SESSION_DELETED,
            win::STATUS_NETWORK_SESSION_EXPIRED,
            win::STATUS_CONNECTION_RESET,
            win::STATUS_CONNECTION_DISCONNECTED,
            win::STATUS_BAD_NETWORK_PATH,
            win::STATUS_FILE_FORCED_CLOSED,
            win::STATUS_VIRTUAL_CIRCUIT_CLOSED,
        ] {
            assert_eq!(Status(status).kind(false), ErrorKind::Gone, "{status:#x}");
        }
        let wrapped = Status::of_io(&io::Error::from_raw_os_error(32));
        assert_eq!((wrapped.code(), wrapped.kind(false), wrapped.passes()), (32, ErrorKind::Busy, true));
        assert!(Status::of(win::STATUS_BUFFER_OVERFLOW).is_ok() && Status::of(win::STATUS_NO_MORE_FILES).is_err());
    }
}
