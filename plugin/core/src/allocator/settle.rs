//! Settling: once the actual cost of an admitted request is known, charge or refund the difference.

use super::{
    Allocator,
    budget::EMERGENCY,
    receipts::{Outstanding, Receipt},
};
use crate::units::{Amount, Timestamp};

impl Allocator {
    /// Replaces the estimates of an admission by its actual costs, given as (resource index, tokens). A resource
    /// that is not named keeps its estimate. Returns false, and changes nothing, when the receipt is spent: settled before,
    /// or given up because it was too old.
    ///
    /// What was paid too much returns to the buckets that paid, emergency pool and shadow first, and overflows like refill. What was
    /// paid too little is charged: from the shadow bucket as far as it goes, else from the pool, into debt if need be, so that
    /// later requests wait for it. A charge is never skipped.
    pub fn settle(&mut self, receipt: Receipt, actual: &[(u8, u64)], now: Timestamp) -> bool {
        let now = self.begin(now, super::decide::DRAIN_PER_REQUEST);
        self.close_receipt(receipt, actual, now)
    }

    /// Charges abandoned requests their estimates, and makes room for so many more receipts.
    pub(super) fn expire_receipts(&mut self, more: usize, now: Timestamp) {
        while let Some(receipt) = self.receipts.oldest(more, now) {
            self.close_receipt(receipt, &[], now);
        }
    }

    pub(super) fn close_receipt(&mut self, receipt: Receipt, actual: &[(u8, u64)], now: Timestamp) -> bool {
        let mut open = Some(receipt);
        let mut closed = false;
        while let Some((outstanding, rest)) = open.and_then(|receipt| self.receipts.close(receipt)) {
            closed = true;
            let resource = outstanding.draw.resource;
            let cost = actual.iter().find(|(index, _)| *index == resource).map(|(_, tokens)| *tokens);
            self.settle_one(&outstanding, cost.unwrap_or(outstanding.draw.cost), now);
            open = rest;
        }
        closed
    }

    pub(super) fn settle_one(&mut self, outstanding: &Outstanding, actual: u64, now: Timestamp) {
        let Outstanding { key, draw } = *outstanding;
        if let Some(entry) = self.keys.entry_mut(key) {
            entry.outstanding = entry.outstanding.saturating_sub(1);
            entry.unreported = true;
        }
        let Some(slot) = self.keys.slot_mut(key, draw.resource) else { return };
        let usage = &mut self.ledger.record(key, draw.resource, &mut slot.record).usage;
        usage.settled = usage.settled.saturating_add(actual);
        usage.settled_estimate = usage.settled_estimate.saturating_add(draw.cost);
        let tier = self.tier_of(key);
        let Some(slot) = self.keys.slot_mut(key, draw.resource) else { return };
        let Some(resource) = self.resources.get_mut(usize::from(draw.resource)) else { return };
        if resource.budget.era() != draw.era {
            return;
        }
        let contract = resource.contract(slot, tier);
        let shadow = slot.own_shadow().unwrap_or_else(|| u32::from(tier));
        if resource.budget.is_shared() {
            if contract.is_some() {
                let (used, paid) = (Amount::from_tokens(actual), Amount::from_tokens(draw.cost));
                slot.standard.count(Amount(used.0.saturating_sub(paid.0)));
            }
            let Some(hash) = self.keys.entry(key).map(|entry| entry.hash) else { return };
            return resource.budget.settle_shared(&draw, shadow, hash, actual, now);
        }
        let budget = &mut resource.budget;
        // What is held was never spent: all of it comes back.
        let actual = if budget.is_held() { 0 } else { actual };
        if actual < draw.cost {
            let refund = Amount::from_tokens(draw.cost - actual);
            if let Some(contract) = contract {
                slot.standard.credit(refund, contract, now);
            }
            let to_emergency = refund.min(draw.emergency);
            let rest = Amount(refund.0 - to_emergency.0);
            let to_shadow = rest.min(draw.shadow);
            if to_emergency > Amount::ZERO {
                budget.credit_shadow(EMERGENCY, to_emergency, now);
            }
            if to_shadow > Amount::ZERO {
                budget.credit_shadow(draw.shadow_id, to_shadow, now);
            }
            budget.credit_pool(Amount(rest.0 - to_shadow.0));
        } else if actual > draw.cost {
            let charge = Amount::from_tokens(actual - draw.cost);
            if let Some(contract) = contract {
                slot.standard.debit(charge, contract, now);
            }
            let from_shadow = Amount(budget.shadow(shadow, now).0.clamp(0, charge.0));
            if from_shadow > Amount::ZERO {
                budget.debit_shadow(shadow, from_shadow, now);
            }
            budget.debit_pool(Amount(charge.0 - from_shadow.0));
        }
    }
}
