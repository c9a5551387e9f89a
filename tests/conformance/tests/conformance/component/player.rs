//! An instance of the component to which a script happens.

use std::collections::HashMap;

use anyhow::Result;
use tidegate_conformance::{Ask, Bytes, Event, Outcome, Part, Payer, Recent, SetUp, Shortage, Stretch};
use wasmtime::Store;

use super::bindings::{
    Policy, PolicyPre,
    exports::tidegate::admission::{
        allocation::{ResourceSetup, SafeBudget, Setup},
        types::{self, Class, Cost, Decision, Demand, Reason, Refusal, Request, Source},
        upkeep::{Progress, TableState},
    },
};

/// What reports say of the worker's start.
const BOOT: u64 = 7;
/// Who is told to come again later than this does not.
const PATIENCE_NS: u64 = 2_000_000_000;
/// Requests released in one call at most, as the world says.
const MOST_RELEASED: usize = 256;

/// The instance, its clock, and what has to be remembered between events.
pub(crate) struct ComponentPlayer {
    store: Store<()>,
    origin: PolicyPre<()>,
    policy: Policy,
    is_set_up: bool,
    wall_ns: u64,
    receipts: Recent<u64>,
    tickets: Recent<u64>,
    refused: Option<(Ask, Refusal)>,
    keys: HashMap<Vec<u8>, u32>,
    /// Singles go by id, in turn alone and in a batch.
    singles: u64,
}

impl ComponentPlayer {
    pub(crate) fn new(mut store: Store<()>, origin: &PolicyPre<()>) -> Result<Self> {
        let policy = origin.instantiate(&mut store)?;
        Ok(Self {
            store,
            origin: origin.clone(),
            policy,
            is_set_up: false,
            wall_ns: 0,
            receipts: Recent::default(),
            tickets: Recent::default(),
            refused: None,
            keys: HashMap::new(),
            singles: 0,
        })
    }

    /// Makes an event happen.
    pub(crate) fn play(&mut self, event: &Event) -> Result<Outcome> {
        match event {
            Event::SetUp(set_up) | Event::Succeed(set_up) => self.set_up(event, set_up)?,
            Event::Until(nanos) => self.wall_ns = self.wall_ns.max(*nanos),
            Event::SetClock(nanos) => self.wall_ns = *nanos,
            _ if !self.is_set_up => {}
            Event::Retry => return self.retry(),
            Event::Decide(ask) => return self.decide(ask),
            Event::Apply(_) | Event::Stage(_) | Event::Install(_) => return self.table(event),
            Event::Advance | Event::Share { .. } | Event::ReportInterval(_) | Event::Report => {
                return self.upkeep(event);
            }
            event => return self.queue(event),
        }
        Ok(Outcome::Nothing)
    }

    /// A fresh set-up is a fresh instance's; the world's `start` otherwise goes on where the last one ends.
    fn set_up(&mut self, event: &Event, set_up: &SetUp) -> Result<()> {
        if self.is_set_up && matches!(event, Event::SetUp(_)) {
            self.policy = self.origin.instantiate(&mut self.store)?;
            self.keys.clear();
        }
        self.policy.tidegate_admission_allocation().call_start(
            &mut self.store,
            &setup(set_up),
            self.wall_ns,
        )?;
        self.is_set_up = true;
        (self.receipts, self.tickets, self.refused) = (Recent::default(), Recent::default(), None);
        Ok(())
    }

    fn retry(&mut self) -> Result<Outcome> {
        let Some((ask, refusal)) = self.refused.take() else { return Ok(Outcome::Nothing) };
        match refusal.retry_after_ns {
            Some(nanos) if nanos <= PATIENCE_NS => {
                self.wall_ns = self.wall_ns.saturating_add(nanos);
                self.policy.tidegate_admission_upkeep().call_advance(&mut self.store, self.wall_ns)?;
                self.decide(&ask)
            }
            _ => Ok(Outcome::Nothing),
        }
    }

