//! The same scripts in native code, in wasmtime as a module and as the component that gateways embed, and in the V8 of a real Envoy.
//!
//! `cargo xtask test` provides Envoy and the guest.

mod alike;
mod component;
mod engine;
mod filter;
mod guest;
mod plugin;
mod scripts;
