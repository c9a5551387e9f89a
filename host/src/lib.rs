//! Tidegate inside any Rust gateway.
//!
//! A [`Gate`] decides which requests pass now, which wait and which are told when to come again: by limits, and, with a
//! forecaster, by reservations made before the requests arrive. The policy is a WebAssembly component (`wit/admission.wit`): it
//! can reach nothing but its own memory, a failure in it costs no request more than its limits, and it is replaced while
//! requests go on.
//!
//! ```
//! # let file = std::env::var("TIDEGATE_COMPONENT")
//! #     .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../target/wasm/tidegate.component.wasm").into());
//! use tidegate_host::{Budget, Component, Decision, Gate, Request, Timestamp};
//!
//! let policy = Component::from_file(file)?;
//! let budget = Budget { per_s: 100.0, burst: 2 };
//! let now = Timestamp::now();
//! let gate = Gate::builder().component(&policy).resource("requests", budget).build(now)?;
//!
//! let acme = gate.key("acme");
//! assert!(gate.decide(&Request::new(&acme), now).passes());
//! assert!(gate.decide(&Request::new(&acme), now).passes());
//! let Decision::Refuse(refusal) = gate.decide(&Request::new(&acme), now) else { panic!("a third of two") };
//! assert_eq!(refusal.retry_after_ns.map(|nanos| nanos / 1_000_000), Some(10));
//! # Ok::<(), tidegate_host::Error>(())
//! ```
//!
//! `cargo xtask wasm` builds the component: `target/wasm/tidegate.component.wasm`.
//!
//! | module | idea |
//! |---|---|
//! | `component` | a policy, compiled once |
//! | `limits` | what it may use: memory, tables, CPU time per call |
//! | `memory` | linear memory on huge pages |
//! | `books` | what instances share: cells in which the policy keeps budgets |
//! | `policy` | what an instance can be asked |
//! | `direct` | how the module inside is called without the component model |
//! | `instance` | one instance, and calls that fail cleanly |
//! | `shard` | an instance behind a lock, and what it takes to make it anew |
//! | `gate` | a policy for many threads: decisions, tables, reports, restarts, swaps |
//! | `decision` | what is asked and what is answered |
//! | `layer` | admission for HTTP services (feature `tower`) |
//! | `sync` | the link to the forecaster (feature `sync`) |
//! | `metrics` | what a gate counts of itself |

mod bindings;
mod books;
mod component;
mod decision;
mod direct;
mod error;
mod gate;
mod instance;
#[cfg(feature = "tower")]
mod layer;
mod limits;
mod memory;
mod metrics;
mod policy;
mod shard;
#[cfg(feature = "sync")]
mod sync;
mod time;

pub use component::Component;
pub use decision::{
    Admission, Class, Cost, Decision, Key, Reason, Receipt, Refusal, Request, Source, Ticket, Waiting,
};
pub use error::Error;
pub use gate::{
    Alternatives, Budget, Builder, FailMode, Gate, Header, Held, Label, Released, Report, Response, Verdict,
};
#[cfg(feature = "tower")]
pub use layer::{Admission as AdmissionService, AdmissionLayer, Properties};
pub use limits::Limits;
pub use metrics::{Decided, Metrics};
#[cfg(feature = "sync")]
pub use sync::Link;
pub use time::Timestamp;
