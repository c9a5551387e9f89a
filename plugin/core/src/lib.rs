//! The allocation core of Tidegate.
//!
//! One [`Allocator`] decides every request of one proxy worker from a [`Table`](table::Table) that the forecaster
//! pushed in advance: from the key's shadow (reserved) bucket, from the opportunistic pool, or not at all.
//! The crate is `no_std` and pure: time is an argument, there is no I/O, no clock, no hostcall and no float on the
//! decision path, so the same table and the same requests give the same decisions everywhere.
//!
//! Data flows one way: table → decision → settle → report.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod allocator;
pub mod attributes;
mod clock;
pub mod config;
pub mod details;
pub mod gate;
pub mod lease;
pub mod llm;
pub mod outcome;
pub mod plan;
pub mod report;
pub mod rules;
pub mod sync;
pub mod table;
pub mod transfer;
pub mod units;
mod wire;

pub use allocator::{
    Admission, Allocator, Alternatives, Class, Crew, CrewCells, Decision, Demand, Explanation, Progress,
    Reason, Receipt, Refusal, Request, ResourceExplanation, ResourceSetup, SafeBudget, Setup, Source, Stage,
    Staged, Standing, TableState, Ticket, Waiting,
};
pub use units::{Amount, KeyHash, Rate, Share, Timestamp};
pub use wire::WireError;
