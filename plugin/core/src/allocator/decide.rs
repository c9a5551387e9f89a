//! The order of a decision, top to bottom: guaranteed, opportunistic, wait, refuse.
//!
//! Several resources are all or nothing: every one is quoted first, and only when all can be had is any of them
//! debited. A refused decision debits nothing.

use super::{
    Allocator, ResourceState,
    receipts::{Outstanding, Receipt},
};
use crate::{
    table::DrawOrder,
    units::{Amount, KeyHash, Timestamp},
};

/// Most due shadow buckets credited per request and resource.
pub(super) const DRAIN_PER_REQUEST: u32 = 8;
/// Most keys moved to the current step per request.
const SWEEP_PER_REQUEST: u32 = 4;

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
}

/// What a request asks of one resource.
#[derive(Clone, Copy, Debug)]
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
    /// May use the pool down to nothing.
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
    /// Present when a cost was an estimate.
    pub receipt: Option<Receipt>,
    /// Hold the request back this long, in nanoseconds; 0 unless it may wait.
    pub wait_ns: u64,
}

/// Which bucket paid for an admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A shadow bucket, the key's own or its tier's, at least in part.
    Guaranteed,
    /// The pool alone.
    Opportunistic,
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
    /// The customer's own contract, while tokens are scarce.
    Contract,
    /// The pool: all customers share the shortage.
    Pool,
    /// The request names a resource twice or one that does not exist.
    Malformed,
}

/// What one request takes of one resource.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draw {
    pub(super) resource: u8,
    pub(super) cost: u64,
    pub(super) estimated: bool,
    pub(super) shadow: Amount,
    pub(super) pool: Amount,
    wait_ns: u64,
}

/// Why a resource cannot be had.
struct Shortage {
    reason: Reason,
    retry_after_ns: Option<u64>,
}

/// What a decision knows of the key's standing.
#[derive(Clone, Copy)]
struct Standing {
    floor_permille: u16,
    highest_floor_permille: u16,
    max_wait_ns: u64,
    draw_order: DrawOrder,
}

impl Allocator {
    /// Decides one request.
    pub fn decide(&mut self, request: &Request<'_>, now: Timestamp) -> Decision {
        self.ledger.turn(now);
        let now = self.begin(now, DRAIN_PER_REQUEST);
        self.sweep(SWEEP_PER_REQUEST, now);
        let key = self.locate(request.key, now);
        let tier = self.keys.entry(key).map_or(self.policy.default_tier, |entry| entry.tier);
        let standing = self.standing(tier, request);

        self.draws.clear();
        let mut refusal = None;
        let mut named = 0_u64;
        for demand in request.demands {
            let bit = 1_u64 << (demand.resource % 64);
            let quote = if named & bit == 0 {
                self.quote(key, demand, standing, now)
            } else {
                Err(Shortage { reason: Reason::Malformed, retry_after_ns: None })
            };
            named |= bit;
            match quote {
                Ok(draw) => self.draws.push(draw),
                Err(shortage) => refusal = later(refusal, tier, demand.resource, &shortage),
            }
        }
        let decision = match refusal {
            Some(refusal) => Decision::Refuse(refusal),
            None => Decision::Admit(self.commit(key, tier, now)),
        };
        self.count(key, request, matches!(decision, Decision::Admit(_)));
        decision
    }

    /// Counts a request that somebody else admitted or turned away, without debiting anything; returns the key's tier.
    pub fn count_undecided(&mut self, request: &Request<'_>, admitted: bool, now: Timestamp) -> u8 {
        self.ledger.turn(now);
        let now = self.begin(now, DRAIN_PER_REQUEST);
        let key = self.locate(request.key, now);
        self.draws.clear();
        self.count(key, request, admitted);
        self.keys.entry(key).map_or(self.policy.default_tier, |entry| entry.tier)
    }

