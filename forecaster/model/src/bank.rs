//! A bank of methods behind one [`Model`]: combines their points, learns how wrong they are, fills gaps.
//!
//! Each observation settles what was forecast for it at several distances ([`lead`]): the methods' weights at that
//! distance move ([`mix`]), and the error of the combination joins the sample that intervals are made of
//! ([`errors`]), from which, with those of each method, quantiles are made ([`panel`]). An error at distance h is thus learned h steps after the forecast, and never before.
//!
//! A bank of one method is how the methods of the registry become models. The state is bounded by the settings.

mod errors;
mod lead;
mod mix;
mod panel;
mod place;
mod regime;
mod scale;
mod uplift;

use serde::{Deserialize, Serialize};

use crate::{
    forecast::{LEVELS, Model, NORMAL, Settings, StepForecast},
    history::History,
    member::{AnyMember, Recipe},
    outlook::Outlook,
    school::Shared,
    snapshot::{self, SnapshotError},
};
use lead::{Issued, Lead};
use panel::Panel;
use place::Place;
use regime::Regime;
use scale::Scale;
use uplift::Uplift;

/// A gap is filled in step by step up to so many steps, or the longest season if that is more.
const FILLED: usize = 64;
/// Nothing is forecast further ahead; whoever asks for more gets what is forecast for the same time of the season.
const FURTHEST: u64 = 1 << 16;
/// Values beyond this are taken for it: 32 bit floats hold its square.
const LARGEST: f64 = 1e18;
/// Points and quantiles stay below so many times the largest value seen.
const CEILING: f64 = 2.0;
/// From this level on quantiles are no less than a peak that comes back.
const PEAKS_FROM: f64 = 0.975;
/// What is learned at one distance counts so much at the next one, and so on, down to the least share.
const NEIGHBOUR: f32 = 0.5;
const LEAST_SHARE: f32 = 0.01;

/// Several methods, combined.
pub(crate) struct Bank {
    members: Vec<Box<dyn AnyMember>>,
    state: State,
}

#[derive(Serialize, Deserialize)]
struct State {
    settings: Settings,
    history: History,
    leads: Vec<Lead>,
    scale: Scale,
    regime: Regime,
    uplift: Uplift,
    observed: u64,
    largest: f64,
}

/// The members' points, step by step.
struct Points {
    values: Vec<f64>,
    width: usize,
}

impl Points {
    fn at(&self, step: usize) -> &[f64] {
        self.values.get(step * self.width..(step + 1) * self.width).unwrap_or_default()
    }
}

impl Bank {
    pub(crate) fn new(recipes: &[Recipe], settings: &Settings) -> Self {
        let priors: Vec<f32> = recipes.iter().map(|recipe| recipe.prior).collect();
        let lead = |ahead| Lead::new(ahead, &priors, settings);
        let leads: Box<[Lead]> = lead::grid(settings.horizon).map(lead).collect();
        let capacity = settings.history.max(settings.longest_season() + 1).max(FILLED);
        Self {
            members: recipes.iter().map(|recipe| (recipe.make)(settings)).collect(),
            state: State {
                leads: leads.into_vec(),
                settings: settings.clone(),
                history: History::new(capacity, settings.is_light()),
                scale: Scale::default(),
                regime: Regime::default(),
                uplift: Uplift::default(),
                observed: 0,
                largest: 0.0,
            },
        }
    }

    pub(crate) fn restore(
        recipes: &dyn Fn(&Settings) -> Vec<Recipe>,
        bytes: &[u8],
    ) -> Result<Self, SnapshotError> {
        let (mut state, saved): (State, Vec<Vec<u8>>) = snapshot::read(bytes)?;
        let recipes = recipes(&state.settings);
        if saved.len() != recipes.len() {
            return Err(SnapshotError::Malformed);
        }
        let members: Option<Vec<_>> =
            recipes.iter().zip(&saved).map(|(recipe, bytes)| (recipe.load)(bytes)).collect();
        state.leads.iter_mut().for_each(Lead::restored);
        Ok(Self { members: members.ok_or(SnapshotError::Malformed)?, state })
    }

