//! Incidents under a clock that is turned by hand.

use proptest::prelude::*;

use super::*;

/// A day's beginning; all times are seconds after it.
const START: u64 = 1_790_000_000_000;

struct Bench {
    book: Book,
    second: u64,
    answered: HashMap<Arc<str>, u64>,
}

impl Bench {
    fn new() -> Self {
        Self {
            book: Book::new(None, Vec::new()),
            second: 0,
            answered: HashMap::new(),
        }
    }

    fn now(&self) -> u64 {
        START + self.second * 1_000
    }

    /// One second in which so many attempts fail, each a call that is saved, and so many are answered.
    fn second(&mut self, failed: u64, answered: u64) -> Vec<Change> {
        self.second += 1;
        let mut troubles = Troubles::default();
        if failed > 0 {
            troubles.failed.insert(cause(), self.trouble(failed));
        }
        *self.answered.entry(Arc::from("p/m")).or_default() += answered;
        self.book.advance(self.now(), troubles, &self.answered)
    }

    fn trouble(&self, failed: u64) -> Trouble {
        Trouble {
            attempts: failed,
            calls: failed,
            saved: failed,
            lost: 0,
            first_millis: self.now(),
            latest_millis: self.now(),
            evidence: "text/html".to_owned(),
            last_call: CallId::generate(self.now()),
        }
    }

    fn seconds(&mut self, count: u64, failed: u64, answered: u64) -> Vec<Change> {
        (0..count)
            .flat_map(|_| self.second(failed, answered))
            .collect()
    }
}

fn cause() -> Cause {
    (Arc::from("p/m"), Code::BadGateway)
}

fn whats(changes: &[Change]) -> Vec<What> {
    changes.iter().map(|change| change.what).collect()
}

#[test]
fn a_refused_key_is_an_incident_at_once_and_a_model_that_is_not_there_is_none_yet() {
    for (code, opens) in [
        (Code::CredentialsRejected, true),
        (Code::TlsCertExpired, true),
        (Code::DnsNameNotFound, true),
        (Code::ModelNotFound, false),
        (Code::PermissionDenied, false),
    ] {
        let mut bench = Bench::new();
        bench.second = 1;
        let mut troubles = Troubles::default();
        let trouble = bench.trouble(1);
        troubles.failed.insert((Arc::from("p/m"), code), trouble);
        let changes = bench.book.advance(bench.now(), troubles, &bench.answered);
        assert_eq!(whats(&changes) == [What::Opened], opens, "{code:?}");
    }
}

#[test]
fn the_third_failure_within_a_minute_opens_an_incident_that_began_with_the_first() {
    let mut bench = Bench::new();
    assert_eq!(bench.second(1, 0), []);
    bench.seconds(20, 0, 1);
    assert_eq!(bench.second(1, 0), []);
    let opened = bench.second(1, 0);
    assert_eq!(whats(&opened), [What::Opened]);
    let row = &opened[0].row;
    assert_eq!(row.id.to_string(), "inc_0001");
    assert_eq!(
        (row.started_millis, row.attempts, row.saved),
        (START + 1_000, 3, 3)
    );
    assert_eq!(
        (&*row.target, &*row.code, &*row.group),
        ("p/m", "bad_gateway", "upstream")
    );
    assert!(row.is_open());
}

#[test]
fn failures_further_apart_or_rare_among_answers_are_no_incident() {
    let mut bench = Bench::new();
    for _ in 0..10 {
        assert_eq!(bench.second(1, 0), []);
        assert_eq!(bench.seconds(30, 0, 0), []);
    }
    let mut bench = Bench::new();
    bench.seconds(60, 0, 100);
    assert_eq!(bench.seconds(120, 1, 99), [], "one of a hundred, for ever");
}

#[test]
fn a_target_that_answers_again_closes_it_by_health_at_its_last_failure() {
    let mut bench = Bench::new();
    bench.seconds(10, 2, 0);
    let failed_last = bench.now();
    let changes = bench.seconds(59, 0, 1);
    assert_eq!(changes, []);
    let closed = bench.second(0, 1);
    assert_eq!(whats(&closed), [What::Closed]);
    let row = &closed[0].row;
    assert_eq!(row.ended_millis, Some(failed_last));
    assert_eq!(row.closed_by.as_deref(), Some("health"));
    assert_eq!((row.attempts, row.calls), (20, 20));
    assert_eq!(bench.book.open(), 0);
}

