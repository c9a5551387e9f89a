//! Real Envoy, real plugin, real forecaster: what an operator would see, checked.
//!
//! `cargo xtask test` provides the parts. Every test has a rig of its own on ports of its own; two run at a time, so
//! that timing means something on a small machine.

mod absent;
mod arms;
mod bad_tables;
mod clock_step;
mod config;
mod config_update;
mod crash;
mod debug;
mod demo;
mod descriptors;
mod details;
mod enforcement;
mod envoy_restart;
mod example;
mod gateway;
mod generate;
mod held_back;
mod hostile;
mod large_table;
mod line;
mod llm;
mod on_refusal;
mod partition;
mod problem;
mod rig;
mod rules;
mod settle;
mod shadow;
mod tables;
mod trial;
mod vm_crash;
mod wishes;
mod workers;
mod world;
