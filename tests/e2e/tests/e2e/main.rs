//! Real Envoy, real plugin, real forecaster: what an operator would see, checked.
//!
//! `cargo xtask test` provides the parts. Every test has a rig of its own on ports of its own; two run at a time, so
//! that timing means something on a small machine.

mod absent;
mod arms;
mod bad_tables;
mod config;
mod crash;
mod demo;
mod enforcement;
mod example;
mod rig;
mod settle;
mod shadow;
mod tables;
mod workers;
mod world;
