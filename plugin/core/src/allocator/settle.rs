//! Settling: once the actual cost of an admitted request is known, charge or refund the difference.

use super::{
    Allocator,
    receipts::{Outstanding, Receipt},
};
use crate::units::{Amount, Timestamp};

impl Allocator {
    /// Replaces the estimates of an admission by its actual costs, given as (resource index, tokens). A resource
    /// that is not named keeps its estimate. Returns false, and changes nothing, when the receipt is spent: settled before,
    /// or given up because it was too old.
    ///
    /// What was paid too much returns to the buckets that paid, shadow first, and overflows like refill. What was
    /// paid too little is charged: from the shadow bucket as far as it goes, else from the pool, into debt if need be, so that
    /// later requests wait for it. A charge is never skipped.
    pub fn settle(&mut self, receipt: Receipt, actual: &[(u8, u64)], now: Timestamp) -> bool {
        let now = self.begin(now, super::decide::DRAIN_PER_REQUEST);
        self.close_receipt(receipt, actual, now)
    }

    /// Charges abandoned requests their estimates.
    pub(super) fn expire_receipts(&mut self, now: Timestamp) {
        while let Some(receipt) = self.receipts.oldest(now) {
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

    fn settle_one(&mut self, outstanding: &Outstanding, actual: u64, now: Timestamp) {
        let Outstanding { key, draw } = *outstanding;
        if let Some(entry) = self.keys.entry_mut(key) {
            entry.outstanding = entry.outstanding.saturating_sub(1);
            entry.unreported = true;
        }
        let Some(slot) = self.keys.slot_mut(key, draw.resource) else { return };
        let usage = self.ledger.usage(key, draw.resource, slot);
        usage.settled = usage.settled.saturating_add(actual);
        usage.settled_estimate = usage.settled_estimate.saturating_add(draw.cost);
        let Some(resource) = self.resources.get_mut(usize::from(draw.resource)) else { return };
        let budget = &mut resource.budget;
        if actual < draw.cost {
            let refund = Amount::from_tokens(draw.cost - actual);
            slot.standard.credit(refund, now);
            let to_shadow = Amount(refund.0.min(draw.shadow.0));
            if to_shadow > Amount::ZERO {
                budget.credit_shadow(slot.shadow, to_shadow, now);
                budget.credit_pool(Amount(refund.0 - to_shadow.0));
            } else {
                budget.credit_pool(refund);
            }
        } else if actual > draw.cost {
            let charge = Amount::from_tokens(actual - draw.cost);
            slot.standard.debit(charge, now);
            let from_shadow = Amount(budget.shadow(slot.shadow, now).0.clamp(0, charge.0));
            if from_shadow > Amount::ZERO {
                budget.debit_shadow(slot.shadow, from_shadow, now);
            }
            budget.debit_pool(Amount(charge.0 - from_shadow.0));
        }
    }
}
