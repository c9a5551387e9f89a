//! Heavy models for the keys that are worth them.
//!
//! A key's bank has light members only. Of the keys with the most at stake (demand times how badly it has been forecast
//! lately) values are kept, and banks with a heavy member more are tried on them ([`crate::trial`]), those trials first
//! that promise most: (demand × pinball loss × what such a trial has gained so far × how much is new since the last) over
//! the CPU time that it has taken so far. The caller says when, and for how long. What wins becomes the key's bank, and
//! goes on online; what it is not better than the light bank any more in a later trial leaves again.

use std::collections::VecDeque;

use tidegate_model::{Entry, HEAVY, Model, Settings};

use crate::{
    learner::Learner,
    series::Series,
    trial::{Announced, Outcome, Race},
};

/// Values kept of a chosen key: so many seasons, within bounds.
const SEASONS: usize = 4;
const LEAST_VALUES: usize = 1024;
const MOST_VALUES: usize = 4096;
/// Fewer values than this, or less than this part of two seasons, say nothing.
const ENOUGH: usize = 200;
const EVENTS: usize = 32;
/// A heavy member joins if it is better by this part, and leaves when it is not better by that any more.
const JOINS: f64 = 0.02;
const STAYS: f64 = 0.005;
/// Who has been chosen before is dropped only if others have so many times more at stake.
const LOYALTY: f64 = 1.5;
/// The part of the values that has to be new before the same is tried again.
const NEW_PART: f64 = 1.0 / 3.0;
/// What a trial is taken to gain, and to cost for each thousand values, before there was one; what one tells of either.
const GAIN: f64 = 0.05;
const SECONDS: f64 = 0.3;
const NEWS: f64 = 0.2;
/// The bank without a heavy member, as a candidate: the last.
const LIGHT: usize = HEAVY.len();
const CANDIDATES: usize = LIGHT + 1;

/// What is kept of a chosen key.
pub(crate) struct Chosen {
    values: VecDeque<f32>,
    last: u64,
    events: VecDeque<Announced>,
    /// Values learned since it was chosen, and how many there were when each candidate was tried.
    learned: u64,
    tried: [Option<u64>; CANDIDATES],
    /// The heavy member that has joined, and by how much it was better.
    joined: Option<(usize, f64)>,
    /// A heavy member was here: the bank has more memory than those of other keys.
    has_memory: bool,
    /// Others have more at stake: what has joined is to leave, and the memory too.
    is_dropped: bool,
}

/// What trials have told so far, by candidate.
pub(crate) struct Book {
    gains: [f64; CANDIDATES],
    seconds: [f64; CANDIDATES],
}

impl Default for Book {
    fn default() -> Self {
        Self { gains: [GAIN; CANDIDATES], seconds: [SECONDS; CANDIDATES] }
    }
}

/// A trial for one key.
pub struct Trial {
    key: String,
    resource: usize,
    candidate: usize,
    race: Race,
    outcome: Option<Outcome>,
}

/// What a trial led to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// A heavy member has joined the key's bank, or taken another's place; its loss is less by this part.
    Joined(f64),
    /// The heavy member has left.
    Left,
    /// Nothing has changed.
    Stayed,
}

impl Trial {
    /// Runs it, on this thread; takes up to seconds.
    pub fn run(&mut self) {
        self.outcome = Some(self.race.run());
    }

    /// Whose it is.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is tried.
    #[must_use]
    pub fn candidate(&self) -> &'static str {
        HEAVY.get(self.candidate).map_or("auto", |entry| entry.name)
    }
}

impl Chosen {
    /// With what the series' model remembers.
    pub(crate) fn new(model: &dyn Model) -> Self {
        let (last, values) = model.recent();
        Self {
            values: values.into_iter().map(|value| value as f32).collect(),
            last,
            events: VecDeque::new(),
            learned: 0,
            tried: [None; CANDIDATES],
            joined: None,
            has_memory: false,
            is_dropped: false,
        }
    }

