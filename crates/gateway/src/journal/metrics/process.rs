//! What the system says of this process. Source: proc(5), `/proc/self/stat`; elsewhere than on Linux nothing
//! is known and nothing is written.

use std::fs;

use nix::unistd::{SysconfVar, sysconf};

/// The process as the system sees it; descriptors and memory are measured elsewhere ([`crate::resources`]).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Process {
    pub(super) cpu_seconds: f64,
    pub(super) threads: u64,
    /// Seconds since 1970.
    pub(super) started: f64,
}

impl Process {
    /// Asks the system; none where it does not tell.
    pub(super) fn read() -> Option<Self> {
        let per_second = sysconf(SysconfVar::CLK_TCK).ok()??;
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let times = Times::parse(&stat)?;
        let per_second = f64::from(u32::try_from(per_second).ok()?);
        Some(Self {
            cpu_seconds: ticks(times.cpu) / per_second,
            threads: times.threads,
            started: boot_time()? + ticks(times.started) / per_second,
        })
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Times {
    cpu: u64,
    threads: u64,
    started: u64,
}

impl Times {
    /// The fields behind the program's name, which may hold spaces and brackets.
    fn parse(stat: &str) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // proc(5) counts from 1 and the name is its second field.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu: field(14)? + field(15)?,
            threads: field(20)?,
            started: field(22)?,
        })
    }
}

fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "ticks of a hundredth of a second reach 2^53 in three million years"
)]
fn ticks(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_brackets_and_spaces_misleads_nobody() {
        let stat = "42 (a ) b) S 1 2 3 4 5 6 7 8 9 10 111 22 13 14 15 16 8 18 12345 20 77 22";
        assert_eq!(
            Times::parse(stat),
            Some(Times {
                cpu: 133,
                threads: 8,
                started: 12_345,
            })
        );
        assert_eq!(Times::parse("42 (x) S"), None);
    }
}
