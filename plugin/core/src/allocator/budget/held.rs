//! Budgets whose tokens are held until requests end: concurrency, memory.
//!
//! Time refills nothing here. What is in the buckets and what requests hold are the burst together, so every token that
//! leaves a bucket has to come back into one, and none may be cut off. Hence a reservation grows only as far as the pool pays for it at
//! once, the rest later; refunds go to the bucket that paid; and what a larger burst adds is there at once. Then a bucket
//! below its depth is one whose tokens are in use, and the pool is never above its cap.

use super::{Budget, Packed};
use crate::units::{RATE_SHIFT, Timestamp};

impl Budget {
    /// Whether tokens are held; if that changes, true is returned, and what was drawn before means nothing any more.
    ///
    /// What becomes held begins full and without reservations, which the table that says so is to fund. A worker of a
    /// crew has a part of its own then, as lost tokens would never come back to books; afterwards it goes back to those.
    pub(in crate::allocator) fn set_held(&mut self, is_held: bool, now: Timestamp) -> bool {
        if is_held == self.is_held {
            return false;
        }
        self.is_held = is_held;
        self.era = self.era.wrapping_add(1);
        if is_held {
            self.apart = self.shared.take();
            self.begin_full(now);
        } else if let Some(shared) = self.apart.take() {
            self.share(*shared);
        }
        true
    }

    pub(in crate::allocator) const fn is_held(&self) -> bool {
        self.is_held
    }

    /// Tells draws of these tokens from those of other times, when they were held and are not or the other way round.
    pub(in crate::allocator) const fn era(&self) -> u16 {
        self.era
    }

    fn begin_full(&mut self, now: Timestamp) {
        for shadow in &mut self.shadows {
            (shadow.level, shadow.at, shadow.refilling) = (0, now, false);
            (shadow.rate, shadow.depth, shadow.overflowed) = (Packed::ZERO, Packed::ZERO, Packed::ZERO);
        }
        self.calendar.grow(self.shadows.len());
        (self.reserved_depth, self.pool_rate) = (0, i128::from(self.capacity.0));
        (self.pool_level, self.pool_at) = (i128::from(self.burst.0) << RATE_SHIFT, now);
        self.pool_full_at = now;
    }
}