    pub(crate) fn push(&mut self, step: u64, value: f64, season_steps: usize) {
        let most = (SEASONS * season_steps).clamp(LEAST_VALUES, MOST_VALUES);
        let missing = step.saturating_sub(self.last + 1).min(most as u64);
        self.values.extend((0..missing).map(|_| f32::NAN));
        self.values.push_back(value as f32);
        self.values.drain(..self.values.len().saturating_sub(most));
        self.last = step;
        self.learned += 1;
        let first = (step + 1).saturating_sub(self.values.len() as u64);
        self.events.retain(|(_, _, until)| *until > first);
    }

    pub(crate) fn announce(&mut self, event: Announced) {
        if !self.events.contains(&event) && self.events.len() < EVENTS {
            self.events.push_back(event);
        }
    }

    /// The heavy member that has joined, and by how much it was better.
    pub(crate) fn joined(&self) -> Option<(&'static Entry, f64)> {
        let (at, gain) = self.joined?;
        Some((HEAVY.get(at)?, gain))
    }

    /// How much is new to a candidate; `None` while it is not due.
    fn new_part(&self, candidate: usize, season_steps: usize) -> Option<f64> {
        if self.is_dropped {
            return (candidate == LIGHT && self.has_memory).then_some(1.0);
        }
        let known = self.values.len();
        let has_enough = known >= ENOUGH && known * 2 >= season_steps * 3;
        let is_now = self.joined.map_or(LIGHT, |(at, _)| at) == candidate;
        if is_now || !has_enough {
            return None;
        }
        let Some(tried) = self.tried.get(candidate).copied().flatten() else { return Some(1.0) };
        let part = (self.learned - tried) as f64 / known.max(1) as f64;
        (part >= NEW_PART).then_some(part.min(1.0))
    }

    /// The bank of a candidate, with the memory that chosen keys have; without it once others have more at stake.
    fn bank(
        &self,
        candidate: usize,
        light: &'static Entry,
        settings: Settings,
    ) -> (&'static Entry, Settings) {
        if candidate == LIGHT && self.is_dropped {
            return (light, settings);
        }
        let history = self.values.len().max(LEAST_VALUES);
        (HEAVY.get(candidate).unwrap_or(&tidegate_model::LIGHT), Settings { history, ..settings })
    }
}

impl Learner {
    /// Chooses the keys with most at stake, at most so many series, to keep values of.
    pub fn choose(&mut self, most: usize) {
        if self.light_model().name != "auto" {
            return;
        }
        let worth = |series: &Series| {
            let loyalty =
                if series.chosen().is_some_and(|chosen| !chosen.is_dropped) { LOYALTY } else { 1.0 };
            series.at_stake() * loyalty
        };
        let mut worths: Vec<f64> =
            self.of_keys().map(|(_, _, series)| worth(series)).filter(|one| *one > 0.0).collect();
        let least = match most.checked_sub(1) {
            None => f64::INFINITY,
            Some(last) if last < worths.len() => {
                *worths.select_nth_unstable_by(last, |a, b| b.total_cmp(a)).1
            }
            Some(_) => 0.0,
        };
        for series in self.series_mut() {
            let is_worth_it = worth(series) > 0.0 && worth(series) >= least;
            series.choose(is_worth_it);
        }
    }

    /// The trial that promises most for the time it takes, if one is due.
    #[must_use]
    pub fn trial(&self) -> Option<Trial> {
        let season_steps = self.season_steps();
        let mut best: Option<(f64, &str, usize, usize)> = None;
        for (key, resource, series) in self.of_keys() {
            let Some(chosen) = series.chosen() else { continue };
            for candidate in 0..CANDIDATES {
                let Some(new_part) = chosen.new_part(candidate, season_steps) else { continue };
                let [gain, seconds] = [&self.book().gains, &self.book().seconds]
                    .map(|of| of.get(candidate).copied().unwrap_or(1.0));
                let cost = (seconds * chosen.values.len() as f64).max(1e-9);
                let value = series.at_stake() * gain * new_part / cost;
                let value = if chosen.is_dropped { f64::INFINITY } else { value };
                if best.is_none_or(|(most, ..)| value > most) {
                    best = Some((value, key, resource, candidate));
                }
            }
        }
        let (_, key, resource, candidate) = best?;
        let series = self.key(key).get(resource)?.as_ref()?;
        let chosen = series.chosen()?;
        let now = chosen.joined.map_or(LIGHT, |(at, _)| at);
        let settings = Settings::light(season_steps, series.learned_ahead());
        let side = |candidate: usize| chosen.bank(candidate, self.light_model(), settings.clone());
        let race = Race {
            now: side(now),
            other: side(candidate),
            values: chosen.values.iter().copied().collect(),
            last: chosen.last,
            events: chosen.events.iter().copied().collect(),
        };
        Some(Trial { key: key.to_owned(), resource, candidate, race, outcome: None })
    }

