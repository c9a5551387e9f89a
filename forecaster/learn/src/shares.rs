//! What parts of demand have which name, lately: a few counters however many names there are.
//!
//! Space saving (Metwally, Agrawal and El Abbadi, *Efficient computation of frequent and top-k elements in data streams*,
//! ICDT 2005): where there is no counter left, the least one is handed on to the new name with what it has. No name with
//! more than its part of the places is missed, and none counts for more than it had by more than the least counter. What
//! is old counts for less: all counters are halved together with each half-life.

/// Names that are counted.
const PLACES: usize = 8;
/// What is left of a part that is not told any more.
const NOTHING: f64 = 1e-3;

/// Counters by name, of what came lately.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shares {
    counters: Vec<Counter>,
    /// Everything counted, whether it has a place still or not.
    whole: f64,
}

#[derive(Clone, Debug, PartialEq)]
struct Counter {
    name: String,
    amount: f64,
}

impl Shares {
    /// Counts so much under a name.
    pub fn add(&mut self, name: &str, amount: f64) {
        if !(amount.is_finite() && amount > 0.0) {
            return;
        }
        self.whole += amount;
        if let Some(counter) = self.counters.iter_mut().find(|counter| counter.name == name) {
            counter.amount += amount;
        } else if self.counters.len() < PLACES {
            self.counters.push(Counter { name: name.to_owned(), amount });
        } else {
            let by_amount = |left: &&mut Counter, right: &&mut Counter| left.amount.total_cmp(&right.amount);
            if let Some(least) = self.counters.iter_mut().min_by(by_amount) {
                name.clone_into(&mut least.name);
                least.amount += amount;
            }
        }
    }

    /// Makes everything count for so many times as much, less than once.
    pub fn fade(&mut self, factor: f64) {
        self.whole *= factor;
        self.counters.iter_mut().for_each(|counter| counter.amount *= factor);
        self.counters.retain(|counter| counter.amount > NOTHING);
    }

    /// Names and their parts of the whole, largest first; what is missing to 1 has no place.
    #[must_use]
    pub fn parts(&self) -> Vec<(&str, f64)> {
        let whole = self.counters.iter().map(|counter| counter.amount).sum::<f64>().max(self.whole);
        let part = |counter: &Counter| counter.amount / whole;
        let mut parts: Vec<(&str, f64)> =
            self.counters.iter().map(|counter| (counter.name.as_str(), part(counter))).collect();
        parts.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(right.0)));
        parts
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counters.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_frequent_is_found_among_many_names_and_no_more_is_kept() {
        let mut shares = Shares::default();
        for round in 0..2000 {
            shares.add(&format!("rare-{}", round % 400), 1.0);
            shares.add("often", 2.0);
            shares.add("sometimes", 1.0);
        }
        let parts = shares.parts();
        assert_eq!((parts.len(), parts[0].0, parts[1].0), (PLACES, "often", "sometimes"));
        assert!((0.5..0.6).contains(&parts[0].1), "{parts:?}");
        assert!(parts.iter().map(|part| part.1).sum::<f64>() <= 1.0 + 1e-9);
    }

    #[test]
    fn what_is_old_fades() {
        let mut shares = Shares::default();
        shares.add("before", 300.0);
        shares.fade(0.5);
        shares.add("now", 50.0);
        assert_eq!(shares.parts(), [("before", 0.75), ("now", 0.25)]);
        (0..30).for_each(|_| shares.fade(0.5));
        assert!(shares.is_empty());
        shares.add("nothing", f64::NAN);
        assert!(shares.is_empty());
    }
}
