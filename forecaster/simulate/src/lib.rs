//! Replays requests against several policies on virtual time, to judge every rule of the product before it is rolled out.
//!
//! Nothing of the product is imitated: requests are decided by the real allocator, from tables that came as bytes from
//! the real planner, which had its forecasts from the real models, which learned from the allocator's own reports. Only
//! time is virtual, and files and tables are all that this crate touches beside it.
//!
//! Data flows one way: rates → world → replay → outcomes → summary.

mod arm;
mod draw;
mod error;
mod generate;
mod input;
mod limiter;
mod measure;
mod policy;
mod rates;
mod replay;
mod rows;
mod scenario;
mod show;
mod study;
mod summary;
mod trace;
mod world;

pub use arm::{Arm, Knowledge, Ours, Rule};
pub use error::Error;
pub use generate::{Cast, Generation, TIERS, UPPER_TIERS, generate};
pub use measure::{Group, Outcomes};
pub use policy::{Policy, Terms};
pub use rates::Rates;
pub use rows::Rows;
pub use scenario::Scenario;
pub use show::show;
pub use study::{Making, Requests, Run, Setting, Study};
pub use summary::{Line, Section, Spread, summarise};
pub use trace::{Arrival, Names, Trace};
pub use world::{Past, World};
