//! The conformance player as WebAssembly, one module for both engines.
//!
//! | file | idea |
//! |---|---|
//! | `exports` | plain functions, for wasmtime |
//! | `plugin` | a proxy-wasm plugin that answers the questions in its configuration in Envoy's log |

#![allow(missing_docs, reason = "the SDK's main! exports an entry point without documentation")]

mod exports;
mod plugin;

use proxy_wasm::{traits::RootContext, types::LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(plugin::Plugin) });
}}
