//! The order of a decision, top to bottom: guaranteed, opportunistic, emergency, partial, wait, refuse.
//!
//! Several resources are all or nothing: every one is quoted first, and only when all can be had is any of them
//! debited. A refused decision debits nothing, and neither does one that waits.

use super::{
    Allocator, ResourceState,
    budget::{Budget, EMERGENCY},
    keys::Slot,
    receipts::{Outstanding, Receipt},
    retry::{self, Needs},
    waiting::Ticket,
};
use crate::{
    table::DrawOrder,
    units::{Amount, KeyHash, Rate, Timestamp},
};

/// Most due shadow buckets credited per request and resource.
pub(super) const DRAIN_PER_REQUEST: u32 = 8;
/// Most shadow buckets moved to the current step per request and resource.
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
    /// Whether the caller takes less rather than nothing; for a single demand.
    pub partial: bool,
}

/// What a request asks of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// May use the pool down to nothing, then the emergency pool.
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
    /// Hold it back until [`Allocator::release`] names its ticket; nothing was debited. Only for a request that may wait.
    Wait(Waiting),
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
    /// Present when a cost was an estimate, or its resource is held.
    pub receipt: Option<Receipt>,
    /// Tokens of the first demand that were granted: its cost, or less where a part was welcome.
    pub granted: u64,
}

/// Which bucket paid for an admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A shadow bucket, the key's own or its tier's, at least in part.
    Guaranteed,
    /// The pool alone.
    Opportunistic,
    /// The emergency pool, at least in part.
    Emergency,
}

/// A request that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Index of the key's tier.
    pub tier: u8,
    /// Its place in the queue.
    pub ticket: Ticket,
    /// Nanoseconds until its turn if nobody of a better priority comes.
    pub expected_ns: u64,
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
    /// The customer's own contract.
    Contract,
    /// The pool: all customers share the shortage.
    Pool,
    /// The request names a resource twice or one that does not exist, or a part of several demands is welcome.
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
    pub(super) emergency: Amount,
    /// A burst credit lowered the floor.
    pub(super) credit: bool,
}

/// Why a resource cannot be had.
#[derive(Clone, Copy)]
pub(super) struct Shortage {
    pub(super) reason: Reason,
    pub(super) retry_after_ns: Option<u64>,
    /// It is worth waiting for.
    pub(super) can_wait: bool,
}

/// Who asks.
#[derive(Clone, Copy)]
pub(super) struct Asker {
    pub(super) key: u32,
    pub(super) tier: u8,
    pub(super) class: Class,
    /// Position of its priority, 0 for the best.
    pub(super) rank: u8,
    /// 0 when it may not wait, or has waited.
    pub(super) max_wait_ns: u64,
    /// It is in the queue already, so only better priorities are ahead.
    pub(super) queued: bool,
    pub(super) partial: bool,
    pub(super) borrows: bool,
    pub(super) has_emergency: bool,
    pub(super) credit_permille: u16,
    pub(super) scales: bool,
}

impl Allocator {
    /// Decides one request.
    pub fn decide(&mut self, request: &Request<'_>, now: Timestamp) -> Decision {
        self.ledger.turn(now);
        let now = self.begin(now, DRAIN_PER_REQUEST);
        self.sweep(SWEEP_PER_REQUEST, now);
        let key = self.locate(request.key);
        let asker = self.asker(key, request.class, request.may_wait, request.partial);
        let decision = match self.quote_all(&asker, request.demands, now) {
            Ok(()) => Decision::Admit(self.commit(&asker, now)),
            Err((_, shortage)) if shortage.can_wait => {
                Decision::Wait(self.enqueue(&asker, request.demands, shortage.retry_after_ns, now))
            }
            Err((resource, Shortage { reason, retry_after_ns, .. })) => {
                Decision::Refuse(Refusal { tier: asker.tier, resource, reason, retry_after_ns })
            }
        };
        self.count(&asker, request.demands, &decision);
        decision
    }

    /// Quotes every demand into `draws`; of several short resources the one that takes longest is the answer.
    pub(super) fn quote_all(
        &mut self,
        asker: &Asker,
        demands: &[Demand],
        now: Timestamp,
    ) -> Result<(), (u8, Shortage)> {
        const MALFORMED: Shortage =
            Shortage { reason: Reason::Malformed, retry_after_ns: None, can_wait: false };
        self.draws.clear();
        let mut short: Option<(u8, Shortage)> = None;
        let mut named = 0_u64;
        for demand in demands {
            let bit = 1_u64 << (demand.resource % 64);
            let is_clear = named & bit == 0 && !(asker.partial && demands.len() != 1);
            named |= bit;
            let quote = if is_clear { self.quote(asker, demand, now) } else { Err(MALFORMED) };
            match quote {
                Ok(draw) => self.draws.push(draw),
                Err(shortage) => short = Some(later(short, (demand.resource, shortage))),
            }
        }
        short.map_or(Ok(()), Err)
    }

