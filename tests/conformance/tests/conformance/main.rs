//! The same scripts in native code, wasmtime and the V8 of a real Envoy.
//!
//! `cargo xtask test` provides Envoy and the guest.

mod alike;
mod engine;
mod guest;
mod plugin;
mod scripts;
