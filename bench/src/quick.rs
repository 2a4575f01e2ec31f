//! The measurement behind `make bench-quick`: direct, nginx and goodgate by turns, round after round, so that
//! whatever the machine does meanwhile meets all of them. Judged are calls per CPU-second, not calls per second:
//! on two cores the load can be the slower half, and then the clock says nothing about the gateway.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::arguments::Arguments;
use crate::call::{Shape, chat_request};
use crate::contender::{Contender, find_nginx, start_mock};
use crate::load::{self, Job, Until};
use crate::process::{self, Cpu, Folder, Group};
use crate::statistics::Spread;

/// However wrong things go, the run ends after this.
const LIMIT: Duration = Duration::from_secs(150);

/// Where the direct way, nginx and goodgate stand among the contenders.
const DIRECT: usize = 0;
const NGINX: usize = 1;
const GOODGATE: usize = 2;

#[derive(Debug)]
struct Plan {
    rounds: usize,
    scenarios: [Scenario; 2],
    gateway_core: usize,
    load_core: usize,
    interval: Duration,
    nginx: PathBuf,
    /// `None` with `--calibrate`.
    goodgate: Option<PathBuf>,
}

#[derive(Debug)]
struct Scenario {
    name: &'static str,
    shape: Shape,
    connections: usize,
    slice: Duration,
}

/// What one slice showed.
#[derive(Debug, Clone, Copy)]
struct Sample {
    per_second: f64,
    /// Microseconds of the contender's processors per call.
    cpu_micros: f64,
    user_percent: f64,
    p50: f64,
    p99: f64,
    reconnects: usize,
}

/// The samples of one contender in one scenario, a round each.
type Samples = Vec<Sample>;

/// Runs the comparison and prints it.
///
/// # Errors
/// Something is missing, an answer is wrong, or the store's counts miss a call.
pub(crate) fn quick(arguments: Arguments) -> Result<(), String> {
    let plan = Plan::read(arguments)?;
    process::clean_up_when_interrupted(LIMIT)?;
    process::pin_self(Some(plan.load_core))?;
    let started = Instant::now();
    let folder = Folder::create()?;
    let (mock, address) = start_mock(&folder.path, plan.load_core, plan.interval)?;
    let core = plan.gateway_core;
    let third = match &plan.goodgate {
        Some(program) => Contender::goodgate(program, &folder.path, core, address)?,
        None => Contender::nginx("nginx-2", &plan.nginx, &folder.path, core, address)?,
    };
    let mut contenders = [
        Contender::direct(address),
        Contender::nginx("nginx", &plan.nginx, &folder.path, core, address)?,
        third,
    ];
    print_head(&plan);
    let (others, since) = (cpu_of_others(&mock, &contenders), Instant::now());
    let tables = measure(&plan, &mut contenders)?;
    let others = cpu_of_others(&mock, &contenders).saturating_sub(others);
    let measured = since.elapsed();
    for (scenario, table) in plan.scenarios.iter().zip(&tables) {
        print_table(scenario, &contenders, table);
    }
    for contender in &contenders {
        if let Some(counted) = contender
            .check_counts()
            .map_err(|what| contender.complaint(&what))?
        {
            println!(
                "counts: {} sent {}, the store has {counted}",
                contender.name, contender.sent
            );
        }
    }
    print_others(others, measured);
    println!("took {:.1} s", started.elapsed().as_secs_f64());
    let [whole, stream] = tables.map(|table| ratio(&table));
    println!(
        "per round: stream {}, chat {}",
        show(stream, 3),
        show(whole, 3)
    );
    println!("stream ratio {:.3}", stream.median);
    println!("nginx ratio {:.3}", whole.median);
    Ok(())
}

impl Plan {
    fn read(mut arguments: Arguments) -> Result<Self, String> {
        let calibrate = arguments.flag("calibrate");
        let goodgate = arguments.text("goodgate").map(PathBuf::from);
        let given = arguments.text("nginx").map(PathBuf::from);
        let cores = arguments.text("cores");
        let plan = Self {
            rounds: arguments.number("rounds", 12)?,
            scenarios: [
                Scenario {
                    name: "chat 1 KB",
                    shape: Shape::Whole,
                    connections: arguments.number("chat-connections", 32)?,
                    slice: Duration::from_millis(arguments.number("chat-ms", 350)?),
                },
                Scenario {
                    name: "stream of 50",
                    shape: Shape::Stream,
                    connections: arguments.number("stream-connections", 64)?,
                    slice: Duration::from_millis(arguments.number("stream-ms", 550)?),
                },
            ],
            interval: Duration::from_micros(arguments.number("interval-us", 2000)?),
            gateway_core: 0,
            load_core: 0,
            nginx: find_nginx(given)?,
            goodgate: match (goodgate, calibrate) {
                (_, true) => None,
                (Some(file), _) if file.is_file() => Some(file),
                (Some(file), _) => {
                    return Err(format!("{} is missing: build it first", file.display()));
                }
                (None, _) => return Err("--goodgate FILE is needed".to_owned()),
            },
        };
        arguments.finish()?;
        let (gateway_core, load_core) = two_cores(cores.as_deref())?;
        Ok(Self {
            gateway_core,
            load_core,
            ..plan
        })
    }
}

