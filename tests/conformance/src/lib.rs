//! One script, many engines: the same tables and the same requests give byte-identical decisions everywhere.
//!
//! A script is a sequence of [`Event`]s: set-up, tables good and bad, requests, settling, waiting, time that passes or jumps. It
//! is derived from a seed, so that a few bytes of [`Question`] are enough to have it played natively, by wasmtime and by
//! the V8 inside a real Envoy. Each engine [`answer`]s with digests of what came of the events; where two
//! differ, a second question brings the first outcome that does, in words.
//!
//! ```text
//! Recipe ─► Script (events) ─► Player (an allocator) ─► Outcome ─► Transcript (digests)
//! ```
//!
//! Fuzzing drives the same player: a [`Recipe`] may also be any bytes. Measurements of what a request costs share a table, [`plenty`].
#![no_std]

extern crate alloc;

mod choices;
mod event;
mod generator;
mod outcome;
mod player;
mod plenty;
mod recent;
mod text;
mod transcript;

pub use choices::Choices;
pub use event::{Ask, Event, Part, SafeBucket, SetUp};
pub use generator::Script;
pub use outcome::{Outcome, Payer, Shortage, Stretch};
pub use player::Player;
pub use plenty::plenty;
pub use recent::Recent;
pub use text::Bytes;
pub use transcript::{Answer, Question, Recipe, answer, play, play_with};
