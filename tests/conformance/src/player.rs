//! The player: one allocator to which a script happens. The only place that turns events into calls of the core.

use alloc::{format, string::ToString, vec::Vec};

use tidegate_core::{
    Allocator, Class, Decision, Demand, Receipt, Refusal, Request, ResourceSetup, SafeBudget, Setup, Share,
    Ticket, Timestamp, units::MicroRate,
};

use crate::{
    event::{Ask, Event, SetUp},
    outcome::Outcome,
    recent::Recent,
    text::Bytes,
};

/// What reports say of the worker's start.
const BOOT: u64 = 7;
/// Who is told to come again later than this does not.
const PATIENCE_NS: u64 = 2_000_000_000;

/// An allocator, its clock, and what has to be remembered between events.
#[derive(Clone, Debug, Default)]
pub struct Player {
    allocator: Option<Allocator>,
    wall_ns: u64,
    receipts: Recent<Receipt>,
    tickets: Recent<Ticket>,
    refused: Option<(Ask, Refusal)>,
}

impl Player {
    /// A player before its first event.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The wall clock in nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn wall_ns(&self) -> u64 {
        self.wall_ns
    }

    /// The allocator, once it is set up.
    #[must_use]
    pub const fn allocator(&self) -> Option<&Allocator> {
        self.allocator.as_ref()
    }

    /// The request that was refused last, and how.
    #[must_use]
    pub const fn refused(&self) -> Option<&(Ask, Refusal)> {
        self.refused.as_ref()
    }

    /// Makes an event happen.
    pub fn play(&mut self, event: &Event) -> Outcome {
        match event {
            Event::SetUp(set_up) => self.set_up(set_up, |_, setup, now| Allocator::new(setup, now)),
            Event::Succeed(set_up) => self.set_up(set_up, Allocator::successor),
            Event::Until(nanos) => {
                self.wall_ns = self.wall_ns.max(*nanos);
                Outcome::Nothing
            }
            Event::SetClock(nanos) => {
                self.wall_ns = *nanos;
                Outcome::Nothing
            }
            Event::Retry => self.retry(),
            Event::Decide(ask) => self.decide(ask),
            event => {
                let now = Timestamp::from_nanos(self.wall_ns);
                match &mut self.allocator {
                    Some(allocator) => Memory {
                        receipts: &mut self.receipts,
                        tickets: &self.tickets,
                        refused: &self.refused,
                    }
                    .tell(allocator, event, now),
                    None => Outcome::Nothing,
                }
            }
        }
    }

    /// Receipts are of the allocator that gave them.
    fn set_up(
        &mut self,
        set_up: &SetUp,
        succeed: impl FnOnce(&Allocator, Setup, Timestamp) -> Allocator,
    ) -> Outcome {
        let now = Timestamp::from_nanos(self.wall_ns);
        self.allocator = Some(match &self.allocator {
            Some(allocator) => succeed(allocator, setup(set_up), now),
            None => Allocator::new(setup(set_up), now),
        });
        (self.receipts, self.tickets, self.refused) = (Recent::default(), Recent::default(), None);
        Outcome::Nothing
    }

    fn retry(&mut self) -> Outcome {
        let Some((ask, refusal)) = self.refused.take() else { return Outcome::Nothing };
        match refusal.retry_after_ns {
            Some(nanos) if nanos <= PATIENCE_NS => {
                self.wall_ns = self.wall_ns.saturating_add(nanos);
                let now = Timestamp::from_nanos(self.wall_ns);
                self.allocator.iter_mut().for_each(|allocator| allocator.advance(now));
                self.decide(&ask)
            }
            _ => Outcome::Nothing,
        }
    }

    fn decide(&mut self, ask: &Ask) -> Outcome {
        let now = Timestamp::from_nanos(self.wall_ns);
        let Some(allocator) = &mut self.allocator else { return Outcome::Nothing };
        let decision = with_request(ask, |request| allocator.decide(request, now));
        match &decision {
            Decision::Admit(admission) => admission.receipt.into_iter().for_each(|it| self.receipts.keep(it)),
            Decision::Wait(waiting) => self.tickets.keep(waiting.ticket),
            Decision::Refuse(refusal) => self.refused = Some((ask.clone(), *refusal)),
        }
        Outcome::from(&decision)
    }
}

/// What a player remembers of earlier events.
struct Memory<'a> {
    receipts: &'a mut Recent<Receipt>,
    tickets: &'a Recent<Ticket>,
    refused: &'a Option<(Ask, Refusal)>,
}

