//! Child processes: each a process group of its own, pinned to one core, measured as a whole, and stopped
//! whatever happens.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio, exit};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill, killpg};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// How long a process may take to end when asked.
const PARTING: Duration = Duration::from_secs(1);

/// What must be gone when this process ends.
static LEFT: Mutex<Left> = Mutex::new(Left {
    groups: Vec::new(),
    folder: None,
});

struct Left {
    groups: Vec<Pid>,
    folder: Option<PathBuf>,
}

/// The processors that this process may use, ascending.
///
/// # Errors
/// The kernel does not say.
pub(crate) fn usable_cores() -> Result<Vec<usize>, String> {
    let set = sched_getaffinity(Pid::from_raw(0)).map_err(|error| format!("affinity: {error}"))?;
    Ok((0..CpuSet::count())
        .filter(|core| set.is_set(*core).unwrap_or(false))
        .collect())
}

/// Binds the calling thread to one core; `None` leaves it free.
///
/// # Errors
/// There is no such core for this process.
pub(crate) fn pin_self(core: Option<usize>) -> Result<(), String> {
    let Some(core) = core else { return Ok(()) };
    let mut set = CpuSet::new();
    set.set(core)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
        .map_err(|error| format!("core {core}: {error}"))
}

/// The hidden verb `pin CORE SIGNAL PROGRAM ARGUMENTS...`: binds itself to the core, asks for the signal when its
/// parent dies, and becomes the program. Between fork and exec only unsafe code could do this.
///
/// # Errors
/// The program cannot be started; otherwise this does not return.
pub(crate) fn pin_and_exec(mut words: impl Iterator<Item = String>) -> Result<(), String> {
    let mut next = || {
        words
            .next()
            .ok_or_else(|| "pin CORE SIGNAL PROGRAM ...".to_owned())
    };
    let core = next()?.parse().map_err(|error| format!("core: {error}"))?;
    let signal: Signal = next()?
        .parse()
        .map_err(|error| format!("signal: {error}"))?;
    let program = next()?;
    pin_self(Some(core))?;
    prctl::set_pdeathsig(signal).map_err(|error| format!("parent death signal: {error}"))?;
    SigSet::all()
        .thread_unblock()
        .map_err(|error| format!("signal mask: {error}"))?;
    Err(format!(
        "{program}: {}",
        Command::new(&program).args(words).exec()
    ))
}

/// What to start, and how.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    /// Its name in messages.
    pub(crate) name: &'static str,
    /// The core of all its threads.
    pub(crate) core: usize,
    /// What its first process gets at the end, and if this process is killed.
    pub(crate) orphan_signal: Signal,
    /// The program.
    pub(crate) program: &'a Path,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
    /// Its environment beyond PATH.
    pub(crate) environment: Vec<(&'static str, String)>,
    /// Where its standard error goes, and its output too unless that is read.
    pub(crate) log: PathBuf,
}

/// A running process group.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
    pid: Pid,
    name: &'static str,
    orphan_signal: Signal,
    log: PathBuf,
}

impl Group {
    /// Starts the program.
    ///
    /// # Errors
    /// It cannot be started, or the log not written.
    pub(crate) fn start(start: Start<'_>) -> Result<Self, String> {
        let fail = |error: std::io::Error| format!("{}: {error}", start.name);
        let log = File::create(&start.log).map_err(fail)?;
        let mut child = Command::new(std::env::current_exe().map_err(fail)?)
            .arg("pin")
            .args([start.core.to_string(), start.orphan_signal.to_string()])
            .arg(start.program)
            .args(start.arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(start.environment)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(if start.name == "mock" {
                Stdio::piped()
            } else {
                log.try_clone().map_err(fail)?.into()
            })
            .stderr(log)
            .spawn()
            .map_err(fail)?;
        let pid = match i32::try_from(child.id()) {
            Ok(pid) => Pid::from_raw(pid),
            Err(error) => {
                let _ = child.kill();
                return Err(format!("{}: {error}", start.name));
            }
        };
        left(|left| left.groups.push(pid));
        let Start {
            name,
            orphan_signal,
            log,
            ..
        } = start;
        Ok(Self {
            child,
            pid,
            name,
            orphan_signal,
            log,
        })
    }

    /// The first line of its output.
    ///
    /// # Errors
    /// It ended without one.
    pub(crate) fn first_line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        if let Some(output) = self.child.stdout.take() {
            BufReader::new(output)
                .read_line(&mut line)
                .map_err(|error| format!("{}: {error}", self.name))?;
        }
        if line.is_empty() {
            Err(self.complaint("said nothing"))
        } else {
            Ok(line)
        }
    }