#[test]
fn a_target_that_nobody_asks_any_more_closes_it_by_quiet() {
    let mut bench = Bench::new();
    bench.seconds(3, 1, 0);
    assert_eq!(bench.seconds(299, 0, 0), []);
    let closed = bench.second(0, 0);
    assert_eq!(closed[0].row.closed_by.as_deref(), Some("quiet"));
}

#[test]
fn probes_of_an_open_breaker_keep_it_open_and_calls_turned_away_are_lost() {
    let mut bench = Bench::new();
    bench.seconds(3, 1, 0);
    for _ in 0..20 {
        let mut changes = bench.seconds(29, 0, 0);
        changes.extend(bench.second(1, 0));
        assert_eq!(whats(&changes), [What::Grew]);
    }
    let turned_away = Troubles {
        turned_away: HashMap::from([(Arc::from("p/m"), 7), (Arc::from("q/m"), 9)]),
        ..Troubles::default()
    };
    let changes = bench
        .book
        .advance(bench.now(), turned_away, &HashMap::new());
    let row = &changes[0].row;
    assert_eq!((row.calls, row.lost, row.saved), (30, 7, 23));
}

#[test]
fn a_busy_target_that_fails_rarely_again_is_healthy() {
    let mut bench = Bench::new();
    bench.seconds(10, 20, 80);
    let changes = bench.seconds(120, 1, 499);
    let closed = changes.iter().find(|change| change.what == What::Closed);
    assert_eq!(closed.unwrap().row.closed_by.as_deref(), Some("health"));
    assert_eq!(bench.seconds(60, 1, 499), [], "and is not opened again");
}

#[test]
fn another_process_goes_on_with_what_lasted() {
    let mut bench = Bench::new();
    let opened = bench.seconds(3, 1, 0);
    let row = opened[0].row.clone();
    bench.book = Book::new(Some(row.id), vec![row.clone()]);
    let grown = bench.second(1, 0);
    assert_eq!(grown[0].row.id, row.id);
    assert_eq!((grown[0].what, grown[0].row.attempts), (What::Grew, 4));
    bench.seconds(400, 0, 0);
    let next = bench.seconds(3, 1, 0);
    assert_eq!(next[0].row.id.to_string(), "inc_0002");
}

#[test]
fn what_lasted_when_a_process_ended_long_ago_is_over() {
    let mut bench = Bench::new();
    let row = bench.seconds(3, 1, 0)[0].row.clone();
    bench.second += 86_400;
    bench.book = Book::new(Some(row.id), vec![row.clone()]);
    let closed = bench.second(0, 0);
    assert_eq!(closed[0].row.ended_millis, Some(row.latest_millis));
}

#[test]
fn callers_faults_and_decisions_of_the_gateway_are_no_incidents() {
    for code in [
        Code::InvalidRequest,
        Code::ClientCancelled,
        Code::ContentFiltered,
        Code::CircuitOpen,
        Code::LoadShed,
    ] {
        assert!(!is_of_the_target(code), "{code}");
    }
    for code in [
        Code::QuotaExhausted,
        Code::CredentialsRejected,
        Code::RateLimited,
    ] {
        assert!(is_of_the_target(code), "{code}");
    }
}

proptest! {
    #[test]
    fn an_incident_opens_once_grows_and_closes_once_and_loses_no_failure(
        seconds in prop::collection::vec((0_u64..4, 0_u64..30), 1..600),
    ) {
        let mut bench = Bench::new();
        let mut last: BTreeMap<IncidentId, IncidentRow> = BTreeMap::new();
        for (failed, answered) in seconds {
            for change in bench.second(failed, answered) {
                let row = change.row;
                prop_assert_eq!(row.is_open(), change.what != What::Closed);
                prop_assert!(row.started_millis <= row.latest_millis);
                prop_assert_eq!(row.calls, row.saved + row.lost);
                match last.get(&row.id) {
                    None => prop_assert_eq!(change.what, What::Opened),
                    Some(before) => {
                        prop_assert!(before.is_open() && change.what != What::Opened);
                        prop_assert!(row.attempts >= before.attempts);
                    }
                }
                last.insert(row.id, row);
            }
            let open = last.values().filter(|row| row.is_open()).count();
            prop_assert_eq!(open, bench.book.open());
            prop_assert!(open <= 1, "one cause, one incident");
        }
    }
}
