//! Where the gateway stands: its sockets and its state folder, opened, passed by a supervisor, or taken over.

use std::net::{SocketAddr, TcpListener};

use config::Snapshot;
use gateway::serve;
use store::StateFolder;

use crate::error::ServeError;
use crate::handover::takeover::{self, Predecessor};
use crate::inherited::Inherited;
use crate::settings::Settings;
use crate::{ServeArguments, admin_listener};

/// What no two gateways may have at a time, unless one hands it to the other.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) door: TcpListener,
    /// The admin API's own listener, where it has one.
    pub(crate) admin: Option<TcpListener>,
    pub(crate) folder: StateFolder,
    /// The gateway that accepts until it is relieved.
    pub(crate) predecessor: Option<Predecessor>,
}

impl Ground {
    /// Takes it all; from a running gateway if the arguments say so.
    pub(crate) fn take(
        arguments: &ServeArguments,
        settings: &Settings,
        snapshot: &Snapshot,
        inherited: Inherited,
    ) -> Result<Self, ServeError> {
        let path = arguments
            .state
            .clone()
            .unwrap_or_else(|| settings.state_folder());
        let mut predecessor = if arguments.takeover {
            takeover::ask(&path)?
        } else {
            None
        };
        let mut open = |passed: Option<TcpListener>, address: SocketAddr| {
            let taken = || predecessor.as_mut()?.take_listener(address);
            passed.or_else(taken).map_or_else(|| listen(address), Ok)
        };
        let door = open(inherited.door, snapshot.server.listen)?;
        // The admin API is on the one port of loopback, else on a listener of its own.
        let admin = match snapshot.admin.listen {
            Some(address) => Some(open(inherited.admin, address)?),
            None if snapshot.server.is_loopback() => None,
            None => Some(open(None, admin_listener::DEFAULT)?),
        };
        let folder = match predecessor.as_mut().and_then(Predecessor::take_lock) {
            Some(lock) => StateFolder::adopt(&path, lock),
            None => hold(&path, &whereabouts(door.local_addr()?, admin.as_ref())?)?,
        };
        Ok(Self {
            door,
            admin,
            folder,
            predecessor,
        })
    }
}

/// What the state folder tells the command line: where calls go, and where the admin API is if that is elsewhere.
pub(crate) fn whereabouts(
    door: SocketAddr,
    admin: Option<&TcpListener>,
) -> std::io::Result<String> {
    match admin {
        Some(admin) => Ok(format!("{door}, admin on {}", admin.local_addr()?)),
        None => Ok(door.to_string()),
    }
}

fn hold(path: &std::path::Path, whereabouts: &str) -> Result<StateFolder, ServeError> {
    let folder = StateFolder::hold(path)?;
    folder.announce(whereabouts)?;
    Ok(folder)
}

fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    serve::bind(address).map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => ServeError::Busy {
            address,
            owner: cli::owner::of_port(address),
        },
        _ => ServeError::Listen { address, source },
    })
}