    /// An error if the process has ended.
    ///
    /// # Errors
    /// It has, with the end of its log.
    pub(crate) fn expect_running(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.complaint(&format!("ended: {status}"))),
            Err(error) => Err(format!("{}: {error}", self.name)),
        }
    }

    /// A sentence about this process with the end of its log.
    pub(crate) fn complaint(&self, what: &str) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let tail = lines
            .get(lines.len().saturating_sub(20)..)
            .unwrap_or_default()
            .join("\n  ");
        if tail.is_empty() {
            return format!("{} {what}", self.name);
        }
        format!("{} {what}; the end of its log:\n  {tail}", self.name)
    }

    /// The processor time of the whole group so far.
    pub(crate) fn cpu(&self) -> Cpu {
        let mut sum = Cpu::default();
        let Ok(folder) = fs::read_dir("/proc") else {
            return sum;
        };
        for entry in folder.flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let Ok(line) = fs::read_to_string(entry.path().join("stat")) else {
                continue;
            };
            let Some(stat) = Stat::parse(&line) else {
                continue;
            };
            if stat.group == self.pid.as_raw() {
                sum.add(Pid::from_raw(pid), &stat);
            }
        }
        sum
    }

    /// The processor time once the group has gone quiet, for at most 0.2 s: what a call leaves to background
    /// threads is charged to the slice that caused it.
    pub(crate) fn cpu_when_quiet(&self) -> Cpu {
        let started = Instant::now();
        let mut before = self.cpu();
        loop {
            thread::sleep(Duration::from_millis(40));
            let now = self.cpu();
            let quiet = now.total.saturating_sub(before.total) < Duration::from_micros(400);
            if quiet || started.elapsed() > Duration::from_millis(200) {
                return now;
            }
            before = now;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The first process is given a moment to end its own children, and the group then no choice.
        let _ = kill(self.pid, self.orphan_signal);
        let started = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && started.elapsed() < PARTING {
            thread::sleep(Duration::from_millis(5));
        }
        let _ = killpg(self.pid, Signal::SIGKILL);
        let _ = self.child.wait();
        left(|left| left.groups.retain(|pid| *pid != self.pid));
    }
}

/// Processor time, user and system together and apart.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    /// User and system, from each process's CPU clock in nanoseconds: the sum of which `stat` shows the ticks.
    pub(crate) total: Duration,
    /// Ticks of 10 ms in user mode.
    pub(crate) user_ticks: u64,
    /// Ticks of 10 ms in the kernel.
    pub(crate) system_ticks: u64,
}

impl Cpu {
    fn add(&mut self, pid: Pid, stat: &Stat) {
        self.user_ticks += stat.user;
        self.system_ticks += stat.system;
        let clock = clock_getcpuclockid(pid).and_then(clock_gettime);
        let own = clock.map_or_else(|_| ticks(stat.user + stat.system), Duration::from);
        self.total += own + ticks(stat.of_children);
    }

    /// What was used between `before` and this.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            total: self.total.saturating_sub(before.total),
            user_ticks: self.user_ticks.saturating_sub(before.user_ticks),
            system_ticks: self.system_ticks.saturating_sub(before.system_ticks),
        }
    }
}

