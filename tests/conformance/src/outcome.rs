//! What comes of an event: everything that an engine could get wrong, in a form that has bytes and reads well.
//!
//! Receipts are opaque, so only their presence counts; what they hold shows when they are settled.

use alloc::string::String;

use serde::{Deserialize, Serialize};
use tidegate_core::{Decision, Reason, Source};

use crate::text::Bytes;

/// What came of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Nothing to tell: time went on, or there is no allocator yet.
    Nothing,
    /// The request passes.
    Admitted {
        /// Index of the key's tier.
        tier: u8,
        /// Who paid.
        payer: Payer,
        /// Whether there is a receipt.
        receipt: bool,
        /// How long it is held back.
        wait_ns: u64,
    },
    /// The request is turned away.
    Refused {
        /// Index of the key's tier.
        tier: u8,
        /// Index of the resource that was short.
        resource: u8,
        /// What was short.
        shortage: Shortage,
        /// When to come again.
        retry_after_ns: Option<u64>,
    },
    /// Index of the tier of a request that was only counted.
    Counted(u8),
    /// Whether a receipt was still open.
    Settled(bool),
    /// A table is in force, or the reason why it is not.
    Applied(Result<u64, String>),
    /// What the allocator says of itself.
    Standing {
        /// Epoch of the table in force.
        epoch: u64,
        /// Epoch of its snapshot.
        snapshot_epoch: u64,
        /// Whether the table is absent, live or stale.
        table: String,
        /// Keys held.
        keys: u64,
        /// Requests so far.
        requests: u64,
        /// Name of the best tier.
        tier: String,
    },
    /// The bytes of a report.
    Reported(Option<Bytes>),
}

/// Who paid for an admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payer {
    /// A shadow bucket, at least in part.
    Guaranteed,
    /// The pool.
    Opportunistic,
}

/// What a refused request was short of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shortage {
    /// The customer's contract.
    Contract,
    /// The shared tokens.
    Pool,
    /// Sense.
    Malformed,
}

impl From<&Decision> for Outcome {
    fn from(decision: &Decision) -> Self {
        match decision {
            Decision::Admit(admission) => Self::Admitted {
                tier: admission.tier,
                payer: match admission.source {
                    Source::Guaranteed => Payer::Guaranteed,
                    Source::Opportunistic => Payer::Opportunistic,
                },
                receipt: admission.receipt.is_some(),
                wait_ns: admission.wait_ns,
            },
            Decision::Refuse(refusal) => Self::Refused {
                tier: refusal.tier,
                resource: refusal.resource,
                shortage: match refusal.reason {
                    Reason::Contract => Shortage::Contract,
                    Reason::Pool => Shortage::Pool,
                    Reason::Malformed => Shortage::Malformed,
                },
                retry_after_ns: refusal.retry_after_ns,
            },
        }
    }
}
