//! Real Envoy, real plugin, real forecaster: what an operator would see, checked.
//!
//! `cargo xtask test` provides the parts. Every test has a rig of its own on ports of its own; two run at a time, so
//! that timing means something on a small machine.

mod absent;
mod arms;
mod bad_tables;
mod bench;
mod clock_step;
mod config;
mod config_update;
mod crash;
mod debug;
mod demo;
mod descriptors;
mod details;
mod details_exact;
mod enforcement;
mod envoy_restart;
mod example;
mod fail_modes;
mod fields;
mod gateway;
mod generate;
mod held_back;
mod held_bodies;
mod hostile;
mod large_table;
mod line;
mod llm;
mod llm_hung_up;
mod made;
mod on_refusal;
mod partition;
mod paths;
mod problem;
mod program;
mod queue_order;
mod rig;
mod rules;
mod settle;
mod shadow;
mod tables;
mod trial;
mod vm_crash;
mod vm_crash_alone;
mod vm_crash_held;
mod wishes;
mod workers;
mod world;
