//! What a contract leaves a key, for whoever wants to tell it.

use super::Allocator;
use crate::units::{Amount, KeyHash, Timestamp};

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A key's contract on one resource, and what is left of it. A contract is a bucket: it is never full before its window is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Tokens that may be used at once.
    pub burst: u64,
    /// Whole tokens of it that are left.
    pub left: u64,
    /// Seconds in which an empty contract is full again, rounded up; none if never.
    pub window_s: Option<u64>,
    /// Seconds until it is full, rounded up; none if never.
    pub full_in_s: Option<u64>,
}

impl Allocator {
    /// Where a key stands with its contract on a resource; none without a contract. In a crew what others have
    /// used of it lately may be missing: they are asked ten times a second at most.
    pub fn standing(&mut self, key: &[u8], resource: u8, wall: Timestamp) -> Option<Standing> {
        let now = self.begin(wall, 0);
        let found = self.keys.find(KeyHash::of(key)).unwrap_or(super::keys::COMMON);
        let (tier, hash) = (self.tier_of(found), self.hash_of(found));
        let slot = self.keys.slot_mut(found, resource)?;
        let state = self.resources.get_mut(usize::from(resource))?;
        let (rate, burst) = state.contract(slot, tier)?;
        let left = if state.budget.is_shared() {
            let used = slot.standard.counted();
            if let Some(seen) = state.budget.recall_contract(hash, (rate, burst), now) {
                Amount(seen.0.saturating_sub(used.0).min(burst.0))
            } else {
                slot.standard.forget();
                state.budget.tell_contract(hash, (rate, burst), used, now)
            }
        } else {
            slot.standard.left((rate, burst), now)
        };
        let seconds = |amount| rate.time_for(amount).map(|nanos| nanos.div_ceil(NANOS_PER_SECOND));
        let whole = |amount: Amount| amount.floor_tokens().max(0) as u64;
        Some(Standing {
            burst: whole(burst),
            left: whole(left),
            window_s: seconds(burst),
            full_in_s: seconds(Amount(burst.0.saturating_sub(left.0))),
        })
    }
}
