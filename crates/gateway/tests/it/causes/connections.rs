//! Everything that can go wrong before there is an answer: names, addresses, TLS, ports that speak something else.

use std::fmt::Write as _;

use diagnosis::Code;
use drill::{Drill, Options, TlsScript};
use upstream::ResolverOptions;
use upstream::dns::NameSource;

use super::{Case, Comes, Lane, check, comes, none_wrong};
use crate::rig::{Build, Rig, USUAL, in_parallel};
use crate::sockets::{BlackHole, NeverReads, name_server, refusing};

/// One line of `connections.txt`.
pub(super) struct Line {
    name: &'static str,
    url: &'static str,
    pub(super) expected: Comes,
    pub(super) about: &'static str,
}

pub(super) fn lines() -> Vec<Line> {
    let lines = include_str!("connections.txt").lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let [name, url, expected, about] = cells[..] else {
                panic!("four cells: {line}")
            };
            Line {
                name,
                url,
                expected: comes(expected).unwrap(),
                about,
            }
        })
        .collect()
}

/// TLS as it should be, and breaks that only TLS can show.
const OVER_TLS: [(&str, &str, Comes); 6] = [
    ("good", "", Comes::Whole),
    ("tls12", "", Comes::Whole),
    ("good", "/fault/close-delimited/openai", Comes::Whole),
    (
        "good",
        "/fault/cut-mid-body/openai",
        Comes::Refused(502, Code::ResponseTruncated),
    ),
    (
        "good",
        "/fault/cut-before-end/openai",
        Comes::Refused(502, Code::ResponseTruncated),
    ),
    (
        "good",
        "/fault/reset-mid-body/openai",
        Comes::Refused(502, Code::ResponseReset),
    ),
];

/// The peers of the connection tests; dropped, they end.
struct Peers {
    drills: Vec<(String, Drill)>,
    black_hole: BlackHole,
    never_reads: NeverReads,
    refusing: String,
    folder: tempfile::TempDir,
}

