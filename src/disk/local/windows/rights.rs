//! Who this user is, and folders and files that are his alone, where the folder above does not see to that.

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{ERROR_SUCCESS, HANDLE, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, GetNamedSecurityInfoW, SDDL_REVISION_1,
    SE_FILE_OBJECT, SetNamedSecurityInfoW,
};
use windows_sys::Win32::Security::{
    ACL, DACL_SECURITY_INFORMATION, EqualSid, GetSecurityDescriptorDacl, GetSecurityDescriptorOwner, GetSidSubAuthority,
    GetSidSubAuthorityCount, GetTokenInformation, IsWellKnownSid, OWNER_SECURITY_INFORMATION,
    PROTECTED_DACL_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, PSID, TOKEN_QUERY, TOKEN_USER, TokenUser,
    WinBuiltinAdministratorsSid, WinLocalSystemSid,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use super::wide;

/// What is to be closed to others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    /// With all that is made in it later.
    Folder,
}

/// Lets this user and the system in, and nobody else. One that belongs to another user is refused.
pub fn close(path: &Path, kind: Kind) -> io::Result<()> {
    let user = User::of_this_process()?;
    let name = wide(path)?;
    if !is_ours(&name, &user)? {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user"));
    }
    let descriptor = closed(&user, kind)?;
    let (mut there, mut defaulted, mut list): (i32, i32, *mut ACL) = (0, 0, null_mut());
    // SAFETY: the descriptor was just made; `list` points into it and is used while it lives.
    worked(unsafe { GetSecurityDescriptorDacl(descriptor.0, &raw mut there, &raw mut list, &raw mut defaulted) })?;
    // Protected: what the folder above gives to others does not come down.
    let what = DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION;
    // SAFETY: the name ends with a zero, the list is that of a valid descriptor, and the parts left out are not set.
    ended(unsafe { SetNamedSecurityInfoW(name.as_ptr(), SE_FILE_OBJECT, what, null_mut(), null_mut(), list, null()) })
}

/// The list that lets in this user and the system alone.
fn closed(user: &User, kind: Kind) -> io::Result<Local> {
    let down = if kind == Kind::Folder { "OICI" } else { "" };
    let words = format!("D:P(A;{down};FA;;;{})(A;{down};FA;;;SY)", user.text()?);
    let words: Vec<u16> = words.encode_utf16().chain([0]).collect();
    let mut descriptor = Local(null_mut());
    // SAFETY: the text ends with a zero; what is made is freed by `Local`.
    worked(unsafe {
        ConvertStringSecurityDescriptorToSecurityDescriptorW(words.as_ptr(), SDDL_REVISION_1, &raw mut descriptor.0, null_mut())
    })?;
    Ok(descriptor)
}

/// Does it belong to this user, or to those who may do everything on this machine anyway?
fn is_ours(name: &[u16], user: &User) -> io::Result<bool> {
    let descriptor = ask(name, OWNER_SECURITY_INFORMATION)?;
    let (mut owner, mut defaulted): (PSID, i32) = (null_mut(), 0);
    // SAFETY: the descriptor is valid; `owner` points into it and is used while it lives.
    worked(unsafe { GetSecurityDescriptorOwner(descriptor.0, &raw mut owner, &raw mut defaulted) })?;
    if owner.is_null() {
        let open = "the disk keeps no rights, so that others could read it; choose a folder on an NTFS disk";
        return Err(io::Error::new(io::ErrorKind::Unsupported, open));
    }
    let known = [WinBuiltinAdministratorsSid, WinLocalSystemSid];
    // SAFETY: both SIDs are valid while their owners live.
    let known = known.into_iter().any(|known| unsafe { IsWellKnownSid(owner, known) } != 0);
    // SAFETY: as above.
    Ok(known || unsafe { EqualSid(owner, user.sid()) } != 0)
}

/// What a disk says of a file's owner or rights.
fn ask(name: &[u16], what: u32) -> io::Result<Local> {
    let (none, mut descriptor) = (null_mut(), Local(null_mut()));
    // SAFETY: the name ends with a zero; `Local` frees what is handed out.
    ended(unsafe {
        GetNamedSecurityInfoW(name.as_ptr(), SE_FILE_OBJECT, what, none, none, null_mut(), null_mut(), &raw mut descriptor.0)
    })?;
    Ok(descriptor)
}