    /// What `demand` would take of its resource, without taking it.
    fn quote(
        &mut self,
        key: u32,
        demand: &Demand,
        standing: Standing,
        now: Timestamp,
    ) -> Result<Draw, Shortage> {
        let malformed = Shortage { reason: Reason::Malformed, retry_after_ns: None };
        let Some(slot) = self.keys.slot_mut(key, demand.resource) else { return Err(malformed) };
        let Some(ResourceState { budget, .. }) = self.resources.get_mut(usize::from(demand.resource)) else {
            return Err(malformed);
        };
        self.policy.roll(slot, budget, now);
        let cost = Amount::from_tokens(demand.cost);
        let shadow = Amount(budget.shadow(slot.shadow, now).0.clamp(0, cost.0));
        let pool = budget.pool();
        let floor = floor(budget.pool_cap(), standing.floor_permille);
        let highest_floor = floor_of_all(budget.pool_cap(), standing);
        let leaves = |taken: Amount, floor: Amount| pool.0.saturating_sub(taken.0) >= floor.0;
        let draw = |shadow: Amount, wait_ns: u64| {
            Ok(Draw {
                resource: demand.resource,
                cost: demand.cost,
                estimated: demand.estimated,
                shadow,
                pool: Amount(cost.0 - shadow.0),
                wait_ns,
            })
        };

        // 1. Guaranteed: the shadow covers it, alone or together with the pool. Not throttled by the contract.
        let covered = shadow >= cost;
        if covered && (standing.draw_order == DrawOrder::ShadowFirst || !leaves(cost, floor)) {
            return draw(cost, 0);
        }
        if covered {
            return draw(Amount::ZERO, 0);
        }
        let rest = Amount(cost.0 - shadow.0);
        let mixed = shadow > Amount::ZERO && leaves(rest, floor);
        if mixed && (standing.draw_order == DrawOrder::ShadowFirst || !leaves(cost, floor)) {
            return draw(shadow, 0);
        }

        // 2. Opportunistic: the pool above the tier's floor; the contract gates it only when tokens are scarce.
        let within_contract = slot.standard.level(now) >= cost;
        if leaves(cost, floor) && (within_contract || leaves(cost, highest_floor)) {
            return draw(Amount::ZERO, 0);
        }

        // 5. Wait: borrow refill of the near future, within the contract.
        if !within_contract {
            return Err(Shortage {
                reason: Reason::Contract,
                retry_after_ns: slot.standard.time_to(cost, now),
            });
        }
        let wait_ns = budget.pool_time_to(Amount(cost.0.saturating_add(floor.0)));
        if let Some(wait_ns) = wait_ns.filter(|wait_ns| *wait_ns <= standing.max_wait_ns) {
            return draw(Amount::ZERO, wait_ns);
        }

        // 6. Refuse, with the earliest time at which a bucket alone would admit it.
        let shadow_ns = budget.shadow_time_to(slot.shadow, cost, now);
        let retry_after_ns = match (wait_ns, shadow_ns) {
            (Some(pool_ns), Some(shadow_ns)) => Some(pool_ns.min(shadow_ns)),
            (pool_ns, shadow_ns) => pool_ns.or(shadow_ns),
        };
        Err(Shortage { reason: Reason::Pool, retry_after_ns })
    }

    /// Debits everything that was quoted.
    fn commit(&mut self, key: u32, tier: u8, now: Timestamp) -> Admission {
        let mut source = Source::Opportunistic;
        let mut wait_ns = 0;
        let mut estimates = 0_u32;
        for draw in &self.draws {
            let Some(slot) = self.keys.slot_mut(key, draw.resource) else { continue };
            let Some(resource) = self.resources.get_mut(usize::from(draw.resource)) else { continue };
            slot.standard.debit(Amount::from_tokens(draw.cost), now);
            resource.budget.debit_pool(draw.pool);
            if draw.shadow > Amount::ZERO {
                resource.budget.debit_shadow(slot.shadow, draw.shadow, now);
                source = Source::Guaranteed;
            }
            wait_ns = wait_ns.max(draw.wait_ns);
            estimates += u32::from(draw.estimated);
        }
        let receipt = if estimates > 0 { self.open_receipt(key, estimates, now) } else { None };
        Admission { tier, source, receipt, wait_ns }
    }

