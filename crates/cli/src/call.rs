//! `call`: one call, its answer as it comes, and what it took.

use std::io::Read;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use types::{Clock, SystemClock};
use upstream::{Client, ClientOptions, Resolver, ResolverOptions};

use crate::calling::{Caller, Ended};
use crate::running::{NotAsked, Running, Which};
use crate::{exit, explain, output, spans};

/// What a call may take unless said otherwise: as long as the gateway's own default.
const PATIENCE: Duration = Duration::from_secs(600);

/// A prompt from standard input is read up to this.
const MAX_PROMPT: u64 = 16 << 20;

/// What `call` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
    /// The model: an alias, or provider/model.
    #[arg(short, long, value_name = "NAME")]
    model: String,
    /// What to say; `-` reads it from standard input.
    prompt: String,
    /// Ask for a whole answer instead of a stream.
    #[arg(long)]
    no_stream: bool,
    /// Give up after this time.
    #[arg(long, value_name = "TIME", value_parser = spans::read)]
    timeout: Option<Duration>,
    /// Print the answer alone.
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
    /// Print answer, status, outcome and times as one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match called(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(exit::FAILURE),
        Err(error) => {
            output::talk(&format!("goodgate: {error}\n"));
            ExitCode::from(error.exit_code())
        }
    }
}

/// Makes the call; whether it was answered.
fn called(arguments: &Arguments) -> Result<bool, NotAsked> {
    let running = Running::find(&arguments.which)?;
    let unreachable = |line: String| NotAsked::Unreachable {
        address: running.address().to_owned(),
        line,
    };
    let prompt = prompt(&arguments.prompt).map_err(|error| unreachable(error.to_string()))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let resolver = Resolver::new(ResolverOptions::default(), Arc::clone(&clock));
    let client = Client::new(ClientOptions::new(Arc::new(resolver), Arc::clone(&clock)));
    let caller = Caller::new(client, running.address(), &running.first_key()?);
    let body = json!({
        "model": arguments.model,
        "stream": !arguments.no_stream,
        "messages": [{"role": "user", "content": prompt}],
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| unreachable(error.to_string()))?;
    let mut said = String::new();
    let patience = arguments.timeout.unwrap_or(PATIENCE);
    let ended = runtime
        .block_on(caller.chat(&*clock, &body, patience, |piece| {
            said.push_str(piece);
            if !arguments.json {
                output::piece(&output::harmless(piece));
            }
        }))
        .map_err(unreachable)?;
    let answer: Value = serde_json::from_slice(&ended.body).unwrap_or_default();
    let whole = answer
        .pointer("/choices/0/message/content")
        .and_then(Value::as_str);
    if let Some(text) = whole {
        said.push_str(text);
    }
    if arguments.json {
        output::result(&format!("{}\n", as_json(&ended, &said, &answer)));
        return Ok(ended.whole);
    }
    match whole {
        Some(text) => output::result(&format!("{}\n", output::harmless(text))),
        None if !said.is_empty() => output::result("\n"),
        None => {}
    }
    if !ended.whole {
        output::talk(&format!("goodgate: {}\n", message(&ended, &answer)));
    }
    if !arguments.quiet {
        tell(&running, &ended);
    }
    Ok(ended.whole)
}

fn prompt(written: &str) -> std::io::Result<String> {
    if written != "-" {
        return Ok(written.to_owned());
    }
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(MAX_PROMPT)
        .read_to_string(&mut text)?;
    Ok(text)
}

fn message(ended: &Ended, answer: &Value) -> String {
    let told = answer.pointer("/error/message").and_then(Value::as_str);
    match told {
        Some(message) => message.to_owned(),
        None if ended.status.is_success() => "the answer broke off before its end".to_owned(),
        None => format!("the gateway answered {}", ended.status),
    }
}

fn as_json(ended: &Ended, said: &str, answer: &Value) -> Value {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    json!({
        "request_id": ended.id,
        "status": ended.status.as_u16(),
        "outcome": ended.outcome,
        "whole": ended.whole,
        "text": said,
        "error": answer.get("error"),
        "head_after_ms": millis(ended.head_after),
        "took_ms": millis(ended.took),
    })
}

/// The call's line and its attempts, to whoever typed.
fn tell(running: &Running, ended: &Ended) {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let mut parts = vec![ended.status.as_u16().to_string()];
    parts.extend(ended.outcome.clone());
    parts.push(format!(
        "begun after {}",
        spans::exact(millis(ended.head_after))
    ));
    parts.push(format!("whole after {}", spans::exact(millis(ended.took))));
    parts.extend(ended.id.clone());
    output::talk(&format!("{}\n", parts.join(" · ")));
    let timeline = ended
        .id
        .as_ref()
        .and_then(|id| explain::timeline_of(running, id).ok());
    if let Some(timeline) = timeline {
        output::talk(&timeline);
    }
}
