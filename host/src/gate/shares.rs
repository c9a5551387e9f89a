//! What each shard has of the budget: by the requests that came to it lately.
//!
//! A shard decides alone, with a part of every budget; the parts never sum to more than the whole, so *conservation* holds. They
//! follow the load with a delay, so a shard may refuse what another could have given. This is the place where shards will lease
//! tokens from one pool instead: a broker takes the place of [`Shares`], and nothing outside this file and `upkeep` knows of
//! parts.

use std::sync::{PoisonError, atomic::Ordering};

use super::Gate;
use crate::time::Timestamp;

/// How often parts are divided anew.
const INTERVAL_NS: u64 = 250_000_000;
/// A part changes by this much of the whole at least, in units: each change means to install the table again.
const LEAST_CHANGE: u64 = WHOLE / 32;
/// What parts are parts of.
const WHOLE: u64 = 1 << 16;
/// A shard without requests keeps this part of an equal share, to begin with when some come.
const IDLE_PART: u64 = 16;

/// The load of each shard.
pub(super) struct Shares {
    next_at: Timestamp,
    /// Requests counted so far, and lately, by shard.
    loads: Vec<(u64, u64)>,
}

impl Shares {
    pub(super) fn new(shards: usize) -> Self {
        Self { next_at: Timestamp::default(), loads: vec![(0, 0); shards] }
    }

    /// Parts of [`WHOLE`] by shard.
    fn parts(&self) -> Vec<u64> {
        let count = self.loads.len() as u64;
        let total: u64 = self.loads.iter().map(|(_, load)| load).sum();
        let part = |load: u64| {
            let by_load = if total == 0 {
                WHOLE / count
            } else {
                u64::try_from(u128::from(WHOLE) * u128::from(load) / u128::from(total)).unwrap_or(WHOLE)
            };
            WHOLE / count / IDLE_PART + by_load * (IDLE_PART - 1) / IDLE_PART
        };
        self.loads.iter().map(|(_, load)| part(*load)).collect()
    }
}

impl Gate {
    /// Divides the budget anew when it is time and the load has moved. Those that lose give up theirs before others gain.
    pub(super) fn divide(&self, now: Timestamp) {
        let shards = &self.inner.shards;
        if shards.len() < 2 {
            return;
        }
        let parts = {
            let mut shares = self.inner.shares.lock().unwrap_or_else(PoisonError::into_inner);
            if now < shares.next_at {
                return;
            }
            shares.next_at = Timestamp::from_nanos(now.nanos().saturating_add(INTERVAL_NS));
            for ((counted, load), shard) in shares.loads.iter_mut().zip(shards) {
                let requests = shard.requests.load(Ordering::Relaxed);
                let fresh = requests.saturating_sub(std::mem::replace(counted, requests));
                // Whole requests would round small loads away.
                *load = load.saturating_add(fresh.saturating_mul(1_000)) / 2;
            }
            shares.parts()
        };
        // Nobody installs another table meanwhile.
        let tables = self.tables();
        let of_whole = |(part, whole): (u64, u64)| WHOLE * part / whole.max(1);
        let current: Vec<u64> = shards.iter().map(|shard| of_whole(shard.lock().share)).collect();
        let moved = current.iter().zip(&parts).any(|(current, part)| current.abs_diff(*part) > LEAST_CHANGE);
        if !moved {
            return;
        }
        for shrinks in [true, false] {
            for ((shard, current), part) in shards.iter().zip(&current).zip(&parts) {
                if (part < current) == shrinks && part != current {
                    // A shard that fails here comes back with the share that it has now.
                    let taken = self.on(shard, |state| {
                        state.share = (*part, WHOLE);
                        let now = state.in_order(now);
                        state.with(|instance| instance.set_share((*part, WHOLE), now))
                    });
                    let _ = taken.and_then(|()| self.reinstall(shard, &tables, now));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_the_load_and_never_exceed_the_whole() {
        for loads in [vec![0, 0], vec![1, 0], vec![3, 1], vec![u64::MAX / 4, 1, 7], vec![5; 7]] {
            let shares = Shares {
                next_at: Timestamp::default(),
                loads: loads.iter().map(|load| (0, *load)).collect(),
            };
            let parts = shares.parts();
            assert!(parts.iter().sum::<u64>() <= WHOLE, "{loads:?}: {parts:?}");
            assert!(parts.iter().all(|part| *part > 0), "{loads:?}: {parts:?}");
            let pairs = loads.iter().zip(&parts);
            let sorted = |pairs: Vec<(&u64, &u64)>| {
                pairs.windows(2).all(|two| (two[0].0 <= two[1].0) == (two[0].1 <= two[1].1))
            };
            assert!(sorted(pairs.collect()), "{loads:?}: {parts:?}");
        }
    }
}
