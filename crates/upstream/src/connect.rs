//! Opens a connection: name, addresses side by side, handshake; each timed and limited by itself.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use diagnosis::{AddressTried, Evidence, Fault, LimitFired, Phase};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use types::Clock;

use crate::attempt::Timers;
use crate::connection::{Connection, Counted, Seen};
use crate::destination::Destination;
use crate::dns::Resolver;
use crate::faults::{connect_fault, handshake_fault};
use crate::timer::{Limit, Timer, Wait, within};
use crate::tls;

/// Head start of one address over the next. Source: RFC 8305, section 5, "Connection Attempt Delay".
const HEAD_START: Duration = Duration::from_millis(250);

/// Most addresses tried for one connection; more only prolong a failure.
pub(crate) const ADDRESSES: usize = 8;

/// What ended the opening.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) fault: Fault,
    pub(crate) limit: Option<LimitFired>,
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self { fault, limit: None }
    }
}

impl From<Limit> for Failed {
    fn from(limit: Limit) -> Self {
        let (fault, fired) = limit.fired();
        Self {
            fault,
            limit: Some(fired),
        }
    }
}

/// What opening a connection needs of its client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opener<'a> {
    pub(crate) resolver: &'a Resolver,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) start: Instant,
    pub(crate) to: &'a Destination,
    pub(crate) timers: &'a Timers,
}

impl Opener<'_> {
    /// Opens a connection; phase, times, addresses and peer are noted in the evidence on the way.
    pub(crate) async fn open(
        &self,
        timer: &mut Timer,
        evidence: &mut Evidence,
    ) -> Result<Box<Connection>, Failed> {
        let addresses = self.resolve(timer, evidence).await?;
        evidence.phase = Phase::Connect;
        let (tcp, peer) = self.connect(&addresses, timer, evidence).await?;
        evidence.peer = Some(peer);
        evidence.times.connect = Some(self.since_start());
        let socket = Counted::new(tcp);
        let Some(policy) = &self.to.tls else {
            return Ok(Box::new(Connection::plain(socket, peer, self.clock.now())));
        };
        evidence.phase = Phase::Tls;
        let connection = self.shake_hands(policy, socket, timer, evidence).await?;
        evidence.times.tls = Some(self.since_start());
        Ok(connection)
    }

    async fn resolve(
        &self,
        timer: &mut Timer,
        evidence: &mut Evidence,
    ) -> Result<Vec<SocketAddr>, Failed> {
        evidence.phase = Phase::Dns;
        let found = match Resolver::literal(&self.to.host) {
            Some(addresses) => addresses,
            None => {
                let found = self.ask(timer).await?;
                evidence.times.dns = Some(self.since_start());
                found.to_vec()
            }
        };
        let mut allowed = Vec::with_capacity(found.len().min(ADDRESSES));
        for address in found {
            let address = SocketAddr::new(address, self.to.port);
            if self.to.reach.allows(address.ip(), &self.to.host) {
                allowed.push(address);
            } else {
                let result = "not allowed: a private, link-local or metadata address".to_owned();
                evidence.addresses.push(AddressTried {
                    address,
                    ms: 0,
                    result,
                });
            }
        }
        allowed.truncate(ADDRESSES);
        if allowed.is_empty() {
            // The system's own number for "may not": nothing was sent, nothing will change by itself.
            return Err(Fault::Unreachable {
                errno: nix::libc::EACCES,
            }
            .into());
        }
        Ok(allowed)
    }

    async fn ask(&self, timer: &mut Timer) -> Result<Arc<[IpAddr]>, Failed> {
        let limit = Limit::new(
            Wait::Dns,
            self.timers.dns,
            self.clock.now(),
            self.timers.deadline,
        );
        match within(timer, limit.at, self.resolver.lookup(&self.to.host)).await {
            Some(found) => found.map_err(|fault| Fault::from(fault).into()),
            None if limit.is_deadline() => Err(limit.into()),
            None => self
                .resolver
                .timed_out(&self.to.host)
                .ok_or_else(|| limit.into()),
        }
    }

    async fn connect(
        &self,
        addresses: &[SocketAddr],
        timer: &mut Timer,
        evidence: &mut Evidence,
    ) -> Result<(TcpStream, SocketAddr), Failed> {
        let limit = Limit::new(
            Wait::Connect,
            self.timers.connect,
            self.clock.now(),
            self.timers.deadline,
        );
        let mut race = Race::new(self.clock, addresses);
        let outcome = within(timer, limit.at, race.run()).await;
        evidence
            .addresses
            .append(&mut race.report(outcome.is_some()));
        let (tcp, peer) = match outcome {
            Some(Ok(won)) => won,
            Some(Err(fault)) => return Err(fault.into()),
            None => return Err(limit.into()),
        };
        tune(&tcp).map_err(|error| Failed::from(connect_fault(&error, peer.is_ipv6())))?;
        if addresses.len() > 1 {
            self.resolver.connected(&self.to.host, peer.ip());
        }
        Ok((tcp, peer))
    }

    async fn shake_hands(
        &self,
        policy: &tls::TlsPolicy,
        socket: Counted,
        timer: &mut Timer,
        evidence: &mut Evidence,
    ) -> Result<Box<Connection>, Failed> {
        let peer = evidence
            .peer
            .unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
        let name = policy
            .name_for(&self.to.host)
            .map_err(|error| Fault::TlsOther {
                detail: tls::bad_name(&error).to_string(),
            })?;
        let limit = Limit::new(
            Wait::Tls,
            self.timers.tls,
            self.clock.now(),
            self.timers.deadline,
        );
        let (socket, seen) = socket.watched();
        let handshake = TlsConnector::from(policy.config()).connect(name, socket);
        match within(timer, limit.at, handshake).await {
            Some(Ok(stream)) => Ok(Box::new(Connection::tls(stream, peer, self.clock.now()))),
            Some(Err(error)) => {
                let seen = *seen.lock();
                note_bytes(evidence, &seen);
                Err(handshake_fault(&error, seen.opening(), self.unix()).into())
            }
            None => {
                note_bytes(evidence, &seen.lock());
                Err(limit.into())
            }
        }
    }

    fn since_start(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.start)
    }

    fn unix(&self) -> i64 {
        i64::try_from(self.clock.unix_millis() / 1000).unwrap_or(i64::MAX)
    }
}

