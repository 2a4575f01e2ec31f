//! The page that tells people what becomes of each failure, written from the tables that the tests go by.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use diagnosis::Code;
use drill::faults::catalogue;

use super::complete::{BY_TESTS_OF_THEIR_OWN, WAITING};
use super::{Comes, Lane, comes, connections, odd, recovers, rows};

const INTRODUCTION: &str = "# What goodgate makes of each failure

Written by a test that provokes every line over real sockets (`crates/gateway/tests/it/causes`); the tables lie
beside it. *ok* means that the answer arrives whole: odd, but no failure. *200, then* means that the stream
had begun, so that it ends with an error event of this code. A plain route is called with GET; *passes* means that the
upstream's own answer goes on as it came, *200, broken off* that its transfer is visibly cut. With a second target behind
the failing one, every call that got a code is answered all the same, unless it says *200, then* or the failure is the
request's own.

";

fn told_in_page(expected: Option<Comes>) -> String {
    let link = |code: Code| format!("[`{0}`](errors/{0}.md)", code.as_str());
    match expected {
        None => String::new(),
        Some(Comes::Whole) => "ok".to_owned(),
        Some(Comes::Refused(status, code)) => format!("{status} {}", link(code)),
        Some(Comes::Broken(code)) => format!("200, then {}", link(code)),
        Some(Comes::Passes(status)) => format!("passes ({status})"),
        Some(Comes::Cut) => "200, broken off".to_owned(),
    }
}

#[test]
fn the_page_of_causes_is_up_to_date() {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("## Before an answer\n\n| What happens | Status and code |\n| --- | --- |\n");
    for line in connections::lines() {
        writeln!(
            page,
            "| {} | {} |",
            line.about,
            told_in_page(Some(line.expected))
        )
        .unwrap();
    }
    page.push_str("\n## In an answer\n\n`goodgate drill` plays each of these by its name.\n\n");
    page.push_str("| Fault | Provider | What happens | A whole answer | A stream | A plain route |\n| --- | --- | --- | --- | --- | --- |\n");
    for row in rows() {
        let about = &catalogue::find(row.fault).unwrap().about;
        let (whole, stream) = (told_in_page(row.whole), told_in_page(row.stream));
        writeln!(
            page,
            "| `{}` | {} | {} | {whole} | {stream} | {} |",
            row.fault,
            row.kind,
            about.replace('|', "\\|"),
            told_in_page(row.plain)
        )
        .unwrap();
    }
    for section in odd::SECTIONS {
        let title = section.title;
        write!(
            page,
            "\n## {title}\n\nUpstreams of raw bytes.\n\n| What happens | A whole answer | A stream | A plain route |\n| --- | --- | --- | --- |\n"
        )
        .unwrap();
        for odd in section.cases {
            let [whole, stream, plain] =
                [odd.whole, odd.stream, odd.plain].map(|cell| told_in_page(comes(cell)));
            writeln!(page, "| {} | {whole} | {stream} | {plain} |", odd.about).unwrap();
        }
    }
    is_kept("causes.md", &page);
}

fn is_kept(name: &str, page: &str) {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name);
    if std::fs::read_to_string(&kept).unwrap_or_default() != page {
        let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&new, page).unwrap();
        panic!(
            "docs/{name} is out of date; copy {} over it and read what changed",
            new.display()
        );
    }
}

const MATRIX: &str = "# The matrix of drills

Each failure code, what provokes it, and what the client gets: on a *solo* route, whose only target fails with one
attempt, and on a *pair*, where a healthy target stands behind the failing one. Written by a test from the tables that the
tests go by, which make every one of these calls over real sockets, each solo and paired, and hold of every answer: the code
and group, the status, JSON in the client's form, no hang, and no part of an answer that passes for the whole. The single
drills are in [causes.md](causes.md).

*saved*: the second target answered, whole, as `recovered`. *error event*: the stream had begun, so the status is 200 and
the stream ends with an error of this code, never as if it were whole. Three columns each: a model's whole answer, its stream,
a GET on a plain route.