    /// Takes the steps from the last one up to `step` for what was expected of them.
    fn fill(&mut self, step: u64) {
        let longest = self.state.settings.longest_season() as u64;
        let last = self.state.history.last_step();
        let missing = (step - last - 1).min(u64::MAX / 2);
        let most = (FILLED as u64).max(longest);
        let skipped = missing.saturating_sub(most) / longest * longest;
        for step in last + 1 + skipped..step {
            let expected = self.combined(self.points(1).at(0), &Place::of(1, &self.state.leads));
            self.learn(step, expected);
        }
    }

    fn learn(&mut self, step: u64, value: f64) {
        self.state.history.push(step, value);
        for member in &mut self.members {
            member.observe(&self.state.history);
        }
    }

    /// The members' points for each of the next `steps` steps; NaN of those that are not ready.
    fn points(&self, steps: usize) -> Points {
        let width = self.members.len();
        let mut points = Points { values: vec![f64::NAN; width * steps], width };
        let mut path = vec![0.0; steps];
        let most = self.state.largest * CEILING;
        for (column, member) in self.members.iter().enumerate() {
            if width > 1 && !member.is_ready() {
                continue;
            }
            path.fill(f64::NAN);
            member.path(&self.state.history, &mut path);
            let places = points.values.iter_mut().skip(column).step_by(width);
            for (place, &value) in places.zip(&path).filter(|(_, value)| value.is_finite()) {
                *place = value.clamp(0.0, most);
            }
        }
        points
    }

    /// Distances of quantiles from the point at each lead, in units of the scale.
    fn offsets(&self) -> Vec<[f64; LEVELS.len()]> {
        self.state.leads.iter().map(Lead::offsets).collect()
    }

    fn combined(&self, points: &[f64], place: &Place) -> f64 {
        let by = |lead: usize| {
            let combined = self.state.leads.get(lead).and_then(|lead| lead.mix().combine(points));
            combined.unwrap_or_else(|| self.state.history.newest())
        };
        if place.share > 0.0 {
            by(place.from) * (1.0 - place.share) + by(place.to) * place.share
        } else {
            by(place.from)
        }
    }

    /// The point of the step so many ahead without events.
    fn usual(&self, points: &Points, ahead: usize) -> f64 {
        self.combined(points.at(ahead - 1), &Place::of(ahead, &self.state.leads))
    }

    /// What is expected of the step so many ahead, and by how much more that is than methods say.
    fn lifted(&self, points: &Points, ahead: usize) -> (f64, f64) {
        let now = self.state.history.last_step();
        let own = self.usual(points, ahead);
        let lifted = self.state.uplift.lift(now, now.saturating_add(ahead as u64), own);
        let lifted = lifted.min(self.state.largest * CEILING);
        (lifted, if own > 0.0 { lifted / own } else { 1.0 })
    }

    /// The quantiles that all methods' make, in order, and a peak that comes back; `own` by the combination's errors.
    fn blended(&self, own: &StepForecast, points: &Points, ahead: usize) -> StepForecast {
        let place = Place::of(ahead, &self.state.leads);
        let unit = |point: f64| self.state.scale.of(point, ahead);
        let by = |lead: usize| {
            let panel = self.state.leads.get(lead).and_then(Lead::panel);
            let often_nothing = self.state.scale.is_often_nothing();
            let points = points.at(ahead - 1);
            let blend =
                |panel: &Panel| panel.quantiles(points, &own.quantiles, place.growth, unit, often_nothing);
            panel.map_or(own.quantiles, blend)
        };
        let now = self.state.history.last_step();
        let usual = |step: u64| self.usual(points, (step.saturating_sub(now) as usize).max(1));
        let floor = self.state.uplift.floor(now, now.saturating_add(ahead as u64), usual);
        let most = self.state.largest * CEILING;
        let mut quantiles = own.quantiles;
        let blends = by(place.from).into_iter().zip(by(place.to)).zip(LEVELS);
        for (quantile, ((near, far), level)) in quantiles.iter_mut().zip(blends) {
            let blend = near * (1.0 - place.share) + far * place.share;
            let floor = if level >= PEAKS_FROM { floor } else { 0.0 };
            *quantile = blend.max(floor).clamp(0.0, most.max(0.0));
        }
        StepForecast { quantiles: in_order(quantiles), ..*own }
    }