impl Peers {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut drills: Vec<_> = TlsScript::ALL
            .into_iter()
            .map(|script| {
                let drill = Drill::start(Options {
                    tls: Some(script),
                    ..Options::default()
                })
                .unwrap();
                let file = folder.path().join(format!("{}.pem", script.name()));
                std::fs::write(file, drill.authority().unwrap()).unwrap();
                (script.name(), drill)
            })
            .collect();
        let spoilt = [
            ("SILENT", "silent"),
            ("RESET", "reset"),
            ("CLOSE", "close"),
            ("SSH", "ssh-banner"),
        ];
        for (name, what) in spoilt {
            let script = crate::rig::script(&format!(r#"{{"connections":[{{"what":"{what}"}}]}}"#));
            drills.push((
                name.to_owned(),
                Drill::start(Options {
                    script,
                    ..Options::default()
                })
                .unwrap(),
            ));
        }
        drills.push((
            "PLAIN".to_owned(),
            Drill::start(Options::default()).unwrap(),
        ));
        let refusing = refusing().to_string();
        Self {
            drills,
            black_hole: BlackHole::open(),
            never_reads: NeverReads::open(),
            refusing,
            folder,
        }
    }

    /// The URL with one of the peers in place of the word for it.
    fn base(&self, url: &str) -> String {
        let (scheme, word) = url.split_once("://").unwrap();
        let authority = match word {
            "127.0.0.1:REFUSED" => self.refusing.clone(),
            "BLACKHOLE" => self.black_hole.address.to_string(),
            "NEVERREADS" => self.never_reads.address.to_string(),
            word => self
                .drills
                .iter()
                .find(|(name, _)| name == word)
                .map_or_else(
                    || word.to_owned(),
                    |(_, drill)| match scheme {
                        "https" => format!("localhost:{}", drill.address().port()),
                        _ => drill.address().to_string(),
                    },
                ),
        };
        format!("{scheme}://{authority}")
    }

    /// A provider's line: its URL's host is a word for one of the peers.
    fn provider(&self, name: &str, url: &str, path: &str) -> String {
        let (scheme, word) = url.split_once("://").unwrap();
        let base = self.base(url);
        let file = self.folder.path().join(format!("{word}.pem"));
        let tls = if scheme == "https" && file.exists() {
            format!(", tls: {{ ca_file: {} }}", file.display())
        } else {
            String::new()
        };
        format!(
            "  {name}: {{ type: openai-compatible, base_url: {base}{path}/v1, api_key: sk-x{tls} }}\n"
        )
    }
}

#[test]
fn every_way_to_fail_before_an_answer_has_its_code_and_a_second_target_hides_it() {
    let peers = Peers::start();
    let (mut providers, mut models, mut routes) = (String::new(), String::new(), String::new());
    let mut cases = Vec::new();
    let mut add = |name: &str, url: &str, path: &str, expected: Comes| {
        providers.push_str(&peers.provider(name, url, path));
        writeln!(
            models,
            "  pair-{name}: {{ targets: [{name}/echo, q/echo] }}"
        )
        .unwrap();
        let more = if name == "never-reads" {
            large()
        } else {
            String::new()
        };
        for paired in [false, true] {
            let model = if paired {
                format!("pair-{name}")
            } else {
                format!("{name}/echo")
            };
            // A stream over TLS that breaks has begun: those are told by the drill's own table. A large body is sent once.
            let lanes: &[Lane] = if path.is_empty() && more.is_empty() {
                &[Lane::Whole, Lane::Stream]
            } else {
                &[Lane::Whole]
            };
            for lane in lanes.iter().copied() {
                cases.push(Case {
                    name: format!("{model} {lane:?}"),
                    model: model.clone(),
                    more: more.clone(),
                    lane,
                    paired,
                    expected,
                });
            }
            // A route has no authority of its own to trust, and a GET no body that could stall.
            if url.starts_with("https") || !path.is_empty() || !more.is_empty() {
                continue;
            }
            let route = format!("route-{name}-{paired}");
            let behind = if paired { ", \"DRILL\"" } else { "" };
            let base = peers.base(url);
            writeln!(
                routes,
                "  {route}: {{ match: {{ path: /{route}/** }}, upstreams: [\"{base}\"{behind}] }}"
            )
            .unwrap();
            cases.push(Case {
                name: route.clone(),
                model: route,
                more: String::new(),
                lane: Lane::Plain,
                paired,
                expected,
            });
        }
    };
    for Line {
        name,
        url,
        expected,
        ..
    } in lines()
    {
        add(name, url, "", expected);
    }
    for (n, (word, path, expected)) in OVER_TLS.into_iter().enumerate() {
        add(
            &format!("over-tls-{n}"),
            &format!("https://{word}"),
            path,
            expected,
        );
    }
    let yaml = USUAL
        .replace("providers:\n", &format!("providers:\n{providers}"))
        .replace("models:\n", &format!("models:\n{models}"))
        .replace("connect: 500ms", "connect: 500ms, write: 500ms")
        // Each way to fail is seen twice: the first must not close it to the second.
        .replace(
            "resilience:\n",
            "resilience:\n  circuit_breaker: { mode: off }\n",
        )
        .replace("700ms", "3s");
    let resolver = ResolverOptions {
        source: NameSource::Servers(vec![name_server(3)]),
        ..ResolverOptions::default()
    };
    let rig = Rig::build(Build {
        yaml: &format!("{yaml}routes:\n{routes}"),
        resolver,
        ..Build::default()
    });
    // Megabytes keep the drill's one thread busy: those come by themselves.
    let (heavy, light): (Vec<_>, Vec<_>) = cases.iter().partition(|case| !case.more.is_empty());
    let mut wrong = in_parallel(&light, |case| check(&rig, case));
    wrong.extend(heavy.into_iter().map(|case| check(&rig, case)));
    none_wrong(wrong);
}

/// More than socket buffers take.
fn large() -> String {
    format!(r#","user":"{}""#, "x".repeat(7_000_000))
}

#[test]
fn a_name_server_that_cannot_say_is_told_from_a_name_that_does_not_exist() {
    let yaml = USUAL.replace("DRILL/v1", "http://name.test/v1");
    let resolver = ResolverOptions {
        source: NameSource::Servers(vec![name_server(2)]),
        ..ResolverOptions::default()
    };
    let rig = Rig::build(Build {
        yaml: &yaml,
        resolver,
        ..Build::default()
    });
    let case = |model: &str, paired| Case {
        name: model.to_owned(),
        model: model.to_owned(),
        more: String::new(),
        lane: Lane::Whole,
        paired,
        expected: Comes::Refused(502, Code::DnsFailure),
    };
    none_wrong(vec![
        check(&rig, &case("p/echo", false)),
        check(&rig, &case("pair", true)),
    ]);
}