    /// Draws the conclusion from a trial that has run and taken so many seconds of CPU time.
    pub fn conclude(&mut self, trial: Trial, seconds: f64) -> Verdict {
        let Trial { key, resource, candidate, race, outcome } = trial;
        let Some(Outcome { gain, is_certain, model }) = outcome else { return Verdict::Stayed };
        let learn = |known: &mut f64, value: f64| *known += NEWS * (value - *known);
        let book = self.book_mut();
        if let Some(known) = book.gains.get_mut(candidate) {
            learn(known, if is_certain { gain.clamp(GAIN / 10.0, 1.0) } else { GAIN / 10.0 });
        }
        if let Some(known) = book.seconds.get_mut(candidate) {
            learn(known, seconds / race.values.len().max(1) as f64 * 1e3);
        }
        let Some(series) = self.key_mut(&key).get_mut(resource).and_then(Option::as_mut) else {
            return Verdict::Stayed;
        };
        let entry = race.other.0;
        series.conclude(candidate, entry, (gain, is_certain), (race.last, model))
    }

    /// The keys whose banks have a heavy member: key, resource, the bank's name, by what part its loss was less.
    pub fn heavy(&self) -> impl Iterator<Item = (&str, usize, &'static str, f64)> {
        self.of_keys().filter_map(|(key, resource, series)| {
            let (entry, gain) = series.chosen()?.joined()?;
            Some((key, resource, entry.name, gain))
        })
    }

    fn of_keys(&self) -> impl Iterator<Item = (&str, usize, &Series)> {
        self.keys().flat_map(|(key, own)| {
            let known = own.iter().enumerate().filter_map(|(at, series)| Some((at, series.as_ref()?)));
            known.map(move |(resource, series)| (key, resource, series))
        })
    }
}

impl Chosen {
    /// Takes note of a trial. `None`: the series keeps its bank; else the one that was tried takes its place, with values
    /// that have come since.
    pub(crate) fn settle(&mut self, candidate: usize, gain: f64, is_certain: bool) -> Option<Verdict> {
        if let Some(tried) = self.tried.get_mut(candidate) {
            *tried = Some(self.learned);
        }
        if candidate == LIGHT {
            // What has joined has to go on being better.
            if is_certain && gain < -STAYS && !self.is_dropped {
                return None;
            }
            self.joined = None;
            self.has_memory = !self.is_dropped;
            return Some(Verdict::Left);
        }
        if self.is_dropped || !is_certain || gain < JOINS {
            return None;
        }
        self.joined = Some((candidate, gain));
        self.has_memory = true;
        // Whether it stays better is asked once there is something new.
        if let Some(light) = self.tried.get_mut(LIGHT) {
            *light = Some(self.learned);
        }
        Some(Verdict::Joined(gain))
    }

    /// Values after a step, with their steps.
    pub(crate) fn since(&self, step: u64) -> impl Iterator<Item = (u64, f64)> {
        let first = (self.last + 1).saturating_sub(self.values.len() as u64);
        (first..)
            .zip(&self.values)
            .filter(move |(at, _)| *at > step)
            .map(|(at, value)| (at, f64::from(*value)))
    }

    /// Whether nothing is left to undo.
    pub(crate) fn is_as_before(&self) -> bool {
        !self.has_memory
    }

    pub(crate) fn set_dropped(&mut self, is_dropped: bool) {
        self.is_dropped = is_dropped;
    }
}

#[cfg(test)]
mod tests;
