//! What bytes from outside may do: nothing but be refused, or be understood and obeyed within the rules.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a check that fails should panic"
)]

mod apply;
mod config;
mod frames;
mod gate;
mod script;
mod table;
mod transfer;

use tidegate_fuzz::Counting;

#[global_allocator]
static MEMORY: Counting = Counting;
