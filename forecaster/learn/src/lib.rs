//! From usage to the planner's input: report → series → forecast → what to plan for.
//!
//! The part of the forecaster between what proxies report and what the planner is asked, without database, clock,
//! configuration file or I/O, so that the running forecaster and the simulator are one loop.

mod fit;
mod groups;
mod heavy;
mod input;
mod learner;
mod load;
mod policy;
mod profiles;
mod regions;
mod school;
mod series;
mod shares;
mod spread;
mod trial;
mod wishes;

pub use fit::Fit;
pub use heavy::{Trial, Verdict};
pub use input::plan_input;
pub use learner::{KeySeries, Learner, Learning, Unlearned, Used};
pub use policy::{NamedCustomer, Policy};
pub use profiles::{Known, Profile, Profiles, Take};
pub use regions::UNKNOWN;
pub use series::{Past, Series};
pub use shares::Shares;
pub use spread::Spread;