/// Who may do what with a file, in the system's own words.
#[cfg(test)]
pub fn told(path: &Path) -> io::Result<String> {
    words(&ask(&wide(path)?, DACL_SECURITY_INFORMATION)?)
}

/// Who may do what with one that was closed, as it is asked of the disk.
#[cfg(test)]
pub fn meant(kind: Kind) -> io::Result<String> {
    words(&closed(&User::of_this_process()?, kind)?)
}

#[cfg(test)]
fn words(descriptor: &Local) -> io::Result<String> {
    use windows_sys::Win32::Security::Authorization::ConvertSecurityDescriptorToStringSecurityDescriptorW as convert;
    let mut words = Local(null_mut());
    let into = (&raw mut words.0).cast();
    // SAFETY: the descriptor is valid; the text is freed by `Local`.
    worked(unsafe { convert(descriptor.0, SDDL_REVISION_1, DACL_SECURITY_INFORMATION, into, null_mut()) })?;
    Ok(words.text())
}

/// The SID of who runs this process.
#[cfg(test)]
pub fn user_words() -> io::Result<String> {
    User::of_this_process()?.text()
}

/// The last part of the SID of who runs this process.
pub fn user_number() -> io::Result<u32> {
    let user = User::of_this_process()?;
    // SAFETY: the SID is valid while `user` lives; it has one part at least, and the last one is asked for.
    Ok(unsafe { *GetSidSubAuthority(user.sid(), u32::from((*GetSidSubAuthorityCount(user.sid())).max(1)) - 1) })
}

/// What the system says of a user: a `TOKEN_USER` at the start, its SID behind it.
struct User(Vec<u64>);

impl User {
    fn of_this_process() -> io::Result<User> {
        let mut token: HANDLE = null_mut();
        // SAFETY: the process's own handle is always valid; the token is owned below.
        worked(unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token) })?;
        // SAFETY: it was just opened and nobody else has it.
        let token = unsafe { OwnedHandle::from_raw_handle(token) };
        // A SID has 68 bytes at most.
        let (mut bytes, mut needed) = (vec![0_u64; 16], 0);
        let room = size_of_val(&bytes[..]) as u32;
        // SAFETY: `room` says how large the buffer is.
        worked(unsafe {
            GetTokenInformation(token.as_raw_handle(), TokenUser, bytes.as_mut_ptr().cast(), room, &raw mut needed)
        })?;
        Ok(User(bytes))
    }

    fn sid(&self) -> PSID {
        // SAFETY: the buffer holds a `TOKEN_USER`, and 64-bit numbers are aligned for it.
        unsafe { (*self.0.as_ptr().cast::<TOKEN_USER>()).User.Sid }
    }

    /// As in `S-1-5-21-…-1001`.
    fn text(&self) -> io::Result<String> {
        let mut text = Local(null_mut());
        // SAFETY: the SID is valid; the text is freed by `Local`.
        worked(unsafe { ConvertSidToStringSidW(self.sid(), (&raw mut text.0).cast()) })?;
        Ok(text.text())
    }
}

/// Memory that a call of the system handed out.
struct Local(PSECURITY_DESCRIPTOR);

impl Local {
    /// Where it is a text.
    fn text(&self) -> String {
        let start = self.0.cast::<u16>();
        // SAFETY: the text ends with a zero, and all units before that are its own.
        let units = unsafe {
            let length = (0..).take_while(|&at| *start.add(at) != 0).count();
            std::slice::from_raw_parts(start, length)
        };
        String::from_utf16_lossy(units)
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let memory: *mut c_void = self.0;
        // SAFETY: it came from a call that says that it is to be freed so, or is none.
        unsafe { LocalFree(memory) };
    }
}

/// Of calls that answer with the error itself.
fn ended(answer: u32) -> io::Result<()> {
    if answer == ERROR_SUCCESS { Ok(()) } else { Err(io::Error::from_raw_os_error(answer.cast_signed())) }
}

fn worked(answer: i32) -> io::Result<()> {
    if answer == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
