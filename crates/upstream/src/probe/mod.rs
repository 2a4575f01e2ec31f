//! Looks at the way to a destination layer by layer: every name server and family, every address, the handshake and
//! the certificates. For `goodgate doctor`; no call goes this way.
//!
//! What fails is told as the same [`Evidence`] that an attempt gives, so that one classifier judges both.

mod certificate;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use diagnosis::{AddressTried, Evidence, Fault, LimitFired, Phase};
use parking_lot::Mutex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use types::Clock;

use crate::attempt::Timers;
use crate::connect::{ADDRESSES, describe, dial, telling};
use crate::connection::{Counted, version_name};
use crate::destination::Destination;
use crate::dns::{Family, KnownBy, Resolver};
use crate::faults::{connect_fault, handshake_fault};
use crate::timer::{Limit, Timer, Wait, within};
use crate::tls;

pub use certificate::Certificate;

/// What each layer showed; a layer that was not reached is empty.
#[derive(Debug)]
pub struct Layers {
    /// Looking up the name.
    pub names: Names,
    /// Connecting, one entry for each address, in the order in which a call would try them.
    pub addresses: Vec<Address>,
    /// The handshake; `None` where it was not reached, and for plain destinations.
    pub handshake: Option<Handshake>,
    /// What ended the look, with the phase it ended in; `None` where everything stood.
    pub failure: Option<Box<Evidence>>,
}

/// What is known of a name.
#[derive(Debug)]
pub struct Names {
    /// Who was asked.
    pub by: KnownBy,
    /// How long a call waits for the addresses.
    pub took: Duration,
    /// Each server's answer for each family; empty where no server is asked.
    pub answers: Vec<NameAnswer>,
}

/// What one server says of one family.
#[derive(Debug)]
pub struct NameAnswer {
    /// The server.
    pub server: SocketAddr,
    /// The family.
    pub family: Family,
    /// How many addresses it has, and for how long they hold; or why it has none.
    pub found: Result<(usize, Duration), Fault>,
    /// How long it took.
    pub took: Duration,
}

/// One address.
#[derive(Debug)]
pub struct Address {
    /// The address.
    pub address: SocketAddr,
    /// How long it took to connect, or to fail.
    pub took: Duration,
    /// Why it did not connect.
    pub fault: Option<Fault>,
    /// The same in words: `connected`, `refused`, `no answer`.
    pub result: String,
}

/// What a handshake showed, whether it came to its end or not.
#[derive(Debug)]
pub struct Handshake {
    /// The address it was done with.
    pub peer: SocketAddr,
    /// How long it took.
    pub took: Duration,
    /// `TLSv1.3`; `None` where nothing was agreed.
    pub version: Option<&'static str>,
    /// The protocol that was agreed: `http/1.1`.
    pub protocol: Option<String>,
    /// The certificates that the server showed, its own first. Those that cannot be read are left out.
    pub chain: Vec<Certificate>,
}

/// Looks at the way to `to`.
///
/// # Cancel safety
/// Dropping it closes what it has opened.
pub async fn look(
    resolver: &Resolver,
    clock: &Arc<dyn Clock>,
    to: &Destination,
    timers: &Timers,
) -> Layers {
    let mut look = Look {
        resolver,
        clock,
        to,
        timers,
        start: clock.now(),
        evidence: Box::default(),
        names: Names {
            by: resolver.who_knows(&to.host),
            took: Duration::ZERO,
            answers: Vec::new(),
        },
        addresses: Vec::new(),
        handshake: None,
    };
    let failure = look.run().await.err().map(|(fault, limit)| {
        let mut evidence = std::mem::take(&mut look.evidence);
        evidence.fault = Some(fault);
        evidence.limit = limit;
        evidence.times.end = Some(look.since_start());
        evidence
    });
    Layers {
        names: look.names,
        addresses: look.addresses,
        handshake: look.handshake,
        failure,
    }
}

type Failed = (Fault, Option<LimitFired>);

struct Look<'a> {
    resolver: &'a Resolver,
    clock: &'a Arc<dyn Clock>,
    to: &'a Destination,
    timers: &'a Timers,
    start: Instant,
    evidence: Box<Evidence>,
    names: Names,
    addresses: Vec<Address>,
    handshake: Option<Handshake>,
}

