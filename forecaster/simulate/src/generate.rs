//! Worlds made from rates: bursty requests of many customers, and the usage before them from the same process.
//!
//! | file | idea |
//! |---|---|
//! | `arrivals` | a renewal process whose rate changes with time |
//! | `cast` | which customer has which tier |
//! | `offer` | tiers and contracts as they would be sold to these customers |

mod arrivals;
mod cast;
mod offer;

pub use cast::Cast;
pub use offer::{TIERS, UPPER_TIERS};

use tidegate_core::Class;
use tidegate_learn::Learning;

use crate::{
    draw::Random,
    error::Error,
    policy::Policy,
    rates::Rates,
    scenario::{Change, Scenario},
    trace::{Arrival, Trace},
    world::{Past, World},
};
use arrivals::Renewals;

const HOUR_S: u64 = 3600;
const STEP_S: u64 = 60;

/// How a world is made.
#[derive(Clone, Debug)]
pub struct Generation {
    /// Requests per second of all customers together, on average over the span.
    pub rate_per_s: f64,
    /// Length of the span in hours.
    pub hours: u64,
    /// How much before the span is known, in hours.
    pub history_hours: u64,
    /// Coefficient of variation of the time between two requests of a customer; 1 is a Poisson process.
    pub burstiness: f64,
    /// Which customers have the upper tiers.
    pub cast: Cast,
    /// What happens.
    pub scenario: Scenario,
    /// Everything random follows from it.
    pub seed: u64,
    /// How keys are learned.
    pub learning: Learning,
}

/// A key's demand in requests per second, as a function of time.
struct Demand<'a> {
    windows: &'a [f64],
    rates: &'a Rates,
    /// Requests per second for each unit of a window.
    scale: f64,
    changes: Vec<&'a Change>,
}

impl Demand<'_> {
    /// Linear between the middles of windows; then what the scenario changes.
    fn at(&self, at_s: f64) -> f64 {
        let position = (at_s - self.rates.starts_at_s as f64) / self.rates.window_s as f64 - 0.5;
        let before = position.floor().max(0.0);
        let value = |index: usize| self.windows.get(index).or(self.windows.last()).copied().unwrap_or(0.0);
        let (low, high) = (value(before as usize), value(before as usize + 1));
        let part = (position - before).clamp(0.0, 1.0);
        let usual = (low + (high - low) * part) * self.scale;
        self.changes.iter().fold(usual, |rate, change| change.apply(rate, at_s))
    }
}

/// Makes a world, and the usual policy for its customers; its capacity is still to be set.
///
/// The span begins on a full hour that the seed draws, with the history before it inside the rates.
///
/// # Errors
/// When the rates are too short for span and history, or no cast fits.
pub fn generate(rates: &Rates, generation: &Generation) -> Result<(World, Policy), Error> {
    let starts_at_s = draw_start(rates, generation)?;
    let ends_at_s = starts_at_s + generation.hours * HOUR_S;
    let history_from_s = starts_at_s - generation.history_hours * HOUR_S;
    let window = |at_s: u64| ((at_s - rates.starts_at_s) / rates.window_s) as usize;
    let span = window(starts_at_s)..window(ends_at_s);
    let total: f64 = rates.keys.values().flat_map(|windows| windows.get(span.clone())).flatten().sum();
    if total <= 0.0 {
        return Err(Error::asked("the rates are zero throughout the span; choose another seed"));
    }
    // Requests per second for each unit of a window, so that the mean over the span is the rate asked for.
    let scale = generation.rate_per_s * span.len() as f64 / total;
    let tiers = cast::draw(rates, span, generation)?;
    let known = window(history_from_s)..window(starts_at_s);
    let policy = offer::make(rates, known, scale, &tiers, &generation.learning);
    let changes = generation.scenario.changes(&tiers, rates, scale, (starts_at_s, ends_at_s), generation);

    let mut trace = Trace::default();
    trace.resources.index(offer::RESOURCE);
    let steps = (history_from_s / STEP_S..starts_at_s / STEP_S).map(|step| Past { step, used: Vec::new() });
    let mut history: Vec<Past> = steps.collect();
    for (name, windows) in &rates.keys {
        let key = trace.keys.index(name);
        let own = changes.iter().filter(|change| change.key == *name).collect();
        let demand = Demand { windows, rates, scale, changes: own };
        let mut counts = vec![0_u64; history.len()];
        let random = Random::new(generation.seed, name);
        let renewals = Renewals::new(random, generation.burstiness, history_from_s as f64, ends_at_s as f64);
        renewals.run(
            |at_s| demand.at(at_s),
            |at_s| {
                let at_ns = (at_s * 1e9) as u64;
                if at_ns >= starts_at_s * 1_000_000_000 {
                    let class = Class::Standard;
                    trace.arrivals.push(Arrival { at_ns, cost: 1, actual: None, key, resource: 0, class });
                } else if let Some(count) =
                    counts.get_mut((at_s as u64 / STEP_S - history_from_s / STEP_S) as usize)
                {
                    *count += 1;
                }
            },
        );
        for (past, count) in history.iter_mut().zip(counts).filter(|(_, count)| *count > 0) {
            past.used.push((key, 0, count));
        }
    }
    trace.sort();
    let offender = generation.scenario.offender();
    let offender =
        changes.first().zip(offender).and_then(|(change, name)| Some((trace.keys.find(&change.key)?, name)));
    let (starts_at_ms, step_ms) = (starts_at_s * 1000, STEP_S as u32 * 1000);
    Ok((World { trace, starts_at_ms, step_ms, history, offender }, policy))
}

fn draw_start(rates: &Rates, generation: &Generation) -> Result<u64, Error> {
    let first = (rates.starts_at_s + generation.history_hours * HOUR_S).next_multiple_of(HOUR_S);
    let last = rates.ends_at_s().saturating_sub(generation.hours * HOUR_S);
    if last < first {
        return Err(Error::asked(format!(
            "the rates cover {} h; {} h of history and a span of {} h need more",
            (rates.ends_at_s() - rates.starts_at_s) / HOUR_S,
            generation.history_hours,
            generation.hours
        )));
    }
    let hours = ((last - first) / HOUR_S) as usize + 1;
    Ok(first + Random::new(generation.seed, "start").below(hours) as u64 * HOUR_S)
}

#[cfg(test)]
pub(crate) mod tests;