    /// The forecast of the step so many ahead by the combination's errors, and by how much more its mean is than usual.
    fn step_forecast(
        &self,
        points: &Points,
        ahead: usize,
        offsets: &[[f64; LEVELS.len()]],
    ) -> (StepForecast, f64) {
        let place = Place::of(ahead, &self.state.leads);
        let most = self.state.largest * CEILING;
        let (mean, uplift) = self.lifted(points, ahead);
        let unit = self.state.scale.of(mean, ahead);
        let of = |lead: usize| offsets.get(lead).copied().unwrap_or(NORMAL);
        let (near, far) = (of(place.from), of(place.to));
        let mut least = 0.0_f64;
        let mut quantiles = [0.0; LEVELS.len()];
        for ((quantile, near), far) in quantiles.iter_mut().zip(near).zip(far) {
            let offset = (near * (1.0 - place.share) + far * place.share) * place.growth;
            least = least.max(mean + offset * unit).min(most);
            *quantile = least;
        }
        (StepForecast { mean, quantiles }, uplift)
    }

    /// The point that has been nearer: the combination, or the median of what its errors make of it, which differ where errors
    /// are skewed. All distances decide together, since at one alone it is chance for long. A single method's point is left
    /// as it is.
    fn reported(&self, forecast: StepForecast) -> StepForecast {
        let [_, _, median, _, _] = forecast.bounds();
        let is_better =
            self.members.len() > 1 && self.state.leads.iter().map(Lead::median_gain).sum::<f32>() > 0.0;
        StepForecast { mean: if is_better { median } else { forecast.mean }, ..forecast }
    }

    /// Forecasts for the leads whose turn it is, to be settled when their steps have come.
    fn issue(&mut self, step: u64) {
        let due = |lead: &Lead| lead.is_due(step);
        let Some(furthest) = self.state.leads.iter().filter(|lead| due(lead)).map(Lead::ahead).max() else {
            return;
        };
        let (points, offsets) = (self.points(furthest), self.offsets());
        for index in 0..self.state.leads.len() {
            let Some(lead) = self.state.leads.get(index).filter(|lead| due(lead)) else { continue };
            let ahead = lead.ahead();
            let (own, uplift) = self.step_forecast(&points, ahead, &offsets);
            let forecast = self.blended(&own, &points, ahead);
            let (due, unit) = (step + ahead as u64, self.state.scale.of(own.mean, ahead));
            let issued = Issued::new(due, points.at(ahead - 1), &forecast, &own, unit, uplift);
            if let Some(lead) = self.state.leads.get_mut(index) {
                lead.push(issued);
            }
        }
    }

    fn settle(&mut self, step: u64, value: f64) {
        let (mut any, mut shifted, mut expected) = (false, false, None);
        let watched = self.state.leads.iter().rposition(Lead::is_issued_each_step);
        for index in 0..self.state.leads.len() {
            let Some(told) =
                self.state.leads.get_mut(index).and_then(|lead| lead.settle(step, value, &self.state.scale))
            else {
                continue;
            };
            any = true;
            let (issued, _) = &told;
            if watched == Some(index) {
                expected = Some(issued.usual());
            }
            self.state.regime.settle(&issued.forecast(), value);
            if index == 0 {
                self.state.scale.learn(value, issued.mean());
                shifted = issued.error(value).is_some_and(|error| self.state.regime.is_shift(step, error));
            }
            for (other, lead) in self.state.leads.iter_mut().enumerate() {
                let share = NEIGHBOUR.powi(other.abs_diff(index) as i32);
                if share > LEAST_SHARE {
                    lead.credit(&told, value, share);
                }
            }
        }
        let season = self.state.settings.season() as u64;
        self.state.uplift.learn(step, value, expected, season);
        if shifted {
            self.state.leads.iter_mut().for_each(Lead::forget);
        }
        if any {
            self.state.leads.iter_mut().for_each(Lead::weigh);
        }
    }
}

