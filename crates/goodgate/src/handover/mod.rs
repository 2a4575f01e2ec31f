//! One gateway hands its listening sockets to the next, so that no connection is refused and no call is cut.
//!
//! The running one offers its sockets in the state folder ([`offer`]); a new one that is started with `--takeover` asks
//! for them ([`takeover`]), makes itself ready beside it, and says so. From then on the new one accepts, and the old one
//! brings its calls to their end. A new one that fails before that changes nothing. Why so: docs/decisions.

pub(crate) mod offer;
pub(crate) mod successor;
pub(crate) mod takeover;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The socket's name in the state folder.
const SOCKET: &str = "handover.sock";

/// The version of the words below; another one is declined.
const WORDS: u32 = 1;

/// What the new gateway says first.
#[derive(Debug, Serialize, Deserialize)]
struct Hello {
    words: u32,
    version: String,
}

/// What the running one says then; the descriptors come with it, in the order of `sockets`.
#[derive(Debug, Serialize, Deserialize)]
struct Offered {
    words: u32,
    version: String,
    pid: u32,
    descriptors: Vec<Descriptor>,
}

/// What a descriptor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Descriptor {
    /// The lock of the state folder.
    Lock,
    /// The socket of the door.
    Door,
    /// The socket of the admin API.
    Admin,
}

/// What both say at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    /// The new one: I accept.
    Serving,
    /// The old one: then I do not.
    Done,
    /// The old one: too late, I go on alone.
    TooLate,
}

/// A line of JSON.
fn line(words: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(words)?;
    line.push(b'\n');
    Ok(line)
}

/// A path of at most 107 bytes for a socket in the folder, however long the folder's own is; the file keeps it valid.
fn short_path(folder: &Path) -> io::Result<(File, PathBuf)> {
    use std::os::fd::AsRawFd;
    let opened = File::open(folder)?;
    let path = if cfg!(target_os = "linux") {
        PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()))
    } else {
        folder.to_owned()
    };
    Ok((opened, path))
}
