//! Calls as they end.

use ::http::Request;
use admin::Body;
use http_body_util::BodyExt;
use serde_json::Value;
use store::Outcome;

use crate::{Bench, HOST, TOKEN};

/// Reads one event after the other.
struct Events {
    body: Body,
    text: String,
}

impl Events {
    async fn open(bench: &Bench, query: &str) -> Self {
        let request = Request::builder()
            .uri(format!("/api/v1/requests/live{query}"))
            .header("host", HOST)
            .header("authorization", format!("Bearer {TOKEN}"))
            .body(Body::empty())
            .unwrap();
        let response = bench.send(request).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut events = Self {
            body: response.into_body(),
            text: String::new(),
        };
        assert_eq!(events.next().await.0, "ready");
        events
    }

    /// The next event's name, id and data.
    async fn next(&mut self) -> (String, String, Value) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    event
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .unwrap_or_default()
                        .to_owned()
                };
                let found = (
                    field("event: "),
                    field("id: "),
                    serde_json::from_str(&field("data: ")).unwrap_or_default(),
                );
                self.text = rest.to_owned();
                return found;
            }
            let frame = self.body.frame().await.unwrap().unwrap();
            self.text += std::str::from_utf8(frame.data_ref().unwrap()).unwrap();
        }
    }
}

#[tokio::test]
async fn each_call_is_told_when_it_is_stored_with_its_place() {
    let bench = Bench::new();
    let mut events = Events::open(&bench, "").await;
    let id = bench.record(bench.failed()).to_string();
    let (name, seq, data) = events.next().await;
    assert_eq!((&*name, &data["id"]), ("request", &Value::from(id)));
    assert_eq!(seq, data["seq"].to_string());
    assert_eq!(data["attempts"][1]["code"], "connection_refused");
    assert_eq!(
        data["attempts"][0]["full_evidence"],
        Value::Null,
        "lists do without"
    );
}

#[tokio::test]
async fn a_filter_holds_back_what_is_not_wanted() {
    let bench = Bench::new();
    for query in [
        "?outcome=failed",
        "?model=smart",
        "?key=ci-bot",
        "?target=openai/gpt-5-mini",
        "?code=connection_refused",
        "?status=502&model=",
    ] {
        let mut events = Events::open(&bench, query).await;
        bench.record(bench.row(Outcome::Ok));
        let id = bench.record(bench.failed()).to_string();
        assert_eq!(events.next().await.2["id"], id, "{query}");
    }
}

#[tokio::test]
async fn a_reader_that_lags_is_told_how_much_it_missed() {
    let bench = Bench::new();
    let mut events = Events::open(&bench, "").await;
    for _ in 0..1_100 {
        bench.store.write_behind().record(bench.row(Outcome::Ok));
    }
    bench.store.flush().unwrap();
    let (name, _, data) = events.next().await;
    assert_eq!((&*name, &data["missed"]), ("lagged", &Value::from(76)));
    assert_eq!(events.next().await.0, "request");
}

#[tokio::test]
async fn streams_are_bounded_and_a_closed_one_makes_room() {
    let bench = Bench::new();
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(Events::open(&bench, "").await);
    }
    let answer = bench.get("/api/v1/requests/live").await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.problem()),
        (503, "too_many_live_streams")
    );
    open.pop();
    Events::open(&bench, "").await;
}

#[tokio::test]
async fn a_filter_that_makes_no_sense_is_an_error() {
    let bench = Bench::new();
    let answer = bench.get("/api/v1/requests/live?since=5").await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.problem()),
        (400, "invalid_query")
    );
}
