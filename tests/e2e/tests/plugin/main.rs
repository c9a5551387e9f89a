//! Parts of the plugin that need no Envoy. The plugin is made for WebAssembly alone, so they are taken in as they are.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test should panic")]

#[path = "../../../../plugin/envoy/src/detailed.rs"]
mod detailed;
#[path = "../../../../plugin/envoy/src/era.rs"]
mod era;

mod details;
mod eras;
