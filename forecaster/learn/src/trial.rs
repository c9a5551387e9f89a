//! One trial: whether a bank with another member would have forecast a series better than the bank it has.
//!
//! Both learn the same values from nothing, in order, and are fitted to the first three fifths. On the rest they forecast
//! as they go, at a few distances, and their quantiles are scored (pinball loss); nothing of it is known to them before it
//! has come. The difference counts if it is several times what the differences of parts of the rest let expect by chance.

use tidegate_model::{Entry, LEVELS, Model, Settings, StepForecast, refit_is_due};

/// Distances at which forecasts are scored.
const AHEAD: [u64; 3] = [1, 4, 15];
/// The part of the values that forecasts are scored on, and from how many places there at most.
const HELD_OUT: f64 = 0.4;
const ORIGINS: usize = 200;
/// The rest is scored in so many parts, to tell chance from skill.
const PARTS: usize = 8;
/// A difference counts from so many standard errors on.
const CERTAIN: f64 = 2.0;

/// An event of the calendar: its number, its first step, and the one after the last.
pub(crate) type Announced = (u64, u64, u64);

/// What is tried.
pub(crate) struct Race {
    /// What the series has, and what it could have.
    pub(crate) now: (&'static Entry, Settings),
    pub(crate) other: (&'static Entry, Settings),
    /// Values of consecutive steps, the last of them at step `last`; no number where nothing is known.
    pub(crate) values: Vec<f32>,
    pub(crate) last: u64,
    pub(crate) events: Vec<Announced>,
}

/// How it ended.
pub(crate) struct Outcome {
    /// By what part the other's loss is less.
    pub(crate) gain: f64,
    /// Whether that is more than chance.
    pub(crate) is_certain: bool,
    /// The other, which has learned all the values.
    pub(crate) model: Box<dyn Model>,
}

impl Race {
    /// Runs it; takes up to seconds.
    pub(crate) fn run(&self) -> Outcome {
        let (_, now) = self.replay(&self.now);
        let (mut model, other) = self.replay(&self.other);
        model.refit();
        let differences: Vec<f64> = now.iter().zip(&other).map(|(now, other)| now - other).collect();
        let whole: f64 = now.iter().sum();
        let gain = if whole > 0.0 { differences.iter().sum::<f64>() / whole } else { 0.0 };
        Outcome { gain, is_certain: is_certain(&differences), model }
    }

    /// What a bank that learns the values loses at each place of the rest.
    fn replay(&self, (entry, settings): &(&'static Entry, Settings)) -> (Box<dyn Model>, Vec<f64>) {
        let mut model = (entry.build)(settings);
        let first = (self.last + 1).saturating_sub(self.values.len() as u64);
        let kept = self.values.len() - (self.values.len() as f64 * HELD_OUT) as usize;
        let stride = ((self.values.len() - kept) / ORIGINS).max(1);
        let furthest = settings.horizon as u64;
        let mut losses = Vec::new();
        for (place, (step, &value)) in (first..).zip(&self.values).enumerate() {
            for (event, from, until) in &self.events {
                // Announced as early as plans reach, as it was.
                if *from <= step + furthest && *until > step {
                    model.announce(*event, *from, *until);
                }
            }
            model.observe(step, f64::from(value));
            let is_held_out = place + 1 >= kept;
            if place + 1 == kept
                || (!is_held_out && value.is_finite() && refit_is_due(model.observed_steps()))
            {
                model.refit();
            }
            if is_held_out && (place + 1 - kept).is_multiple_of(stride) {
                losses.extend(self.loss(&*model, place, step));
            }
        }
        (model, losses)
    }

    /// The loss of what is forecast from a place; `None` where nothing of that is known.
    fn loss(&self, model: &dyn Model, place: usize, step: u64) -> Option<f64> {
        let left = self.values.len() - place - 1;
        let reach = AHEAD.iter().copied().filter(|ahead| *ahead as usize <= left).max()?;
        let forecast = model.forecast(step + 1, reach as usize);
        let scored = AHEAD.iter().filter_map(|ahead| {
            let value = f64::from(*self.values.get(place + *ahead as usize)?);
            let forecast = forecast.get(*ahead as usize - 1)?;
            value.is_finite().then(|| pinball(forecast, value))
        });
        let (sum, count) = scored.fold((0.0, 0), |(sum, count), loss| (sum + loss, count + 1));
        (count > 0).then(|| sum / f64::from(count))
    }
}

/// The mean pinball loss of a forecast over its levels.
pub(crate) fn pinball(forecast: &StepForecast, value: f64) -> f64 {
    let loss = |(level, quantile): (f64, f64)| {
        let over = value - quantile;
        if over > 0.0 { level * over } else { (level - 1.0) * over }
    };
    LEVELS.into_iter().zip(forecast.quantiles).map(loss).sum::<f64>() / LEVELS.len() as f64
}

/// Whether differences are beyond chance: neighbours are alike, so it is the means of parts that are compared.
fn is_certain(differences: &[f64]) -> bool {
    let size = differences.len().div_ceil(PARTS).max(1);
    let means: Vec<f64> =
        differences.chunks(size).map(|part| part.iter().sum::<f64>() / part.len() as f64).collect();
    let count = means.len() as f64;
    if means.len() < PARTS / 2 {
        return false;
    }
    let mean = means.iter().sum::<f64>() / count;
    let variance = means.iter().map(|one| (one - mean) * (one - mean)).sum::<f64>() / (count - 1.0);
    mean.abs() > CERTAIN * (variance / count).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pinball_loss_is_least_at_the_quantiles() {
        let forecast = |median| StepForecast { mean: median, quantiles: [median; LEVELS.len()] };
        assert_eq!(pinball(&forecast(5.0), 5.0), 0.0);
        assert!((pinball(&forecast(5.0), 7.0) - 1.0).abs() < 1e-9);
        assert!((pinball(&forecast(5.0), 3.0) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_varies_around_nothing_is_chance() {
        let noise = |place: usize| (place * 7919 % 101) as f64 - 50.0;
        assert!(!is_certain(&(0..96).map(noise).collect::<Vec<_>>()));
        assert!(is_certain(&(0..96).map(|place| noise(place) + 30.0).collect::<Vec<_>>()));
        assert!(is_certain(&(0..96).map(|place| noise(place) - 30.0).collect::<Vec<_>>()));
        assert!(!is_certain(&[9.0; 2]), "too few to tell");
    }
}
