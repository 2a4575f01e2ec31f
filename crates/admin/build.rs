//! Has the web UI's files embedded anew when they were built anew: the derive that embeds them does not notice by itself.

use std::path::Path;

fn main() {
    let built = Path::new("../../ui/dist");
    let watched = if is_debug() {
        // A debug build reads the files when they are asked for.
        "build.rs"
    } else if built.exists() {
        "../../ui/dist"
    } else if Path::new("../../ui").exists() {
        // Where they will appear. A path that does not exist would mean a new build every time.
        "../../ui"
    } else {
        "build.rs"
    };
    println!("cargo::rerun-if-changed={watched}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "how Cargo speaks to a build script"
)]
fn is_debug() -> bool {
    std::env::var("PROFILE").is_ok_and(|profile| profile == "debug")
}
