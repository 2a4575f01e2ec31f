//! The server: a thread of its own with a current-thread runtime, so that the interface is synchronous.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use types::time::{Clock, SystemClock};

use crate::answer::Answer;
use crate::decide::{self, Decision, Settings};
use crate::faults::{Early, End, Fault, KeepAliveLie};
use crate::http::{BodyError, BodyReader, Head, Parsed, Request, parse_head};
use crate::http2::{self, PREFACE};
use crate::models::{Keys, Style};
use crate::script::{ConnectionFault, Playing, Script};
use crate::seen::{Seen, SeenLog};
use crate::tls::{Tls, TlsScript};
use crate::websocket;
use crate::wire::{Connection, Ended, Socket};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

/// What a drill is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; port 0 takes a free one. Default: 127.0.0.1, a free port.
    pub listen: SocketAddr,
    /// Whose dialect it speaks. Default: by the path of each request.
    pub style: Style,
    /// What it does to which request. Default: nothing is scripted.
    pub script: Script,
    /// Whether it asks for keys. Default: as the real servers do.
    pub keys: Keys,
    /// How it does TLS. Default: it does not.
    pub tls: Option<TlsScript>,
    /// A file to which a line of JSON is appended for each request. Default: none.
    pub log_file: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            style: Style::default(),
            script: Script::default(),
            keys: Keys::default(),
            tls: None,
            log_file: None,
        }
    }
}

/// A running drill; dropping it stops it and closes all its connections.
#[derive(Debug)]
pub struct Drill {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) playing: RwLock<Arc<Playing>>,
    pub(crate) log: SeenLog,
    connections: AtomicU64,
    tls: Option<Tls>,
}

impl Drill {
    /// Starts a drill on a thread of its own.
    ///
    /// # Errors
    /// The address cannot be listened on, the log file cannot be opened, certificates cannot be made, or no thread
    /// can be started.
    pub fn start(options: Options) -> io::Result<Self> {
        let listener = listen(options.listen)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            settings: Settings {
                style: options.style,
                keys: options.keys,
            },
            playing: RwLock::new(Arc::new(Playing::new(options.script))),
            log: SeenLog::new(options.log_file.as_deref())?,
            connections: AtomicU64::new(0),
            tls: options.tls.map(Tls::new).transpose()?,
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("drill".to_owned())
            .spawn(move || {
                runtime.block_on(serve(listener, served, stopped));
            })?;
        Ok(Self {
            address,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL without a path: `http://127.0.0.1:PORT`, or `https://` where it does TLS.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.shared.tls.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.address)
    }

    /// The authority to trust, in PEM; `None` where it does no TLS.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.shared.tls.as_ref().map(|tls| tls.authority.as_str())
    }

    /// All requests that are remembered, in the order in which they were read.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.log.all()
    }

    /// How many requests were read so far, forgotten ones too.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.shared.log.count()
    }

    /// How many connections were accepted so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Waits until `done` says so of the requests that are remembered, at most `timeout`; whether it did.
    pub fn wait_for(&self, done: impl Fn(&[Seen]) -> bool, timeout: Duration) -> bool {
        self.shared.log.wait_for(done, timeout)
    }

    /// Forgets the requests that are remembered.
    pub fn forget(&self) {
        self.shared.log.clear();
    }

    /// Plays another script from the next request on; its counts begin anew.
    pub fn play(&self, script: Script) {
        *self.shared.playing.write() = Arc::new(Playing::new(script));
    }

    /// Blocks until the drill's thread has ended, which it does only when it fails.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the drill's thread panicked");
        }
    }
}

impl Drop for Drill {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the drill's thread panicked");
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

async fn serve(
    listener: std::net::TcpListener,
    shared: Arc<Shared>,
    mut stopped: oneshot::Receiver<()>,
) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the drill cannot listen");
            return;
        }
    };
    // Dropped at the end, which closes every connection.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection of the drill ended badly");
                }
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let n = shared.connections.fetch_add(1, Ordering::SeqCst).saturating_add(1);
                    connections.spawn(accept(stream, n, Arc::clone(&shared)));
                }
                Err(error) => {
                    // Out of descriptors: those that are open must end first.
                    tracing::warn!(%error, "the drill could not accept");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            },
        }
    }
}

