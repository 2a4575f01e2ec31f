//! Names asked of a name server that answers as told, on loopback.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use diagnosis::{Evidence, Fault, Phase, judge};
use types::{Clock, ManualClock, SystemClock};
use upstream::dns::NameSource;
use upstream::{Client, ClientOptions, Destination, Resolver, ResolverOptions};

use crate::server::{Server, get, ok, read_request, text, timers};

/// What the name server does with a question.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Says {
    Address(Ipv4Addr, u32),
    NothingThere,
    NoSuchName,
    CannotSay,
    Refuses,
    Silence,
}

pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    says: mpsc::Sender<Says>,
    asked: Arc<AtomicUsize>,
}

impl NameServer {
    pub(crate) fn start(first: Says) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let (says, told) = mpsc::channel();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut now = first;
            let mut packet = [0u8; 1500];
            while let Ok((size, from)) = socket.recv_from(&mut packet) {
                now = told.try_iter().last().unwrap_or(now);
                count.fetch_add(1, Ordering::SeqCst);
                if let Some(answer) = reply(&packet[..size], now) {
                    socket.send_to(&answer, from).unwrap();
                }
            }
        });
        Self {
            address,
            says,
            asked,
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn client(&self, clock: Arc<dyn Clock>) -> Client {
        let options = ResolverOptions {
            source: NameSource::Servers(vec![self.address]),
            ..ResolverOptions::default()
        };
        let resolver = Arc::new(Resolver::new(options, Arc::clone(&clock)));
        Client::new(ClientOptions::new(resolver, clock))
    }
}

/// An answer to a question, made from the question's own bytes. Source: RFC 1035, section 4.
fn reply(question: &[u8], says: Says) -> Option<Vec<u8>> {
    let end = 12 + question[12..].iter().position(|byte| *byte == 0)? + 5;
    let wants_v4 = question[end - 4..end - 2] == [0, 1];
    let (code, records) = match says {
        Says::Silence => return None,
        Says::Address(..) if wants_v4 => (0, 1),
        Says::Address(..) | Says::NothingThere => (0, 0),
        Says::NoSuchName => (3, 0),
        Says::CannotSay => (2, 0),
        Says::Refuses => (5, 0),
    };
    let mut answer = question[..2].to_vec();
    answer.extend_from_slice(&[0x81, 0x80 | code, 0, 1, 0, records, 0, 0, 0, 0]);
    answer.extend_from_slice(&question[12..end]);
    if let (1, Says::Address(address, ttl)) = (records, says) {
        answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1]);
        answer.extend_from_slice(&ttl.to_be_bytes());
        answer.extend_from_slice(&[0, 4]);
        answer.extend_from_slice(&address.octets());
    }
    Some(answer)
}

async fn fails(client: &Client, host: &str, limit: Duration) -> Evidence {
    let mut timers = timers();
    timers.dns = limit;
    *client
        .send(&Destination::plain(host, 9), get(), &timers)
        .await
        .unwrap_err()
}

const LIMIT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_server_that_cannot_say_does_not_speak_for_one_that_can() {
    let local = Says::Address(Ipv4Addr::LOCALHOST, 60);
    for (first, second, code) in [
        (Says::CannotSay, local, "connection_refused"),
        (local, Says::Refuses, "connection_refused"),
        (Says::Refuses, Says::NoSuchName, "dns_name_not_found"),
        (Says::CannotSay, Says::Refuses, "dns_failure"),
    ] {
        // Which of two answers first is chance: every order must end the same way.
        for _ in 0..10 {
            let servers = [NameServer::start(first), NameServer::start(second)];
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let options = ResolverOptions {
                source: NameSource::Servers(servers.iter().map(|one| one.address).collect()),
                ..ResolverOptions::default()
            };
            let resolver = Arc::new(Resolver::new(options, Arc::clone(&clock)));
            let client = Client::new(ClientOptions::new(resolver, clock));
            let evidence = fails(&client, "api.drill.example", LIMIT).await;
            let told = judge(&evidence).code.as_str();
            assert_eq!(told, code, "{first:?} {second:?}: {evidence:?}");
        }
    }
}

#[tokio::test]
async fn what_a_name_server_says_is_told_apart() {
    let cases = [
        (Says::NoSuchName, "dns_name_not_found"),
        (Says::NothingThere, "dns_name_not_found"),
        (Says::CannotSay, "dns_failure"),
        (Says::Refuses, "dns_failure"),
    ];
    for (says, code) in cases {
        let server = NameServer::start(says);
        let client = server.client(Arc::new(SystemClock));
        let evidence = fails(&client, "api.drill.example", LIMIT).await;
        assert_eq!(evidence.phase, Phase::Dns);
        assert_eq!(
            judge(&evidence).code.as_str(),
            code,
            "{says:?}: {evidence:?}"
        );
    }
    let server = NameServer::start(Says::Silence);
    let client = server.client(Arc::new(SystemClock));
    let evidence = fails(&client, "api.drill.example", Duration::from_millis(80)).await;
    assert_eq!(evidence.fault, Some(Fault::DnsTimeout));
    assert_eq!(evidence.limit.unwrap().name, "dns");
    assert_eq!(judge(&evidence).code.as_str(), "dns_failure");
}