    fn open_receipt(&mut self, key: u32, estimates: u32, now: Timestamp) -> Option<Receipt> {
        self.expire_receipts(now);
        if let Some(entry) = self.keys.entry_mut(key) {
            entry.outstanding = entry.outstanding.saturating_add(estimates);
        }
        let estimated = self.draws.iter().filter(|draw| draw.estimated);
        self.receipts.open(estimated.map(|draw| Outstanding { key, draw: *draw }), now)
    }

    /// Counts what was offered and what was admitted.
    fn count(&mut self, key: u32, request: &Request<'_>, admitted: bool) {
        self.requests = self.requests.wrapping_add(1);
        if let Some(entry) = self.keys.entry_mut(key) {
            entry.unreported = true;
        }
        for demand in request.demands {
            let Some(slot) = self.keys.slot_mut(key, demand.resource) else { continue };
            let usage = self.ledger.usage(key, demand.resource, slot);
            usage.requests_offered = usage.requests_offered.saturating_add(1);
            usage.offered = usage.offered.saturating_add(demand.cost);
            usage.largest = usage.largest.max(demand.cost);
            if !admitted {
                continue;
            }
            usage.requests_admitted = usage.requests_admitted.saturating_add(1);
            let draw = self.draws.iter().find(|draw| draw.resource == demand.resource);
            let guaranteed = draw.map_or(0, |draw| draw.shadow.floor_tokens().max(0) as u64).min(demand.cost);
            usage.guaranteed = usage.guaranteed.saturating_add(guaranteed);
            usage.opportunistic = usage.opportunistic.saturating_add(demand.cost - guaranteed);
            if !demand.estimated {
                usage.settled = usage.settled.saturating_add(demand.cost);
                usage.settled_estimate = usage.settled_estimate.saturating_add(demand.cost);
            }
        }
    }

    /// The entry of a key; a new one gets the default tier.
    fn locate(&mut self, name: &[u8], now: Timestamp) -> u32 {
        let hash = KeyHash::of(name);
        if let Some(key) = self.keys.find(hash) {
            self.keys.name(key, name);
            return key;
        }
        let (key, new) = self.keys.add_unknown(hash, name);
        if new {
            self.join_tier(key, self.policy.default_tier, &[], true, now);
        }
        key
    }

    fn standing(&self, tier: u8, request: &Request<'_>) -> Standing {
        let policy = &self.policy;
        let highest_floor_permille = policy.highest_floor_permille;
        let (floor_permille, max_delay_ns) = policy
            .tiers
            .get(usize::from(tier))
            .map_or((0, 0), |tier| (tier.floor_permille, tier.max_delay_ns));
        Standing {
            floor_permille: match request.class {
                Class::Critical => 0,
                Class::Standard => floor_permille,
                Class::Deferrable => highest_floor_permille,
            },
            highest_floor_permille,
            max_wait_ns: if request.may_wait { max_delay_ns } else { 0 },
            draw_order: policy.draw_order,
        }
    }
}

/// The refusal to answer with: of several short resources the one that takes longest.
fn later(first: Option<Refusal>, tier: u8, resource: u8, shortage: &Shortage) -> Option<Refusal> {
    let refusal =
        Refusal { tier, resource, reason: shortage.reason, retry_after_ns: shortage.retry_after_ns };
    let rank = |refusal: &Refusal| refusal.retry_after_ns.unwrap_or(u64::MAX);
    match first {
        Some(first) if rank(&first) >= rank(&refusal) => Some(first),
        _ => Some(refusal),
    }
}

/// The part of the pool's cap that a tier leaves to better ones.
const fn floor(cap: Amount, permille: u16) -> Amount {
    let cap = if cap.0 > 0 { cap.0 } else { 0 };
    Amount(cap / 1000 * permille as i64)
}

const fn floor_of_all(cap: Amount, standing: Standing) -> Amount {
    floor(cap, standing.highest_floor_permille)
}