/// The gateway's core and the load's: the first two usable ones, or those given as `0,1`.
fn two_cores(given: Option<&str>) -> Result<(usize, usize), String> {
    let usable = process::usable_cores()?;
    let Some(given) = given else {
        return match usable.as_slice() {
            [first, second, ..] => Ok((*first, *second)),
            _ => Err(format!("two processors are needed, usable are {usable:?}")),
        };
    };
    let pair = given
        .split_once(',')
        .and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    pair.filter(|(a, b)| a != b && usable.contains(a) && usable.contains(b))
        .ok_or_else(|| format!("--cores {given}: two of {usable:?} are needed, as in 0,1"))
}

/// The samples by scenario and contender.
fn measure(plan: &Plan, contenders: &mut [Contender; 3]) -> Result<[[Samples; 3]; 2], String> {
    let mut bodies = Vec::new();
    for scenario in &plan.scenarios {
        let body: Arc<[u8]> = first_answers(scenario, contenders)?.into();
        for contender in contenders.iter_mut() {
            slice(contender, scenario, &body, scenario.slice / 4)?;
        }
        bodies.push(body);
    }
    let mut tables: [[Samples; 3]; 2] = Default::default();
    for round in 0..plan.rounds {
        // Each comes first, second and third equally often, and after each of the others.
        let mut order = [DIRECT, NGINX, GOODGATE];
        order.rotate_left(round % 3);
        if round / 3 % 2 == 1 {
            order.swap(1, 2);
        }
        for ((scenario, body), table) in plan.scenarios.iter().zip(&bodies).zip(&mut tables) {
            for at in order {
                if let (Some(contender), Some(samples)) =
                    (contenders.get_mut(at), table.get_mut(at))
                {
                    samples.push(slice(contender, scenario, body, scenario.slice)?);
                }
            }
        }
    }
    Ok(tables)
}

/// One call through each, so that a contender that does not work is told by its answer. Gives the direct body.
fn first_answers(scenario: &Scenario, contenders: &mut [Contender; 3]) -> Result<Vec<u8>, String> {
    let mut direct: Option<Vec<u8>> = None;
    for contender in contenders.iter_mut() {
        let address = contender.address(scenario.shape);
        let request = chat_request(address, contender.key.as_deref(), scenario.shape, "bench");
        contender.sent += 1;
        let answer = load::ask(address, &request).map_err(|error| {
            contender.complaint(&format!("failed in `{}`: {error}", scenario.name))
        })?;
        let body = String::from_utf8_lossy(&answer.body);
        if !(200..300).contains(&answer.status) {
            let what = format!("answers {} in `{}`: {body}", answer.status, scenario.name);
            return Err(contender.complaint(&what));
        }
        match &direct {
            Some(direct) if *direct != answer.body => {
                let expected = String::from_utf8_lossy(direct);
                return Err(format!(
                    "{} changes the body in `{}`, {} bytes instead of {}:\n{body}\ninstead of\n{expected}",
                    contender.name,
                    scenario.name,
                    answer.body.len(),
                    direct.len()
                ));
            }
            Some(_) => {}
            None => direct = Some(answer.body),
        }
    }
    direct.ok_or_else(|| "nobody was asked".to_owned())
}

fn slice(
    contender: &mut Contender,
    scenario: &Scenario,
    body: &Arc<[u8]>,
    time: Duration,
) -> Result<Sample, String> {
    let address = contender.address(scenario.shape);
    let request = chat_request(address, contender.key.as_deref(), scenario.shape, "bench");
    let before = contender
        .group
        .as_ref()
        .map_or_else(Cpu::default, Group::cpu);
    let report = load::run(&Job {
        address,
        request: request.into(),
        expected: Some(Arc::clone(body)),
        connections: scenario.connections,
        until: Until::Elapsed(time),
    })
    .map_err(|error| contender.complaint(&format!("failed in `{}`: {error}", scenario.name)))?;
    let after = contender
        .group
        .as_ref()
        .map_or_else(Cpu::default, Group::cpu_when_quiet);
    contender.sent += u64::try_from(report.calls).unwrap_or(u64::MAX);
    if !report.failures.is_empty() {
        let what = report.failures.join("\n");
        return Err(contender.complaint(&format!("failed in `{}`: {what}", scenario.name)));
    }
    let cpu = after.since(before);
    let calls = report.calls.max(1) as f64;
    let all_ticks = (cpu.user_ticks + cpu.system_ticks).max(1) as f64;
    Ok(Sample {
        per_second: calls / report.elapsed.as_secs_f64(),
        cpu_micros: cpu.total.as_secs_f64() * 1e6 / calls,
        user_percent: cpu.user_ticks as f64 * 100.0 / all_ticks,
        p50: f64::from(report.percentile(50)),
        p99: f64::from(report.percentile(99)),
        reconnects: report.reconnects,
    })
}