| Code | Drills | Solo: whole | stream | plain | Pair: whole | stream | plain |
| --- | --- | --- | --- | --- | --- | --- | --- |
";

/// What the drills of one code show, by solo or paired and lane.
#[derive(Default)]
struct Shown {
    drills: usize,
    cells: [[Vec<String>; 3]; 2],
}

fn lane_place(lane: Lane) -> usize {
    match lane {
        Lane::Whole => 0,
        Lane::Stream => 1,
        Lane::Plain => 2,
    }
}

/// Every drill's expectation for each lane.
fn drills() -> Vec<[Option<Comes>; 3]> {
    let lines = connections::lines();
    let of_lines = lines.iter().map(|line| [Some(line.expected); 3]);
    let rows = rows();
    let of_rows = rows.iter().map(|row| [row.whole, row.stream, row.plain]);
    let odd = odd::SECTIONS.iter().flat_map(|section| section.cases);
    let of_odd = odd.map(|odd| [odd.whole, odd.stream, odd.plain].map(comes));
    of_lines.chain(of_rows).chain(of_odd).collect()
}

fn matrix() -> BTreeMap<Code, Shown> {
    let mut matrix: BTreeMap<Code, Shown> = BTreeMap::new();
    for drill in drills() {
        let mut codes: Vec<Code> = Vec::new();
        for (lane, comes) in [Lane::Whole, Lane::Stream, Lane::Plain]
            .into_iter()
            .zip(drill)
        {
            let (code, solo, pair) = match comes {
                Some(Comes::Refused(status, code)) if recovers(code) => {
                    (code, status.to_string(), "saved".to_owned())
                }
                Some(Comes::Refused(status, code)) => {
                    (code, status.to_string(), status.to_string())
                }
                Some(Comes::Broken(code)) => {
                    (code, "error event".to_owned(), "error event".to_owned())
                }
                Some(Comes::Whole | Comes::Passes(_) | Comes::Cut) | None => continue,
            };
            let shown = matrix.entry(code).or_default();
            for (place, cell) in [solo, pair].into_iter().enumerate() {
                let cells = &mut shown.cells[place][lane_place(lane)];
                if !cells.contains(&cell) {
                    cells.push(cell);
                }
            }
            if !codes.contains(&code) {
                codes.push(code);
                shown.drills += 1;
            }
        }
    }
    matrix
}

#[test]
fn the_matrix_of_drills_is_up_to_date() {
    let matrix = matrix();
    let mut page = MATRIX.to_owned();
    for code in Code::ALL {
        let name = code.as_str();
        write!(page, "| [`{name}`](errors/{name}.md) | ").unwrap();
        let own = BY_TESTS_OF_THEIR_OWN.iter().find(|(own, _, _)| own == code);
        let own = own.map(|(_, file, _)| format!("`{file}`"));
        let shown = matrix.get(code);
        let waits = WAITING.iter().find(|(waiting, _)| waiting == code);
        let mut drills: Vec<String> = shown
            .map(|shown| shown.drills.to_string())
            .into_iter()
            .collect();
        drills.extend(own);
        drills.extend(waits.map(|(_, why)| format!("none: {why}")));
        write!(page, "{} |", drills.join(", and ")).unwrap();
        for place in 0..2 {
            for lane in 0..3 {
                let mut cells =
                    shown.map_or_else(Vec::new, |shown| shown.cells[place][lane].clone());
                cells.sort();
                let alone = shown.is_none() && place == 0 && lane == 0 && waits.is_none();
                if alone {
                    cells.push(code.facts().http.to_string());
                }
                write!(page, " {} |", cells.join(", ")).unwrap();
            }
        }
        page.push('\n');
    }
    let all = drills().len();
    writeln!(
        page,
        "\n{all} drills of the tables, among them odd answers that are no failure at all; the rest by the tests named, in \
         `crates/gateway/tests/it`."
    )
    .unwrap();
    is_kept("drills.md", &page);
}
