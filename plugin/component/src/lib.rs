//! Tidegate as a WebAssembly component: the world `policy` of `wit/admission.wit`.
//!
//! A shell: it moves values between the world's types and [`tidegate_core`], and knows no policy. It imports nothing but the
//! books that instances keep in common.
//!
//! | file | idea |
//! |---|---|
//! | `bindings` | what is generated from the world |
//! | `state` | what the instance keeps between calls |
//! | `allocation` | decisions about keys and tokens |
//! | `upkeep` | tables in, reports out |
//! | `http` | requests by their attributes |
//! | `attributes` | what the rules look at |
//! | `sync` | the conversation with the forecaster |
//! | `direct` | the same functions for hosts that call the core module itself |
//! | `crew` | budgets shared with other instances |
//! | `crash` | failing on purpose, in the build for tests of hosts |
//! | `translate` | the core's words in the world's types |

mod allocation;
mod attributes;
mod bindings;
#[cfg(feature = "crash-test")]
mod crash;
mod crew;
mod direct;
mod http;
mod state;
mod sync;
mod translate;
mod upkeep;
