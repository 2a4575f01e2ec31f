//! Connections that serve more than one call, and those that must not.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use diagnosis::{Fault, Lane};
use http::Method;
use types::{Clock, Jump, ManualClock};
use upstream::{Client, ClientOptions, Destination, Outgoing, Resolver, ResolverOptions, Timers};

use crate::server::{
    Act, IDLE, Server, answer, client, deadline, get, ok, post, read_request, reset, text, timers,
    wait_for_close,
};

/// Answers every request on a connection with these bytes.
fn keep_answering(bytes: Vec<u8>) -> Act {
    Box::new(move |mut stream| {
        while !read_request(&mut stream).is_empty() {
            stream.write_all(&bytes).unwrap();
        }
    })
}

#[tokio::test]
async fn a_finished_body_gives_its_connection_to_the_next_call() {
    let server = Server::start(vec![keep_answering(ok("hello"))]);
    let (client, to) = (client(), server.destination());
    for call in 0..5 {
        let mut answered = answer(&client, &to, post(b"{}")).await;
        assert_eq!(answered.evidence.reused, call > 0);
        assert_eq!(
            client.idle_connections(),
            1,
            "given back as soon as all bytes are here"
        );
        assert_eq!(text(&mut answered).await, "hello");
        assert!(answered.body.is_finished());
    }
    drop(client);
    server.finish();
}

#[tokio::test]
async fn answers_that_end_the_connection_are_not_reused() {
    let endings: [&[u8]; 7] = [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokSURPLUS",
        b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nConnection: Upgrade, Close\r\nContent-Length: 2\r\n\r\nok",
    ];
    for bytes in endings {
        let server = Server::answering(bytes);
        let client = client();
        let mut answered = answer(&client, &server.destination(), post(b"{}")).await;
        let body = text(&mut answered).await;
        assert!(
            body == "ok" || answered.status == 204,
            "{}",
            String::from_utf8_lossy(bytes)
        );
        assert_eq!(
            client.idle_connections(),
            0,
            "{}",
            String::from_utf8_lossy(bytes)
        );
    }
}

#[tokio::test]
async fn a_connection_of_http_1_0_stays_when_both_say_so() {
    let server = Server::start(vec![keep_answering(
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5, max=100\r\nContent-Length: 2\r\n\r\nok".to_vec(),
    )]);
    let client = client();
    for _ in 0..2 {
        text(&mut answer(&client, &server.destination(), get()).await).await;
    }
    assert_eq!(client.idle_connections(), 1);
}

#[tokio::test]
async fn a_connection_the_peer_has_closed_is_not_used_again() {
    let server = Server::start(vec![
        Box::new(|mut stream| {
            read_request(&mut stream);
            stream.write_all(&ok("first")).unwrap();
        }),
        keep_answering(ok("second")),
    ]);
    let (client, to) = (client(), server.destination());
    text(&mut answer(&client, &to, post(b"{}")).await).await;
    let mut second = answer(&client, &to, post(b"{}")).await;
    assert_eq!(text(&mut second).await, "second");
}

/// Answers once, then takes a second request and breaks off.
fn stale(by_reset: bool) -> Act {
    Box::new(move |mut stream| {
        read_request(&mut stream);
        stream.write_all(&ok("first")).unwrap();
        read_request(&mut stream);
        if by_reset {
            reset(stream);
        }
    })
}

#[tokio::test]
async fn a_stale_connection_is_replaced_once_without_a_word() {
    for by_reset in [false, true] {
        let server = Server::start(vec![stale(by_reset), keep_answering(ok("fresh"))]);
        let (client, to) = (client(), server.destination());
        text(&mut answer(&client, &to, post(b"{}")).await).await;
        let mut second = answer(&client, &to, post(b"{}")).await;
        assert_eq!(text(&mut second).await, "fresh");
        assert!(!second.evidence.reused);
    }
}

