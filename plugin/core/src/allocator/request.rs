//! What is asked and what is answered.

use super::{receipts::Receipt, waiting::Ticket};

/// One request, as the shell describes it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The throttling key.
    pub key: &'a [u8],
    /// How the application ranks it.
    pub class: Class,
    /// What it asks for, each resource at most once.
    pub demands: &'a [Demand],
    /// Whether the caller can hold the request back.
    pub may_wait: bool,
    /// Whether the caller takes less rather than nothing; for a single demand.
    pub partial: bool,
}

/// What a request asks of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Index of the resource in [`Setup`](super::Setup).
    pub resource: u8,
    /// Cost in tokens.
    pub cost: u64,
    /// The cost is an estimate that will be settled.
    pub estimated: bool,
}

/// How the application ranks a request, whatever its customer's tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Class {
    /// May use the pool down to nothing, then the emergency pool.
    Critical,
    /// May use the pool down to its tier's floor.
    #[default]
    Standard,
    /// May use the pool down to the highest floor of all tiers.
    Deferrable,
}

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Let it pass.
    Admit(Admission),
    /// Hold it back until [`release`](super::Allocator::release) names its ticket; nothing was debited. Only for a request that may wait.
    Wait(Waiting),
    /// Turn it away; nothing was debited.
    Refuse(Refusal),
}

/// How a request was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Index of the key's tier.
    pub tier: u8,
    /// Who paid.
    pub source: Source,
    /// Present when a cost was an estimate, or its resource is held.
    pub receipt: Option<Receipt>,
    /// Tokens of the first demand that were granted: its cost, or less where a part was welcome.
    pub granted: u64,
}

/// Which bucket paid for an admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A shadow bucket, the key's own or its tier's, at least in part.
    Guaranteed,
    /// The pool alone.
    Opportunistic,
    /// The emergency pool, at least in part.
    Emergency,
}

/// A request that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Index of the key's tier.
    pub tier: u8,
    /// Its place in the queue.
    pub ticket: Ticket,
    /// Nanoseconds until its turn if nobody of a better priority comes.
    pub expected_ns: u64,
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Index of the key's tier.
    pub tier: u8,
    /// Index of the resource that was short.
    pub resource: u8,
    /// What was short.
    pub reason: Reason,
    /// Nanoseconds until the same request can be admitted if nobody else asks; `None` when it never can.
    pub retry_after_ns: Option<u64>,
}

/// What a refused request was short of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The customer's own contract.
    Contract,
    /// The pool: all customers share the shortage.
    Pool,
    /// The request names a resource twice or one that does not exist, or a part of several demands is welcome.
    Malformed,
}
