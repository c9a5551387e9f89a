//! The player: one allocator to which a script happens. The only place that turns events into calls of the core.

use alloc::{format, string::ToString, vec::Vec};

use tidegate_core::{
    Allocator, Class, Decision, Demand, Receipt, Request, ResourceSetup, SafeBudget, Setup, Share, Timestamp,
    units::MicroRate,
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
#[derive(Debug, Default)]
pub struct Player {
    allocator: Option<Allocator>,
    wall_ns: u64,
    receipts: Recent<Receipt>,
    refused: Option<(Ask, u64)>,
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

    /// The request that was refused last, and when it was told to come again.
    #[must_use]
    pub const fn refused(&self) -> Option<&(Ask, u64)> {
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
            Event::Retry => match self.refused.take() {
                Some((ask, retry_after_ns)) if retry_after_ns <= PATIENCE_NS => {
                    self.wall_ns = self.wall_ns.saturating_add(retry_after_ns);
                    self.decide(&ask)
                }
                _ => Outcome::Nothing,
            },
            Event::Decide(ask) => self.decide(ask),
            event => {
                let now = Timestamp::from_nanos(self.wall_ns);
                match &mut self.allocator {
                    Some(allocator) => tell(allocator, &self.receipts, event, now),
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
        self.receipts = Recent::default();
        self.refused = None;
        Outcome::Nothing
    }

    fn decide(&mut self, ask: &Ask) -> Outcome {
        let now = Timestamp::from_nanos(self.wall_ns);
        let Some(allocator) = &mut self.allocator else { return Outcome::Nothing };
        let decision = with_request(ask, |request| allocator.decide(request, now));
        match &decision {
            Decision::Admit(admission) => {
                if let Some(receipt) = admission.receipt {
                    self.receipts.keep(receipt);
                }
            }
            Decision::Refuse(refusal) => {
                self.refused = refusal.retry_after_ns.map(|nanos| (ask.clone(), nanos));
            }
        }
        Outcome::from(&decision)
    }
}

/// The events that are one call each.
fn tell(allocator: &mut Allocator, receipts: &Recent<Receipt>, event: &Event, now: Timestamp) -> Outcome {
    match event {
        Event::Apply(table) => {
            Outcome::Applied(allocator.apply(table, now).map_err(|error| error.to_string()))
        }
        Event::Count { ask, admitted } => {
            Outcome::Counted(with_request(ask, |request| allocator.count_undecided(request, *admitted, now)))
        }
        Event::Settle { back, actual } => match receipts.pick(*back) {
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

fn standing(allocator: &Allocator) -> Outcome {
    Outcome::Standing {
        epoch: allocator.epoch(),
        snapshot_epoch: allocator.snapshot_epoch(),
        table: format!("{:?}", allocator.table_state()),
        keys: allocator.key_count() as u64,
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
    then(&Request { key: &ask.key, class, demands: &demands, may_wait: ask.may_wait })
}
