//! The one bucket that everything admitted of a resource has to fit into.
//!
//! Levels are integers in 10⁻¹⁵ tokens, the product of micro-tokens per second and nanoseconds.

/// A token.
pub(super) const TOKEN: i128 = 1_000_000_000_000_000;

/// Capacity and burst of a resource, and what is left.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    pub(super) name: String,
    /// Micro-tokens per second and tokens without a table, if it is limited then.
    pub(super) safe: Option<(u64, u64)>,
    capacity: u64,
    burst: i128,
    level: i128,
    /// Debt that others' reservations do not have to pay, since the bucket was last full: what settling charged beyond
    /// estimates, and what reservations of the table before went on to get while a table came into force.
    ahead: i128,
    /// The capacity of the table before, while the one in force is not wholly installed.
    former_capacity: Option<u64>,
    /// Its tokens come back when a receipt is given up, in one table at least.
    pub(super) was_held: bool,
    pub(super) is_held: bool,
}

impl Bucket {
    pub(super) fn new(name: &str, safe: Option<(u64, u64)>) -> Self {
        let mut bucket = Self {
            name: name.to_owned(),
            safe,
            capacity: 0,
            burst: 0,
            level: i128::MAX,
            ahead: 0,
            former_capacity: None,
            was_held: false,
            is_held: false,
        };
        bucket.limit(safe);
        bucket
    }

    /// A limit that is not there is a bucket that never empties.
    pub(super) fn limit(&mut self, limit: Option<(u64, u64)>) {
        let (capacity, burst) = limit.unwrap_or((1 << 60, 1 << 60));
        self.capacity = capacity;
        let before = std::mem::replace(&mut self.burst, i128::from(burst) * TOKEN);
        if !self.is_held {
            return self.raise(0);
        }
        // Nothing refills what is held: what there is more is there at once, and what there is less is gone, though not from
        // reservations that have been funded.
        self.ahead += (before - self.burst).max(0);
        self.raise(self.burst - before);
    }

    /// Whether its tokens are held from now on. What becomes held begins full. Returns whether what was taken before means
    /// nothing any more.
    pub(super) fn hold(&mut self, held: bool) -> bool {
        let changes = held != self.is_held;
        if changes && held {
            (self.level, self.ahead) = (self.burst, 0);
        }
        self.is_held = held;
        self.was_held |= held;
        changes
    }

    /// A table begins to come into force, by and by.
    pub(super) fn begin_change(&mut self) {
        self.former_capacity = Some(self.capacity.max(self.former_capacity.unwrap_or(0)));
    }

    pub(super) const fn end_change(&mut self) {
        self.former_capacity = None;
    }

    pub(super) const fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Refills at `capacity`, which may be another one than that of now.
    pub(super) fn refill(&mut self, capacity: u64, elapsed_ns: u64) {
        // One unit more for every nanosecond: rates are rounded to nearest.
        let refill = (i128::from(capacity) + 1) * i128::from(elapsed_ns);
        self.raise(refill);
        match self.former_capacity {
            Some(former) => self.ahead += i128::from(former) * i128::from(elapsed_ns),
            None if self.level >= self.burst => self.ahead = 0,
            None => {}
        }
    }

    fn raise(&mut self, more: i128) {
        let level = self.level + more;
        self.level = level.min(self.burst);
        if self.former_capacity.is_some() {
            // Reservations that the new table has not reached yet hold what they held.
            self.ahead += level - self.level;
        }
    }

    /// Takes `cost` tokens.
    pub(super) fn take(&mut self, cost: u64) {
        self.level -= i128::from(cost) * TOKEN;
    }

    /// Whether what was taken had been there.
    pub(super) const fn is_covered(&self) -> bool {
        // Rates are quantised: a token in a year or so.
        self.level + self.ahead >= -TOKEN / 1_000_000
    }

    /// Charges an estimate's difference to the actual cost; tokens below zero are given back.
    pub(super) fn charge(&mut self, tokens: i128) {
        let charge = tokens * TOKEN;
        self.raise(-charge);
        self.ahead += charge.max(0);
    }
}
