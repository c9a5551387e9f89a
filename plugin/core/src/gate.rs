//! The gate: configuration and allocator joined, from the attributes of a request to the answer a client sees.
//!
//! Every shell (Envoy, component, tower) is a thin layer over it.

use alloc::{string::String, vec::Vec};

use crate::{
    allocator::{
        Allocator, Class, Decision, Demand, Reason, Receipt, Refusal, Request, Source, TableState, Ticket,
    },
    attributes::Attributes,
    config::{Config, FailMode, Mode},
    outcome::{self, Response},
    report::Report,
    rules,
    units::Timestamp,
};

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The decision in one word, for metrics, headers and access logs.
    pub label: Label,
    /// Index of the tier, for [`Allocator::tier_name`].
    pub tier: u8,
    /// To be settled when the response is there.
    pub receipt: Option<Receipt>,
    /// The answer to send instead of passing the request on.
    pub response: Option<Response>,
    /// It is held back under this ticket, until [`Gate::release`] names it or the client has gone ([`Gate::cancel`]).
    pub ticket: Option<Ticket>,
    /// A part of the key was missing.
    pub anonymous: bool,
}

/// A decision in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Admitted without a decision: no valid table, fail mode open.
    FailOpen,
    /// Refused: over the customer's own contract.
    RefusedContract,
    /// Refused: the shared capacity is short.
    RefusedPool,
    /// Refused: no valid table, fail mode closed.
    FailClosed,
}

impl Label {
    /// Every label.
    pub const ALL: [Self; 9] = [
        Self::Guaranteed,
        Self::Opportunistic,
        Self::Emergency,
        Self::Waiting,
        Self::Delayed,
        Self::FailOpen,
        Self::RefusedContract,
        Self::RefusedPool,
        Self::FailClosed,
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
            Self::FailOpen => "fail_open",
            Self::RefusedContract => "refused_contract",
            Self::RefusedPool => "refused_pool",
            Self::FailClosed => "fail_closed",
        }
    }
}

impl Verdict {
    const fn passed(label: Label, tier: u8, receipt: Option<Receipt>) -> Self {
        Self { label, tier, receipt, response: None, ticket: None, anonymous: false }
    }
}

/// Decides requests by their attributes.
#[derive(Debug)]
pub struct Gate {
    config: Config,
    allocator: Allocator,
    key: Vec<u8>,
    demands: Vec<Demand>,
}

impl Gate {
    /// A gate without a table.
    #[must_use]
    pub fn new(config: Config, now: Timestamp) -> Self {
        let allocator = Allocator::new(config.setup(), now);
        Self { config, allocator, key: Vec::new(), demands: Vec::new() }
    }

    /// Takes over a new configuration. The allocator's state survives when the resources are the same; otherwise the
    /// usage it had not reported yet is returned, to be sent like any other report.
    pub fn reconfigure(&mut self, config: Config, boot: u64, now: Timestamp) -> Option<Report> {
        let limits = |config: &Config| -> Vec<_> {
            config.resources.iter().map(|rule| (rule.name.clone(), rule.safe)).collect()
        };
        let mut unreported = None;
        if limits(&config) != limits(&self.config) {
            unreported = self.allocator.report(boot);
            self.allocator = self.allocator.successor(config.setup(), now);
        }
        self.config = config;
        unreported
    }

    /// The configuration in force.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The allocator behind the gate.
    #[must_use]
    pub const fn allocator(&self) -> &Allocator {
        &self.allocator
    }

    /// The allocator behind the gate.
    pub const fn allocator_mut(&mut self) -> &mut Allocator {
        &mut self.allocator
    }

