//! Where a key stands: what it has, what it is expected to ask for, and what a request could have instead of a refusal.

use alloc::{string::String, vec::Vec};

use serde::Serialize;

use super::{
    Allocator, Class, Demand, Refusal, ResourceState, TableState, budget::EMERGENCY, decide::Asker,
    keys::Slot,
};
use crate::units::{Amount, KeyHash, Timestamp};

/// Where a key stands, for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The tier whose rules apply.
    pub tier: String,
    /// Whether the table names the key.
    pub known: bool,
    /// Epoch of the table in force, 0 for none.
    pub table_epoch: u64,
    /// `absent`, `live` or `stale`.
    pub table_state: &'static str,
    /// Milliseconds since the table's first step began; 0 before it.
    pub table_age_ms: u64,
    /// The step of the plan that is current.
    pub step: Option<u8>,
    /// Requests that wait, of all keys.
    pub waiting: usize,
    /// One entry per resource.
    pub resources: Vec<ResourceExplanation>,
}

/// Where a key stands on one resource. Tokens of the resource's unit, rates in tokens per second.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResourceExplanation {
    /// The resource.
    pub resource: String,
    /// What its contract leaves it now; absent without one.
    pub standard_left: Option<f64>,
    /// The contract's rate and burst.
    pub contract: Option<(f64, f64)>,
    /// Whether the reservation is its own or its tier's.
    pub owns_reservation: bool,
    /// What its shadow bucket holds.
    pub reserved_left: f64,
    /// Rate of the reservation in this step.
    pub reserved_rate: f64,
    /// Depth of the reservation in this step.
    pub reserved_depth: f64,
    /// The 80 % interval of the forecast, as rates.
    pub forecast: Option<(f64, f64)>,
    /// The key keeps exceeding its forecast.
    pub contended: bool,
    /// What the pool holds, and the most it can.
    pub pool: (f64, f64),
    /// What the tier leaves in the pool for better ones.
    pub floor: f64,
    /// Tokens that wait with the same or a better priority.
    pub ahead: f64,
    /// What the emergency pool holds, for who has access.
    pub emergency: Option<f64>,
    /// The most that a standard request would get now.
    pub available_now: f64,
}

/// What a refused request could have instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alternatives {
    /// The same demands at this part of their cost would be admitted now, in thousandths.
    pub smaller_permille: Option<u16>,
    /// As a critical request it would be admitted now.
    pub as_critical: bool,
    /// A better reservation of its own begins then, with the next step of the plan.
    pub next_step_ns: Option<u64>,
}

impl Allocator {
    /// Where `key` stands. Counts nothing and changes nothing but the time.
    pub fn explain(&mut self, key: &[u8], wall: Timestamp) -> Explanation {
        let now = self.begin(wall, super::decide::DRAIN_PER_REQUEST);
        let found = self.keys.find(KeyHash::of(key)).unwrap_or(super::keys::COMMON);
        let asker = self.asker(found, Class::Standard, false, false);
        let known = self.keys.entry(found).is_some_and(|entry| entry.known);
        // As much as there is, so that everything is looked at.
        let all = |resource| Demand { resource, cost: u64::MAX, estimated: false };
        (0..self.resources.len() as u8).for_each(|resource| self.look(&asker, &all(resource), now));
        let mut resources = Vec::with_capacity(self.resources.len());
        let turn = self.policy.turn;
        for (index, resource) in (0..).zip(&mut self.resources) {
            let Some(slot) = self.keys.slot(found, index) else { continue };
            if slot.own_shadow().is_none() {
                resource.budget.roll(u32::from(asker.tier), turn, now);
            }
            let ahead = self.waiting.kept(index, asker.rank);
            resources.push(resource.explain(slot, &asker, ahead, now));
        }
        Explanation {
            tier: String::from(self.tier_name(asker.tier)),
            known,
            table_epoch: self.policy.epoch,
            table_state: match self.policy.state {
                TableState::Absent => "absent",
                TableState::Live => "live",
                TableState::Stale => "stale",
            },
            table_age_ms: if self.policy.epoch == 0 {
                0
            } else {
                wall.since(self.policy.starts_at()) / 1_000_000
            },
            step: self.policy.step(),
            waiting: self.waiting.len(),
            resources,
        }
    }

