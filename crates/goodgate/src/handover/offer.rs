//! The running gateway's side: it offers its sockets to whoever may read its state folder.

use std::fs::{self, Permissions};
use std::io::{self, IoSlice};
use std::net::TcpListener as StdListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde::de::DeserializeOwned;
use store::StateFolder;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Descriptor, Hello, Offered, SOCKET, WORDS, Word, line, short_path};

/// How long a new gateway may take to say who it is.
const HELLO: Duration = Duration::from_secs(5);

/// How long it may take to make itself ready. Migrating a large store is the longest of it.
const READY: Duration = Duration::from_secs(60);

/// No line of the conversation is longer.
const LONGEST: u64 = 4096;

/// What a gateway can hand on.
#[derive(Debug)]
pub(crate) struct Offer {
    folder: Arc<StateFolder>,
    door: StdListener,
    admin: Option<StdListener>,
}

/// The gateway that has taken over.
#[derive(Debug)]
pub(crate) struct Successor {
    pub(crate) pid: Option<u32>,
    pub(crate) version: String,
    stream: BufReader<UnixStream>,
}

impl Offer {
    /// Holds on to the sockets beside those who accept from them.
    pub(crate) fn new(
        folder: Arc<StateFolder>,
        door: &StdListener,
        admin: Option<&StdListener>,
    ) -> io::Result<Self> {
        Ok(Self {
            folder,
            door: door.try_clone()?,
            admin: admin.map(StdListener::try_clone).transpose()?,
        })
    }

    /// Offers until one has taken over, who is told to `taken`. Dropped, it lets go of the sockets.
    pub(crate) async fn make(self, taken: mpsc::Sender<Successor>) {
        let listener = match self.listen() {
            Ok(listener) => listener,
            Err(error) => {
                tracing::warn!(%error, "the sockets cannot be handed on: an upgrade needs a restart");
                return;
            }
        };
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a new gateway could not be heard");
                    tokio::time::sleep(HELLO).await;
                    continue;
                }
            };
            match self.hand_on(stream).await {
                Ok(successor) => {
                    // Nobody listens: the gateway ends, and with it this connection, which the other one notices.
                    drop(taken.send(successor).await);
                    return;
                }
                Err(error) => {
                    tracing::error!(%error, "a new gateway did not take over; this one goes on");
                }
            }
        }
    }

    fn listen(&self) -> io::Result<UnixListener> {
        let (_folder, short) = short_path(self.folder.path())?;
        let (fresh, path): (PathBuf, PathBuf) =
            (short.join(format!(".{SOCKET}.new")), short.join(SOCKET));
        drop(fs::remove_file(&fresh));
        let listener = UnixListener::bind(&fresh)?;
        fs::set_permissions(&fresh, Permissions::from_mode(0o600))?;
        // In one step: a predecessor's socket is replaced, never missing.
        fs::rename(&fresh, &path)?;
        Ok(listener)
    }

    async fn hand_on(&self, stream: UnixStream) -> io::Result<Successor> {
        let peer = stream.peer_cred()?;
        if peer.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other("it runs as another user"));
        }
        let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok());
        let mut stream = BufReader::new(stream);
        let hello: Hello = timeout(HELLO, read(&mut stream)).await??;
        if hello.words != WORDS {
            return Err(io::Error::other(format!(
                "version {} takes over in another way: stop this one, then start that",
                hello.version
            )));
        }
        tracing::info!("goodgate {} takes over", hello.version);
        self.send(stream.get_ref()).await?;
        let word = match timeout(READY, read::<Word>(&mut stream)).await {
            Ok(word) => word?,
            Err(elapsed) => {
                write(&mut stream, Word::TooLate).await?;
                return Err(elapsed.into());
            }
        };
        if word != Word::Serving {
            return Err(io::Error::other("it said something out of turn"));
        }
        Ok(Successor {
            pid,
            version: hello.version,
            stream,
        })
    }

    /// The words and the descriptors, in one message.
    async fn send(&self, stream: &UnixStream) -> io::Result<()> {
        let lock: OwnedFd = self.folder.lock_for_successor().map_err(io::Error::other)?;
        let mut descriptors = vec![Descriptor::Lock, Descriptor::Door];
        let mut passed = vec![lock.as_fd(), self.door.as_fd()];
        if let Some(admin) = &self.admin {
            descriptors.push(Descriptor::Admin);
            passed.push(admin.as_fd());
        }
        let words = line(&Offered {
            words: WORDS,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            descriptors,
        })?;
        let sent = stream
            .async_io(Interest::WRITABLE, || {
                let mut space =
                    [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
                let mut beside = SendAncillaryBuffer::new(&mut space);
                if !beside.push(SendAncillaryMessage::ScmRights(&passed)) {
                    return Err(io::ErrorKind::OutOfMemory.into());
                }
                let sent = sendmsg(
                    stream,
                    &[IoSlice::new(&words)],
                    &mut beside,
                    SendFlags::NOSIGNAL,
                );
                sent.map_err(io::Error::from)
            })
            .await?;
        if sent < words.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(())
    }
}

impl Successor {
    /// Tells it that nobody else accepts any more.
    pub(crate) async fn tell_done(mut self) {
        if let Err(error) = write(&mut self.stream, Word::Done).await {
            tracing::debug!(%error, "the new gateway does not listen any more");
        }
    }
}

async fn read<T: DeserializeOwned>(stream: &mut BufReader<UnixStream>) -> io::Result<T> {
    let mut line = Vec::new();
    stream.take(LONGEST).read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "it ended before it was ready",
        ));
    }
    Ok(serde_json::from_slice(&line)?)
}

async fn write(stream: &mut BufReader<UnixStream>, word: Word) -> io::Result<()> {
    stream.get_mut().write_all(&line(&word)?).await
}