    /// Decides one request. It may be held back only where the shell `holds` requests; deferrable ones never are.
    pub fn admit<A: Attributes + ?Sized>(&mut self, attributes: &A, holds: bool, now: Timestamp) -> Verdict {
        let keyed = rules::write_key(&self.config.key, attributes, &mut self.key);
        self.demands.clear();
        for (resource, rule) in (0..).zip(&self.config.resources) {
            let estimated = rule.settle_header.is_some();
            self.demands.push(Demand { resource, cost: rule.cost.cost(attributes), estimated });
        }
        let class = rules::class_of(self.config.class_header.as_deref(), attributes);
        let may_wait = holds && class != Class::Deferrable;
        let request = Request { key: &self.key, class, demands: &self.demands, may_wait, partial: false };
        let unguided = self.allocator.refresh(now) != TableState::Live;
        let verdict = match self.config.fail_mode {
            FailMode::Open if unguided => {
                let tier = self.allocator.count_undecided(&request, true, now);
                Verdict::passed(Label::FailOpen, tier, None)
            }
            FailMode::Closed if unguided => {
                let tier = self.allocator.count_undecided(&request, false, now);
                let response = self.enforced(outcome::no_table(self.allocator.tier_name(tier)));
                Verdict { response, ..Verdict::passed(Label::FailClosed, tier, None) }
            }
            _ => {
                let decision = self.allocator.decide(&request, now);
                self.verdict(&decision)
            }
        };
        Verdict { anonymous: !keyed, ..verdict }
    }

    /// The next request held back that is decided now, by its ticket; to be called until there is none, whenever
    /// [`Gate::next_release_ns`] says.
    pub fn release(&mut self, now: Timestamp) -> Option<(Ticket, Verdict)> {
        let (ticket, decision) = self.allocator.release(now)?;
        let mut verdict = self.verdict(&decision);
        if matches!(decision, Decision::Admit(_)) {
            verdict.label = Label::Delayed;
        }
        Some((ticket, verdict))
    }

    /// Nanoseconds until [`Gate::release`] may have something; `None` when nobody is held back.
    pub fn next_release_ns(&mut self, now: Timestamp) -> Option<u64> {
        self.allocator.next_release_ns(now)
    }

    /// The client of a request held back has gone. False when it is not held back any more.
    pub fn cancel(&mut self, ticket: Ticket) -> bool {
        self.allocator.cancel(ticket)
    }

    fn verdict(&self, decision: &Decision) -> Verdict {
        match decision {
            Decision::Admit(admission) => {
                let label = match admission.source {
                    Source::Guaranteed => Label::Guaranteed,
                    Source::Opportunistic => Label::Opportunistic,
                    Source::Emergency => Label::Emergency,
                };
                Verdict::passed(label, admission.tier, admission.receipt)
            }
            // Shadow mode lets it pass at once; its place in the queue is kept, so that the others are judged as if it
            // had waited.
            Decision::Wait(waiting) => {
                let ticket = (self.config.mode == Mode::Enforce).then_some(waiting.ticket);
                Verdict { ticket, ..Verdict::passed(Label::Waiting, waiting.tier, None) }
            }
            Decision::Refuse(refusal) => self.refused(refusal),
        }
    }

    fn refused(&self, refusal: &Refusal) -> Verdict {
        let label = match refusal.reason {
            Reason::Contract => Label::RefusedContract,
            Reason::Pool | Reason::Malformed => Label::RefusedPool,
        };
        let response = self.enforced(outcome::refused(refusal, &self.allocator));
        Verdict { response, ..Verdict::passed(label, refusal.tier, None) }
    }

    /// Settles an admitted request by its response. Without the header the estimate stands.
    pub fn settle<A: Attributes + ?Sized>(&mut self, receipt: Receipt, response: &A, now: Timestamp) {
        let actual: Vec<(u8, u64)> = (0..)
            .zip(&self.config.resources)
            .filter_map(|(resource, rule)| {
                let value = response.header(rule.settle_header.as_deref()?)?;
                Some((resource, rules::number(value)?))
            })
            .collect();
        self.allocator.settle(receipt, &actual, now);
    }

    /// Names of the limited resources, for the hello.
    #[must_use]
    pub fn resource_names(&self) -> Vec<String> {
        self.config.resources.iter().map(|rule| rule.name.clone()).collect()
    }

    fn enforced(&self, response: Response) -> Option<Response> {
        (self.config.mode == Mode::Enforce).then_some(response)
    }
}

#[cfg(test)]
mod tests;