    fn decide(&mut self, ask: &Ask) -> Result<Outcome> {
        let allocation = self.policy.tidegate_admission_allocation();
        let decision = if let [part] = ask.parts.as_slice() {
            let key = match self.keys.get(&*ask.key) {
                Some(key) => *key,
                None => {
                    let key = allocation.call_intern(&mut self.store, &[ask.key.to_vec()])?;
                    self.keys.insert(ask.key.to_vec(), key);
                    key
                }
            };
            let by_id = types::Ask {
                key,
                class: class(ask),
                demand: demand(part),
                may_wait: ask.may_wait,
                partial: ask.partial,
            };
            self.singles += 1;
            if self.singles.is_multiple_of(2) {
                allocation.call_decide(&mut self.store, by_id, self.wall_ns)?
            } else {
                let batch = allocation.call_decide_batch(&mut self.store, &[by_id], self.wall_ns)?;
                batch.into_iter().next().ok_or_else(|| anyhow::anyhow!("no answer in a batch"))?
            }
        } else {
            allocation.call_decide_request(&mut self.store, &request(ask), self.wall_ns)?
        };
        match &decision {
            Decision::Admit(admission) => admission.receipt.into_iter().for_each(|it| self.receipts.keep(it)),
            Decision::Wait(waiting) => self.tickets.keep(waiting.ticket),
            Decision::Refuse(refusal) => self.refused = Some((ask.clone(), *refusal)),
        }
        Ok(outcome(&decision))
    }

    fn table(&mut self, event: &Event) -> Result<Outcome> {
        let (store, now) = (&mut self.store, self.wall_ns);
        let upkeep = self.policy.tidegate_admission_upkeep();
        Ok(match event {
            Event::Stage(table) => Outcome::Staged(upkeep.call_stage(store, table, now)?),
            Event::Install(keys) => Outcome::Installing(match upkeep.call_install(store, *keys, now)? {
                Progress::Idle => Stretch::Idle,
                Progress::Working => Stretch::Working,
                Progress::Installed(epoch) => Stretch::Installed(epoch),
                Progress::Refused(error) => Stretch::Refused(error),
            }),
            Event::Apply(table) => match upkeep.call_stage(&mut *store, table, now)? {
                Err(error) => Outcome::Applied(Err(error)),
                Ok(()) => loop {
                    match upkeep.call_install(&mut *store, u32::MAX, now)? {
                        Progress::Working => {}
                        Progress::Installed(epoch) => break Outcome::Applied(Ok(epoch)),
                        Progress::Refused(error) => break Outcome::Applied(Err(error)),
                        Progress::Idle => anyhow::bail!("a staged table is gone"),
                    }
                },
            },
            _ => Outcome::Nothing,
        })
    }

    fn upkeep(&mut self, event: &Event) -> Result<Outcome> {
        let (store, now) = (&mut self.store, self.wall_ns);
        let upkeep = self.policy.tidegate_admission_upkeep();
        match event {
            Event::Share { part, whole } => upkeep.call_set_share(store, *part, *whole, now)?,
            Event::ReportInterval(interval_ms) => upkeep.call_set_report_interval(store, *interval_ms)?,
            Event::Report => {
                let report = upkeep.call_report(store, BOOT)?;
                return Ok(Outcome::Reported(report.map(|report| Bytes(report.bytes))));
            }
            _ => {
                upkeep.call_advance(&mut *store, now)?;
                let standing = upkeep.call_describe(&mut *store)?;
                let tier = upkeep.call_tiers(store)?.into_iter().next();
                let table = match standing.table {
                    TableState::Absent => "Absent",
                    TableState::Live => "Live",
                    TableState::Stale => "Stale",
                };
                return Ok(Outcome::Standing {
                    epoch: standing.epoch,
                    snapshot_epoch: standing.snapshot_epoch,
                    table: table.into(),
                    keys: standing.keys,
                    waiting: standing.waiting,
                    requests: standing.requests,
                    tier: tier.unwrap_or_else(|| "default".into()),
                });
            }
        }
        Ok(Outcome::Nothing)
    }