fn note_bytes(evidence: &mut Evidence, seen: &Seen) {
    evidence.bytes.sent = seen.written;
    evidence.bytes.received = seen.read;
}

type Connecting = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

/// Addresses tried side by side, each with a head start over the next (RFC 8305).
struct Race<'a> {
    clock: &'a dyn Clock,
    waiting: std::slice::Iter<'a, SocketAddr>,
    running: Vec<Runner>,
    tried: Vec<AddressTried>,
    worst: Option<Fault>,
}

struct Runner {
    address: SocketAddr,
    since: Instant,
    connecting: Connecting,
}

impl<'a> Race<'a> {
    fn new(clock: &'a dyn Clock, addresses: &'a [SocketAddr]) -> Self {
        Self {
            clock,
            waiting: addresses.iter(),
            running: Vec::new(),
            tried: Vec::new(),
            worst: None,
        }
    }

    /// The first connection that stands, or the most telling failure of all.
    async fn run(&mut self) -> Result<(TcpStream, SocketAddr), Fault> {
        self.start_next();
        loop {
            if self.running.is_empty() && !self.start_next() {
                return Err(self.worst.take().unwrap_or(Fault::ConnectTimeout));
            }
            let finished = if self.waiting.len() == 0 {
                Some(self.first_finished().await)
            } else {
                // A failure starts the next at once; silence starts it after the head start.
                tokio::time::timeout(HEAD_START, self.first_finished())
                    .await
                    .ok()
            };
            match finished {
                None => {
                    self.start_next();
                }
                Some((runner, Ok(tcp))) => {
                    self.note(&runner, "connected");
                    return Ok((tcp, runner.address));
                }
                Some((runner, Err(error))) => {
                    self.note(&runner, &describe(&error));
                    self.keep_worst(connect_fault(&error, runner.address.is_ipv6()));
                    self.start_next();
                }
            }
        }
    }

    fn start_next(&mut self) -> bool {
        let Some(address) = self.waiting.next().copied() else {
            return false;
        };
        let since = self.clock.now();
        self.running.push(Runner {
            address,
            since,
            connecting: Box::pin(dial(address)),
        });
        true
    }

    async fn first_finished(&mut self) -> (Runner, io::Result<TcpStream>) {
        poll_fn(|cx| {
            let finished = self
                .running
                .iter_mut()
                .enumerate()
                .find_map(
                    |(place, runner)| match runner.connecting.as_mut().poll(cx) {
                        Poll::Ready(result) => Some((place, result)),
                        Poll::Pending => None,
                    },
                );
            match finished {
                Some((place, result)) => Poll::Ready((self.running.swap_remove(place), result)),
                None => Poll::Pending,
            }
        })
        .await
    }

    fn note(&mut self, runner: &Runner, result: &str) {
        let took = self.clock.now().saturating_duration_since(runner.since);
        self.tried.push(AddressTried {
            address: runner.address,
            ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            result: result.to_owned(),
        });
    }

    fn keep_worst(&mut self, fault: Fault) {
        if self
            .worst
            .as_ref()
            .is_none_or(|known| telling(&fault) > telling(known))
        {
            self.worst = Some(fault);
        }
    }

    /// All addresses tried, those still under way as such.
    fn report(mut self, outcome_known: bool) -> Vec<AddressTried> {
        let result = if outcome_known {
            "abandoned"
        } else {
            "no answer"
        };
        for runner in std::mem::take(&mut self.running) {
            self.note(&runner, result);
        }
        self.tried
    }
}

/// Which failure says most about why none of the addresses would do: somebody's answer before silence before no route.
pub(crate) fn telling(fault: &Fault) -> u8 {
    match fault {
        Fault::LocalResource { .. } => 5,
        Fault::Refused => 4,
        Fault::Reset => 3,
        Fault::ConnectTimeout => 2,
        Fault::Unreachable { .. } => 1,
        _ => 0,
    }
}

pub(crate) fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "refused".to_owned(),
        io::ErrorKind::TimedOut => "no answer".to_owned(),
        _ => error.raw_os_error().map_or_else(
            || error.to_string(),
            |errno| nix::errno::Errno::from_raw(errno).desc().to_lowercase(),
        ),
    }
}

pub(crate) async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.connect(address).await
}

/// No delay for small writes; a peer that vanished is noticed within half a minute.
/// Source of the numbers: architecture.md, Connections.
fn tune(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(tcp);
    let keep_alive = TcpKeepalive::new()
        .with_time(Duration::from_secs(15))
        .with_interval(Duration::from_secs(5))
        .with_retries(3);
    socket.set_tcp_keepalive(&keep_alive)?;
    socket.set_tcp_user_timeout(Some(Duration::from_secs(20)))
}
