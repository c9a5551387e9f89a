//! How values of single requests are spread lately: counts by bucket, of which quantiles are read.
//!
//! Buckets are the caller's: ascending numbers of ranges of values. At most so many are kept; beyond that the lightest
//! joins its neighbour, so that what is told wrongly is what is rare.

/// Buckets kept: with eight to a doubling, values over four powers of ten lose nothing.
const PLACES: usize = 128;
/// What is left of a count that is not kept any more.
const NOTHING: f32 = 1e-3;

/// Counts by bucket, ascending.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spread {
    counts: Vec<(u16, f32)>,
}

impl Spread {
    /// Counts so many values of a bucket.
    pub fn add(&mut self, bucket: u16, count: u64) {
        let count = count as f32;
        match self.counts.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(place) => {
                if let Some((_, known)) = self.counts.get_mut(place) {
                    *known += count;
                }
            }
            Err(place) => self.counts.insert(place, (bucket, count)),
        }
        if self.counts.len() > PLACES {
            self.join_lightest();
        }
    }

    fn join_lightest(&mut self) {
        let by_count =
            |left: &(usize, &(u16, f32)), right: &(usize, &(u16, f32))| left.1.1.total_cmp(&right.1.1);
        let Some((lightest, &(_, count))) = self.counts.iter().enumerate().min_by(by_count) else { return };
        self.counts.remove(lightest);
        // The next larger one, so that what a request costs is never told as less than it was; the last has none.
        let neighbour = lightest.min(self.counts.len().saturating_sub(1));
        if let Some((_, known)) = self.counts.get_mut(neighbour) {
            *known += count;
        }
    }

    /// Makes everything count for so many times as much, less than once.
    pub fn fade(&mut self, factor: f64) {
        self.counts.iter_mut().for_each(|(_, count)| *count *= factor as f32);
        self.counts.retain(|(_, count)| *count > NOTHING);
    }

    /// The bucket of the value at a level from 0 to 1; `None` when nothing is known.
    #[must_use]
    pub fn quantile(&self, level: f64) -> Option<u16> {
        let whole: f64 = self.counts.iter().map(|(_, count)| f64::from(*count)).sum();
        let mut left = level.clamp(0.0, 1.0) * whole;
        for (bucket, count) in &self.counts {
            left -= f64::from(*count);
            if left <= 1e-6 * whole {
                return Some(*bucket);
            }
        }
        self.counts.last().map(|(bucket, _)| *bucket)
    }

    /// How many values are counted, those that have faded for less.
    #[must_use]
    pub fn count(&self) -> f64 {
        self.counts.iter().map(|(_, count)| f64::from(*count)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_where_values_are() {
        let mut spread = Spread::default();
        assert_eq!(spread.quantile(0.5), None);
        (1..=100).for_each(|bucket| spread.add(bucket, 1));
        assert_eq!(
            [0.0, 0.5, 0.9, 0.99, 1.0].map(|level| spread.quantile(level).unwrap()),
            [1, 50, 90, 99, 100]
        );
        spread.fade(0.5);
        spread.add(7, 150);
        assert_eq!((spread.quantile(0.5), spread.count()), (Some(7), 200.0));
        (0..40).for_each(|_| spread.fade(0.5));
        assert_eq!(spread.quantile(0.5), None);
    }

    #[test]
    fn places_are_bounded_and_what_is_frequent_keeps_its_own() {
        let mut spread = Spread::default();
        for bucket in 0..496 {
            spread.add(bucket, if bucket == 200 { 10_000 } else { 1 });
        }
        assert_eq!((spread.counts.len(), spread.quantile(0.5)), (PLACES, Some(200)));
        assert_eq!(spread.count(), 10_495.0);
    }
}
