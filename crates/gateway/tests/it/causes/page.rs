//! The page that tells people what becomes of each failure, written from the tables that the tests go by.

use std::fmt::Write as _;
use std::path::Path;

use diagnosis::Code;
use drill::faults::catalogue;

use super::{Comes, comes, connections, odd, rows};

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
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/causes.md");
    if std::fs::read_to_string(&kept).unwrap_or_default() != page {
        let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join("causes.md");
        std::fs::write(&new, page).unwrap();
        panic!(
            "docs/causes.md is out of date; copy {} over it and read what changed",
            new.display()
        );
    }
}