    /// What a request that was just refused could have instead, at the same instant. Counts and debits nothing.
    pub fn alternatives(
        &mut self,
        key: &[u8],
        class: Class,
        demands: &[Demand],
        refusal: &Refusal,
        wall: Timestamp,
    ) -> Alternatives {
        let now = self.begin(wall, 0);
        let Some(found) = self.keys.find(KeyHash::of(key)) else { return Alternatives::default() };
        let asker = self.asker(found, class, false, false);
        let mut parts = Vec::with_capacity(demands.len());
        let mut fits = |allocator: &mut Self, permille: u16, asker: &Asker| {
            parts.clear();
            let part = |cost: u64| (u128::from(cost) * u128::from(permille) / 1000) as u64;
            parts.extend(demands.iter().map(|demand| Demand { cost: part(demand.cost).max(1), ..*demand }));
            allocator.quote_all(asker, &parts, now).is_ok()
        };
        // The greatest part that fits, by halving: admission is monotone in cost.
        let (mut low, mut high) = (0_u16, 1000_u16);
        while high - low > 1 {
            let middle = u16::midpoint(low, high);
            if fits(self, middle, &asker) { low = middle } else { high = middle }
        }
        let critical = Asker { has_emergency: true, class: Class::Critical, ..asker };
        let as_critical = class != Class::Critical && fits(self, 1000, &critical);
        let next_step_ns = self.policy.step().and_then(|step| {
            let slot = self.keys.slot(found, refusal.resource)?;
            let budget = &self.resources.get(usize::from(refusal.resource))?.budget;
            let own = slot.own_shadow()?;
            let (_, depth) = budget.planned(own, step.checked_add(1)?);
            (depth > budget.reserved(own).1).then(|| self.policy.step_until().since(wall))
        });
        Alternatives { smaller_permille: (low > 0).then_some(low), as_critical, next_step_ns }
    }
}

impl ResourceState {
    fn explain(&self, slot: &Slot, asker: &Asker, ahead: Amount, now: Timestamp) -> ResourceExplanation {
        let budget = &self.budget;
        let shadow_id = slot.own_shadow().unwrap_or_else(|| u32::from(asker.tier));
        let contract = self.contract(slot, asker.tier);
        let left = contract.map(|contract| match budget.is_shared() {
            true => self.left_seen.unwrap_or(Amount::ZERO),
            false => slot.standard.left(contract, now),
        });
        let (rate, depth) = budget.reserved(shadow_id);
        let (floor, highest) = self.floors(asker);
        let pool = Amount(budget.pool().0.saturating_sub(ahead.0));
        let shadow = budget.shadow(shadow_id, now);
        let plenty = if asker.borrows { pool.0.saturating_sub(highest.0) } else { 0 };
        let within = left.map_or(i64::MAX, |left| left.0);
        let from_pool = pool.0.saturating_sub(floor.0).min(within).max(plenty).max(0);
        let forecast = slot.own_shadow().and_then(|own| self.contention.forecast(own));
        ResourceExplanation {
            resource: self.name.clone(),
            standard_left: left.map(Amount::as_f64),
            contract: contract.map(|(rate, burst)| (rate.per_s(), burst.as_f64())),
            owns_reservation: slot.own_shadow().is_some(),
            reserved_left: shadow.as_f64(),
            reserved_rate: rate.per_s(),
            reserved_depth: depth.as_f64(),
            forecast: forecast.map(|(low, high)| (low.per_s(), high.per_s())),
            contended: slot.own_shadow().is_some_and(|own| self.contention.is_sustained(own)),
            pool: (budget.pool().as_f64(), budget.pool_cap().as_f64()),
            floor: floor.as_f64(),
            ahead: ahead.as_f64(),
            emergency: asker.has_emergency.then(|| budget.shadow(EMERGENCY, now).as_f64()),
            available_now: Amount(shadow.0.max(0).saturating_add(from_pool)).as_f64(),
        }
    }
}
