//! Translation end to end: an OpenAI client before the real gateway, and behind it Anthropic, Gemini and Mistral, played
//! by a drill that refuses every field that the real one would refuse. Numbers are those of the list of pitfalls.
#![cfg(test)]

#[path = "../it/client.rs"]
#[expect(dead_code, reason = "shared with the other suite")]
mod client;
#[path = "../it/rig.rs"]
#[expect(dead_code, reason = "shared with the other suite")]
mod rig;

mod answer;
mod check;

mod answers;
mod calls;
mod errors;
mod tools;