/// goodgate's calls per CPU-second divided by nginx's, round by round.
fn ratio(table: &[Samples; 3]) -> Spread {
    let [_, nginx, goodgate] = table;
    Spread::of(
        nginx
            .iter()
            .zip(goodgate)
            .map(|(nginx, goodgate)| nginx.cpu_micros / goodgate.cpu_micros.max(f64::MIN_POSITIVE)),
    )
}

/// Processor time of all that is not part of this run.
fn cpu_of_others(mock: &Group, contenders: &[Contender; 3]) -> Duration {
    let groups = contenders
        .iter()
        .filter_map(|contender| contender.group.as_ref());
    process::cpu_of_others(&groups.chain([mock]).collect::<Vec<_>>())
}

/// Says how much others have worked: the less, the better the ratios.
fn print_others(cpu: Duration, elapsed: Duration) {
    let percent = cpu.as_secs_f64() * 100.0 / elapsed.as_secs_f64();
    let advice = if percent > 10.0 {
        ": a busy machine, measure again when it is quiet"
    } else {
        ""
    };
    println!("\nothers used {percent:.0} % of one core{advice}");
}

fn print_head(plan: &Plan) {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let processor = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, name)| name);
    println!(
        "{processor}, Linux {}",
        read("/proc/sys/kernel/osrelease").trim()
    );
    println!(
        "gateway on core {}, load and mock on core {}; {} rounds; {:?} between chunks; median (least..greatest)",
        plan.gateway_core, plan.load_core, plan.rounds, plan.interval
    );
}

fn print_table(scenario: &Scenario, contenders: &[Contender; 3], table: &[Samples; 3]) {
    println!(
        "\n{}, {} connections, slices of {:?}",
        scenario.name, scenario.connections, scenario.slice
    );
    println!(
        "  {:9} {:>22} {:>24} {:>24} {:>6} {:>8} {:>8}",
        "", "calls/s", "calls per CPU-second", "CPU µs per call", "user", "p50 µs", "p99 µs"
    );
    for (contender, samples) in contenders.iter().zip(table) {
        let of = |value: fn(&Sample) -> f64| Spread::of(samples.iter().map(value));
        let per_second = show(of(|sample| sample.per_second), 0);
        let (p50, p99) = (
            of(|sample| sample.p50).median,
            of(|sample| sample.p99).median,
        );
        let (per_cpu, micros, user) = if contender.group.is_some() {
            (
                show(
                    of(|sample| 1e6 / sample.cpu_micros.max(f64::MIN_POSITIVE)),
                    0,
                ),
                show(of(|sample| sample.cpu_micros), 2),
                format!("{:.0} %", of(|sample| sample.user_percent).median),
            )
        } else {
            Default::default()
        };
        println!(
            "  {:9} {per_second:>22} {per_cpu:>24} {micros:>24} {user:>6} {p50:>8.0} {p99:>8.0}",
            contender.name
        );
        let reconnects: usize = samples.iter().map(|sample| sample.reconnects).sum();
        if reconnects > 0 {
            println!(
                "            {reconnects} connections were closed by the server between calls"
            );
        }
    }
}

fn show(spread: Spread, digits: usize) -> String {
    let Spread {
        median,
        least,
        greatest,
    } = spread;
    format!("{median:.digits$} ({least:.digits$}..{greatest:.digits$})")
}

#[cfg(test)]
mod tests {
    use super::{Sample, ratio, two_cores};

    fn sample(cpu_micros: f64) -> Sample {
        Sample {
            per_second: 1.0,
            cpu_micros,
            user_percent: 0.0,
            p50: 0.0,
            p99: 0.0,
            reconnects: 0,
        }
    }

    #[test]
    fn the_ratio_pairs_the_slices_of_a_round() {
        let table = [
            Vec::new(),
            vec![sample(10.0), sample(20.0), sample(12.0)],
            vec![sample(12.5), sample(20.0), sample(16.0)],
        ];
        let ratio = ratio(&table);
        assert_eq!(
            (ratio.median, ratio.least, ratio.greatest),
            (0.8, 0.75, 1.0)
        );
    }

    #[test]
    fn cores_that_are_equal_or_unusable_are_refused() {
        for given in ["0", "0,0", "0,99999", "a,b"] {
            two_cores(Some(given)).unwrap_err();
        }
    }
}
