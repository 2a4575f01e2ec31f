//! Sockets that a supervisor has opened for us: systemd's socket activation. Source: `sd_listen_fds(3)`.

use std::net::{SocketAddr, TcpListener};

use config::Environment;
use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;

use crate::error::ServeError;

/// The name under which a unit passes the admin API's socket (`FileDescriptorName=`); any other name is the door's.
const ADMIN: &str = "admin";

/// What was passed.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    pub(crate) door: Option<TcpListener>,
    pub(crate) admin: Option<TcpListener>,
}

impl Inherited {
    /// Takes the sockets that the environment announces, if they are meant for this process.
    pub(crate) fn take(environment: &Environment) -> Result<Self, ServeError> {
        let own = std::process::id().to_string();
        // Without the check a program that a service starts would take its parent's files for sockets.
        if environment.get("LISTEN_PID") != Some(&own) {
            return Ok(Self::default());
        }
        let names: Vec<_> = environment
            .get("LISTEN_FDNAMES")
            .map(|names| names.split(':').collect())
            .unwrap_or_default();
        let mut passed = ListenFd::from_env();
        let mut inherited = Self::default();
        for number in 0..passed.len() {
            let name = names.get(number).copied().unwrap_or_default();
            let unusable = |why: &str| ServeError::Inherited {
                name: name.to_owned(),
                why: why.to_owned(),
            };
            let socket = passed
                .take_tcp_listener(number)
                .map_err(|error| unusable(&error.to_string()))?;
            let Some(socket) = socket else { continue };
            if !socket_acceptconn(&socket).is_ok_and(|listens| listens) {
                return Err(unusable(
                    "it does not listen: set Accept=no in the socket unit",
                ));
            }
            let place = if name == ADMIN {
                &mut inherited.admin
            } else {
                &mut inherited.door
            };
            if place.replace(socket).is_some() {
                return Err(unusable(
                    "it is the second of its kind: pass one for the door, and at most one with \
                     FileDescriptorName=admin",
                ));
            }
        }
        Ok(inherited)
    }

    /// Where the door's socket listens.
    pub(crate) fn door_address(&self) -> Result<Option<SocketAddr>, ServeError> {
        Ok(self
            .door
            .as_ref()
            .map(TcpListener::local_addr)
            .transpose()?)
    }

    /// Where the admin API's socket listens.
    pub(crate) fn admin_address(&self) -> Result<Option<SocketAddr>, ServeError> {
        Ok(self
            .admin
            .as_ref()
            .map(TcpListener::local_addr)
            .transpose()?)
    }
}
