//! What decides in an arm, whatever it is.
//!
//! | file | idea |
//! |---|---|
//! | `shares` | a bucket for each key |
//! | `gate` | the real allocator, with tables or without |
//! | `planning` | the forecaster's side of the loop: reports in, tables out |
//! | `foresight` | where the planner's forecasts come from |
//! | `supply` | capacity that follows demand, minutes late |

pub(crate) mod foresight;
pub(crate) mod gate;
pub(crate) mod planning;
pub(crate) mod shares;
pub(crate) mod supply;

use tidegate_core::{Receipt, Source, Timestamp};

use crate::{error::Error, trace::Arrival};

/// A limiter on virtual time.
pub(crate) trait Limiter {
    /// Decides one request.
    fn decide(&mut self, arrival: &Arrival, key: &str, now: Timestamp) -> Verdict;

    /// Tells what an admitted request has really cost.
    fn settle(&mut self, _receipt: Receipt, _resource: u8, _actual: u64, _now: Timestamp) {}

    /// The next waiting request that is decided now, by its ticket; to be called until there is none.
    fn release(&mut self, _now: Timestamp) -> Option<(Ticket, Verdict)> {
        None
    }

    /// When `release` is to be called next, if anybody waits.
    fn next_release(&mut self, _now: Timestamp) -> Option<Timestamp> {
        None
    }

    /// Does what is due without a request, and returns when it is to be called again.
    ///
    /// # Errors
    /// When a table is refused.
    fn tick(&mut self, now: Timestamp) -> Result<Timestamp, Error>;

    /// What it expects to be asked for in a step, in tokens; `None` when it forecasts nothing.
    fn expected(&self, _step: u64) -> Option<f64> {
        None
    }

    /// Changes the capacity of the policy's first resource.
    ///
    /// # Errors
    /// When a table is refused.
    fn resize(&mut self, _capacity_per_s: f64, _burst: u64, _now: Timestamp) -> Result<(), Error> {
        Ok(())
    }

    /// Mean capacity of the first resource until now, where it changes.
    fn mean_capacity_per_s(&mut self, _now: Timestamp) -> Option<f64> {
        None
    }
}

/// Names a request that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ticket(pub(crate) u64);

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Admit(Passed),
    /// Decided later, by `release`.
    Wait(Ticket),
    Refuse(Refused),
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Tokens were short.
    Short,
    /// Tokens were short, and the customer was beyond its contract.
    BeyondContract,
}

/// How a request was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) source: Source,
    /// To be settled, when the cost was an estimate.
    pub(crate) receipt: Option<Receipt>,
}
