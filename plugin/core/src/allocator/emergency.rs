//! How much of the emergency pool each key has drawn in the current step.

use hashbrown::HashMap;

use super::policy::Turn;
use crate::units::Amount;

/// Keys remembered within a step; beyond it nobody new draws until the next one.
const MAX_KEYS: usize = 1 << 16;

/// Draws on one resource's emergency pool.
#[derive(Clone, Debug)]
pub(super) struct EmergencyUse {
    turn: Turn,
    by_key: HashMap<u32, Amount>,
    key_permille: u16,
}

impl EmergencyUse {
    pub(super) fn new() -> Self {
        Self { turn: Turn::NONE, by_key: HashMap::new(), key_permille: 1000 }
    }

    /// Sets the most that a key may draw in a step, in thousandths of the pool's depth.
    pub(super) const fn set_key_permille(&mut self, key_permille: u16) {
        self.key_permille = key_permille;
    }

    /// The most that a key may draw in a step.
    pub(super) const fn most(&self, depth: Amount) -> Amount {
        depth.permille(self.key_permille)
    }

    /// Whether a key may draw `amount` more, up to `most`.
    pub(super) fn allows(&self, key: u32, amount: Amount, most: Amount, turn: Turn) -> bool {
        if turn != self.turn {
            return amount <= most;
        }
        match self.by_key.get(&key) {
            Some(drawn) => drawn.0.saturating_add(amount.0) <= most.0,
            None => amount <= most && self.by_key.len() < MAX_KEYS,
        }
    }

    /// Notes a draw.
    pub(super) fn add(&mut self, key: u32, amount: Amount, turn: Turn) {
        if turn != self.turn {
            self.turn = turn;
            self.by_key.clear();
        }
        let drawn = self.by_key.entry(key).or_insert(Amount::ZERO);
        *drawn = Amount(drawn.0.saturating_add(amount.0));
    }
}