impl Look<'_> {
    async fn run(&mut self) -> Result<(), Failed> {
        let mut timer = Timer::default();
        let addresses = self.resolve(&mut timer).await?;
        self.evidence.phase = Phase::Connect;
        let (tcp, peer) = self.connect(&addresses).await?;
        self.evidence.peer = Some(peer);
        self.evidence.times.connect = Some(self.since_start());
        if let Some(policy) = self.to.tls.clone() {
            self.evidence.phase = Phase::Tls;
            self.shake_hands(&policy, tcp, peer, &mut timer).await?;
            self.evidence.times.tls = Some(self.since_start());
        }
        Ok(())
    }

    /// The addresses as a call gets them, and what each server says by itself.
    async fn resolve(&mut self, timer: &mut Timer) -> Result<Vec<SocketAddr>, Failed> {
        self.evidence.phase = Phase::Dns;
        let servers = match &self.names.by {
            KnownBy::Servers(servers) => servers.clone(),
            KnownBy::Itself | KnownBy::HostsFile(_) | KnownBy::Library => Vec::new(),
        };
        let host = &self.to.host;
        let limit = self.limit(Wait::Dns, self.timers.dns);
        let looked = async {
            match Resolver::literal(host) {
                Some(addresses) => (Some(Ok(addresses)), self.clock.now()),
                None => {
                    let found = within(timer, limit.at, self.resolver.lookup(host)).await;
                    (
                        found.map(|found| found.map(|found| found.to_vec())),
                        self.clock.now(),
                    )
                }
            }
        };
        let ((found, done), answers) =
            tokio::join!(looked, ask_all(self.clock, &servers, host, limit.at));
        self.names.took = done.saturating_duration_since(self.start);
        self.names.answers = answers;
        self.evidence.times.dns = Some(self.names.took);
        let found = match found {
            Some(Ok(found)) => found,
            Some(Err(fault)) => return Err((Fault::from(fault), None)),
            None => {
                let (fault, fired) = limit.fired();
                return Err((fault, Some(fired)));
            }
        };
        let mut allowed = Vec::new();
        for address in found {
            if self.to.reach.allows(address, host) && allowed.len() < ADDRESSES {
                allowed.push(SocketAddr::new(address, self.to.port));
            }
        }
        if allowed.is_empty() {
            let errno = nix::libc::EACCES;
            return Err((Fault::Unreachable { errno }, None));
        }
        Ok(allowed)
    }

    /// Connects to every address; gives the connection of the first one, in the order in which a call would try them.
    async fn connect(
        &mut self,
        addresses: &[SocketAddr],
    ) -> Result<(TcpStream, SocketAddr), Failed> {
        let limit = self.limit(Wait::Connect, self.timers.connect);
        let mut dialled = JoinSet::new();
        for (place, address) in addresses.iter().copied().enumerate() {
            let until = tokio::time::Instant::from_std(limit.at);
            let clock = Arc::clone(self.clock);
            dialled.spawn(async move {
                let since = clock.now();
                let tcp = tokio::time::timeout_at(until, dial(address)).await;
                let took = clock.now().saturating_duration_since(since);
                (place, address, took, tcp.ok())
            });
        }
        let mut ended = Vec::new();
        while let Some(joined) = dialled.join_next().await {
            ended.extend(joined);
        }
        ended.sort_by_key(|(place, ..)| *place);
        let mut first = None;
        let mut worst: Option<Fault> = None;
        for (_, address, took, tcp) in ended {
            let (fault, result) = match tcp {
                Some(Ok(tcp)) => {
                    first = first.or(Some((tcp, address)));
                    (None, "connected".to_owned())
                }
                Some(Err(error)) => (
                    Some(connect_fault(&error, address.is_ipv6())),
                    describe(&error),
                ),
                None => (Some(Fault::ConnectTimeout), "no answer".to_owned()),
            };
            if let Some(fault) = &fault
                && worst
                    .as_ref()
                    .is_none_or(|known| telling(fault) > telling(known))
            {
                worst = Some(fault.clone());
            }
            self.evidence.addresses.push(AddressTried {
                address,
                ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                result: result.clone(),
            });
            self.addresses.push(Address {
                address,
                took,
                fault,
                result,
            });
        }
        first.ok_or_else(|| {
            let fault = worst.unwrap_or(Fault::ConnectTimeout);
            let fired = (fault == Fault::ConnectTimeout).then(|| limit.fired().1);
            (fault, fired)
        })
    }

    async fn shake_hands(
        &mut self,
        policy: &tls::TlsPolicy,
        tcp: TcpStream,
        peer: SocketAddr,
        timer: &mut Timer,
    ) -> Result<(), Failed> {
        let name = policy.name_for(&self.to.host).map_err(|error| {
            let detail = error.to_string();
            (Fault::TlsOther { detail }, None)
        })?;
        let shown = Arc::new(Mutex::new(Vec::new()));
        let config = policy.witnessed(|verifier| {
            Arc::new(Witness {
                verifier,
                shown: Arc::clone(&shown),
            })
        });
        let limit = self.limit(Wait::Tls, self.timers.tls);
        let since = self.clock.now();
        let (socket, seen) = Counted::new(tcp).watched();
        let shaken = within(
            timer,
            limit.at,
            TlsConnector::from(config).connect(name, socket),
        )
        .await;
        let mut handshake = Handshake {
            peer,
            took: self.clock.now().saturating_duration_since(since),
            version: None,
            protocol: None,
            chain: std::mem::take(&mut *shown.lock()),
        };
        let seen = *seen.lock();
        self.evidence.bytes.sent = seen.written;
        self.evidence.bytes.received = seen.read;
        let failed = match shaken {
            Some(Ok(stream)) => {
                let session = stream.get_ref().1;
                handshake.version = version_name(session.protocol_version());
                handshake.protocol = session
                    .alpn_protocol()
                    .map(|name| String::from_utf8_lossy(name).into_owned());
                None
            }
            Some(Err(error)) => {
                let unix = i64::try_from(self.clock.unix_millis() / 1000).unwrap_or(i64::MAX);
                Some((handshake_fault(&error, seen.opening(), unix), None))
            }
            None => {
                let (fault, fired) = limit.fired();
                Some((fault, Some(fired)))
            }
        };
        self.handshake = Some(handshake);
        failed.map_or(Ok(()), Err)
    }

    fn limit(&self, wait: Wait, value: Duration) -> Limit {
        Limit::new(wait, value, self.clock.now(), self.timers.deadline)
    }

    fn since_start(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.start)
    }
}

