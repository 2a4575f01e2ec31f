//! Why the gateway does not run, and with which exit code it says so.

use std::net::SocketAddr;
use std::path::PathBuf;

use config::keys;
use gateway::policy::NotReady;
use store::StoreError;

use crate::handover::takeover::TakeoverError;
use crate::settings::SettingsError;

/// Why the gateway does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The configuration.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// What the configuration names cannot be used.
    #[error(transparent)]
    NotReady(#[from] NotReady),
    /// The state folder or the store.
    #[error(transparent)]
    Store(StoreError),
    /// The state folder cannot be made, read or written.
    #[error("{0}: name a folder that this user may write with --state")]
    Folder(#[source] StoreError),
    /// Another gateway has the state folder.
    #[error(
        "{0}: stop that one, name another folder with --state, or replace it without losing a call by --takeover"
    )]
    Held(StoreError),
    /// The port is taken.
    #[error("{address} is in use{}: end that program, or choose another port with --listen 127.0.0.1:PORT", owner.as_ref().map_or(String::new(), |owner| format!(" by {owner}")))]
    Busy {
        /// The address.
        address: SocketAddr,
        /// Who has it.
        owner: Option<String>,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A supervisor passed sockets that are of no use.
    #[error("the socket '{name}' that was passed by LISTEN_FDS cannot be used: {why}")]
    Inherited {
        /// Its name.
        name: String,
        /// Why not.
        why: String,
    },
    /// The running gateway keeps its place.
    #[error("this gateway does not take over")]
    Takeover(#[from] TakeoverError),
    /// The file for log lines cannot be written.
    #[error("{} cannot be written: fix telemetry.log.file, or the rights of its folder", file.display())]
    LogFile {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The system.
    #[error("the system refused")]
    System(#[from] std::io::Error),
    /// No randomness for keys.
    #[error("no key can be made")]
    NoRandomness(#[from] keys::NoRandomness),
}

impl From<StoreError> for ServeError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::InUse { .. } => Self::Held(error),
            StoreError::Io { .. } => Self::Folder(error),
            error => Self::Store(error),
        }
    }
}

impl ServeError {
    /// 3: do not restart, the configuration must change; 1: anything else.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) | Self::NotReady(_) | Self::LogFile { .. } => 3,
            Self::Store(_)
            | Self::Folder(_)
            | Self::Held(_)
            | Self::Busy { .. }
            | Self::Listen { .. }
            | Self::Inherited { .. }
            | Self::Takeover(_)
            | Self::System(_)
            | Self::NoRandomness(_) => 1,
        }
    }
}
