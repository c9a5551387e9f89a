//! The gate: configuration and allocator joined, from the attributes of a request to the answer a client sees.
//!
//! Every shell (Envoy, component, tower) is a thin layer over it.

mod debug;
mod held;
mod id;
mod trial;
mod verdict;

use alloc::{
    boxed::Box,
    collections::BTreeMap,
    string::{String, ToString},
    vec::Vec,
};

pub use id::DecisionId;
pub use trial::Trial;
pub use verdict::{Label, Verdict};

use self::held::Held;
use crate::{
    allocator::{
        Allocator, Class, Decision, Demand, Reason, Receipt, Refusal, Request, Source, Standing, TableState,
    },
    attributes::Attributes,
    config::{Config, FailMode, Mode, ResourceRule},
    details::{Collector, Entry, Place, Trace},
    outcome::{self, Told},
    report::Report,
    rules::{self, CostRule, Instead},
    units::{Share, Timestamp},
};

/// Decides requests by their attributes.
#[derive(Debug)]
pub struct Gate {
    config: Config,
    allocator: Allocator,
    key: Vec<u8>,
    demands: Vec<Demand>,
    ids: id::Ids,
    details: Collector,
    /// Requests held back, by ticket.
    waiting: BTreeMap<u64, Held>,
    /// The policy on trial.
    trial: Option<Box<Self>>,
}

/// How a request is asked about.
#[derive(Clone, Copy)]
struct Asked {
    /// It may be held back.
    holds: bool,
    /// It was asked about before.
    again: bool,
}

impl Gate {
    /// A gate without a table.
    #[must_use]
    pub fn new(config: Config, now: Timestamp) -> Self {
        let mut gate = Self {
            allocator: Allocator::new(config.setup(), now),
            config,
            key: Vec::new(),
            demands: Vec::new(),
            ids: id::Ids::new(now),
            details: Collector::default(),
            waiting: BTreeMap::new(),
            trial: None,
        };
        gate.begin_trial(Share::WHOLE, now);
        gate
    }

