//! Who asks, and may they: decided from the head alone, before any byte of the body is read.

mod admit;

mod identify;

pub use admit::{Place, admit};
pub use identify::identify;
