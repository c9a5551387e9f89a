//! What the gate says of a request.

use alloc::{boxed::Box, string::String, vec::Vec};

use super::{DecisionId, Trial};
use crate::{
    allocator::{Receipt, Ticket},
    config::Mode,
    details::Trace,
    outcome::Response,
};

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which decision it is: in problem documents, access logs and, where wanted, response headers.
    pub id: DecisionId,
    /// The decision in one word, for metrics, headers and access logs.
    pub label: Label,
    /// Index of the tier, for [`Allocator::tier_name`](crate::Allocator::tier_name).
    pub tier: u8,
    /// To be settled when the response is there.
    pub receipt: Option<Receipt>,
    /// The answer to send instead of passing the request on.
    pub response: Option<Response>,
    /// It is held back under this ticket, until [`Gate::release`](super::Gate::release) names it or the client has gone ([`Gate::cancel`](super::Gate::cancel)).
    pub ticket: Option<Ticket>,
    /// What to change in the request before it goes on: header names, with the value to set, or without one to remove.
    pub request_headers: Vec<(String, Option<String>)>,
    /// What the response tells of it, where the configuration wants that: header names and values.
    pub headers: Vec<(&'static str, String)>,
    /// The response warns that a contract is nearly used up.
    pub warns: bool,
    /// To be read on with its response, and closed with that, where reports tell details.
    pub trace: Option<Box<Trace>>,
    /// What the policy on trial would have done, where there is one.
    pub trial: Option<Trial>,
    /// A part of the key was missing.
    pub anonymous: bool,
    /// Index of the rule that matched.
    pub rule: Option<usize>,
    /// Whether it bites.
    pub mode: Mode,
}

/// A decision in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// Admitted, at least in part from a shadow bucket.
    Guaranteed,
    /// Admitted from the pool.
    Opportunistic,
    /// Admitted, at least in part from the emergency pool.
    Emergency,
    /// Held back until tokens are there.
    Waiting,
    /// Admitted after it was held back.
    Delayed,
    /// Not limited, as a rule says.
    Skipped,
    /// Admitted without a decision: no valid table, fail mode open.
    FailOpen,
    /// Refused: over the customer's own contract.
    RefusedContract,
    /// Refused: the shared capacity is short.
    RefusedPool,
    /// Refused: no valid table, fail mode closed.
    FailClosed,
    /// Refused, but passed on with headers that say so, as a rule wants it.
    Tagged,
    /// Refused, but passed on to something cheaper, as a rule wants it.
    Downgraded,
    /// Refused, but passed on to somebody else, as a rule wants it.
    Rerouted,
}

impl Label {
    /// Every label.
    pub const ALL: [Self; 13] = [
        Self::Guaranteed,
        Self::Opportunistic,
        Self::Emergency,
        Self::Waiting,
        Self::Delayed,
        Self::Skipped,
        Self::FailOpen,
        Self::RefusedContract,
        Self::RefusedPool,
        Self::FailClosed,
        Self::Tagged,
        Self::Downgraded,
        Self::Rerouted,
    ];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Guaranteed => "guaranteed",
            Self::Opportunistic => "opportunistic",
            Self::Emergency => "emergency",
            Self::Waiting => "waiting",
            Self::Delayed => "delayed",
            Self::Skipped => "skipped",
            Self::FailOpen => "fail_open",
            Self::RefusedContract => "refused_contract",
            Self::RefusedPool => "refused_pool",
            Self::FailClosed => "fail_closed",
            Self::Tagged => "tagged",
            Self::Downgraded => "downgraded",
            Self::Rerouted => "rerouted",
        }
    }

    /// Whether tokens were there at once, so that nobody is going to ask why not.
    #[must_use]
    pub const fn is_plain(self) -> bool {
        matches!(
            self,
            Self::Guaranteed | Self::Opportunistic | Self::Emergency | Self::Skipped | Self::FailOpen
        )
    }
}

impl Verdict {
    pub(super) fn passed(id: DecisionId, label: Label, tier: u8, receipt: Option<Receipt>) -> Self {
        Self {
            id,
            label,
            tier,
            receipt,
            response: None,
            ticket: None,
            request_headers: Vec::new(),
            headers: Vec::new(),
            warns: false,
            trace: None,
            trial: None,
            anonymous: false,
            rule: None,
            mode: Mode::Shadow,
        }
    }
}
