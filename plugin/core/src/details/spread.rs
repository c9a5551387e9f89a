//! How values of single requests are spread: counts by bucket, eight buckets for each doubling.

use alloc::vec::Vec;

/// Most buckets of one spread; what would need another is counted in the nearest one there is.
const MAX_BUCKETS: usize = 64;
/// Values below this have a bucket each.
const SINGLE: u64 = 8;

/// The bucket of a value: below 8 the value, else eight for each doubling, so that no value is told more wrongly than by a sixteenth.
#[must_use]
pub const fn bucket_of(value: u64) -> u32 {
    if value < SINGLE {
        return value as u32;
    }
    let highest = u64::BITS - 1 - value.leading_zeros();
    8 * (highest - 2) + ((value >> (highest - 3)) & 7) as u32
}

/// Counts by bucket, in the order of buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread(Vec<(u32, u64)>);

impl Spread {
    /// Counts a value.
    pub fn count(&mut self, value: u64) {
        let bucket = bucket_of(value);
        let place = match self.0.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(place) => place,
            Err(place) if self.0.len() < MAX_BUCKETS => {
                self.0.insert(place, (bucket, 0));
                place
            }
            Err(place) => place.min(self.0.len().saturating_sub(1)),
        };
        if let Some((_, count)) = self.0.get_mut(place) {
            *count = count.saturating_add(1);
        }
    }

    /// Buckets and their counts, none of them 0.
    #[must_use]
    pub fn counts(&self) -> &[(u32, u64)] {
        &self.0
    }
}