async fn accept(stream: TcpStream, n: u64, shared: Arc<Shared>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let fault = shared.playing.read().connection(n);
    if let Some(fault) = fault {
        return spoil(Connection::new(Box::new(stream)), fault).await;
    }
    let accepted = match &shared.tls {
        None => Some(Connection::new(Box::new(stream) as Box<dyn Socket>)),
        Some(tls) => tls.accept(stream).await,
    };
    let Some(mut connection) = accepted else {
        return;
    };
    if is_http2(&mut connection).await {
        return http2::serve(connection, n, shared).await;
    }
    let mut nth = 0_u64;
    while let Some(next) = exchange(connection, n, &mut nth, &shared).await {
        connection = next;
    }
}

/// Whether the client begins as HTTP/2 does; what was read stays in the buffer.
async fn is_http2(connection: &mut Connection) -> bool {
    loop {
        let length = connection.input.len().min(PREFACE.len());
        let begun = connection.input.get(..length).unwrap_or_default();
        if !PREFACE.starts_with(begun) {
            return false;
        }
        if length == PREFACE.len() {
            return true;
        }
        if !matches!(connection.read().await, Ok(true)) {
            return false;
        }
    }
}

async fn spoil(mut connection: Connection, fault: ConnectionFault) {
    match fault {
        ConnectionFault::Silent => connection.hold_unread().await,
        ConnectionFault::Reset => connection.end(End::Reset).await,
        ConnectionFault::Close => connection.end(End::Close).await,
        ConnectionFault::SshBanner => {
            if connection
                .write(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n")
                .await
            {
                connection.hold_unread().await;
            }
        }
    }
}

/// Reads and answers one request; the connection comes back when it lives on.
async fn exchange(
    mut connection: Connection,
    connection_n: u64,
    nth: &mut u64,
    shared: &Shared,
) -> Option<Connection> {
    let playing = Arc::clone(&shared.playing.read());
    let head = match read_head(&mut connection).await {
        Ok(head) => head?,
        Err(reason) => {
            let decision = decide::unreadable(reason, 400);
            connection.run(&decision.plan).await;
            return None;
        }
    };
    *nth = nth.saturating_add(1);
    let early = decide::early(&head, &playing);
    let noted = |request: &Request| shared.log.begin(request, connection_n, *nth);
    let (request, early_name) = match early {
        Some((
            name,
            Fault::Early {
                what: Early::NoContinue,
            },
        )) => (read_body(&mut connection, head, false).await, Some(name)),
        Some((
            name,
            Fault::Early {
                what: Early::ExpectationFailed,
            },
        )) if !head.expects_continue() => {
            (read_body(&mut connection, head, true).await, Some(name))
        }
        Some((name, Fault::Early { what })) => {
            let request = decide::without_body(head);
            let n = noted(&request);
            refuse_early(connection, what, n, name, shared).await;
            return None;
        }
        _ => (read_body(&mut connection, head, true).await, None),
    };
    let request = match request {
        Ok(request) => request?,
        Err(error) => {
            let decision = match error {
                BodyError::TooLarge => decide::unreadable("its body is too large", 413),
                BodyError::BadChunk => decide::unreadable("its body's framing is malformed", 400),
            };
            connection.run(&decision.plan).await;
            return None;
        }
    };
    let n = noted(&request);
    let now = SystemClock.unix_millis();
    let mut decision = decide::decide(&request, &playing, shared.settings, n, now);
    if let Some(behaviour) = decision.upgrade {
        shared.log.update(n, |seen| seen.status = Some(101));
        websocket::serve(connection, &request.head, behaviour).await;
        shared.log.end(n, |seen| seen.finished = true);
        return None;
    }
    drop(request);
    decision.fault = decision.fault.or(early_name);
    finish(connection, n, &decision, shared).await
}

/// Runs the plan, notes how it ended, and does to the connection what the plan says of its life.
async fn finish(
    connection: Connection,
    n: u64,
    decision: &Decision,
    shared: &Shared,
) -> Option<Connection> {
    shared.log.update(n, |seen| {
        seen.status = decision.status;
        seen.fault.clone_from(&decision.fault);
        seen.model.clone_from(&decision.model);
    });
    let mut note = Note {
        log: &shared.log,
        n,
        ended: None,
    };
    let (ended, connection) = connection.run(&decision.plan).await;
    note.ended = Some(ended);
    drop(note);
    let mut connection = connection?;
    let end = match decision.plan.after {
        Some(KeepAliveLie::CloseOnNext) => End::Close,
        Some(KeepAliveLie::ResetOnNext) => End::Reset,
        Some(KeepAliveLie::CloseAfter) | None => return Some(connection),
    };
    // Waits for the next request to begin, and does not answer it.
    if !connection.input.is_empty() || matches!(connection.read().await, Ok(true)) {
        connection.end(end).await;
    }
    None
}

/// Notes the end of an answer, even when the drill stops in the middle of it.
struct Note<'a> {
    log: &'a SeenLog,
    n: u64,
    ended: Option<Ended>,
}

