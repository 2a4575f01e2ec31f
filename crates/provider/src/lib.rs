//! Kinds of providers: what each company or server program is called, where it lives, how it takes a key,
//! what its errors mean and what its models cost.
//!
//! Facts only: nothing here opens a socket or decides to retry. A kind is one folder and one line in [`KINDS`];
//! start with [`kind::Kind`], then read any folder's `mod.rs`.

pub mod auth;
pub mod catalog;
pub mod deviations;
pub mod kind;
mod phrases;
pub mod request;
pub mod signal;

pub use auth::Auth;
pub use deviations::Deviation;
pub use diagnosis::{Code, Group};
pub use kind::{Billing, Kind, Place, Reading};
pub use request::{Endpoint, Operation, Scheme};
pub use signal::{list_models, signal, signal_of};

/// Declares the kinds' folders and the table of them, so that a kind is one line.
macro_rules! kinds {
    ($($folder:ident,)*) => {
        $(mod $folder;)*

        /// Every kind there is, in the order in which they are shown.
        pub static KINDS: &[&Kind] = &[$(&$folder::KIND),*];
    };
}

kinds! {
    openai,
    anthropic,
    gemini,
    mistral,
    groq,
    deepseek,
    openrouter,
    together,
    cerebras,
    xai,
    ollama,
    llama_cpp,
    vllm,
    openai_compatible,
    demo,
}

/// The kind of that name, as written in `type:` (`openai`, `llama-cpp`).
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name).copied()
}

#[cfg(test)]
mod tests;