    /// The queue, receipts, and what is asked without asking for tokens.
    fn queue(&mut self, event: &Event) -> Result<Outcome> {
        let (store, now) = (&mut self.store, self.wall_ns);
        let allocation = self.policy.tidegate_admission_allocation();
        Ok(match event {
            Event::Release => {
                let mut all = Vec::new();
                loop {
                    let released = allocation.call_release(&mut *store, now)?;
                    // One call more would do a little more of what is due: the outcomes to come would differ in nanoseconds.
                    let is_all = released.len() < MOST_RELEASED;
                    for released in released {
                        if let Decision::Admit(admission) = &released.decision {
                            admission.receipt.into_iter().for_each(|receipt| self.receipts.keep(receipt));
                        }
                        all.push((released.ticket, outcome(&released.decision)));
                    }
                    if is_all {
                        break Outcome::Released(all);
                    }
                }
            }
            Event::NextRelease => Outcome::NextRelease(allocation.call_next_release(store, now)?),
            Event::Cancel { back } => match self.tickets.pick(*back) {
                Some(ticket) => Outcome::Cancelled(allocation.call_cancel(store, *ticket)?),
                None => Outcome::Nothing,
            },
            Event::Explain(key) => Outcome::Explained(allocation.call_explain(store, key, now)?),
            Event::Alternatives => match &self.refused {
                Some((ask, refusal)) => {
                    let instead = allocation.call_instead(store, &request(ask), *refusal, now)?;
                    Outcome::Instead {
                        smaller_permille: instead.smaller_permille,
                        as_critical: instead.as_critical,
                        next_step_ns: instead.next_step_ns,
                    }
                }
                None => Outcome::Nothing,
            },
            Event::Count { ask, admitted } => {
                Outcome::Counted(allocation.call_count(store, &request(ask), *admitted, now)?)
            }
            Event::Settle { back, actual } => match self.receipts.pick(*back) {
                Some(receipt) => {
                    let cost = |(resource, tokens): &(u8, u64)| Cost { resource: *resource, tokens: *tokens };
                    let actual: Vec<Cost> = actual.iter().map(cost).collect();
                    Outcome::Settled(allocation.call_settle(store, *receipt, &actual, now)?)
                }
                None => Outcome::Nothing,
            },
            _ => Outcome::Nothing,
        })
    }
}

fn setup(set_up: &SetUp) -> Setup {
    let resource = |(name, safe): &(String, Option<tidegate_conformance::SafeBucket>)| ResourceSetup {
        name: name.clone(),
        safe: safe.map(|safe| SafeBudget { micro_per_s: safe.capacity, burst: safe.burst }),
    };
    Setup {
        resources: set_up.resources.iter().map(resource).collect(),
        max_unknown_keys: set_up.max_unknown_keys,
        max_receipts: set_up.max_receipts,
        max_waiting: set_up.max_waiting,
        receipt_ttl_ms: set_up.receipt_ttl_ms,
        report_interval_ms: set_up.report_interval_ms,
    }
}

fn class(ask: &Ask) -> Class {
    match ask.class {
        0 => Class::Critical,
        1 => Class::Standard,
        _ => Class::Deferrable,
    }
}

fn demand(part: &Part) -> Demand {
    Demand { resource: part.resource, cost: part.cost, estimated: part.estimated }
}

fn request(ask: &Ask) -> Request {
    Request {
        key: ask.key.to_vec(),
        class: class(ask),
        demands: ask.parts.iter().map(demand).collect(),
        may_wait: ask.may_wait,
        partial: ask.partial,
    }
}

fn outcome(decision: &Decision) -> Outcome {
    match decision {
        Decision::Admit(admission) => Outcome::Admitted {
            tier: admission.tier,
            payer: match admission.source {
                Source::Guaranteed => Payer::Guaranteed,
                Source::Opportunistic => Payer::Opportunistic,
                Source::Emergency => Payer::Emergency,
            },
            receipt: admission.receipt.is_some(),
            granted: admission.granted,
        },
        Decision::Wait(waiting) => {
            Outcome::Waiting { tier: waiting.tier, ticket: waiting.ticket, expected_ns: waiting.expected_ns }
        }
        Decision::Refuse(refusal) => Outcome::Refused {
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
