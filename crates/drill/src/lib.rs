//! The scripted faulty server: answers like OpenAI, Anthropic, Gemini or Mistral, and misbehaves on script.
//!
//! ```no_run
//! let drill = drill::Drill::start(drill::Options::default())?;
//! println!("{}/v1/chat/completions", drill.url());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! It is its own HTTP/1.1 server on raw sockets, because it must break HTTP on purpose (HTTP/2 it speaks with a library,
//! and breaks it beside that), and shares no code with
//! `dialect`, so that one mistake cannot hide on both sides. What it does is chosen by, in this order: a rule of its
//! [`Script`]; a path below `/fault/NAME/`; the model's name (a [demo model](demo::MODELS), or `fault:NAME`).

mod answer;
mod decide;
pub mod demo;
pub mod faults;
mod http;
mod http2;
mod json;
mod models;
mod plain;
mod reply;
pub mod script;
mod seen;
mod server;
mod tls;
mod websocket;
mod wire;

pub use faults::Fault;
pub use models::ask::DEMO_TEXT;
pub use models::{Keys, Style};
pub use reply::{Finish, Reply, ToolCall, Usage};
pub use script::{NamedFault, Rule, Script, ScriptError, Span, When};
pub use seen::{MAX_BODIES_KEPT, MAX_BODY_KEPT, MAX_SEEN, Seen};
pub use server::{Drill, Options};
pub use tls::{TLS_NAMES, TlsScript};
