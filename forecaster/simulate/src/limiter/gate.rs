//! The real allocator as the proxy runs it: tables come as bytes, usage leaves as reports.

use tidegate_core::{
    Allocator, Class, Decision, Demand, Reason, Receipt, Request, ResourceSetup, SafeBudget, Setup,
    Timestamp,
    table::{Resource, Schedule, Table, Tier},
    units::MicroRate,
};

use super::{Limiter, Passed, Refused, Ticket, Verdict, planning::Planning};
use crate::{
    error::Error,
    policy::Policy,
    trace::{Arrival, Names},
};

const MAX_UNKNOWN_KEYS: u32 = 100_000;
/// The most that wait at once.
const MAX_WAITING: u32 = 4096;
const MAX_RECEIPTS: u32 = 1_000_000;
const RECEIPT_TTL_MS: u64 = 600_000;
/// An allocator without a forecaster is ticked so often.
const IDLE_TICK_NS: u64 = 1_000_000_000;

/// An allocator, and the forecaster that it has, if any.
pub(crate) struct Gate<'a> {
    allocator: Allocator,
    planning: Option<Planning<'a>>,
    /// Without a forecaster: the policy with its floors, and the epoch of the last table.
    constant: (Policy, Vec<u16>, u64),
    may_wait: bool,
    /// Index in the allocator of each resource of the trace.
    resources: Vec<Option<u8>>,
}

impl<'a> Gate<'a> {
    /// One bucket per resource, and nothing else.
    pub(crate) fn bucket(policy: &Policy, resources: &Names, now: Timestamp) -> Self {
        Self::new(policy, resources, None, false, now)
    }

    /// One bucket per resource with a constant floor for each tier, in thousandths of the burst.
    pub(crate) fn floors(
        policy: &Policy,
        resources: &Names,
        floors_permille: &[u16],
        may_wait: bool,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let mut gate = Self::new(policy, resources, None, may_wait, now);
        floors_permille.clone_into(&mut gate.constant.1);
        gate.apply_floors(now)?;
        Ok(gate)
    }

    fn apply_floors(&mut self, now: Timestamp) -> Result<(), Error> {
        let (policy, floors_permille, epoch) = &mut self.constant;
        *epoch += 1;
        let table = floors_table(policy, floors_permille, *epoch, now);
        let step = policy.step_at(now.millis());
        self.allocator.apply(&table.encode(), now).map_err(|source| Error::Table { step, source })?;
        Ok(())
    }

    /// Ours: with a forecaster that plans.
    pub(crate) fn planned(
        policy: &Policy,
        resources: &Names,
        planning: Planning<'a>,
        may_wait: bool,
        now: Timestamp,
    ) -> Self {
        Self::new(policy, resources, Some(planning), may_wait, now)
    }

    fn new(
        policy: &Policy,
        resources: &Names,
        planning: Option<Planning<'a>>,
        may_wait: bool,
        now: Timestamp,
    ) -> Self {
        let resource = |resource: &tidegate_core::plan::ResourcePolicy| ResourceSetup {
            name: resource.name.clone(),
            safe: Some(SafeBudget {
                capacity: MicroRate::from_per_s(resource.capacity_per_s),
                burst: resource.burst,
            }),
        };
        let setup = Setup {
            resources: policy.resources.iter().map(resource).collect(),
            max_unknown_keys: MAX_UNKNOWN_KEYS,
            max_receipts: MAX_RECEIPTS,
            max_waiting: MAX_WAITING,
            receipt_ttl_ms: RECEIPT_TTL_MS,
            report_interval_ms: policy.report_interval_ms,
        };
        let allocator = Allocator::new(setup, now);
        let resources = resources.all().iter().map(|name| allocator.resource_index(name)).collect();
        let constant = (policy.clone(), vec![0; policy.tiers.len()], 0);
        Self { allocator, planning, constant, may_wait, resources }
    }
}

