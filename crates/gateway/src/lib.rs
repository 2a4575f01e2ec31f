//! The gateway: from an accepted socket to a relayed answer.
//!
//! Read in this order: [`serve`] accepts sockets and hands requests to [`pipeline`], whose steps are the folders of the
//! same names: [`intake`], [`admission`], [`routing`], [`attempt`], [`relay`]; what is not answered is a [`refusal`],
//! and all that happened is in the call's [`journal`].

pub mod serve;

pub mod pipeline;

pub mod intake;

pub mod admission;

pub mod routing;

pub mod attempt;

pub mod relay;

pub mod lanes;

pub mod settlement;

pub mod refusal;

pub mod journal;

mod boxed;

pub mod bytes;

pub mod gate;

pub mod hosts;

pub mod keyring;

pub mod policy;

pub mod reload;

pub mod resources;

pub mod tasks;

pub use gate::Gate;