impl Drop for Note<'_> {
    fn drop(&mut self) {
        let now = SystemClock.unix_millis();
        self.log.end(self.n, |seen| {
            seen.finished = matches!(self.ended, Some(Ended::Whole | Ended::Closed));
            seen.client_closed_at = (self.ended == Some(Ended::ClientLeft)).then_some(now);
        });
    }
}

/// What happens before the body is read.
async fn refuse_early(
    mut connection: Connection,
    what: Early,
    n: u64,
    name: String,
    shared: &Shared,
) {
    let (status, end) = match what {
        Early::TooLarge => (413, End::Close),
        Early::TooLargeReset => (413, End::Reset),
        Early::ExpectationFailed => (417, End::Close),
        Early::NoContinue | Early::NoRead => {
            shared.log.update(n, |seen| seen.fault = Some(name));
            connection.hold_unread().await;
            let now = SystemClock.unix_millis();
            shared.log.end(n, |seen| seen.client_closed_at = Some(now));
            return;
        }
    };
    let page = "<html><head><title>413 Request Entity Too Large</title></head></html>\n";
    let mut answer = Answer::whole(status, "text/html", if status == 413 { page } else { "" });
    answer.set("connection", "close");
    let mut decision = decide::plain_decision(&answer, Some(name));
    decision.plan.keep = true;
    shared.log.update(n, |seen| {
        seen.status = decision.status;
        seen.fault = decision.fault.take();
    });
    let (_, connection) = connection.run(&decision.plan).await;
    shared.log.end(n, |seen| seen.finished = true);
    if let Some(connection) = connection {
        if end == End::Reset {
            // The answer must have left before the reset throws it away.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        connection.end(end).await;
    }
}

/// Reads a head; `None` when the client has left.
async fn read_head(connection: &mut Connection) -> Result<Option<Head>, &'static str> {
    loop {
        // Empty lines before a request are allowed (RFC 9112, 2.2).
        while connection.input.starts_with(b"\r\n") {
            drop(connection.input.split_to(2));
        }
        match parse_head(&connection.input) {
            Parsed::Whole(head, length) => {
                drop(connection.input.split_to(length));
                return head.fault().map_or(Ok(Some(*head)), Err);
            }
            Parsed::Bad(reason) => return Err(reason),
            Parsed::Partial => {}
        }
        if !matches!(connection.read().await, Ok(true)) {
            return Ok(None);
        }
    }
}

/// Reads the body; `None` when the client has left.
async fn read_body(
    connection: &mut Connection,
    head: Head,
    say_continue: bool,
) -> Result<Option<Request>, BodyError> {
    let framing = head.framing().map_err(|_| BodyError::BadChunk)?;
    let mut reader = BodyReader::new(framing);
    let mut asked = !(say_continue && head.expects_continue());
    loop {
        if reader.feed(&mut connection.input)? {
            return Ok(Some(Request {
                head,
                body: reader.into_body(),
            }));
        }
        if !asked {
            asked = true;
            if !connection.write(b"HTTP/1.1 100 Continue\r\n\r\n").await {
                return Ok(None);
            }
        }
        if !matches!(connection.read().await, Ok(true)) {
            return Ok(None);
        }
    }
}
