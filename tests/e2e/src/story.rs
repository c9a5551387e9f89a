//! The committed traffic of the demo, `tests/e2e/traffic/story.toml`: read, checked, and turned into arrivals by seed.

mod shape;

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Deserializer};

use crate::load::{Arrival, Arrivals, Ask};
use shape::Shape;

const STORY: &str = include_str!("../traffic/story.toml");

/// A word of the file. There is one story, so its words may live as long as the program.
pub type Word = &'static str;

/// The file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    /// Each makes the same kind of traffic, and none the same requests.
    pub seeds: Vec<u64>,
    /// One season.
    pub day_s: u32,
    /// What counts, after the first day.
    pub measured_s: u32,
    /// What may be admitted, in tokens per second.
    pub capacity_per_s: u32,
    /// And at once.
    pub burst: u32,
    /// What may be admitted without a plan.
    pub safe_capacity_per_s: u32,
    /// Service levels, best first.
    pub tiers: Vec<Tier>,
    /// Who asks.
    pub customers: Vec<Customer>,
}

/// A service level.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Its name.
    #[serde(deserialize_with = "kept")]
    pub name: Word,
    /// Its share when capacity is short.
    pub weight: u32,
    /// The part of the pool that it leaves to better tiers.
    pub floor: f64,
    /// The quantile of the forecast that is reserved for it.
    pub risk_quantile: f64,
    /// What each of its customers may use.
    pub contract: Contract,
}

/// A rate and a burst.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// Tokens per second.
    pub rate_per_s: f64,
    /// Tokens.
    pub burst: u64,
}

/// Who asks, and how often.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Customer {
    /// The throttling key.
    #[serde(deserialize_with = "kept")]
    pub key: Word,
    /// The tier that it has bought.
    #[serde(deserialize_with = "kept")]
    pub tier: Word,
    /// The class of its requests; `standard` when empty.
    #[serde(default, deserialize_with = "kept")]
    pub class: Word,
    /// What it does, for people.
    #[serde(deserialize_with = "kept")]
    pub what: Word,
    shape: Shape,
}

impl Story {
    /// Reads the file.
    ///
    /// # Errors
    /// Says where it is wrong.
    pub fn read() -> Result<Self> {
        let story: Self = toml::from_str(STORY).context("tests/e2e/traffic/story.toml")?;
        for customer in &story.customers {
            let known = story.tiers.iter().any(|tier| tier.name == customer.tier);
            ensure!(known, "story.toml: {} is of no known tier: {}", customer.key, customer.tier);
        }
        Ok(story)
    }

    /// The first day.
    #[must_use]
    pub fn day(&self) -> Duration {
        Duration::from_secs(self.day_s.into())
    }

    /// What counts, after the first day.
    #[must_use]
    pub fn measured(&self) -> Duration {
        Duration::from_secs(self.measured_s.into())
    }

    /// The requests of all customers, in order of time, without end; `who` is the index of the customer.
    pub fn arrivals(&self, seed: u64) -> impl Iterator<Item = Arrival> + Send + use<> {
        let customers = self.customers.clone();
        let mut sources: Vec<_> = (seed..)
            .zip(&customers)
            .map(|(own, one)| {
                let shape = one.shape;
                Arrivals::new(move |now_s| shape.rate_per_s(now_s, seed), shape.highest_per_s(), own)
            })
            .collect();
        let mut next = BinaryHeap::new();
        for (who, source) in sources.iter_mut().enumerate() {
            next.extend(source.next().map(|at| Reverse((at, who))));
        }
        std::iter::from_fn(move || {
            let Reverse((at, who)) = next.pop()?;
            next.extend(sources.get_mut(who)?.next().map(|at| Reverse((at, who))));
            let one = customers.get(who)?;
            let class = Some(one.class).filter(|class| !class.is_empty());
            Some(Arrival { at, who, ask: Ask { class, ..Ask::of(one.key) } })
        })
    }
}

fn kept<'de, D: Deserializer<'de>>(from: D) -> Result<Word, D::Error> {
    String::deserialize(from).map(|text| &*text.leak())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_requests_again_and_another_seed_does_not() -> Result<()> {
        let story = Story::read()?;
        let times = |seed| story.arrivals(seed).map(|one| (one.at, one.who)).take(500).collect::<Vec<_>>();
        assert_eq!(times(1), times(1));
        assert_ne!(times(1), times(2));
        assert!(times(1).is_sorted());
        Ok(())
    }

    #[test]
    fn there_are_five_seeds_and_demand_exceeds_capacity_at_peaks_only() -> Result<()> {
        let story = Story::read()?;
        assert_eq!(story.seeds.len(), 5);
        let time = story.day() + story.measured();
        for seed in &story.seeds {
            let mut seconds = vec![0_u32; time.as_secs() as usize];
            for one in story.arrivals(*seed).take_while(|one| one.at < time) {
                seconds[one.at.as_secs() as usize] += 1;
            }
            let short = seconds.iter().filter(|count| **count > story.capacity_per_s).count();
            assert!(short * 10 > seconds.len() && short * 2 < seconds.len(), "{short} of {}", seconds.len());
        }
        Ok(())
    }
}
