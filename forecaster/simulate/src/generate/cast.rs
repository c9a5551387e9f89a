//! Which customer has which tier: drawn by seed, and drawn again until the upper tiers are as large as asked for.

use std::{collections::BTreeMap, ops::Range};

use crate::{draw::Random, error::Error, rates::Rates};

use super::{Generation, UPPER_TIERS};

/// Shares of customers by tier, best first; the last tier has the rest.
const SHARES: [f64; 3] = [0.05, 0.15, 0.30];
const DRAWS: usize = 10_000;

/// How much of the demand the upper tiers (the best two) have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cast {
    /// Every customer is as likely to have any tier; in their busiest window the upper tiers ask for 10 to 50 % of the
    /// mean demand, so that they alone fit the capacity.
    Fitting,
    /// Customers have an upper tier the more likely the larger they are; on average the upper tiers ask for more than
    /// 85 % of the demand, so that they alone exceed a capacity that is well short.
    Overfull,
}

impl Cast {
    /// The name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fitting => "fitting",
            Self::Overfull => "overfull",
        }
    }

    /// Whether upper tiers of this mean and largest share of the demand are what was asked for.
    fn accepts(self, mean: f64, largest: f64) -> bool {
        match self {
            Self::Fitting => (0.1..=0.5).contains(&largest),
            Self::Overfull => mean >= 0.85,
        }
    }
}

/// The tier of every key.
pub(super) fn draw<'a>(
    rates: &'a Rates,
    span: Range<usize>,
    generation: &Generation,
) -> Result<BTreeMap<&'a str, u8>, Error> {
    let mut random = Random::new(generation.seed, "cast");
    let windows = |key: &'a [f64]| key.get(span.clone()).unwrap_or_default();
    let demands: Vec<(&str, &[f64])> =
        rates.keys.iter().map(|(name, key)| (name.as_str(), windows(key))).collect();
    let mean = demands.iter().flat_map(|(_, key)| *key).sum::<f64>() / span.len().max(1) as f64;
    for _ in 0..DRAWS {
        let mut order: Vec<(f64, usize)> = demands
            .iter()
            .enumerate()
            .map(|(index, (_, key))| (precedence(&mut random, generation.cast, key.iter().sum()), index))
            .collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        let upper_count: f64 = SHARES.iter().take(UPPER_TIERS).sum::<f64>() * order.len() as f64;
        let upper =
            order.iter().take(upper_count.round() as usize).filter_map(|(_, index)| demands.get(*index));
        let mut sums = vec![0.0; span.len()];
        for (_, key) in upper {
            sums.iter_mut().zip(*key).for_each(|(sum, y)| *sum += y);
        }
        let largest = sums.iter().copied().fold(0.0, f64::max);
        let average = sums.iter().sum::<f64>() / sums.len().max(1) as f64;
        if generation.cast.accepts(average / mean, largest / mean) {
            return Ok(tiers(&order, &demands));
        }
    }
    let cast = generation.cast.name();
    Err(Error::asked(format!("no draw of tiers makes the upper tiers {cast} for seed {}", generation.seed)))
}

/// Who comes first gets the better tier. Drawn without regard to size, or by size (Efraimidis and Spirakis 2006).
fn precedence(random: &mut Random, cast: Cast, size: f64) -> f64 {
    match cast {
        Cast::Fitting => random.unit(),
        Cast::Overfull => -(1.0 - random.unit()).ln() / size.max(f64::MIN_POSITIVE),
    }
}

fn tiers<'a>(order: &[(f64, usize)], demands: &[(&'a str, &[f64])]) -> BTreeMap<&'a str, u8> {
    let count = order.len() as f64;
    let tier = |position: usize| {
        let mut until = 0.0;
        let ended = SHARES.iter().take_while(|share| {
            until += **share * count;
            (position as f64) + 0.5 > until
        });
        ended.count() as u8
    };
    let named = order
        .iter()
        .enumerate()
        .filter_map(|(position, (_, index))| Some((demands.get(*index)?.0, tier(position))));
    named.collect()
}
