//! What all arms of a comparison share: the requests, what was used before them, and the policy.

use crate::{policy::Policy, trace::Trace};

/// A trace and what is known when it begins.
#[derive(Clone, Debug)]
pub struct World {
    /// The requests.
    pub trace: Trace,
    /// When the first step begins, in milliseconds since the Unix epoch.
    pub starts_at_ms: u64,
    /// Usage before that, in order of time.
    pub history: Vec<Past>,
    /// Who is served how.
    pub policy: Policy,
    /// The key whose demand a scenario changes, and what it is called in tables.
    pub offender: Option<(u32, &'static str)>,
}

/// What was used in one step before the trace begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Number of the step since the Unix epoch.
    pub step: u64,
    /// Key, resource, and tokens.
    pub used: Vec<(u32, u8, u64)>,
}
