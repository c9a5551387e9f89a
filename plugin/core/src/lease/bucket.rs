//! A reserved bucket as the workers share it: its level when it was last drawn on, and how it refilled then.
//!
//! Full buckets need no cell: a bucket that has none is what its course says it is. A cell whose bucket is full again
//! tells nothing and may be taken by another bucket, so a fixed number of cells serves any number of reservations.

use super::{
    cells::{RECORD_WORDS, Record},
    terms::Course,
};
use crate::units::{Amount, Rate, Timestamp};

/// The level of one reserved bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Whose it is; never 0.
    pub(super) name: u64,
    pub(super) level: Amount,
    at: Timestamp,
    rate: Rate,
    depth: Amount,
}

impl Bucket {
    /// A bucket without a cell: refilling since it was reserved, and by now probably full.
    pub(super) fn untouched(name: u64, course: &Course<'_>, now: Timestamp) -> Self {
        let (rate, depth) = course.at(course.reserved_since);
        let empty = Self { name, level: Amount::ZERO, at: course.reserved_since, rate, depth };
        empty.refilled(course, now)
    }

    /// Reads a record; `None` when it holds no bucket.
    pub(super) const fn read(record: &Record) -> Option<Self> {
        let [name, level, at, rate, depth, ..] = *record;
        if name == 0 {
            return None;
        }
        Some(Self {
            name,
            level: Amount(level as i64),
            at: Timestamp::from_nanos(at),
            rate: Rate(rate),
            depth: Amount(depth as i64),
        })
    }

    pub(super) fn record(&self) -> Record {
        let mut record = [0; RECORD_WORDS];
        let words = [self.name, self.level.0 as u64, self.at.nanos(), self.rate.0, self.depth.0 as u64];
        record.iter_mut().zip(words).for_each(|(to, word)| *to = word);
        record
    }

    /// The bucket at `now`: refilled as it was until its course begins, and then step by step.
    pub(super) fn refilled(mut self, course: &Course<'_>, now: Timestamp) -> Self {
        if self.at < course.reserved_since {
            return Self::untouched(self.name, course, now);
        }
        self.pass(course.starts_at.min(now));
        loop {
            (self.rate, self.depth) = course.at(self.at);
            match course.step_end(self.at) {
                Some(end) if end <= now => self.pass(end),
                _ => break,
            }
        }
        self.pass(now);
        self
    }

    /// When it is full if nobody draws on it; the end of time when never.
    pub(super) fn full_at(&self) -> Timestamp {
        let missing = Amount(self.depth.0.saturating_sub(self.level.0));
        self.rate.time_for(missing).map_or(Timestamp::from_nanos(u64::MAX), |nanos| self.at.plus(nanos))
    }

    /// Puts tokens back; returns how many fitted.
    pub(super) fn refund(&mut self, amount: Amount) -> Amount {
        let before = self.level.0;
        self.level.0 = before.saturating_add(amount.0).min(self.depth.0).max(before);
        Amount(self.level.0 - before)
    }

    fn pass(&mut self, to: Timestamp) {
        let gained = self.rate.over(to.since(self.at)).0;
        self.level.0 = self.level.0.saturating_add(gained).min(self.depth.0);
        self.at = self.at.max(to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MicroRate;

    const SECOND: u64 = 1_000_000_000;

    fn rate(per_s: f64) -> Rate {
        Rate::from_micro_per_s(MicroRate::from_per_s(per_s))
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * SECOND)
    }

    fn tokens(bucket: &Bucket) -> f64 {
        (bucket.level.as_f64() * 1e3).round() / 1e3
    }

    #[test]
    fn an_untouched_bucket_fills_from_the_moment_it_was_reserved() {
        let steps = [(rate(2.0), Amount::from_tokens(10))];
        let course = Course { reserved_since: at(100), starts_at: at(100), step_ns: SECOND, steps: &steps };
        assert_eq!(tokens(&Bucket::untouched(1, &course, at(100))), 0.0);
        assert_eq!(tokens(&Bucket::untouched(1, &course, at(103))), 6.0);
        assert_eq!(tokens(&Bucket::untouched(1, &course, at(200))), 10.0);
    }

    #[test]
    fn every_step_refills_at_its_own_rate_and_cuts_to_its_own_depth() {
        let steps = [
            (rate(2.0), Amount::from_tokens(10)),
            (rate(0.0), Amount::from_tokens(3)),
            (rate(5.0), Amount::from_tokens(8)),
        ];
        let course =
            Course { reserved_since: at(0), starts_at: at(100), step_ns: 10 * SECOND, steps: &steps };
        let mut bucket = Bucket::untouched(1, &course, at(100));
        bucket.level = Amount::ZERO;
        assert_eq!(tokens(&bucket.refilled(&course, at(104))), 8.0);
        assert_eq!(tokens(&bucket.refilled(&course, at(112))), 3.0);
        assert_eq!(tokens(&bucket.refilled(&course, at(120))), 3.0);
        assert_eq!(tokens(&bucket.refilled(&course, at(121))), 8.0);
        let step_by_step =
            bucket.refilled(&course, at(105)).refilled(&course, at(117)).refilled(&course, at(120));
        assert_eq!(step_by_step, bucket.refilled(&course, at(120)), "whenever it is looked at");
    }

    #[test]
    fn a_new_table_goes_on_from_the_old_rate() {
        let old = [(rate(1.0), Amount::from_tokens(10))];
        let before = Course { reserved_since: at(0), starts_at: at(0), step_ns: SECOND, steps: &old };
        let mut bucket = Bucket::untouched(1, &before, at(100));
        bucket.level = Amount::ZERO;
        let new = [(rate(3.0), Amount::from_tokens(10))];
        let after = Course { reserved_since: at(0), starts_at: at(102), step_ns: SECOND, steps: &new };
        assert_eq!(tokens(&bucket.refilled(&after, at(104))), 8.0);
    }

    #[test]
    fn a_reservation_that_ended_and_came_again_starts_empty() {
        let steps = [(rate(1.0), Amount::from_tokens(10))];
        let before = Course { reserved_since: at(0), starts_at: at(0), step_ns: SECOND, steps: &steps };
        let bucket = Bucket::untouched(1, &before, at(100));
        let again = Course { reserved_since: at(200), starts_at: at(200), step_ns: SECOND, steps: &steps };
        assert_eq!(tokens(&bucket.refilled(&again, at(203))), 3.0);
    }

    #[test]
    fn records_keep_everything() {
        let bucket = Bucket { name: 7, level: Amount(-3), at: at(5), rate: rate(1.5), depth: Amount(9) };
        assert_eq!(Bucket::read(&bucket.record()), Some(bucket));
        assert_eq!(Bucket::read(&Record::default()), None);
    }
}
