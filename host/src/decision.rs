//! What is asked of a gate, and what it answers.

use std::sync::Arc;

use crate::bindings::exports::tidegate::admission::types::{self, Demand};
pub use crate::bindings::exports::tidegate::admission::types::{Class, Cost, Reason, Refusal, Source};

/// A throttling key, interned by [`Gate::key`](crate::Gate::key): decisions pass its number, not its name.
#[derive(Clone, Debug)]
pub struct Key {
    pub(crate) name: Arc<[u8]>,
    pub(crate) shard: u16,
    /// Its number in its shard; none once the gate holds as many as it may.
    pub(crate) id: Option<u32>,
}

impl Key {
    /// The key's bytes.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }
}

/// A request for tokens.
#[derive(Clone, Debug)]
pub struct Request<'k> {
    pub(crate) key: &'k Key,
    pub(crate) class: Class,
    pub(crate) first: Demand,
    /// Empty for a single demand, else all of them.
    pub(crate) several: Vec<Demand>,
    pub(crate) may_wait: bool,
    pub(crate) partial: bool,
}

impl<'k> Request<'k> {
    /// One token of the first resource, standard class.
    #[must_use]
    pub const fn new(key: &'k Key) -> Self {
        let first = Demand { resource: 0, cost: 1, estimated: false };
        Self { key, class: Class::Standard, first, several: Vec::new(), may_wait: false, partial: false }
    }

    /// Asks for so many tokens of the resource with this index instead.
    #[must_use]
    pub const fn cost(mut self, resource: u8, tokens: u64) -> Self {
        self.first = Demand { resource, cost: tokens, estimated: false };
        self
    }

    /// The same, but the cost is an estimate: an admission comes with a receipt, to be settled with the actual cost.
    #[must_use]
    pub const fn estimate(mut self, resource: u8, tokens: u64) -> Self {
        self.first = Demand { resource, cost: tokens, estimated: true };
        self
    }

    /// Asks for tokens of another resource too; it is all or nothing.
    #[must_use]
    pub fn and(mut self, resource: u8, tokens: u64, estimated: bool) -> Self {
        if self.several.is_empty() {
            self.several.push(self.first);
        }
        self.several.push(Demand { resource, cost: tokens, estimated });
        self
    }

    /// How the application ranks it.
    #[must_use]
    pub const fn class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    /// The caller can hold the request back: the answer may be [`Decision::Wait`].
    #[must_use]
    pub const fn may_wait(mut self) -> Self {
        self.may_wait = true;
        self
    }

    /// The caller takes less rather than nothing; for a single resource.
    #[must_use]
    pub const fn partial(mut self) -> Self {
        self.partial = true;
        self
    }
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Let it pass.
    Admit(Admission),
    /// Hold it back until [`Gate::release`](crate::Gate::release) names its ticket; nothing was debited.
    Wait(Waiting),
    /// Turn it away; nothing was debited.
    Refuse(Refusal),
    /// The policy is being restarted after a failure: the gate's fail mode answers.
    Unavailable {
        /// Whether to let it pass.
        pass: bool,
    },
}

impl Decision {
    /// Whether the request may go on now.
    #[must_use]
    pub const fn passes(&self) -> bool {
        matches!(self, Self::Admit(_) | Self::Unavailable { pass: true })
    }
}

/// How a request was admitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Admission {
    /// Index of the key's tier, for [`Gate::tiers`](crate::Gate::tiers).
    pub tier: u8,
    /// Who paid.
    pub source: Source,
    /// To be handed to [`Gate::settle`](crate::Gate::settle); present when a cost was an estimate, or its resource is held.
    pub receipt: Option<Receipt>,
    /// Tokens of the first demand that were granted.
    pub granted: u64,
}

/// A request that waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Waiting {
    /// Index of the key's tier.
    pub tier: u8,
    /// Its place in the queue.
    pub ticket: Ticket,
    /// Nanoseconds until its turn if nobody of a better priority comes.
    pub expected_ns: u64,
}

/// Proof of an admission that is to be settled. It is of one instance of the policy: after a restart it settles nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Receipt(pub(crate) Place);

/// A place in the queue of one instance of the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub(crate) Place);

/// A number that an instance has given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) shard: u16,
    /// Counts the instances of a shard.
    pub(crate) generation: u32,
    pub(crate) number: u64,
}

impl Place {
    pub(crate) const fn with(self, number: u64) -> Self {
        Self { number, ..self }
    }

    pub(crate) fn decision(self, decision: &types::Decision) -> Decision {
        match decision {
            types::Decision::Admit(types::Admission { tier, source, receipt, granted }) => {
                let receipt = receipt.map(|number| Receipt(self.with(number)));
                Decision::Admit(Admission { tier: *tier, source: *source, receipt, granted: *granted })
            }
            types::Decision::Wait(types::Waiting { tier, ticket, expected_ns }) => {
                let ticket = Ticket(self.with(*ticket));
                Decision::Wait(Waiting { tier: *tier, ticket, expected_ns: *expected_ns })
            }
            types::Decision::Refuse(refusal) => Decision::Refuse(*refusal),
        }
    }
}
