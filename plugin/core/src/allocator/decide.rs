//! The order of a decision, top to bottom: guaranteed, opportunistic, emergency, partial, wait, refuse.
//!
//! Several resources are all or nothing: every one is quoted first, and only when all can be had is any of them
//! debited. A refused decision debits nothing, and neither does one that waits.

use super::{
    Admission, Allocator, Class, Decision, Demand, Reason, Refusal, Request, Source,
    budget::{EMERGENCY, ShadowId},
    receipts::{Keeps, Outstanding, Receipt},
    retry,
    view::View,
};
use crate::{
    table::DrawOrder,
    units::{Amount, KeyHash, Timestamp},
};

/// Most due shadow buckets credited per request and resource.
pub(super) const DRAIN_PER_REQUEST: u32 = 8;
/// Most shadow buckets moved to the current step per request and resource.
const SWEEP_PER_REQUEST: u32 = 4;
/// How often a request is quoted while other workers are faster, and when it may come again after that.
const ATTEMPTS: u32 = 8;
const PAUSE_NS: u64 = 1_000_000;

/// What one request takes of one resource.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draw {
    pub(super) resource: u8,
    pub(super) cost: u64,
    pub(super) estimated: bool,
    /// Of the budget: tokens of another era are not there any more.
    pub(super) era: u16,
    /// The shadow bucket that pays.
    pub(super) shadow_id: ShadowId,
    pub(super) shadow: Amount,
    pub(super) pool: Amount,
    /// What the pool is left with at least.
    pub(super) keep: Amount,
    pub(super) emergency: Amount,
    /// The overflow that what was drawn below the tier's floor used up.
    pub(super) credit: Amount,
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
        self.decide_and_count(request, true, now)
    }

    /// Decides one request anew that was decided before, when it was to wait, and is not in the queue any more: it is not counted as
    /// offered once more.
    pub fn decide_again(&mut self, request: &Request<'_>, now: Timestamp) -> Decision {
        self.decide_and_count(request, false, now)
    }

    fn decide_and_count(&mut self, request: &Request<'_>, is_new: bool, now: Timestamp) -> Decision {
        self.ledger.turn(now);
        let now = self.begin(now, DRAIN_PER_REQUEST);
        self.sweep(SWEEP_PER_REQUEST, now);
        let key = self.locate(request.key);
        let asker = self.asker(key, request.class, request.may_wait, request.partial);
        let decision = match self.admit(&asker, request.demands, now) {
            Ok(admission) => Decision::Admit(admission),
            Err((_, shortage)) if shortage.can_wait => {
                Decision::Wait(self.enqueue(&asker, request.demands, shortage.retry_after_ns, now))
            }
            Err((resource, Shortage { reason, retry_after_ns, .. })) => {
                Decision::Refuse(Refusal { tier: asker.tier, resource, reason, retry_after_ns })
            }
        };
        self.count(&asker, request.demands, &decision, is_new);
        decision
    }

    /// Quotes every demand and debits all of them, or none. In a crew others may be faster in between: then it is quoted
    /// again, by what they have left.
    pub(super) fn admit(
        &mut self,
        asker: &Asker,
        demands: &[Demand],
        now: Timestamp,
    ) -> Result<Admission, (u8, Shortage)> {
        for _ in 0..ATTEMPTS {
            self.quote_all(asker, demands, now)?;
            if self.pay_all(asker, now) {
                return Ok(self.commit(asker, now));
            }
        }
        let resource = demands.first().map_or(0, |demand| demand.resource);
        Err((resource, Shortage { reason: Reason::Pool, retry_after_ns: Some(PAUSE_NS), can_wait: false }))
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
            if is_clear && let Some(draw) = self.quote_plenty(asker, demand, now) {
                self.draws.push(draw);
                continue;
            }
            self.look(asker, demand, now);
            let quote = if is_clear {
                self.room_for(demand, now).and_then(|()| self.quote(asker, demand, now))
            } else {
                Err(MALFORMED)
            };
            match quote {
                Ok(draw) => self.draws.push(draw),
                Err(shortage) => short = Some(later(short, (demand.resource, shortage))),
            }
        }
        short.map_or(Ok(()), Err)
    }

    /// Pool first, and the pool has enough for everybody: then it pays for who is within his contract, and no reservation has
    /// to be looked at. Almost every request ends here, so this is what [`Allocator::quote`] would say, sooner.
    fn quote_plenty(&self, asker: &Asker, demand: &Demand, now: Timestamp) -> Option<Draw> {
        let resource = self.resources.get(usize::from(demand.resource))?;
        let is_plain = self.policy.draw_order == DrawOrder::PoolFirst
            && self.waiting.is_empty()
            && !resource.budget.is_shared()
            && !resource.budget.is_held();
        let slot = self.keys.slot(asker.key, demand.resource).filter(|_| is_plain)?;
        let (pool, floor) = (Amount::from_tokens(demand.cost), resource.floors(asker).0);
        let contract = resource.contract(slot, asker.tier);
        let within = contract.is_none_or(|contract| slot.standard.left(contract, now) >= pool);
        (within && resource.budget.pool().0.saturating_sub(pool.0) >= floor.0).then(|| Draw {
            resource: demand.resource,
            cost: demand.cost,
            estimated: demand.estimated,
            era: resource.budget.era(),
            shadow_id: slot.own_shadow().unwrap_or_else(|| u32::from(asker.tier)),
            shadow: Amount::ZERO,
            pool,
            keep: floor,
            emergency: Amount::ZERO,
            credit: Amount::ZERO,
        })
    }

    /// What is held comes back by its receipt: without one nobody could give it back.
    fn room_for(&self, demand: &Demand, now: Timestamp) -> Result<(), Shortage> {
        let resource =
            self.resources.get(usize::from(demand.resource)).filter(|resource| resource.budget.is_held());
        let Some(nanos) = resource.and_then(|_| self.receipts.full_for(now)) else { return Ok(()) };
        Err(Shortage { reason: Reason::Pool, retry_after_ns: Some(nanos), can_wait: false })
    }

    /// What `demand` would take of its resource, without taking it.
    fn quote(&self, asker: &Asker, demand: &Demand, now: Timestamp) -> Result<Draw, Shortage> {
        let Some(view) = self.view(asker, demand, now) else {
            return Err(Shortage { reason: Reason::Malformed, retry_after_ns: None, can_wait: false });
        };
        let View { resource, slot, shadow_id, cost, shadow, rest, floor, highest, ahead, left, .. } = view;
        let keep_most = Amount(highest.0.saturating_add(ahead.0));
        let within_contract = left >= cost;
        let draw = Draw {
            resource: demand.resource,
            cost: demand.cost,
            estimated: demand.estimated || resource.budget.is_held(),
            era: resource.budget.era(),
            shadow_id,
            shadow: Amount::ZERO,
            pool: cost,
            keep: Amount(floor.0.saturating_add(ahead.0)),
            emergency: Amount::ZERO,
            credit: Amount::ZERO,
        };

        // 1. Guaranteed: the shadow covers it, alone or together with the pool. The contract throttles only what the shadow
        // does not cover. Pool first spares the shadow while the pool has enough for everybody.
        let rest_is_allowed = left >= rest || (asker.borrows && view.has(rest, highest));
        let is_mixed = shadow > Amount::ZERO && view.has(rest, floor) && rest_is_allowed;
        if rest == Amount::ZERO || is_mixed {
            let spares_shadow = self.policy.draw_order == DrawOrder::PoolFirst && view.has(cost, floor);
            let keep = if left >= rest { draw.keep } else { keep_most };
            return Ok(if spares_shadow { draw } else { Draw { shadow, pool: rest, keep, ..draw } });
        }

        // 2. Opportunistic: the pool above the tier's floor, which a burst credit lowers; beyond its contract only for who
        // may borrow, and only while tokens are not scarce.
        if view.has(cost, floor) && (within_contract || (asker.borrows && view.has(cost, highest))) {
            return Ok(if within_contract { draw } else { Draw { keep: keep_most, ..draw } });
        }
        let below = view.below_floor();
        if within_contract
            && below > Amount::ZERO
            && below <= view.credit(now)
            && view.has(cost, Amount::ZERO)
        {
            let credit = below.out_of_permille(asker.credit_permille);
            return Ok(Draw { credit, keep: ahead, ..draw });
        }

        // 3. Emergency: for critical requests and tiers with access, up to a key's most per step.
        let most = resource.emergency_use.most(resource.budget.reserved(EMERGENCY).1);
        let may_draw = |amount: Amount| {
            asker.has_emergency && resource.emergency_use.allows(asker.key, amount, most, self.policy.turn)
        };
        if may_draw(rest) && resource.budget.shadow(EMERGENCY, now) >= rest {
            return Ok(Draw { shadow, pool: Amount::ZERO, emergency: rest, ..draw });
        }

        // 4. Partial: whatever of it the steps above would grant.
        let granted = if asker.partial { view.available() } else { 0 };
        if granted > 0 {
            let part = Amount::from_tokens(granted.min(demand.cost));
            let shadow = shadow.min(part);
            let pool = Amount(part.0 - shadow.0);
            return Ok(Draw { cost: granted.min(demand.cost), shadow, pool, ..draw });
        }

        // 5. Wait: within the contract, when it comes soon enough and there is room. 6. Refuse, saying when.
        let retry_after_ns = retry::earliest(&resource.budget, slot, &view.needs(may_draw(cost)), now);
        let in_time = retry_after_ns.is_some_and(|nanos| nanos <= asker.max_wait_ns);
        let can_wait =
            within_contract && asker.max_wait_ns > 0 && in_time && self.waiting.has_room(asker.rank);
        let reason = if within_contract { Reason::Pool } else { Reason::Contract };
        Err(Shortage { reason, retry_after_ns, can_wait })
    }

    /// Debits everything that was quoted; in a crew what was to be paid has been.
    pub(super) fn commit(&mut self, asker: &Asker, now: Timestamp) -> Admission {
        let mut source = Source::Opportunistic;
        let mut estimates = 0_u32;
        let hash = self.crew.map(|_| self.hash_of(asker.key));
        for draw in &self.draws {
            let Some(slot) = self.keys.slot_mut(asker.key, draw.resource) else { continue };
            let Some(resource) = self.resources.get_mut(usize::from(draw.resource)) else { continue };
            if let Some(contract) = resource.contract(slot, asker.tier) {
                let cost = Amount::from_tokens(draw.cost);
                match hash.filter(|_| resource.budget.is_shared()) {
                    // Who had to ask what it leaves tells at once what was used of it.
                    Some(hash) if resource.left_seen.is_some() => {
                        resource.budget.tell_contract(hash, contract, cost, now);
                    }
                    Some(_) => slot.standard.count(cost),
                    None => slot.standard.debit(cost, contract, now),
                }
            }
            let budget = &mut resource.budget;
            if !budget.is_shared() {
                budget.debit(draw, now);
            }
            if draw.shadow > Amount::ZERO {
                source = if source == Source::Emergency { source } else { Source::Guaranteed };
            }
            if draw.emergency > Amount::ZERO {
                resource.emergency_use.add(asker.key, draw.emergency, self.policy.turn);
                source = Source::Emergency;
            }
            estimates += u32::from(draw.estimated);
        }
        let receipt = if estimates > 0 { self.open_receipt(asker.key, estimates, now) } else { None };
        let granted = self.draws.first().map_or(0, |draw| draw.cost);
        Admission { tier: asker.tier, source, receipt, granted }
    }

    /// Keeps what was paid until the request is settled. Where there is no room the estimates stand.
    fn open_receipt(&mut self, key: u32, estimates: u32, now: Timestamp) -> Option<Receipt> {
        self.expire_receipts(1, now);
        if let Some(entry) = self.keys.entry_mut(key) {
            entry.outstanding = entry.outstanding.saturating_add(estimates);
        }
        let is_held = |draw: &Draw| {
            self.resources.get(usize::from(draw.resource)).is_some_and(|resource| resource.budget.is_held())
        };
        let keeps = if self.draws.iter().any(is_held) { Keeps::Held } else { Keeps::Estimate };
        let estimated = self.draws.iter().filter(|draw| draw.estimated);
        let receipt = self.receipts.open(estimated.map(|draw| Outstanding { key, draw: *draw }), keeps, now);
        if receipt.is_none() {
            for index in 0..self.draws.len() {
                let Some(draw) = self.draws.get(index).copied().filter(|draw| draw.estimated) else {
                    continue;
                };
                self.settle_one(&Outstanding { key, draw }, draw.cost, now);
            }
        }
        receipt
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
