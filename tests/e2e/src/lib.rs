//! The end-to-end rig: a real Envoy with the real plugin, a real forecaster, an upstream and a bounded load client,
//! all on loopback and all ended when the rig ends.
//!
//! Every request that the load client sends gets exactly one counted outcome, so the three places that count
//! (client, Envoy, forecaster) can be compared to the last request. The rig knows only what an operator
//! knows: configuration files, the HTTP API, response headers, Envoy's statistics and logs.

pub mod arena;
pub mod binaries;
pub mod envoy;
pub mod folder;
pub mod forecaster;
pub mod gateway;
pub mod hindsight;
pub mod http;
pub mod load;
pub mod ports;
pub mod process;
pub mod rig;
pub mod story;
pub mod trace;
pub mod upstream;
pub mod wait;
