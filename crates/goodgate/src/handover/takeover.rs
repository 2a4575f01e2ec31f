//! The new gateway's side: it asks the running one for its sockets, and tells it when it is ready.

use std::io::{self, BufRead, BufReader, IoSliceMut, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::{Descriptor, Hello, Offered, SOCKET, WORDS, Word, line, short_path};

/// How long the running gateway may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The words that come with the descriptors are shorter.
const LONGEST: usize = 4096;

/// The gateway that runs, and what it hands on.
#[derive(Debug)]
pub(crate) struct Predecessor {
    pub(crate) pid: u32,
    pub(crate) version: String,
    lock: Option<OwnedFd>,
    door: Option<TcpListener>,
    admin: Option<TcpListener>,
    stream: UnixStream,
}

/// Why it cannot be taken over from.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeoverError {
    /// The conversation failed.
    #[error("the running gateway cannot be asked for its sockets")]
    Unheard(#[from] io::Error),
    /// It does not want to.
    #[error("the running gateway does not hand over to this version: its log says why; it goes on")]
    Declined,
    /// It waited long enough.
    #[error("the running gateway has waited for too long and goes on alone")]
    TooLate,
}

/// Asks whoever runs on this folder; none if nobody offers anything.
pub(crate) fn ask(folder: &Path) -> Result<Option<Predecessor>, TakeoverError> {
    let Some(mut stream) = connect(folder)? else {
        return Ok(None);
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&line(&Hello {
        words: WORDS,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })?)?;
    let (words, descriptors) = receive(&stream)?;
    if words.is_empty() {
        return Err(TakeoverError::Declined);
    }
    let offered: Offered = serde_json::from_slice(&words).map_err(io::Error::from)?;
    if offered.words != WORDS || offered.descriptors.len() != descriptors.len() {
        return Err(TakeoverError::Declined);
    }
    let mut predecessor = Predecessor {
        pid: offered.pid,
        version: offered.version,
        lock: None,
        door: None,
        admin: None,
        stream,
    };
    for (what, descriptor) in offered.descriptors.into_iter().zip(descriptors) {
        match what {
            Descriptor::Lock => predecessor.lock = Some(descriptor),
            Descriptor::Door => predecessor.door = Some(descriptor.into()),
            Descriptor::Admin => predecessor.admin = Some(descriptor.into()),
        }
    }
    Ok(Some(predecessor))
}

fn connect(folder: &Path) -> io::Result<Option<UnixStream>> {
    let connected =
        short_path(folder).and_then(|(_folder, short)| UnixStream::connect(short.join(SOCKET)));
    match connected {
        Ok(stream) => Ok(Some(stream)),
        Err(error) => match error.kind() {
            // No folder, no socket, or one that a gateway has left behind.
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
            _ => Err(error),
        },
    }
}

/// One message and the descriptors that come with it.
fn receive(stream: &UnixStream) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut words = vec![0; LONGEST];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    #[cfg(target_os = "linux")]
    let flags = RecvFlags::CMSG_CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    let flags = RecvFlags::empty();
    let received = recvmsg(
        stream,
        &mut [IoSliceMut::new(&mut words)],
        &mut beside,
        flags,
    )?;
    let mut descriptors = Vec::new();
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            descriptors.extend(passed);
        }
    }
    for descriptor in &descriptors {
        rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::CLOEXEC)?;
    }
    words.truncate(received.bytes);
    Ok((words, descriptors))
}

impl Predecessor {
    /// The lock of the state folder.
    pub(crate) fn take_lock(&mut self) -> Option<OwnedFd> {
        self.lock.take()
    }

    /// Its socket, if one listens at this address.
    pub(crate) fn take_listener(&mut self, address: SocketAddr) -> Option<TcpListener> {
        for place in [&mut self.door, &mut self.admin] {
            let listens_there = place
                .as_ref()
                .and_then(|socket| socket.local_addr().ok())
                .is_some_and(|at| at == address);
            if listens_there {
                return place.take();
            }
        }
        None
    }

    /// Says that this gateway accepts, and waits until the other one does not.
    pub(crate) fn relieve(mut self) -> Result<(), TakeoverError> {
        self.stream.write_all(&line(&Word::Serving)?)?;
        let mut answer = Vec::new();
        BufReader::new((&self.stream).take(LONGEST as u64)).read_until(b'\n', &mut answer)?;
        // The end of the line is the end of the other one: there is nobody left to wait for.
        if !answer.is_empty()
            && serde_json::from_slice::<Word>(&answer).map_err(io::Error::from)? == Word::TooLate
        {
            return Err(TakeoverError::TooLate);
        }
        Ok(())
    }
}
