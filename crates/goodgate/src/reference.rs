//! docs/commands.md is what clap knows of the command line: every verb with its options, in the words of `--help`.

use std::fmt::Write;
use std::path::PathBuf;

use clap::builder::StyledStr;
use clap::{Arg, Command, CommandFactory};

use crate::Arguments;

/// What verbs print, by their names: `## goodgate status` and then the output.
const EXAMPLES: &str = include_str!("reference.examples.txt");

/// What stands before the verbs.
const HEAD: &str = "# Commands

Generated from the program's own definitions; `goodgate VERB --help` says the same.

Results go to standard output, talk to standard error. Listings are tables on a terminal and tab-separated values elsewhere.
`NO_COLOR`, `CLICOLOR_FORCE` and `TERM=dumb` are obeyed; signs give way to ASCII where the locale has no UTF-8; `COLUMNS` sets the
width. Nothing ever asks a question.

| exit code | means |
| --- | --- |
| 0 | well |
| 1 | a failure: a check, a call or an examination that did not pass |
| 2 | the command line is wrong |
| 3 | the configuration is invalid: a restart does not help |
| 4 | not allowed: the state folder's files cannot be read, or the admin API refuses |
| 5 | there is no such request, code, provider or file |
| 6 | no gateway answers |
| 130 | interrupted |

`goodgate run` exits with its program's code.

What is printed below was recorded from a gateway between two scripted servers, of which `openai` answers 502.
";

fn page() -> String {
    let mut out = HEAD.to_owned();
    let mut command = Arguments::command();
    command.build();
    for verb in command.get_subcommands() {
        section(&mut out, "goodgate", verb);
    }
    out
}

fn section(out: &mut String, parent: &str, command: &Command) {
    let name = format!("{parent} {}", command.get_name());
    let inner: Vec<&Command> = command.get_subcommands().collect();
    let is_group = !inner.is_empty();
    for command in inner {
        section(out, &name, command);
    }
    if is_group {
        return;
    }
    let about = text(command.get_long_about().or_else(|| command.get_about()));
    write!(out, "\n## `{name}`\n\n{about}\n\n").unwrap();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    writeln!(out, "```\n{usage}\n```").unwrap();
    let shown: Vec<&Arg> = command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set() && argument.get_id() != "help")
        .collect();
    options(out, &shown);
    if let Some(example) = example(&name) {
        write!(out, "\n```console\n{example}\n```\n").unwrap();
    }
}

/// What the verb prints, where that was recorded.
fn example(name: &str) -> Option<&'static str> {
    let mut examples = EXAMPLES.split("\n## ").skip(1);
    let own = examples.find_map(|one| one.strip_prefix(name)?.strip_prefix('\n'));
    own.map(str::trim_end)
}

fn options(out: &mut String, shown: &[&Arg]) {
    if shown.is_empty() {
        return;
    }
    out.push_str("\n| option | what it does |\n| --- | --- |\n");
    for argument in shown {
        writeln!(out, "| {} | {} |", option(argument), meaning(argument)).unwrap();
    }
}

/// `-f`, `--follow`; `--since TIME`; `NAME`
fn option(argument: &Arg) -> String {
    let values: Vec<String> = argument
        .get_value_names()
        .unwrap_or_default()
        .iter()
        .map(|name| name.as_str().replace('|', "\\|"))
        .collect();
    let value = if argument.get_action().takes_values() {
        values.join(" ")
    } else {
        String::new()
    };
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    let all = match names.as_slice() {
        [] => value,
        _ if value.is_empty() => names.join("`, `"),
        _ => format!("{} {value}", names.join("`, `")),
    };
    format!("`{all}`")
}

fn meaning(argument: &Arg) -> String {
    let mut out = text(argument.get_long_help().or_else(|| argument.get_help()));
    let is_flag = !argument.get_action().takes_values();
    let possible: Vec<String> = argument
        .get_possible_values()
        .iter()
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !possible.is_empty() && !is_flag {
        write!(out, " One of {}.", possible.join(", ")).unwrap();
    }
    let defaults: Vec<String> = argument
        .get_default_values()
        .iter()
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    if !defaults.is_empty() && !is_flag {
        write!(out, " Default: {}.", defaults.join(" ")).unwrap();
    }
    if let Some(variable) = argument.get_env() {
        write!(out, " Or by the variable `{}`.", variable.to_string_lossy()).unwrap();
    }
    out.replace('|', "\\|")
}

/// One paragraph, with the full stop that clap takes off.
fn text(styled: Option<&StyledStr>) -> String {
    let text = styled.map(ToString::to_string).unwrap_or_default();
    let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if !text.ends_with(['.', ':', '?', ')']) {
        text.push('.');
    }
    text
}

#[test]
fn the_page_of_commands_is_fresh() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/commands.md");
    let generated = page();
    if config::Environment::capture()
        .get("UPDATE_REFERENCE")
        .is_some()
    {
        std::fs::write(&file, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == generated,
        "docs/commands.md is stale: UPDATE_REFERENCE=1 cargo test -p goodgate the_page_of_commands"
    );
}

#[test]
fn every_example_is_of_a_verb_and_begins_with_its_command_line() {
    let page = page();
    for title in EXAMPLES.lines().filter_map(|line| line.strip_prefix("## ")) {
        assert!(page.contains(&format!("\n## `{title}`\n")), "{title}");
        let example = example(title).unwrap();
        assert!(example.starts_with(&format!("$ {title}")), "{title}");
    }
}

#[test]
fn every_verb_and_option_says_what_it_does() {
    fn check(command: &Command) {
        assert!(command.get_about().is_some(), "{}", command.get_name());
        for argument in command.get_arguments() {
            let named = format!("{} {}", command.get_name(), argument.get_id());
            assert!(argument.get_help().is_some(), "{named}");
        }
        command.get_subcommands().for_each(check);
    }
    let command = Arguments::command();
    command.clone().debug_assert();
    check(&command);
}
