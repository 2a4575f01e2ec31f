//! What measures goodgate: a mock upstream, a load generator, and `quick`, which compares goodgate with nginx on
//! the same core in one sitting. It knows goodgate only as a program with an HTTP door.

mod arguments;
mod call;
mod contender;
mod http;
mod load;
mod mock;
mod process;
mod quick;
mod statistics;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use arguments::Arguments;
use call::Shape;

const USAGE: &str = "\
usage: goodgate-bench quick --goodgate FILE [--nginx FILE] [--rounds 12] [--chat-ms 350] [--stream-ms 550]
                            [--chat-connections 32] [--stream-connections 64] [--interval-us 2000]
                            [--cores 0,1] [--calibrate]
       goodgate-bench mock  [--listen 127.0.0.1:0] [--interval-us 2000] [--core N]
       goodgate-bench load  --to 127.0.0.1:4000 [--key KEY | --key-file FILE] [--model mock/bench] [--stream]
                            [--connections 32] [--calls N | --seconds 5] [--core N]

quick   interleaves direct, nginx and goodgate; the last two lines are the ratios of calls per CPU-second
        (--calibrate puts a second nginx in goodgate's place: what differs from 1 then is noise)
mock    answers POST /v1/chat/completions, whole or as 50 paced chunks, and GET /v1/models
load    keeps N connections busy and checks that every answer is 2xx and like the first one";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let verb = words.next().unwrap_or_default();
    let outcome = if verb == "pin" {
        process::pin_and_exec(words)
    } else {
        Arguments::parse(words).and_then(|arguments| match verb.as_str() {
            "quick" => quick::quick(arguments),
            "mock" => mock(arguments),
            "load" => load(arguments),
            "help" | "--help" | "-h" => {
                println!("{USAGE}");
                Ok(())
            }
            _ => Err(USAGE.to_owned()),
        })
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("{what}");
            ExitCode::FAILURE
        }
    }
}

fn mock(mut arguments: Arguments) -> Result<(), String> {
    let listen = arguments.value("listen", "127.0.0.1:0")?;
    let interval = Duration::from_micros(arguments.number("interval-us", 2000)?);
    let core = arguments.optional("core")?;
    arguments.finish()?;
    process::pin_self(core)?;
    let mut mock = mock::Mock::bind(listen, interval).map_err(|error| format!("mock: {error}"))?;
    let address = mock.address().map_err(|error| format!("mock: {error}"))?;
    println!("listening on {address}");
    std::io::stdout()
        .flush()
        .map_err(|error| format!("mock: {error}"))?;
    mock.run().map_err(|error| format!("mock: {error}"))
}

fn load(mut arguments: Arguments) -> Result<(), String> {
    let address = arguments.value("to", "127.0.0.1:4000")?;
    let key = match (arguments.text("key"), arguments.text("key-file")) {
        (None, Some(file)) => Some(
            std::fs::read_to_string(&file)
                .map_err(|error| format!("{file}: {error}"))?
                .trim()
                .to_owned(),
        ),
        (key, _) => key,
    };
    let model = arguments
        .text("model")
        .unwrap_or_else(|| "mock/bench".to_owned());
    let shape = if arguments.flag("stream") {
        Shape::Stream
    } else {
        Shape::Whole
    };
    let connections = arguments.number("connections", 32)?;
    let calls = arguments.optional("calls")?;
    let seconds = arguments.number("seconds", 5)?;
    let core = arguments.optional("core")?;
    arguments.finish()?;
    process::pin_self(core)?;
    let report = load::run(&load::Job {
        address,
        request: call::chat_request(address, key.as_deref(), shape, &model).into(),
        expected: None,
        connections,
        until: match calls {
            Some(calls) => load::Until::Calls(calls),
            None => load::Until::Elapsed(Duration::from_secs(seconds)),
        },
    })
    .map_err(|error| format!("load: {address}: {error}"))?;
    println!(
        "{} calls in {:.3} s, {:.0}/s, p50 {} µs, p99 {} µs, {} reconnects, {} failures",
        report.calls,
        report.elapsed.as_secs_f64(),
        report.calls as f64 / report.elapsed.as_secs_f64(),
        report.percentile(50),
        report.percentile(99),
        report.reconnects,
        report.failures.len()
    );
    if report.failures.is_empty() {
        Ok(())
    } else {
        Err(report.failures.join("\n"))
    }
}