/// Asks every server for both families at once; whoever is silent until `until` is late.
async fn ask_all(
    clock: &Arc<dyn Clock>,
    servers: &[SocketAddr],
    host: &str,
    until: Instant,
) -> Vec<NameAnswer> {
    let mut asked = JoinSet::new();
    let until = tokio::time::Instant::from_std(until);
    for (place, server) in servers.iter().copied().enumerate() {
        for family in [Family::V4, Family::V6] {
            let (host, clock) = (host.to_owned(), Arc::clone(clock));
            asked.spawn(async move {
                let since = clock.now();
                let asked = Resolver::ask_one(server, &host, family);
                let found = tokio::time::timeout_at(until, asked).await;
                let took = clock.now().saturating_duration_since(since);
                (place, server, family, found, took)
            });
        }
    }
    let mut answers = Vec::new();
    while let Some(joined) = asked.join_next().await {
        let Ok((place, server, family, found, took)) = joined else {
            continue;
        };
        let found = match found {
            Ok(Ok(found)) => Ok((found.addresses.len(), found.ttl)),
            Ok(Err(fault)) => Err(Fault::from(fault)),
            Err(_late) => Err(Fault::DnsTimeout),
        };
        let answer = NameAnswer {
            server,
            family,
            found,
            took,
        };
        answers.push((place, answer));
    }
    answers.sort_by_key(|(place, answer)| (*place, answer.family == Family::V6));
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// Keeps what a server shows and leaves the judgement to the verifier that always judges.
#[derive(Debug)]
struct Witness {
    verifier: Arc<dyn ServerCertVerifier>,
    shown: Arc<Mutex<Vec<Certificate>>>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.shown.lock() = std::iter::once(end_entity)
            .chain(intermediates)
            .filter_map(|certificate| Certificate::read(certificate))
            .collect();
        self.verifier
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
