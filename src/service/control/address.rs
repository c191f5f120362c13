//! Where a watch process can be asked: its socket, and for TCP the port with the token.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::disk::local;

const SOCKET: &str = "control.sock";
const TOKEN: &str = "control.token";
/// The address and the token are shorter.
const LIMIT: u64 = 4096;

/// One way to a watch process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Unix(PathBuf),
    Tcp { at: SocketAddr, token: String },
}

impl Address {
    /// Where the watch process of the pair with this state folder listens, if it left word; it may have died since.
    pub fn find(state: &Path) -> Option<Address> {
        let socket = socket(state);
        if cfg!(unix) && local::is_taken(&socket) { Some(Address::Unix(socket)) } else { tcp(state) }
    }
}

/// The socket of a pair.
pub(super) fn socket(state: &Path) -> PathBuf {
    state.join(SOCKET)
}

/// The file that says the port and the token, for who comes over TCP.
pub(super) fn token_file(state: &Path) -> PathBuf {
    state.join(TOKEN)
}

fn tcp(state: &Path) -> Option<Address> {
    let text = local::read_text(&token_file(state), LIMIT).ok()??;
    let (at, token) = text.trim().split_once(' ')?;
    Some(Address::Tcp { at: at.parse().ok()?, token: token.to_owned() })
}
