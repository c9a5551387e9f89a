//! Tidegate as an Envoy HTTP filter.
//!
//! A proxy-wasm shell: it moves bytes between Envoy's hostcalls and [`tidegate_core::gate::Gate`], and knows no policy.
//!
//! | file | idea |
//! |---|---|
//! | `root` | one per plugin configuration: configure, tick, stream callbacks |
//! | `request` | one per request: decide, settle |
//! | `body` | bodies of language models' requests and responses, in the build that reads them |
//! | `held` | requests held back until tokens are there |
//! | `state` | what the VM keeps of a plugin across requests and configuration updates |
//! | `crew` | the workers that serve, and which of them leads |
//! | `books` | their budgets, in shared data |
//! | `era` | which clock they go by, and which books belong to it |
//! | `tables` | tables on their way into force, a slice at a time |
//! | `shared` | tables in shared data, for those that do not lead |
//! | `courier` | reports until they are durable, notes between workers |
//! | `link` | the leader's sync stream to the forecaster |
//! | `detailed` | reports with what is known beside their counters |
//! | `frame` | the protobuf frame of that stream |
//! | `host` | hostcalls that cannot panic |
//! | `rule_use` | how often each rule matched, and which never does |
//! | `metrics` | Envoy counters and gauges |

#![allow(missing_docs, reason = "the SDK's main! exports an entry point without documentation")]

#[cfg(feature = "llm")]
mod body;
mod books;
mod courier;
mod crew;
mod detailed;
mod era;
mod frame;
mod held;
mod host;
mod link;
mod metrics;
mod request;
mod root;
mod rule_use;
mod shared;
mod state;
mod tables;

use proxy_wasm::{traits::RootContext, types::LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|id| -> Box<dyn RootContext> { Box::new(root::Root::new(id)) });
}}
