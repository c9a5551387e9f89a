//! A bank of methods behind one [`Model`]: combines their points, learns how wrong they are, fills gaps.
//!
//! Each observation settles what was forecast for it at several distances ([`lead`]): the methods' weights at that
//! distance move ([`mix`]), and the error of the combination joins the sample that intervals are made of
//! ([`errors`]). An error at distance h is thus learned h steps after the forecast, and never before.
//!
//! A bank of one method is how the methods of the registry become models. The state is bounded by the settings.

mod errors;
mod lead;
mod mix;
mod scale;

use serde::{Deserialize, Serialize};

use crate::{
    forecast::{LEVELS, Model, NORMAL, Settings, StepForecast},
    history::History,
    member::{AnyMember, Recipe},
    snapshot::{self, SnapshotError},
};
use lead::{Issued, Lead};
use scale::Scale;

/// A gap is filled in step by step up to so many steps, or the longest season if that is more.
const FILLED: usize = 64;
/// Nothing is forecast further ahead; whoever asks for more gets what is forecast for the same time of the season.
const FURTHEST: u64 = 1 << 16;
/// Values beyond this are taken for it: 32 bit floats hold its square.
const LARGEST: f64 = 1e18;
/// Points and quantiles stay below so many times the largest value seen.
const CEILING: f64 = 2.0;
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
    observed: u64,
    largest: f64,
}

/// Where a distance lies between two leads.
struct Place {
    from: usize,
    to: usize,
    share: f64,
    /// What errors grow by beyond the last lead.
    growth: f64,
}