#[tokio::test]
async fn a_name_that_cannot_exist_is_not_found() {
    let server = NameServer::start(Says::NoSuchName);
    let client = server.client(Arc::new(SystemClock));
    let host = format!("{}.example", "a".repeat(70));
    let evidence = fails(&client, &host, LIMIT).await;
    assert_eq!(evidence.fault, Some(Fault::DnsNotFound));
    assert_eq!(server.asked(), 0);
}

/// A web server, a name server that leads to it, and a clock to turn.
struct Stage {
    names: NameServer,
    clock: ManualClock,
    client: Client,
    to: Destination,
}

impl Stage {
    fn set(says: Says) -> Self {
        let server = Server::start(
            (0..16)
                .map(|_| {
                    Box::new(|mut stream: std::net::TcpStream| {
                        read_request(&mut stream);
                        std::io::Write::write_all(&mut stream, &ok("here")).unwrap();
                    }) as crate::server::Act
                })
                .collect(),
        );
        let names = NameServer::start(says);
        let clock = ManualClock::default();
        let client = names.client(Arc::new(clock.clone()));
        // No connection is kept, so that every call looks its name up.
        let to = Destination::plain("api.drill.example", server.address.port())
            .with_idle_limit(Duration::ZERO);
        Self {
            names,
            clock,
            client,
            to,
        }
    }

    async fn call(&self) -> Result<Option<Duration>, Fault> {
        let mut timers = timers();
        // The manual clock lies behind the runtime's: its limits are far in its future.
        timers.deadline = types::Deadline::after(self.clock.now(), Duration::from_secs(900));
        timers.dns = Duration::from_secs(800);
        timers.connect = timers.dns;
        timers.header = timers.dns;
        match self.client.send(&self.to, get(), &timers).await {
            Ok(mut answered) => {
                assert_eq!(text(&mut answered).await, "here");
                assert_eq!(
                    answered.evidence.peer.unwrap().ip(),
                    IpAddr::V4(Ipv4Addr::LOCALHOST)
                );
                Ok(answered.evidence.times.dns)
            }
            Err(evidence) => Err(evidence.fault.unwrap()),
        }
    }
}

#[tokio::test]
async fn an_answer_is_believed_for_its_time() {
    let stage = Stage::set(Says::Address(Ipv4Addr::LOCALHOST, 30));
    stage.call().await.unwrap();
    let first = stage.names.asked();
    stage.clock.advance(Duration::from_secs(20));
    stage.call().await.unwrap();
    assert_eq!(stage.names.asked(), first);
    stage.clock.advance(Duration::from_secs(11));
    stage.call().await.unwrap();
    assert!(stage.names.asked() > first);
}

#[tokio::test]
async fn a_failure_is_remembered_for_five_seconds() {
    let stage = Stage::set(Says::NoSuchName);
    assert_eq!(stage.call().await, Err(Fault::DnsNotFound));
    let first = stage.names.asked();
    stage
        .names
        .says
        .send(Says::Address(Ipv4Addr::LOCALHOST, 30))
        .unwrap();
    stage.clock.advance(Duration::from_secs(4));
    assert_eq!(stage.call().await, Err(Fault::DnsNotFound));
    assert_eq!(stage.names.asked(), first);
    stage.clock.advance(Duration::from_secs(2));
    stage.call().await.unwrap();
}

#[tokio::test]
async fn an_expired_answer_serves_a_minute_while_the_resolver_fails() {
    let stage = Stage::set(Says::Address(Ipv4Addr::LOCALHOST, 10));
    stage.call().await.unwrap();
    stage.names.says.send(Says::CannotSay).unwrap();
    stage.clock.advance(Duration::from_secs(11));
    stage.call().await.unwrap();
    // In between nobody asks again.
    let asked = stage.names.asked();
    stage.clock.advance(Duration::from_secs(3));
    stage.call().await.unwrap();
    assert_eq!(stage.names.asked(), asked);
    stage.clock.advance(Duration::from_secs(60));
    assert!(matches!(stage.call().await, Err(Fault::DnsFailed { .. })));
}

#[tokio::test]
async fn a_name_that_is_gone_is_gone_at_once() {
    let stage = Stage::set(Says::Address(Ipv4Addr::LOCALHOST, 10));
    stage.call().await.unwrap();
    stage.names.says.send(Says::NoSuchName).unwrap();
    stage.clock.advance(Duration::from_secs(11));
    assert_eq!(stage.call().await, Err(Fault::DnsNotFound));
}

