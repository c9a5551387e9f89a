//! What contracts left when the books last told, for who only shows it: asking anew for every response costs two hostcalls.

use hashbrown::HashTable;

use crate::units::{Amount, KeyHash, Rate, Timestamp};

/// Contracts remembered; with one more all are forgotten, which costs each a look at the books.
const MOST: usize = 8_192;
/// For how long others' use may be missing in what is shown.
const LONGEST_NS: u64 = 100_000_000;
/// The same where there are no others.
const LONGEST_ALONE_NS: u64 = 1_000_000_000;

/// Contracts that were looked at lately; no memory is taken before one is to be shown.
#[derive(Debug, Default)]
pub(super) struct Sights {
    shown: bool,
    sights: HashTable<Sight>,
}

#[derive(Clone, Copy, Debug)]
struct Sight {
    whose: KeyHash,
    contract: (Rate, Amount),
    left: Amount,
    at: Timestamp,
}

impl Sights {
    /// Contracts are shown from now on.
    pub(super) fn open(&mut self) {
        if !self.shown {
            self.shown = true;
            self.sights.reserve(MOST, |sight| sight.whose.0);
        }
    }

    /// What the books have told.
    pub(super) fn note(&mut self, whose: KeyHash, contract: (Rate, Amount), left: Amount, at: Timestamp) {
        if !self.shown {
            return;
        }
        let sight = Sight { whose, contract, left, at };
        if let Some(place) = self.sights.find_mut(whose.0, |sight| sight.whose == whose) {
            *place = sight;
            return;
        }
        if self.sights.len() >= MOST {
            self.sights.clear();
        }
        self.sights.insert_unique(whose.0, sight, |sight| sight.whose.0);
    }

    /// What a contract leaves by now, if that is known; `workers` share it.
    pub(super) fn left(
        &self,
        whose: KeyHash,
        contract: (Rate, Amount),
        workers: u32,
        now: Timestamp,
    ) -> Option<Amount> {
        let longest_ns = if workers > 1 { LONGEST_NS } else { LONGEST_ALONE_NS };
        let sight = self.sights.find(whose.0, |sight| sight.whose == whose)?;
        let age_ns = now.since(sight.at);
        let refilled = sight.left.0.saturating_add(contract.0.over(age_ns).0);
        (sight.contract == contract && age_ns < longest_ns).then(|| Amount(refilled.min(contract.1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MicroRate;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_nanos((1_000 + millis) * 1_000_000)
    }

    #[test]
    fn a_sight_refills_and_ends_sooner_where_others_draw_too() {
        let contract = (Rate::from_micro_per_s(MicroRate::from_per_s(1_000.0)), Amount::from_tokens(40));
        let acme = KeyHash(7);
        let mut sights = Sights::default();
        sights.note(acme, contract, Amount::from_tokens(10), at(0));
        assert_eq!(sights.left(acme, contract, 1, at(0)), None, "nobody shows any");
        sights.open();
        sights.note(acme, contract, Amount::from_tokens(10), at(0));
        let tokens = |workers, millis| {
            sights.left(acme, contract, workers, at(millis)).map(|left| left.floor_tokens())
        };
        assert_eq!((tokens(2, 0), tokens(2, 22), tokens(2, 99)), (Some(10), Some(31), Some(40)));
        assert_eq!((tokens(2, 100), tokens(1, 100), tokens(1, 1_000)), (None, Some(40), None));
        let other = (contract.0, Amount::from_tokens(50));
        assert_eq!(sights.left(acme, other, 1, at(0)), None, "the contract has changed");
        for another in 8..8 + MOST as u64 {
            assert_eq!(sights.left(KeyHash(another), contract, 1, at(0)), None);
            sights.note(KeyHash(another), contract, Amount::ZERO, at(0));
        }
        assert_eq!(sights.left(acme, contract, 1, at(0)), None, "there are too many");
        assert_eq!(sights.left(KeyHash(8 + MOST as u64 - 1), contract, 1, at(0)), Some(Amount::ZERO));
    }
}