/// Quantiles that were combined level by level, so that one may have come out beyond the next, put into order: that brings them nearer
/// to the true ones, whatever these are (Chernozhukov, Fernández-Val and Galichon, *Quantile and probability curves without
/// crossing*, Econometrica 78, 2010).
fn in_order(mut quantiles: [f64; LEVELS.len()]) -> [f64; LEVELS.len()] {
    quantiles.sort_unstable_by(f64::total_cmp);
    quantiles
}

impl Model for Bank {
    fn observe(&mut self, step: u64, value: f64) {
        let first = self.state.observed == 0;
        if !value.is_finite() || (!first && step <= self.state.history.last_step()) {
            return;
        }
        let value = value.clamp(0.0, LARGEST);
        if first {
            self.state.scale.begin(value);
        } else {
            self.fill(step);
        }
        self.settle(step, value);
        self.state.largest = self.state.largest.max(value);
        self.learn(step, value);
        self.state.observed += 1;
        self.state.regime.renew(&self.state.history, self.state.observed);
        self.issue(step);
    }

    fn forecast(&self, from: u64, horizon: usize) -> Vec<StepForecast> {
        if self.state.observed == 0 {
            return Vec::new();
        }
        let longest = self.state.settings.longest_season() as u64;
        let passed = from.saturating_sub(self.state.history.last_step() + 1);
        let passed = passed - passed.saturating_sub(FURTHEST) / longest * longest;
        let passed = passed as usize;
        let (points, offsets) = (self.points(passed + horizon), self.offsets());
        let step = |ahead: usize| {
            let (own, _) = self.step_forecast(&points, ahead, &offsets);
            self.reported(self.blended(&own, &points, ahead))
        };
        (passed + 1..=passed + horizon).map(step).collect()
    }

    fn announce(&mut self, event: u64, from: u64, until: u64) {
        self.state.uplift.announce(event, from, until);
    }

    fn peak(&self, step: u64) -> Option<f64> {
        let now = self.state.history.last_step();
        // Methods are only asked where a peak is expected.
        let usual = |step: u64| {
            let ahead = step.saturating_sub(now).clamp(1, FURTHEST) as usize;
            self.usual(&self.points(ahead), ahead)
        };
        self.state.uplift.height(now, step, usual)
    }

    fn outlook(&self, ahead: &[StepForecast]) -> Outlook {
        self.state.regime.outlook(ahead)
    }

    fn correlation(&self) -> f64 {
        self.state.leads.last().map_or(0.0, Lead::correlation)
    }

    fn recent(&self) -> (u64, Vec<f64>) {
        (self.state.history.last_step(), self.state.history.to_vec())
    }

    fn observed_steps(&self) -> u64 {
        self.state.observed
    }

    fn refit(&mut self) {
        for member in &mut self.members {
            member.refit(&self.state.history);
        }
    }

    fn take(&mut self, shared: &Shared) {
        self.members.iter_mut().for_each(|member| member.take(shared));
    }

    fn snapshot(&self) -> Vec<u8> {
        let saved: Vec<Vec<u8>> = self.members.iter().map(|member| member.save()).collect();
        snapshot::write(&(&self.state, saved))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_that_cross_change_places_and_raise_nobody() {
        let crossed = [1.0, 2.0, 9.0, 4.0, 5.0, 3.0, 7.0, 8.0, 6.0];
        assert_eq!(in_order(crossed), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
    }
}
