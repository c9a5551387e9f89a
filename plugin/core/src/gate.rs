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
    rules::{self, CostRule},
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
    /// What the response tells of it, where the configuration wants that: header names and values.
    pub headers: Vec<(&'static str, String)>,
    /// A part of the key was missing.
    pub anonymous: bool,
    /// Index of the rule that matched.
    pub rule: Option<usize>,
    /// Whether it bites.
    pub mode: Mode,
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
}

impl Label {
    /// Every label.
    pub const ALL: [Self; 10] = [
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
        }
    }
}

impl Verdict {
    fn passed(label: Label, tier: u8, receipt: Option<Receipt>) -> Self {
        Self {
            label,
            tier,
            receipt,
            response: None,
            ticket: None,
            headers: Vec::new(),
            anonymous: false,
            rule: None,
            mode: Mode::Shadow,
        }
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

    /// Whether a request's cost depends on its body, which then has to be read before it is decided.
    pub fn wants_body<A: Attributes + ?Sized>(&self, attributes: &A) -> bool {
        if !self.config.reads_bodies() {
            return false;
        }
        let Some(rule) = self.config.rules.iter().find(|rule| rule.matcher.matches(attributes)) else {
            return true;
        };
        let costs = rule.costs.iter().zip(&self.config.resources);
        let mut own = costs.filter(|(special, _)| special.is_none());
        !rule.skip && own.any(|(_, resource)| matches!(resource.cost, CostRule::Llm(_)))
    }

    /// Decides one request. It may be held back only where the shell `holds` requests; deferrable ones never are.
    pub fn admit<A: Attributes + ?Sized>(&mut self, attributes: &A, holds: bool, now: Timestamp) -> Verdict {
        let mut verdict = self.judge(attributes, holds, now);
        verdict.headers = self.told(&verdict);
        if self.config.ratelimit_headers && verdict.label != Label::Skipped {
            let Self { config, allocator, key, .. } = self;
            let standings = (0..).zip(&config.resources).filter_map(|(index, resource)| {
                Some((resource.name.as_str(), allocator.standing(key, index, now)?))
            });
            verdict.headers.extend(outcome::ratelimit_fields(standings));
        }
        verdict
    }

    /// What every response tells of its request's decision.
    fn told(&self, verdict: &Verdict) -> Vec<(&'static str, String)> {
        if !self.config.response_headers {
            return Vec::new();
        }
        outcome::told(verdict.label.as_str(), self.allocator.tier_name(verdict.tier)).into()
    }

    fn judge<A: Attributes + ?Sized>(&mut self, attributes: &A, holds: bool, now: Timestamp) -> Verdict {
        let matching = self.config.rules.iter().position(|rule| rule.matcher.matches(attributes));
        let rule = matching.and_then(|index| self.config.rules.get(index));
        if rule.is_some_and(|rule| rule.skip) {
            return Verdict {
                rule: matching,
                ..Verdict::passed(Label::Skipped, self.allocator.default_tier(), None)
            };
        }
        let parts = rule.and_then(|rule| rule.key.as_ref()).unwrap_or(&self.config.key);
        let keyed = rules::write_key(parts, attributes, &mut self.key);
        self.demands.clear();
        for (index, resource) in (0..).zip(&self.config.resources) {
            let special = rule.and_then(|rule| rule.costs.get(usize::from(index))?.as_ref());
            let cost = special.unwrap_or(&resource.cost).cost(attributes);
            self.demands.push(Demand { resource: index, cost, estimated: resource.is_estimated() });
        }
        let class = rule.and_then(|rule| rule.class.as_ref()).or(self.config.class.as_ref());
        let class = class.map_or(Class::Standard, |class| class.class(attributes));
        let mode = rule.and_then(|rule| rule.mode).unwrap_or(self.config.mode);
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
                let response = outcome::no_table(self.allocator.tier_name(tier));
                Verdict { response: Some(response), ..Verdict::passed(Label::FailClosed, tier, None) }
            }
            _ => {
                let decision = self.allocator.decide(&request, now);
                self.verdict(&decision)
            }
        };
        self.enforced(Verdict { anonymous: !keyed, rule: matching, mode, ..verdict })
    }

    /// What is left of a verdict where it does not bite: shadow mode lets everything pass, and at once. Whoever would wait
    /// keeps its place in the queue, so that the others are judged as if it had.
    fn enforced(&self, verdict: Verdict) -> Verdict {
        let tier = self.allocator.tier_name(verdict.tier);
        let is_shadow =
            verdict.mode == Mode::Shadow || self.config.shadow_tiers.iter().any(|name| name == tier);
        if is_shadow {
            return Verdict { mode: Mode::Shadow, response: None, ticket: None, ..verdict };
        }
        verdict
    }

    /// The next request held back that is decided now, by its ticket; to be called until there is none, whenever
    /// [`Gate::next_release_ns`] says.
    pub fn release(&mut self, now: Timestamp) -> Option<(Ticket, Verdict)> {
        let (ticket, decision) = self.allocator.release(now)?;
        let mut verdict = self.verdict(&decision);
        if matches!(decision, Decision::Admit(_)) {
            verdict.label = Label::Delayed;
        }
        verdict.headers = self.told(&verdict);
        Some((ticket, Verdict { mode: Mode::Enforce, ..verdict }))
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
            Decision::Wait(waiting) => {
                let ticket = Some(waiting.ticket);
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
        let response = Some(outcome::refused(refusal, &self.allocator));
        Verdict { response, ..Verdict::passed(label, refusal.tier, None) }
    }

    /// Settles an admitted request by its response. What that does not tell stays as it was estimated.
    pub fn settle<A: Attributes + ?Sized>(&mut self, receipt: Receipt, response: &A, now: Timestamp) {
        let actual: Vec<(u8, u64)> = (0..)
            .zip(&self.config.resources)
            .filter_map(|(resource, rule)| Some((resource, rule.actual(response)?)))
            .collect();
        self.allocator.settle(receipt, &actual, now);
    }

    /// Names of the limited resources, for the hello.
    #[must_use]
    pub fn resource_names(&self) -> Vec<String> {
        self.config.resources.iter().map(|rule| rule.name.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
