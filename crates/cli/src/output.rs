//! Results go to standard output, talk to standard error; a reader that has left is no reason to panic.

use std::io::{IsTerminal, Write};

use config::Colour;

/// Prints a result.
pub(crate) fn result(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Says something to the person who typed.
pub(crate) fn talk(text: &str) {
    drop(std::io::stderr().lock().write_all(text.as_bytes()));
}

/// Colours on a terminal, unless the environment forbids or forces them.
pub(crate) fn colour() -> Colour {
    let environment = config::Environment::capture();
    let forced = environment
        .get("CLICOLOR_FORCE")
        .is_some_and(|value| value != "0");
    let forbidden =
        environment.get("NO_COLOR").is_some() || environment.get("TERM") == Some("dumb");
    if forced || (std::io::stdout().is_terminal() && !forbidden) {
        Colour::On
    } else {
        Colour::Off
    }
}