impl Limiter for Gate<'_> {
    fn decide(&mut self, arrival: &Arrival, key: &str, now: Timestamp) -> Verdict {
        let Some(resource) = self.resources.get(usize::from(arrival.resource)).copied().flatten() else {
            return Verdict::Refuse(Refused::Short);
        };
        let demands = [Demand { resource, cost: arrival.cost, estimated: arrival.actual.is_some() }];
        let request = Request {
            key: key.as_bytes(),
            class: arrival.class,
            demands: &demands,
            may_wait: self.may_wait && arrival.class != Class::Deferrable,
            partial: false,
        };
        verdict(&self.allocator.decide(&request, now))
    }

    fn release(&mut self, now: Timestamp) -> Option<(Ticket, Verdict)> {
        let (ticket, decision) = self.allocator.release(now)?;
        Some((Ticket(ticket.to_u64()), verdict(&decision)))
    }

    fn next_release(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.allocator.next_release_ns(now).map(|nanos| now.plus(nanos))
    }

    fn settle(&mut self, receipt: Receipt, resource: u8, actual: u64, now: Timestamp) {
        if let Some(resource) = self.resources.get(usize::from(resource)).copied().flatten() {
            self.allocator.settle(receipt, &[(resource, actual)], now);
        }
    }

    fn tick(&mut self, now: Timestamp) -> Result<Timestamp, Error> {
        self.allocator.advance(now);
        match &mut self.planning {
            Some(planning) => planning.tick(&mut self.allocator, now),
            None => Ok(now.plus(IDLE_TICK_NS)),
        }
    }

    fn expected(&self, step: u64) -> Option<f64> {
        self.planning.as_ref()?.expected(step)
    }

    fn resize(&mut self, capacity_per_s: f64, burst: u64, now: Timestamp) -> Result<(), Error> {
        if let Some(planning) = &mut self.planning {
            return planning.resize(&mut self.allocator, capacity_per_s, burst, now);
        }
        self.constant.0.resize(capacity_per_s, burst);
        self.apply_floors(now)
    }
}

fn verdict(decision: &Decision) -> Verdict {
    match decision {
        Decision::Admit(admission) => {
            Verdict::Admit(Passed { source: admission.source, receipt: admission.receipt })
        }
        Decision::Wait(waiting) => Verdict::Wait(Ticket(waiting.ticket.to_u64())),
        Decision::Refuse(refusal) if refusal.reason == Reason::Contract => {
            Verdict::Refuse(Refused::BeyondContract)
        }
        Decision::Refuse(_) => Verdict::Refuse(Refused::Short),
    }
}

/// A table without customers that stays in force.
fn floors_table(policy: &Policy, floors_permille: &[u16], epoch: u64, now: Timestamp) -> Table {
    let tier = |(tier, floor_permille): (&tidegate_core::plan::TierPolicy, &u16)| Tier {
        name: tier.tier.name.clone(),
        priority: tier.tier.priority,
        weight: tier.tier.weight,
        max_delay_ms: tier.tier.max_delay_ms,
        floor_permille: *floor_permille,
        contracts: vec![None; policy.resources.len()],
        ..Tier::default()
    };
    let key = |(key, customer): (&String, &tidegate_learn::NamedCustomer)| tidegate_core::table::Key {
        hash: tidegate_core::KeyHash::of(key.as_bytes()),
        tier: customer.tier,
        grants: Vec::new(),
    };
    let resource = |resource: &tidegate_core::plan::ResourcePolicy| Resource {
        name: resource.name.clone(),
        capacity: MicroRate::from_per_s(resource.capacity_per_s),
        burst: resource.burst,
        safe_capacity: MicroRate::from_per_s(resource.capacity_per_s),
        tier_reservations: vec![Schedule::default(); policy.tiers.len()],
        ..Resource::default()
    };
    Table {
        epoch,
        base_epoch: 0,
        removed: Vec::new(),
        starts_at_ms: now.millis(),
        step_ms: policy.step_ms,
        steps: 1,
        valid_until_ms: u64::MAX,
        draw_order: policy.draw_order,
        tiers: policy.tiers.iter().zip(floors_permille).map(tier).collect(),
        default_tier: policy.default_tier,
        resources: policy.resources.iter().map(resource).collect(),
        keys: policy.customers.iter().map(key).collect(),
    }
}
