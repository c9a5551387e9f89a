//! The forecaster from outside: the real binary on a loopback port, a real gRPC client as the proxy.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failed test should panic")]

mod api;
mod check;
mod details;
mod forecast;
mod generate;
mod past;
mod rig;
mod schemas;
mod simulate;
mod sync;
mod wishes;
