//! What happens in a generated world beside the usual.

use std::collections::BTreeMap;

use crate::{draw::Random, generate::Generation, rates::Rates};

/// A named course of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Nothing but the rates.
    Plain,
    /// A gold customer surges to several times its usual; how do the other gold customers fare?
    SurgingEqual,
    /// A bronze customer floods with more than the capacity.
    FloodingBronze,
}

/// A key whose demand differs from its rates for a while.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) key: String,
    pub(crate) from_s: f64,
    pub(crate) until_s: f64,
    /// So much is added, in requests per second.
    pub(crate) plus_per_s: f64,
}

impl Change {
    pub(crate) fn apply(&self, rate_per_s: f64, at_s: f64) -> f64 {
        if (self.from_s..self.until_s).contains(&at_s) { rate_per_s + self.plus_per_s } else { rate_per_s }
    }
}

/// How often and how long a customer misbehaves, and how far apart the beginnings are.
const EPISODES: u64 = 3;
const EPISODE_S: f64 = 900.0;
/// A surging customer has at least so much of the mean demand before, as far as there is one,
const SURGING_SHARE: f64 = 0.05;
/// and asks for so much more of it.
const SURGE_SHARE: f64 = 0.25;
/// A flooding customer asks for so many times the mean demand of all.
const FLOOD: f64 = 2.0;
const GOLD: u8 = 1;
const BRONZE: u8 = 3;

impl Scenario {
    /// Every scenario.
    pub const ALL: [Self; 3] = [Self::Plain, Self::SurgingEqual, Self::FloodingBronze];

    /// The name in tables and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::SurgingEqual => "surging-equal",
            Self::FloodingBronze => "flooding-bronze",
        }
    }

    /// What the customer that misbehaves is called in tables.
    pub(crate) const fn offender(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::SurgingEqual => Some("surging"),
            Self::FloodingBronze => Some("flooding"),
        }
    }

    /// What it changes in a span of seconds.
    pub(crate) fn changes(
        self,
        tiers: &BTreeMap<&str, u8>,
        rates: &Rates,
        scale: f64,
        span_s: (u64, u64),
        generation: &Generation,
    ) -> Vec<Change> {
        let mean = generation.rate_per_s;
        let mut random = Random::new(generation.seed, self.name());
        let usual = |key: &str| {
            let windows = rates.keys.get(key).map_or(&[][..], Vec::as_slice);
            windows.iter().sum::<f64>() * scale / windows.len().max(1) as f64
        };
        let of_tier =
            |wanted: u8| tiers.iter().filter(move |(_, tier)| **tier == wanted).map(|(key, _)| *key);
        let (key, plus_per_s) = match self {
            Self::Plain => return Vec::new(),
            Self::SurgingEqual => {
                let fit = |key: &&str| (usual(key) - mean * SURGING_SHARE).abs();
                let gold = of_tier(GOLD).min_by(|a, b| fit(a).total_cmp(&fit(b)));
                (gold, mean * SURGE_SHARE)
            }
            Self::FloodingBronze => {
                let bronze: Vec<&str> = of_tier(BRONZE).collect();
                (bronze.get(random.below(bronze.len())).copied(), mean * FLOOD)
            }
        };
        let Some(key) = key else { return Vec::new() };
        let length_s = (span_s.1 - span_s.0) as f64;
        let apart_s = length_s / EPISODES as f64;
        let episode_s = EPISODE_S.min(apart_s / 2.0);
        (0..EPISODES)
            .map(|episode| {
                let from_s =
                    span_s.0 as f64 + apart_s * episode as f64 + random.unit() * (apart_s - episode_s);
                Change { key: key.to_owned(), from_s, until_s: from_s + episode_s, plus_per_s }
            })
            .collect()
    }
}