    /// What `demand` would take of its resource, without taking it.
    fn quote(&mut self, asker: &Asker, demand: &Demand, now: Timestamp) -> Result<Draw, Shortage> {
        let malformed = Shortage { reason: Reason::Malformed, retry_after_ns: None, can_wait: false };
        let Some(slot) = self.keys.slot(asker.key, demand.resource) else { return Err(malformed) };
        let Some(resource) = self.resources.get_mut(usize::from(demand.resource)) else {
            return Err(malformed);
        };
        let shadow_id = slot.own_shadow().unwrap_or_else(|| u32::from(asker.tier));
        resource.budget.roll(shadow_id, self.policy.turn, now);
        let budget = &resource.budget;
        let cost = Amount::from_tokens(demand.cost);
        let shadow = Amount(budget.shadow(shadow_id, now).0.clamp(0, cost.0));
        // What waits with the same or a better priority is spoken for.
        let ahead = if self.waiting.is_empty() {
            Amount::ZERO
        } else if asker.queued {
            self.waiting.kept_before(demand.resource, asker.rank)
        } else {
            self.waiting.kept(demand.resource, asker.rank)
        };
        let pool = Amount(budget.pool().0.saturating_sub(ahead.0));
        let (floor, highest) = resource.floors(asker);
        let has = |taken: Amount, floor: Amount| pool.0.saturating_sub(taken.0) >= floor.0;
        let contract = resource.contract(slot, asker.tier);
        let left = contract.map_or(Amount(i64::MAX), |contract| slot.standard.left(contract, now));
        let within_contract = left >= cost;
        let rest = Amount(cost.0 - shadow.0);
        let draw = Draw {
            resource: demand.resource,
            cost: demand.cost,
            estimated: demand.estimated || resource.held,
            shadow: Amount::ZERO,
            pool: cost,
            emergency: Amount::ZERO,
            credit: false,
        };
        let from_shadow = Draw { shadow, pool: rest, ..draw };
        let spares_shadow = self.policy.draw_order == DrawOrder::PoolFirst && has(cost, floor);

        // 1. Guaranteed: the shadow covers it, alone or together with the pool. The contract throttles only what the shadow
        // does not cover.
        let rest_is_allowed = left >= rest || (asker.borrows && has(rest, highest));
        let is_mixed = shadow > Amount::ZERO && has(rest, floor) && rest_is_allowed;
        if rest == Amount::ZERO || is_mixed {
            return Ok(if spares_shadow { draw } else { from_shadow });
        }

        // 2. Opportunistic: the pool above the tier's floor, which a burst credit lowers; beyond its contract only for who
        // may borrow, and only while tokens are not scarce.
        if has(cost, floor) && (within_contract || (asker.borrows && has(cost, highest))) {
            return Ok(draw);
        }
        if within_contract && asker.credit_permille > 0 && has(cost, lowered(floor, budget, slot, asker, now))
        {
            return Ok(Draw { credit: true, ..draw });
        }

        // 3. Emergency: for critical requests and tiers with access, up to a key's most per step.
        if asker.has_emergency && budget.shadow(EMERGENCY, now) >= rest {
            let most = resource.emergency_use.most(budget.reserved(EMERGENCY).1);
            if resource.emergency_use.allows(asker.key, rest, most, self.policy.turn) {
                return Ok(Draw { shadow, pool: Amount::ZERO, emergency: rest, ..draw });
            }
        }

        // 4. Partial: whatever of it the steps above would grant.
        if asker.partial {
            let plenty = if asker.borrows { pool.0.saturating_sub(highest.0) } else { 0 };
            let allowed = pool.0.saturating_sub(floor.0).min(left.0).max(plenty).max(0);
            let granted = Amount(shadow.0.saturating_add(allowed)).floor_tokens().max(0) as u64;
            if granted > 0 {
                let part = Amount::from_tokens(granted.min(demand.cost));
                let shadow = shadow.min(part);
                return Ok(Draw {
                    cost: granted.min(demand.cost),
                    shadow,
                    pool: Amount(part.0 - shadow.0),
                    ..draw
                });
            }
        }

        // 5. Wait: within the contract, when it comes soon enough and there is room. 6. Refuse, saying when.
        let floor = Amount(floor.0.saturating_add(ahead.0));
        let highest = Amount(highest.0.saturating_add(ahead.0));
        let needs = Needs { shadow: shadow_id, cost, floor, highest, contract, asker };
        let retry_after_ns = retry::earliest(budget, slot, &needs, now);
        let in_time = retry_after_ns.is_some_and(|nanos| nanos <= asker.max_wait_ns);
        let can_wait =
            within_contract && asker.max_wait_ns > 0 && in_time && self.waiting.has_room(asker.rank);
        let reason = if within_contract { Reason::Pool } else { Reason::Contract };
        Err(Shortage { reason, retry_after_ns, can_wait })
    }