#[tokio::test]
async fn a_crowd_asks_once() {
    let stage = Stage::set(Says::Address(Ipv4Addr::LOCALHOST, 30));
    let calls = tokio::join!(stage.call(), stage.call(), stage.call(), stage.call());
    for outcome in [calls.0, calls.1, calls.2, calls.3] {
        outcome.unwrap();
    }
    assert_eq!(stage.names.asked(), 2, "A and AAAA");
}

#[tokio::test]
async fn fixed_names_come_before_the_name_server() {
    let server = Server::answering(ok("fixed"));
    let names = NameServer::start(Says::NoSuchName);
    let folder = tempfile::tempdir().unwrap();
    let hosts_file = folder.path().join("hosts");
    std::fs::write(&hosts_file, "127.0.0.1 api.drill.example\n").unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let source = NameSource::Servers(vec![names.address]);
    let resolver = Arc::new(Resolver::new(
        ResolverOptions { source, hosts_file },
        Arc::clone(&clock),
    ));
    let client = Client::new(ClientOptions::new(resolver, clock));
    let to = Destination::plain("API.drill.example", server.address.port());
    let mut answered = crate::server::answer(&client, &to, get()).await;
    assert_eq!(text(&mut answered).await, "fixed");
    assert_eq!(names.asked(), 0);
}

#[tokio::test]
async fn the_c_library_is_asked_where_the_setting_says_so() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let options = ResolverOptions {
        source: NameSource::GetAddrInfo,
        hosts_file: "/nonexistent".into(),
    };
    let resolver = Arc::new(Resolver::new(options, Arc::clone(&clock)));
    let client = Client::new(ClientOptions::new(resolver, clock));
    // A label longer than 63 bytes is refused by the library itself, without the network.
    let evidence = fails(&client, &format!("{}.example", "a".repeat(70)), LIMIT).await;
    let fault = evidence.fault.unwrap();
    assert!(
        matches!(fault, Fault::DnsNotFound | Fault::DnsFailed { .. }),
        "{fault:?}"
    );
}

/// A name in a file of its own, at these addresses.
fn client_of(addresses: &[&str]) -> (Client, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let hosts_file = folder.path().join("hosts");
    let lines: String = addresses
        .iter()
        .map(|address| format!("{address} api.drill.example\n"))
        .collect();
    std::fs::write(&hosts_file, lines).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let options = ResolverOptions {
        source: NameSource::Servers(Vec::new()),
        hosts_file,
    };
    let resolver = Arc::new(Resolver::new(options, Arc::clone(&clock)));
    (Client::new(ClientOptions::new(resolver, clock)), folder)
}

#[tokio::test]
async fn a_silent_address_gives_way_to_the_next_after_its_head_start() {
    let server = Server::start(vec![serve_once("1"), serve_once("2")]);
    let port = server.address.port();
    // Another address of loopback, on which the queue of connections is full.
    let silent = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let dead: SocketAddr = SocketAddr::from(([127, 0, 0, 2], port));
    silent.bind(&dead.into()).unwrap();
    silent.listen(0).unwrap();
    let mut fillers = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&dead, Duration::from_millis(100)) {
        fillers.push(stream);
    }
    let (client, _folder) = client_of(&["127.0.0.2", "127.0.0.1"]);
    let to = Destination::plain("api.drill.example", port).with_idle_limit(Duration::ZERO);
    let mut answered = crate::server::answer(&client, &to, get()).await;
    assert_eq!(text(&mut answered).await, "1");
    let took = answered.evidence.times.connect.unwrap();
    assert!(took >= Duration::from_millis(250), "{took:?}");
    let results: Vec<&str> = answered
        .evidence
        .addresses
        .iter()
        .map(|tried| tried.result.as_str())
        .collect();
    assert_eq!(results, ["connected", "abandoned"]);
    // What connected goes first the next time.
    let mut answered = crate::server::answer(&client, &to, get()).await;
    assert_eq!(text(&mut answered).await, "2");
    assert_eq!(answered.evidence.addresses.len(), 1);
}

#[tokio::test]
async fn a_refusing_address_gives_way_at_once_and_all_are_listed() {
    let server = Server::start(vec![serve_once("1")]);
    let (client, _folder) = client_of(&["127.0.0.2", "127.0.0.1"]);
    let to = Destination::plain("api.drill.example", server.address.port());
    let mut answered = crate::server::answer(&client, &to, get()).await;
    assert_eq!(text(&mut answered).await, "1");
    let addresses = &answered.evidence.addresses;
    assert_eq!(
        (addresses[0].result.as_str(), addresses[1].result.as_str()),
        ("refused", "connected")
    );
    server.finish();
    let evidence = fails(&client, "api.drill.example", LIMIT).await;
    assert_eq!(evidence.fault, Some(Fault::Refused));
    assert_eq!(evidence.addresses.len(), 2);
}

fn serve_once(body: &'static str) -> crate::server::Act {
    Box::new(move |mut stream| {
        read_request(&mut stream);
        std::io::Write::write_all(&mut stream, &ok(body)).unwrap();
    })
}