#[tokio::test]
async fn a_fresh_connection_that_fails_as_well_is_a_failure() {
    let server = Server::start(vec![
        stale(false),
        Box::new(|mut s| drop(read_request(&mut s))),
    ]);
    let (client, to) = (client(), server.destination());
    text(&mut answer(&client, &to, post(b"{}")).await).await;
    let evidence = client.send(&to, post(b"{}"), &timers()).await.unwrap_err();
    assert_eq!(evidence.fault, Some(Fault::Closed));
    assert!(!evidence.reused);
}

#[tokio::test]
async fn what_must_not_happen_twice_is_not_sent_twice() {
    let server = Server::start(vec![stale(false)]);
    let (client, to) = (client(), server.destination());
    let once = || Outgoing {
        lane: Lane::Http,
        ..post(b"{}")
    };
    text(&mut answer(&client, &to, once()).await).await;
    let evidence = client.send(&to, once(), &timers()).await.unwrap_err();
    assert_eq!(evidence.fault, Some(Fault::Closed));
    assert!(evidence.reused);
    // The same with a method that may be repeated would have been tried again, and refused.
    let server = Server::start(vec![stale(false)]);
    let to = server.destination();
    text(&mut answer(&client, &to, get()).await).await;
    let evidence = client.send(&to, get(), &timers()).await.unwrap_err();
    assert_eq!(evidence.fault, Some(Fault::Refused));
}

