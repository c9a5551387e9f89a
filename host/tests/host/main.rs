//! A gate from outside, on the real component.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what helpers of tests cannot do is a failed test"
)]

mod http;
mod limits;
mod rig;
mod safety;
mod swap;
mod threads;
