//! What happens in a generated world beside the usual.

use std::collections::BTreeMap;

use crate::{draw::Random, generate::Generation, policy::Elastic, rates::Rates};

/// A named course of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Nothing but the rates.
    Plain,
    /// A gold customer surges to several times its usual; how do the other gold customers fare?
    SurgingEqual,
    /// A bronze customer floods with more than the capacity.
    FloodingBronze,
    /// Everybody asks for twice as much for a while, at about the same times every day, and new capacity comes minutes
    /// after it was ordered; who orders in time?
    LateCapacity,
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
/// A daily peak lasts so long, adds about so much of a customer's usual demand,
const PEAK_S: f64 = 1200.0;
const PEAK_SHARE: f64 = 1.0;
/// by so much more or less each day, and begins so much earlier or later than on average.
const PEAK_SPREAD: f64 = 0.2;
const PEAK_JITTER_S: f64 = 120.0;
/// How many there are in a span, and on the same hours of the days before.
const PEAKS: u64 = 2;
/// Capacity comes so many steps after it was ordered,
const LEAD_STEPS: u64 = 5;
/// in units of so much of the mean demand.
const UNIT_SHARE: f64 = 0.05;
const DAY_S: f64 = 86_400.0;
const GOLD: u8 = 1;
const BRONZE: u8 = 3;

impl Scenario {
    /// Every scenario.
    pub const ALL: [Self; 4] = [Self::Plain, Self::SurgingEqual, Self::FloodingBronze, Self::LateCapacity];

    /// The name in tables and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::SurgingEqual => "surging-equal",
            Self::FloodingBronze => "flooding-bronze",
            Self::LateCapacity => "late-capacity",
        }
    }

    /// What the customer that misbehaves is called in tables.
    pub(crate) const fn offender(self) -> Option<&'static str> {
        match self {
            Self::Plain | Self::LateCapacity => None,
            Self::SurgingEqual => Some("surging"),
            Self::FloodingBronze => Some("flooding"),
        }
    }

    /// How capacity follows demand, if it does: aiming at a utilisation, with bursts of so many seconds.
    pub(crate) fn elastic(self, mean_per_s: f64, utilisation: f64, burst_s: f64) -> Option<Elastic> {
        let unit_per_s = mean_per_s * UNIT_SHARE;
        (self == Self::LateCapacity).then_some(Elastic {
            utilisation,
            lead_steps: LEAD_STEPS,
            unit_per_s,
            burst_s,
        })
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
            Self::LateCapacity => {
                let peaks = peaks(&mut random, span_s, generation.history_hours);
                let everybody = |(from_s, part): (f64, f64)| tiers.keys().map(move |key| (key, from_s, part));
                let change = |(key, from_s, part): (&&str, f64, f64)| Change {
                    key: (*key).to_owned(),
                    from_s,
                    until_s: from_s + PEAK_S,
                    plus_per_s: usual(key) * part,
                };
                return peaks.into_iter().flat_map(everybody).map(change).collect();
            }
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

/// When the daily peaks of a span and of the history before it begin, and their parts of the usual demand.
fn peaks(random: &mut Random, span_s: (u64, u64), history_hours: u64) -> Vec<(f64, f64)> {
    let apart_s = (span_s.1 - span_s.0) as f64 / PEAKS as f64;
    let room_s = (apart_s - PEAK_S - 2.0 * PEAK_JITTER_S).max(0.0);
    let mut peaks = Vec::new();
    for peak in 0..PEAKS {
        let usual_s = span_s.0 as f64 + apart_s * peak as f64 + PEAK_JITTER_S + random.unit() * room_s;
        for day in 0..=history_hours.div_ceil(24) {
            let mut swing = |most: f64| (random.unit() * 2.0 - 1.0) * most;
            let from_s = usual_s - day as f64 * DAY_S + swing(PEAK_JITTER_S);
            peaks.push((from_s, PEAK_SHARE + swing(PEAK_SPREAD)));
        }
    }
    peaks
}