#[tokio::test]
async fn dropping_an_unfinished_body_closes_the_connection_at_once() {
    let (tell, told) = std::sync::mpsc::channel();
    let server = Server::once(move |mut stream| {
        read_request(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            .unwrap();
        wait_for_close(&mut stream);
        tell.send(()).unwrap();
    });
    let client = client();
    let mut answered = answer(&client, &server.destination(), post(b"{}")).await;
    assert_eq!(
        answered
            .body
            .next(IDLE, deadline(5))
            .await
            .unwrap()
            .unwrap(),
        "hello"
    );
    drop(answered);
    told.recv_timeout(Duration::from_secs(5)).unwrap();
    assert_eq!(client.idle_connections(), 0);
}

#[tokio::test]
async fn a_destination_of_its_own_limit_keeps_nothing_longer() {
    let server = Server::start(vec![keep_answering(ok("1")), keep_answering(ok("2"))]);
    let client = client();
    let to = Destination::plain("127.0.0.1", server.address.port()).with_idle_limit(Duration::ZERO);
    for wanted in ["1", "2"] {
        assert_eq!(text(&mut answer(&client, &to, get()).await).await, wanted);
        assert_eq!(client.idle_connections(), 0);
    }
}

#[tokio::test]
async fn a_head_request_has_no_body_whatever_its_length_says() {
    let server = Server::start(vec![keep_answering(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".to_vec(),
    )]);
    let client = client();
    for _ in 0..2 {
        let request = Outgoing {
            method: &Method::HEAD,
            ..get()
        };
        let mut answered = answer(&client, &server.destination(), request).await;
        assert_eq!(text(&mut answered).await, "");
    }
    assert_eq!(client.idle_connections(), 1);
}

#[tokio::test]
async fn interim_answers_are_skipped() {
    let server = Server::answering(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 2\r\n\r\nok",
    );
    let mut answered = answer(&client(), &server.destination(), post(b"{}")).await;
    assert_eq!(
        (answered.status.as_u16(), &*answered.reason),
        (201, &b"Made"[..])
    );
    assert_eq!(text(&mut answered).await, "ok");
}

/// A client with a connection that has been used once, and the clock to turn.
async fn with_idle_connection(to: &Destination) -> (Client, ManualClock) {
    let clocks = ManualClock::default();
    let clock: Arc<dyn Clock> = Arc::new(clocks.clone());
    let resolver = Arc::new(Resolver::new(
        ResolverOptions::default(),
        Arc::clone(&clock),
    ));
    let client = Client::new(ClientOptions::new(resolver, clock));
    call(&client, to, &clocks).await;
    assert_eq!(client.idle_connections(), 1);
    (client, clocks)
}

/// Calls once; whether the connection was a reused one.
async fn call(client: &Client, to: &Destination, clocks: &ManualClock) -> bool {
    send(client, to, get(), clocks).await
}

async fn send(
    client: &Client,
    to: &Destination,
    request: Outgoing<'_>,
    clocks: &ManualClock,
) -> bool {
    // The manual clock lies behind the runtime's, so the limits are long.
    let long = Duration::from_secs(9_000);
    let mut timers = Timers::until(types::Deadline::after(clocks.now(), long));
    (timers.connect, timers.header) = (long, long);
    let mut answered = client.send(to, request, &timers).await.unwrap();
    text(&mut answered).await;
    answered.evidence.reused
}

fn three_connections() -> Server {
    Server::start((0..3).map(|_| keep_answering(ok("hello"))).collect())
}

#[tokio::test]
async fn an_idle_connection_is_kept_as_long_as_the_destination_says() {
    let server = three_connections();
    let to = server.destination().with_idle_limit(Duration::from_secs(4));
    let (client, clocks) = with_idle_connection(&to).await;
    clocks.advance(Duration::from_secs(3));
    assert!(call(&client, &to, &clocks).await);
    clocks.advance(Duration::from_secs(5));
    assert!(!call(&client, &to, &clocks).await);
    clocks.advance(Duration::from_secs(6));
    client.sweep();
    assert_eq!(client.idle_connections(), 0);
}

#[tokio::test]
async fn a_connection_in_use_all_the_time_is_given_up_at_its_greatest_age() {
    let server = three_connections();
    let to = server.destination();
    let (client, clocks) = with_idle_connection(&to).await;
    for _ in 0..9 {
        clocks.advance(Duration::from_secs(33));
        assert!(call(&client, &to, &clocks).await);
    }
    clocks.advance(Duration::from_secs(5));
    assert!(!call(&client, &to, &clocks).await);
}

#[tokio::test]
async fn a_machine_that_has_slept_trusts_no_connection() {
    let server = three_connections();
    let to = server.destination();
    let (client, clocks) = with_idle_connection(&to).await;
    client.sweep();
    assert_eq!(client.idle_connections(), 1);
    clocks.jump(Jump::Ahead(Duration::from_secs(3_600)));
    client.sweep();
    assert_eq!(client.idle_connections(), 0);
}

#[tokio::test]
async fn a_close_that_hurt_lowers_the_idle_limit() {
    let server = Server::start(vec![
        stale(false),
        keep_answering(ok("second")),
        keep_answering(ok("third")),
    ]);
    let to = server.destination();
    let (client, clocks) = with_idle_connection(&to).await;
    clocks.advance(Duration::from_secs(30));
    // The peer closed after thirty seconds: found out by a request, which was sent again.
    assert!(!call(&client, &to, &clocks).await);
    clocks.advance(Duration::from_secs(28));
    assert!(call(&client, &to, &clocks).await);
    clocks.advance(Duration::from_secs(30));
    assert!(
        !call(&client, &to, &clocks).await,
        "no longer than what the peer has shown"
    );
}

#[tokio::test]
async fn what_may_not_be_repeated_gets_no_connection_that_the_peer_may_be_closing() {
    let server = Server::start(vec![
        stale(false),
        keep_answering(ok("second")),
        keep_answering(ok("third")),
    ]);
    let to = server.destination();
    let (client, clocks) = with_idle_connection(&to).await;
    clocks.advance(Duration::from_secs(30));
    assert!(!call(&client, &to, &clocks).await, "closed after thirty");
    let once = || Outgoing {
        lane: Lane::Http,
        ..post(b"{}")
    };
    clocks.advance(Duration::from_secs(14));
    assert!(send(&client, &to, once(), &clocks).await);
    clocks.advance(Duration::from_secs(15));
    assert!(!send(&client, &to, once(), &clocks).await);
    assert_eq!(client.idle_connections(), 2, "it stays for others");
    clocks.advance(Duration::from_secs(15));
    assert!(call(&client, &to, &clocks).await);
}