impl Bank {
    pub(crate) fn new(recipes: &[Recipe], settings: &Settings) -> Self {
        let priors: Vec<f32> = recipes.iter().map(|recipe| recipe.prior).collect();
        let capacity = settings.history.max(settings.longest_season() + 1).max(FILLED);
        Self {
            members: recipes.iter().map(|recipe| (recipe.make)(settings)).collect(),
            state: State {
                leads: lead::grid(settings.horizon)
                    .map(|ahead| Lead::new(ahead, &priors, settings))
                    .collect(),
                settings: settings.clone(),
                history: History::new(capacity, settings.is_light()),
                scale: Scale::default(),
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
            let expected = self.points(1).first().map_or(0.0, |points| self.combined(points, 1));
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
    fn points(&self, steps: usize) -> Vec<Vec<f64>> {
        let mut rows = vec![Vec::with_capacity(self.members.len()); steps];
        let mut path = vec![0.0; steps];
        let most = self.state.largest * CEILING;
        let asked_alone = self.members.len() == 1;
        for member in &self.members {
            path.fill(f64::NAN);
            if asked_alone || member.is_ready() {
                member.path(&self.state.history, &mut path);
            }
            for (row, &value) in rows.iter_mut().zip(&path) {
                row.push(if value.is_finite() { value.clamp(0.0, most) } else { f64::NAN });
            }
        }
        rows
    }

    fn place(&self, ahead: usize) -> Place {
        let leads = &self.state.leads;
        let to = leads.partition_point(|lead| lead.ahead() < ahead);
        let (Some(before), Some(after)) = (leads.get(to.saturating_sub(1)), leads.get(to)) else {
            let last = leads.len().saturating_sub(1);
            let reach = leads.last().map_or(1, Lead::ahead);
            let growth = (ahead as f64 / reach as f64).sqrt();
            return Place { from: last, to: last, share: 0.0, growth };
        };
        let span = (after.ahead() as f64 / before.ahead() as f64).ln();
        let share = if span > 0.0 { (ahead as f64 / before.ahead() as f64).ln() / span } else { 0.0 };
        Place { from: to.saturating_sub(1), to, share, growth: 1.0 }
    }

    fn combined(&self, points: &[f64], ahead: usize) -> f64 {
        let place = self.place(ahead);
        let newest = self.state.history.newest();
        let by = |lead: usize| {
            self.state.leads.get(lead).and_then(|lead| lead.mix().combine(points)).unwrap_or(newest)
        };
        if place.share > 0.0 {
            by(place.from) * (1.0 - place.share) + by(place.to) * place.share
        } else {
            by(place.from)
        }
    }

    /// Distances of quantiles from the point, in units of the scale.
    fn offsets(&self, place: &Place) -> [f64; LEVELS.len()] {
        let of = |lead: usize| self.state.leads.get(lead).map_or(NORMAL, Lead::offsets);
        let (near, far) = (of(place.from), of(place.to));
        let mut offsets = [0.0; LEVELS.len()];
        for ((offset, near), far) in offsets.iter_mut().zip(near).zip(far) {
            *offset = (near * (1.0 - place.share) + far * place.share) * place.growth;
        }
        offsets
    }

    fn step_forecast(&self, points: &[f64], ahead: usize) -> StepForecast {
        let place = self.place(ahead);
        let mean = self.combined(points, ahead);
        let unit = self.state.scale.of(mean, ahead);
        let most = self.state.largest * CEILING;
        let mut least = 0.0_f64;
        let quantiles = self.offsets(&place).map(|offset| {
            least = least.max(mean + offset * unit).min(most);
            least
        });
        StepForecast { mean, quantiles }
    }

    /// The point that has been nearer lately at this distance: the combination, or the median of what its errors make
    /// of it, which differ where errors are skewed. A single method's point is left as it is.
    fn reported(&self, forecast: StepForecast, ahead: usize) -> StepForecast {
        let lead = self.state.leads.get(self.place(ahead).to);
        let [_, _, median, ..] = forecast.quantiles;
        let is_better = self.members.len() > 1 && lead.is_some_and(Lead::median_is_nearer);
        StepForecast { mean: if is_better { median } else { forecast.mean }, ..forecast }
    }

    /// Forecasts for the leads whose turn it is, to be settled when their steps have come.
    fn issue(&mut self, step: u64) {
        let due = |lead: &Lead| lead.is_due(step);
        let Some(furthest) = self.state.leads.iter().filter(|lead| due(lead)).map(Lead::ahead).max() else {
            return;
        };
        let points = self.points(furthest);
        for index in 0..self.state.leads.len() {
            let Some(lead) = self.state.leads.get(index).filter(|lead| due(lead)) else { continue };
            let ahead = lead.ahead();
            let Some(points) = points.get(ahead - 1) else { continue };
            let forecast = self.step_forecast(points, ahead);
            let issued = Issued::new(
                step + ahead as u64,
                points,
                &forecast,
                self.state.scale.of(forecast.mean, ahead),
            );
            if let Some(lead) = self.state.leads.get_mut(index) {
                lead.push(issued);
            }
        }
    }

    fn settle(&mut self, step: u64, value: f64) {
        for index in 0..self.state.leads.len() {
            let Some(issued) = self.state.leads.get_mut(index).and_then(|lead| lead.settle(step, value))
            else {
                continue;
            };
            if index == 0 {
                self.state.scale.learn(value, issued.mean());
            }
            for (other, lead) in self.state.leads.iter_mut().enumerate() {
                let share = NEIGHBOUR.powi(other.abs_diff(index) as i32);
                if share > LEAST_SHARE {
                    lead.weigh(&issued, value, share);
                }
            }
        }
    }
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
        let points = self.points(passed + horizon);
        let ahead = points.iter().zip(1..).skip(passed);
        ahead.map(|(points, ahead)| self.reported(self.step_forecast(points, ahead), ahead)).collect()
    }

    fn observed_steps(&self) -> u64 {
        self.state.observed
    }

    fn refit(&mut self) {
        for member in &mut self.members {
            member.refit(&self.state.history);
        }
    }

    fn snapshot(&self) -> Vec<u8> {
        let saved: Vec<Vec<u8>> = self.members.iter().map(|member| member.save()).collect();
        snapshot::write(&(&self.state, saved))
    }
}