/// Processor time of every process of the machine but this one and `own`, so far. What has ended is in the account of
/// whoever waited for it. The totals of /proc/stat will not do: they are sampled by a tick that an idle core skips.
pub(crate) fn cpu_of_others(own: &[&Group]) -> Duration {
    let myself = std::process::id().to_string();
    let Ok(folder) = fs::read_dir("/proc") else {
        return Duration::ZERO;
    };
    let mut sum = 0;
    for entry in folder.flatten() {
        let name = entry.file_name();
        if !name
            .as_encoded_bytes()
            .first()
            .is_some_and(u8::is_ascii_digit)
            || *name == *myself
        {
            continue;
        }
        let line = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if let Some(stat) = Stat::parse(&line)
            && !own.iter().any(|group| group.pid.as_raw() == stat.group)
        {
            sum += stat.user + stat.system + stat.of_children;
        }
    }
    ticks(sum)
}

fn ticks(count: u64) -> Duration {
    // USER_HZ is 100 on every architecture that Linux still runs on.
    Duration::from_millis(count * 10)
}

/// What is needed of /proc/PID/stat.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    group: i32,
    user: u64,
    system: u64,
    /// Of children that have ended and were waited for.
    of_children: u64,
}

impl Stat {
    fn parse(line: &str) -> Option<Self> {
        // The name in brackets may hold anything, brackets and spaces too.
        let (_, rest) = line.rsplit_once(") ")?;
        let fields: Vec<_> = rest.split_ascii_whitespace().collect();
        let number = |index: usize| fields.get(index).and_then(|text| text.parse::<u64>().ok());
        Some(Self {
            group: fields.get(2)?.parse().ok()?,
            user: number(11)?,
            system: number(12)?,
            of_children: number(13)? + number(14)?,
        })
    }
}

/// A folder for everything a run writes, removed at the end.
#[derive(Debug)]
pub(crate) struct Folder {
    /// Where it is.
    pub(crate) path: PathBuf,
}

impl Folder {
    /// Makes the folder, readable by its owner alone.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn create() -> Result<Self, String> {
        use std::os::unix::fs::DirBuilderExt as _;
        let path = std::env::temp_dir().join(format!("goodgate-bench-{}", std::process::id()));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        left(|left| left.folder = Some(path.clone()));
        Ok(Self { path })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// From here on, an interrupt, a hang-up or the end of `limit` stops every group, removes the folder and ends this
/// process. To be called before any other thread is started, so that all inherit the mask.
///
/// # Errors
/// The signals cannot be blocked.
pub(crate) fn clean_up_when_interrupted(limit: Duration) -> Result<(), String> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals
        .thread_block()
        .map_err(|error| format!("signal mask: {error}"))?;
    thread::spawn(move || {
        let what = signals.wait().map_or("a signal", Signal::as_str);
        abandon(&format!("stopped by {what}"), 130);
    });
    thread::spawn(move || {
        thread::sleep(limit);
        abandon(&format!("stopped: not done after {limit:?}"), 1);
    });
    Ok(())
}

fn abandon(what: &str, code: i32) -> ! {
    eprintln!("{what}");
    left(|left| {
        for group in left.groups.drain(..) {
            let _ = killpg(group, Signal::SIGKILL);
        }
        if let Some(folder) = left.folder.take() {
            let _ = fs::remove_dir_all(folder);
        }
    });
    exit(code)
}

fn left<T>(change: impl FnOnce(&mut Left) -> T) -> T {
    change(&mut LEFT.lock().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use super::Stat;

    #[test]
    fn the_name_in_a_stat_line_may_hold_brackets() {
        let line = "77 (a) b) S 1 42 42 0 -1 4 9 8 7 6 500 250 30 20 20 0 4 0 99";
        let expected = Stat {
            group: 42,
            user: 500,
            system: 250,
            of_children: 50,
        };
        assert_eq!(Stat::parse(line), Some(expected));
        assert_eq!(Stat::parse("77 (a"), None);
    }
}