    /// Tells this gate apart from those of other workers in the ids of its decisions.
    pub const fn identify(&mut self, boot: u64) {
        self.ids.identify(boot);
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
            if unreported.is_none() {
                // Nothing that a report could name.
                self.details.take();
            }
            self.allocator = self.allocator.successor(config.setup(), now);
            self.waiting.clear();
        }
        // Who waits has been judged by rules that may be gone.
        self.waiting.values_mut().for_each(|held| held.rule = None);
        let goes_on = self.config.trial == config.trial;
        self.config = config;
        if !goes_on {
            self.begin_trial(self.allocator.share(), now);
        }
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
        if self.trial.as_ref().is_some_and(|trial| trial.wants_body(attributes)) {
            return true;
        }
        let by_body = |resource: &ResourceRule| matches!(resource.cost, CostRule::Llm(_));
        let Some(rule) = self.config.rules.iter().find(|rule| rule.matcher.matches(attributes)) else {
            return self.config.resources.iter().any(by_body);
        };
        let costs = rule.costs.iter().zip(&self.config.resources);
        let mut own = costs.filter(|(special, _)| special.is_none());
        !rule.skip && own.any(|(_, resource)| by_body(resource))
    }

    /// Decides one request. It may be held back only where the shell `holds` requests; deferrable ones never are.
    pub fn admit<A: Attributes + ?Sized>(&mut self, attributes: &A, holds: bool, now: Timestamp) -> Verdict {
        let mut verdict = self.judge(attributes, Asked { holds, again: false }, now);
        verdict.trace = self.note_details(attributes, &verdict, now);
        verdict.trial = self.try_out(attributes, holds, now);
        self.tell(attributes, verdict, now)
    }

    /// Decides a request anew that was held back, and whose place in the queue is lost. It was counted when it came, and is not
    /// held back again.
    pub fn admit_again<A: Attributes + ?Sized>(&mut self, attributes: &A, now: Timestamp) -> Verdict {
        let verdict = self.judge(attributes, Asked { holds: false, again: true }, now);
        self.tell(attributes, verdict, now)
    }

    /// A verdict with what its request and its response tell of it.
    fn tell<A: Attributes + ?Sized>(
        &mut self,
        attributes: &A,
        mut verdict: Verdict,
        now: Timestamp,
    ) -> Verdict {
        verdict.headers = self.told(&verdict);
        // Who is held back is told when that is over.
        if verdict.label != Label::Skipped && verdict.ticket.is_none() {
            self.tell_standings(&mut verdict, now);
        }
        for name in &self.config.own_headers {
            let is_set = verdict.request_headers.iter().any(|(header, _)| header == name);
            if !is_set && attributes.header(name).is_some() {
                verdict.request_headers.push((name.clone(), None));
            }
        }
        verdict
    }

    /// Counts what reports tell of a request beside their counters.
    fn note_details<A: Attributes + ?Sized>(
        &mut self,
        attributes: &A,
        verdict: &Verdict,
        now: Timestamp,
    ) -> Option<Box<Trace>> {
        let rules = self.config.details.as_ref().filter(|_| verdict.label != Label::Skipped)?;
        let whose = (self.key.as_slice(), self.demands.as_slice(), self.allocator.window_start_ms());
        let trace = self.details.ask(rules, whose, attributes, now);
        // Who is refused has no response that would tell anything.
        trace.filter(|_| verdict.response.is_none()).map(Box::new)
    }

    /// A request that was admitted has ended: counts what it took.
    pub fn close_trace(&mut self, trace: &Trace, now: Timestamp) {
        if let Some(rules) = &self.config.details {
            self.details.close(rules, trace, self.allocator.window_start_ms(), now);
        }
    }

    /// What reports tell beside their counters, since the last time.
    pub fn take_details(&mut self) -> BTreeMap<Place, Entry> {
        self.details.take()
    }

    /// Requests whose details found no room, since the start.
    #[must_use]
    pub const fn details_left_out(&self) -> u64 {
        self.details.left_out()
    }

    /// What every response tells of its request's decision.
    fn told(&self, verdict: &Verdict) -> Vec<(&'static str, String)> {
        let mut told = Vec::new();
        if self.config.response_headers {
            told.extend(outcome::told(verdict.label.as_str(), self.allocator.tier_name(verdict.tier)));
        }
        if self.config.decision_ids {
            told.push((outcome::DECISION_ID, verdict.id.to_string()));
        }
        told
    }

    /// What contracts leave, and whether that is little, where the configuration wants either told.
    fn tell_standings(&mut self, verdict: &mut Verdict, now: Timestamp) {
        let Self { config, allocator, key, .. } = self;
        if !config.ratelimit_headers && config.warn_above_permille.is_none() {
            return;
        }
        let standings: Vec<(&str, Standing)> = (0..)
            .zip(&config.resources)
            .filter_map(|(index, resource)| {
                Some((resource.name.as_str(), allocator.standing(key, index, now)?))
            })
            .collect();
        if config.ratelimit_headers {
            verdict.headers.extend(outcome::ratelimit_fields(&standings));
        }
        let warning =
            config.warn_above_permille.and_then(|permille| outcome::warning_field(&standings, permille));
        verdict.warns = warning.is_some();
        verdict.headers.extend(warning);
    }

    fn judge<A: Attributes + ?Sized>(&mut self, attributes: &A, asked: Asked, now: Timestamp) -> Verdict {
        let id = self.ids.next();
        let matching = self.config.rules.iter().position(|rule| rule.matcher.matches(attributes));
        let rule = matching.and_then(|index| self.config.rules.get(index));
        if rule.is_some_and(|rule| rule.skip) {
            let tier = self.allocator.default_tier();
            return Verdict { rule: matching, ..Verdict::passed(id, Label::Skipped, tier, None) };
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
        let may_wait = asked.holds && class != Class::Deferrable;
        let request = Request { key: &self.key, class, demands: &self.demands, may_wait, partial: false };
        let unguided = self.allocator.refresh(now) != TableState::Live;
        let judged = |verdict| Verdict { anonymous: !keyed, rule: matching, mode, ..verdict };
        match self.config.fail_mode {
            FailMode::Open if unguided => {
                let tier = self.allocator.note_undecided(&request, true, !asked.again, now);
                let mode = self.mode(mode, tier);
                Verdict { mode, ..judged(Verdict::passed(id, Label::FailOpen, tier, None)) }
            }
            FailMode::Closed if unguided => {
                let tier = self.allocator.note_undecided(&request, false, !asked.again, now);
                let mode = self.mode(mode, tier);
                let response = (mode == Mode::Enforce)
                    .then(|| outcome::no_table(self.allocator.tier_name(tier), &id.to_string()));
                Verdict { mode, response, ..judged(Verdict::passed(id, Label::FailClosed, tier, None)) }
            }
            _ => {
                let decision = if asked.again {
                    self.allocator.decide_again(&request, now)
                } else {
                    self.allocator.decide(&request, now)
                };
                let judged = judged(Verdict::passed(id, Label::Waiting, 0, None));
                if let Decision::Wait(waiting) = &decision {
                    self.hold(waiting.ticket, id, matching, class);
                }
                let verdict = self.verdict(judged, &decision);
                match decision {
                    Decision::Refuse(refusal) => self.refused(verdict, &refusal, Some(class), now),
                    _ => verdict,
                }
            }
        }
    }

    /// Whether a decision bites: shadow mode lets everything pass, and at once. Whoever would wait keeps its place in the queue,
    /// so that the others are judged as if it had.
    fn mode(&self, wanted: Mode, tier: u8) -> Mode {
        let name = self.allocator.tier_name(tier);
        let is_shadow = wanted == Mode::Shadow || self.config.shadow_tiers.iter().any(|tier| tier == name);
        if is_shadow { Mode::Shadow } else { Mode::Enforce }
    }

    /// A verdict by what the allocator has decided; what becomes of a refusal is added by [`Gate::refused`].
    fn verdict(&self, judged: Verdict, decision: &Decision) -> Verdict {
        let tier = match decision {
            Decision::Admit(admission) => admission.tier,
            Decision::Wait(waiting) => waiting.tier,
            Decision::Refuse(refusal) => refusal.tier,
        };
        let mode = self.mode(judged.mode, tier);
        let judged = Verdict { tier, mode, ..judged };
        match decision {
            Decision::Admit(admission) => {
                let label = match admission.source {
                    Source::Guaranteed => Label::Guaranteed,
                    Source::Opportunistic => Label::Opportunistic,
                    Source::Emergency => Label::Emergency,
                };
                Verdict { label, receipt: admission.receipt, ..judged }
            }
            Decision::Wait(waiting) => {
                let ticket = (mode == Mode::Enforce).then_some(waiting.ticket);
                Verdict { label: Label::Waiting, ticket, ..judged }
            }
            Decision::Refuse(refusal) => {
                let label = match refusal.reason {
                    Reason::Contract => Label::RefusedContract,
                    Reason::Pool | Reason::Malformed => Label::RefusedPool,
                };
                Verdict { label, ..judged }
            }
        }
    }

    /// What becomes of a refusal: an answer, or what its rule has instead. `class` is that of the request whose key and demands are at hand.
    fn refused(
        &mut self,
        verdict: Verdict,
        refusal: &Refusal,
        class: Option<Class>,
        now: Timestamp,
    ) -> Verdict {
        let bites = verdict.mode == Mode::Enforce;
        let rule = verdict.rule.and_then(|index| self.config.rules.get(index));
        if let Some(instead) =
            rule.and_then(|rule| rule.on_refusal.as_ref()).or(self.config.on_refusal.as_ref())
        {
            let set = |(name, value): &(String, String)| (name.clone(), Some(value.clone()));
            let request_headers = if bites { instead.headers.iter().map(set).collect() } else { Vec::new() };
            let label = match instead.what {
                Instead::Tag => Label::Tagged,
                Instead::Downgrade => Label::Downgraded,
                Instead::Reroute => Label::Rerouted,
            };
            return Verdict { label, request_headers, ..verdict };
        }
        if !bites {
            return verdict;
        }
        let Self { config, allocator, key, demands, .. } = self;
        let class = class.filter(|_| config.alternatives);
        let alternatives = class.map(|class| allocator.alternatives(key, class, demands, refusal, now));
        let told = Told { id: &verdict.id.to_string(), alternatives, demands };
        let response = Some(outcome::refused(refusal, allocator, &told));
        Verdict { response, ..verdict }
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