impl Memory<'_> {
    /// The events that are one call each, or the same call until there is no more.
    fn tell(self, allocator: &mut Allocator, event: &Event, now: Timestamp) -> Outcome {
        match event {
            Event::Apply(table) => {
                Outcome::Applied(allocator.apply(table, now).map_err(|error| error.to_string()))
            }
            Event::Stage(table) => {
                Outcome::Staged(allocator.stage(table.to_vec(), now).map_err(|error| error.to_string()))
            }
            Event::Install(keys) => Outcome::from(allocator.install(*keys, now)),
            Event::Release => self.release(allocator, now),
            Event::NextRelease => Outcome::NextRelease(allocator.next_release_ns(now)),
            Event::Cancel { back } => match self.tickets.pick(*back) {
                Some(ticket) => Outcome::Cancelled(allocator.cancel(*ticket)),
                None => Outcome::Nothing,
            },
            Event::Explain(key) => {
                let standing = allocator.explain(key, now);
                Outcome::Explained(serde_json::to_string(&standing).unwrap_or_default())
            }
            Event::Alternatives => match self.refused {
                Some((ask, refusal)) => with_request(ask, |request| {
                    let Request { key, class, demands, .. } = *request;
                    Outcome::from(allocator.alternatives(key, class, demands, refusal, now))
                }),
                None => Outcome::Nothing,
            },
            Event::Count { ask, admitted } => Outcome::Counted(with_request(ask, |request| {
                allocator.count_undecided(request, *admitted, now)
            })),
            Event::Settle { back, actual } => match self.receipts.pick(*back) {
                Some(receipt) => Outcome::Settled(allocator.settle(*receipt, actual, now)),
                None => Outcome::Nothing,
            },
            Event::Advance => {
                allocator.advance(now);
                standing(allocator)
            }
            Event::Share { part, whole } => {
                allocator.set_share(Share::new(*part, *whole), now);
                Outcome::Nothing
            }
            Event::ReportInterval(interval_ms) => {
                allocator.set_report_interval(*interval_ms);
                Outcome::Nothing
            }
            Event::Report => Outcome::Reported(allocator.report(BOOT).map(|report| Bytes(report.encode()))),
            _ => Outcome::Nothing,
        }
    }

    fn release(self, allocator: &mut Allocator, now: Timestamp) -> Outcome {
        let mut released = Vec::new();
        while let Some((ticket, decision)) = allocator.release(now) {
            if let Decision::Admit(admission) = &decision {
                admission.receipt.into_iter().for_each(|receipt| self.receipts.keep(receipt));
            }
            released.push((ticket.to_u64(), Outcome::from(&decision)));
        }
        Outcome::Released(released)
    }
}

fn standing(allocator: &Allocator) -> Outcome {
    Outcome::Standing {
        epoch: allocator.epoch(),
        snapshot_epoch: allocator.snapshot_epoch(),
        table: format!("{:?}", allocator.table_state()),
        keys: allocator.key_count() as u64,
        waiting: allocator.waiting() as u64,
        requests: allocator.requests(),
        tier: allocator.tier_name(0).to_string(),
    }
}

fn setup(set_up: &SetUp) -> Setup {
    let resources = set_up.resources.iter().map(|(name, safe)| ResourceSetup {
        name: name.clone(),
        safe: safe.map(|safe| SafeBudget { capacity: MicroRate(safe.capacity), burst: safe.burst }),
    });
    Setup {
        resources: resources.collect(),
        max_unknown_keys: set_up.max_unknown_keys,
        max_receipts: set_up.max_receipts,
        max_waiting: set_up.max_waiting,
        receipt_ttl_ms: set_up.receipt_ttl_ms,
        report_interval_ms: set_up.report_interval_ms,
    }
}

fn with_request<T>(ask: &Ask, then: impl FnOnce(&Request<'_>) -> T) -> T {
    let demand =
        |part: &crate::Part| Demand { resource: part.resource, cost: part.cost, estimated: part.estimated };
    let demands: Vec<Demand> = ask.parts.iter().map(demand).collect();
    let class = match ask.class {
        0 => Class::Critical,
        1 => Class::Standard,
        _ => Class::Deferrable,
    };
    let Ask { key, may_wait, partial, .. } = ask;
    then(&Request { key, class, demands: &demands, may_wait: *may_wait, partial: *partial })
}