    /// Debits everything that was quoted.
    pub(super) fn commit(&mut self, asker: &Asker, now: Timestamp) -> Admission {
        let mut source = Source::Opportunistic;
        let mut estimates = 0_u32;
        for draw in &self.draws {
            let Some(slot) = self.keys.slot_mut(asker.key, draw.resource) else { continue };
            let Some(resource) = self.resources.get_mut(usize::from(draw.resource)) else { continue };
            if let Some(contract) = resource.contract(slot, asker.tier) {
                slot.standard.debit(Amount::from_tokens(draw.cost), contract, now);
            }
            let budget = &mut resource.budget;
            budget.debit_pool(draw.pool);
            let shadow_id = slot.own_shadow().unwrap_or_else(|| u32::from(asker.tier));
            if draw.shadow > Amount::ZERO {
                budget.debit_shadow(shadow_id, draw.shadow, now);
                source = if source == Source::Emergency { source } else { Source::Guaranteed };
            }
            if draw.emergency > Amount::ZERO {
                budget.debit_shadow(EMERGENCY, draw.emergency, now);
                resource.emergency_use.add(asker.key, draw.emergency, self.policy.turn);
                source = Source::Emergency;
            }
            if draw.credit {
                budget.spend_unused(shadow_id, now);
            }
            estimates += u32::from(draw.estimated);
        }
        let receipt = if estimates > 0 { self.open_receipt(asker.key, estimates, now) } else { None };
        let granted = self.draws.first().map_or(0, |draw| draw.cost);
        Admission { tier: asker.tier, source, receipt, granted }
    }

    fn open_receipt(&mut self, key: u32, estimates: u32, now: Timestamp) -> Option<Receipt> {
        self.expire_receipts(now);
        if let Some(entry) = self.keys.entry_mut(key) {
            entry.outstanding = entry.outstanding.saturating_add(estimates);
        }
        let estimated = self.draws.iter().filter(|draw| draw.estimated);
        self.receipts.open(estimated.map(|draw| Outstanding { key, draw: *draw }), now)
    }

    /// The entry of a key; a new one gets the default tier.
    pub(super) fn locate(&mut self, name: &[u8]) -> u32 {
        let hash = KeyHash::of(name);
        match self.keys.find(hash) {
            Some(key) => {
                self.keys.set_name(key, name);
                key
            }
            None => self.keys.add_unknown(hash, name),
        }
    }

    /// What a key's tier and a request's class entitle to.
    pub(super) fn asker(&self, key: u32, class: Class, may_wait: bool, partial: bool) -> Asker {
        let tier = self.tier_of(key);
        let state = self.policy.tiers.get(usize::from(tier));
        Asker {
            key,
            tier,
            class,
            rank: state.map_or(0, |state| state.rank),
            max_wait_ns: if may_wait { state.map_or(0, |state| state.max_delay_ns) } else { 0 },
            queued: false,
            partial,
            borrows: state.is_none_or(|state| state.borrows),
            has_emergency: class == Class::Critical || state.is_some_and(|state| state.has_emergency),
            credit_permille: state.map_or(0, |state| state.credit_permille),
            scales: state.is_some_and(|state| state.scales),
        }
    }
}

/// The shortage to answer with: of several the one that takes longest, and only worth a wait if all are.
fn later(first: Option<(u8, Shortage)>, second: (u8, Shortage)) -> (u8, Shortage) {
    let Some(first) = first else { return second };
    let can_wait = first.1.can_wait && second.1.can_wait;
    let rank = |shortage: &Shortage| shortage.retry_after_ns.unwrap_or(u64::MAX);
    let (resource, shortage) = if rank(&first.1) >= rank(&second.1) { first } else { second };
    (resource, Shortage { can_wait, ..shortage })
}

/// The floor less the burst credit of a key: a part of what its reservation has overflowed since it was last used.
fn lowered(floor: Amount, budget: &Budget, slot: &Slot, asker: &Asker, now: Timestamp) -> Amount {
    let unused = slot.own_shadow().map_or(Amount::ZERO, |id| budget.unused(id, now));
    Amount((floor.0 - unused.0 / 1000 * i64::from(asker.credit_permille)).max(0).min(floor.0))
}

impl ResourceState {
    /// The pool levels that the asker leaves to better tiers, and that any tier leaves.
    pub(super) fn floors(&self, asker: &Asker) -> (Amount, Amount) {
        let cap = self.budget.pool_cap().0.max(0);
        let part = |permille: u16| Amount(cap / 1000 * i64::from(permille));
        let highest = part(self.highest_floor_permille);
        let own = self.floors_permille.get(usize::from(asker.tier)).copied().unwrap_or(0);
        match asker.class {
            Class::Critical => (Amount::ZERO, highest),
            Class::Standard => (part(own), highest),
            Class::Deferrable => (highest, highest),
        }
    }

    /// A key's contract: its own or its tier's.
    pub(super) fn contract(&self, slot: &Slot, tier: u8) -> Option<(Rate, Amount)> {
        slot.contract().or_else(|| self.contracts.get(usize::from(tier)).copied().flatten())
    }
}
