//! Demand that rises for a while and was known to: events that were announced, and peaks that come back.
//!
//! How much more is asked for during an announced event is learned as the ratio of demand to what had been forecast for
//! it from before, and multiplies the next forecast of the same event. A rise that no method foresaw is remembered with
//! its place in the season and its height over what was before; if it comes back it is an event of its own, and trusted
//! more each time: its height is a floor under the upper quantiles, whatever methods say. Methods learn a part of such a
//! peak, a day one and a day another, so that a ratio to what they say would be of no use; and a floor under the point
//! would cost accuracy wherever habits change.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// So many times what was forecast is a rise, if it is so many units more too.
const RISE: f64 = 1.25;
const UNITS: f64 = 3.0;
/// Steps that are looked at together, and the least length of a rise.
const TOGETHER: usize = 3;
const SHORTEST: u64 = 5;
/// A rise that lasts longer than this part of a season is a new level.
const LONGEST_PART: u64 = 8;
/// Peaks that begin no more than this part of a season apart are the same, so often the least number of steps too; and a
/// peak is expected a third of that earlier and later.
const APART_PART: u64 = 144;
/// Most kinds of events, and most that are announced at a time.
const KINDS: usize = 16;
const ANNOUNCED: usize = 16;
/// A peak that has failed to come more often than it came, or so often, is forgotten.
const MISSES: f32 = 4.0;
/// A peak that has come but that methods knew better is so much of a miss.
const DOUBTFUL: f32 = 0.5;
/// However often an event was as expected, this much of one is missing to be sure.
const NEVER_SURE: f32 = 0.25;
/// What a step tells about the level.
const NEWS: f64 = 0.3;
/// The ratio of an event is never taken for more.
const MOST: f32 = 10.0;

/// What is known of events.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Uplift {
    kinds: Vec<Kind>,
    announced: Vec<Announced>,
    /// Values, forecasts and units of the last steps.
    recent: [[f32; 3]; TOGETHER],
    rise: Option<Rise>,
    /// The level now, and before the event that is going on.
    level: f64,
    before: f64,
}

/// One kind of event.
#[derive(Default, Serialize, Deserialize)]
struct Kind {
    /// The name's number; none of a peak that was found.
    name: Option<u64>,
    ratio: f32,
    hits: f32,
    misses: f32,
    /// Of a peak that was found: when the next is expected, and how long it lasts.
    next: u64,
    length: u64,
    apart: u64,
    /// Steps of a rise since the next was to be expected, the first of them, and their demand.
    risen: u64,
    risen_from: u64,
    values: f32,
    /// By how much it would have been better to expect it than what methods expected, in units.
    gain: f32,
}

/// An event of the calendar.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Announced {
    name: u64,
    from: u64,
    until: u64,
    /// Values and forecasts so far, while it goes on.
    values: f32,
    expected: f32,
}

#[derive(Serialize, Deserialize)]
struct Rise {
    from: u64,
    length: u64,
    values: f32,
    expected: f32,
}

impl Kind {
    /// Once is no habit.
    fn trust(&self) -> f32 {
        let proven = if self.hits < 2.0 && self.name.is_none() { 0.0 } else { self.hits - NEVER_SURE };
        proven / (self.hits + 3.0 * self.misses)
    }

    /// When a peak that was found may be expected.
    fn window(&self) -> Range<u64> {
        let slack = self.apart / 3;
        self.next.saturating_sub(slack)..self.next + self.length + slack
    }

    /// Whether it is a peak that has come back, and is expected in a step.
    fn is_peak_at(&self, step: u64) -> bool {
        self.name.is_none() && self.hits >= 2.0 && self.window().contains(&step)
    }

    /// Whether a peak that was found may be going on.
    fn is_near(&self, step: u64) -> bool {
        self.name.is_none()
            && (self.next..=self.next + self.length + 2 * self.apart).contains(&(step + self.apart))
    }

    fn learn(&mut self, ratio: f32) {
        self.hits += 1.0;
        self.ratio += (ratio.clamp(1.0 / MOST, MOST) - self.ratio) / self.hits.min(4.0);
    }

    fn factor(&self) -> f64 {
        f64::from(1.0 + (self.ratio - 1.0) * self.trust())
    }

    /// Looks for a peak that was found before, and draws the conclusion when its time is over: it has come if there was
    /// enough of a rise, and is trusted less if what methods expected (`expected`, and its unit) was nearer.
    fn follow(&mut self, step: u64, value: f64, expected: (f64, f64), before: f64, season: u64) {
        let (usual, unit) = expected;
        if step + self.apart >= self.next && value > RISE * before && value > before + UNITS * unit {
            self.risen_from = if self.risen == 0 { step } else { self.risen_from };
            self.risen += 1;
            self.values += value as f32;
        }
        if self.risen > 0 && step < self.risen_from + self.length {
            let lifted = usual.max(before * f64::from(self.ratio));
            self.gain += (((value - usual).abs() - (value - lifted).abs()) / unit.max(1e-9)) as f32;
        }
        let over = self.next + self.length + self.apart;
        if step <= over {
            return;
        }
        let has_come = self.risen >= SHORTEST && 2 * self.risen >= self.length && before > 0.0;
        if has_come {
            self.learn(self.values / self.risen as f32 / before as f32);
            self.next = (self.next + self.risen_from) / 2;
        }
        if !has_come || self.gain < 0.0 {
            self.misses += if has_come { DOUBTFUL } else { 1.0 };
        }
        (self.risen, self.values, self.gain) = (0, 0.0, 0.0);
        self.next += ((step - over) / season.max(1) + 1) * season.max(1);
    }
}

impl Uplift {
    /// Takes note of an event of the calendar; what is over or too much is left out.
    pub(super) fn announce(&mut self, name: u64, from: u64, until: u64) {
        let known = self.announced.iter().any(|one| (one.name, one.from) == (name, from));
        if until > from && !known && self.announced.len() < ANNOUNCED {
            self.announced.push(Announced { name, from, until, values: 0.0, expected: 0.0 });
        }
    }

    /// What is expected of a step with the events that were announced, when `now` is the last one known, if methods
    /// expect `usual`.
    pub(super) fn lift(&self, now: u64, step: u64, usual: f64) -> f64 {
        // Once it has begun, methods know a part of it.
        let left = |(kind, from): (&Kind, u64)| {
            let factor = kind.factor();
            let begun = now >= from && self.level > 0.0;
            let left = (factor * self.before / self.level).clamp(factor.min(1.0), factor.max(1.0));
            if begun { left } else { factor }
        };
        let factors = self.announced_at(step).map(left);
        let factor = factors.max_by(|left, right| left.ln().abs().total_cmp(&right.ln().abs()));
        usual * factor.unwrap_or(1.0)
    }

    /// What a peak that comes back may reach in a step, as far as it is trusted, if methods expect `usual(step)`; 0 when none
    /// is expected.
    pub(super) fn floor(&self, now: u64, step: u64, usual: impl Fn(u64) -> f64) -> f64 {
        self.peaks(now, step, usual, Kind::factor).fold(0.0, f64::max)
    }

    /// What a peak that has come back reaches in a step if it comes; none when none is expected.
    pub(super) fn height(&self, now: u64, step: u64, usual: impl Fn(u64) -> f64) -> Option<f64> {
        self.peaks(now, step, usual, |kind| f64::from(kind.ratio)).reduce(f64::max)
    }

    fn peaks(
        &self,
        now: u64,
        step: u64,
        usual: impl Fn(u64) -> f64,
        factor: impl Fn(&Kind) -> f64,
    ) -> impl Iterator<Item = f64> {
        self.kinds.iter().filter(move |kind| kind.is_peak_at(step)).map(move |kind| {
            let first = kind.window().start;
            factor(kind) * if first <= now + 1 { self.before } else { usual(first - 1) }
        })
    }

    /// Kinds of announced events that go on then, and when each begins.
    fn announced_at(&self, step: u64) -> impl Iterator<Item = (&Kind, u64)> {
        let announced = self.announced.iter().filter(move |one| (one.from..one.until).contains(&step));
        announced.filter_map(|one| {
            let kind = self.kinds.iter().find(|kind| kind.name == Some(one.name))?;
            Some((kind, one.from))
        })
    }

    /// Learns a value, and what had been forecast for it from a while before, without uplift.
    pub(super) fn learn(&mut self, step: u64, value: f64, expected: Option<(f64, f64)>, season: u64) {
        self.level += NEWS * (value - self.level);
        let goes_on = self.announced.iter().any(|one| (one.from..one.until).contains(&step))
            || self.kinds.iter().any(|kind| kind.is_near(step));
        if !goes_on {
            self.before = self.level;
        }
        if let Some((expected, unit)) = expected {
            self.follow_announced(step, value, expected);
            if season > 1 {
                self.follow_rises(step, value, expected, unit, season);
            }
        }
        self.close_announced(step);
        let before = self.before;
        for kind in self.kinds.iter_mut().filter(|kind| kind.name.is_none()) {
            kind.follow(step, value, expected.unwrap_or((value, 0.0)), before, season);
        }
        self.kinds.retain(|kind| kind.name.is_some() || kind.misses < kind.hits.min(MISSES));
    }

    fn follow_announced(&mut self, step: u64, value: f64, expected: f64) {
        for one in self.announced.iter_mut().filter(|one| (one.from..one.until).contains(&step)) {
            one.values += value as f32;
            one.expected += expected as f32;
        }
    }

    fn close_announced(&mut self, step: u64) {
        let over: Vec<Announced> =
            self.announced.iter().filter(|one| one.until <= step + 1).copied().collect();
        self.announced.retain(|one| one.until > step + 1);
        for one in over.into_iter().filter(|one| one.expected > 0.0) {
            let ratio = one.values / one.expected;
            self.change(|kind| kind.name == Some(one.name), Some(one.name), |kind| kind.learn(ratio));
        }
    }

    fn follow_rises(&mut self, step: u64, value: f64, expected: f64, unit: f64, season: u64) {
        self.recent.rotate_left(1);
        if let Some(newest) = self.recent.last_mut() {
            *newest = [value as f32, expected as f32, unit as f32];
        }
        let [values, forecasts, units] = [0, 1, 2].map(|of: usize| {
            self.recent.iter().filter_map(|one| one.get(of).copied().map(f64::from)).sum::<f64>()
        });
        if values > RISE * forecasts && values > forecasts + UNITS * units {
            let from = (step + 1).saturating_sub(TOGETHER as u64);
            let begun = Rise { from, length: TOGETHER as u64 - 1, values: 0.0, expected: 0.0 };
            let rise = self.rise.get_or_insert(begun);
            rise.length += 1;
            rise.values += value as f32;
            rise.expected += expected as f32;
            return;
        }
        let Some(rise) = self.rise.take() else { return };
        if rise.length < SHORTEST || rise.length > season / LONGEST_PART || rise.expected <= 0.0 {
            return;
        }
        // A known one is followed, and has been moved on already if this was one.
        let apart = season / APART_PART + 1;
        let is_known = |kind: &Kind| {
            kind.name.is_none()
                && (kind.next.abs_diff(rise.from) <= apart || kind.next.abs_diff(rise.from + season) <= apart)
        };
        if self.kinds.iter().any(is_known) {
            return;
        }
        let found = |kind: &mut Kind| {
            (kind.next, kind.apart, kind.length) = (rise.from + season, apart, rise.length);
            kind.learn(rise.values / rise.expected);
        };
        self.change(|_| false, None, found);
    }

    /// Changes the kind that is meant, or a new one, which takes the place of the least trusted if there are too many.
    fn change(
        &mut self,
        is_meant: impl Fn(&Kind) -> bool,
        name: Option<u64>,
        change: impl FnOnce(&mut Kind),
    ) {
        if let Some(kind) = self.kinds.iter_mut().find(|kind| is_meant(kind)) {
            return change(kind);
        }
        let mut new = Kind { name, ..Kind::default() };
        change(&mut new);
        if self.kinds.len() < KINDS {
            return self.kinds.push(new);
        }
        let least = self.kinds.iter_mut().min_by(|left, right| left.trust().total_cmp(&right.trust()));
        if let Some(least) = least {
            *least = new;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEASON: u64 = 500;

    /// Days of 10 a step with a peak of 25 about the same time; what is expected is always 10.
    fn after(days: u64, peaks: impl Fn(u64) -> bool) -> Uplift {
        let mut uplift = Uplift::default();
        for step in 0..days * SEASON {
            let (day, place) = (step / SEASON, step % SEASON);
            let from = 40 + day % 3;
            let value = if peaks(day) && (from..from + 8).contains(&place) { 25.0 } else { 10.0 };
            uplift.learn(step, value, Some((10.0, 1.0)), SEASON);
        }
        uplift
    }

    /// By how much more than 10 is expected.
    fn factor(uplift: &Uplift, now: u64, step: u64) -> f64 {
        uplift.floor(now, step, |_| 10.0).max(uplift.lift(now, step, 10.0)) / 10.0
    }

    #[test]
    fn a_peak_that_comes_back_is_expected_and_trusted_more_each_time() {
        let at =
            |uplift: &Uplift, days: u64, place: u64| factor(uplift, days * SEASON - 1, days * SEASON + place);
        let factors = [1, 2, 5].map(|days| at(&after(days, |_| true), days, 44));
        assert!(factors[0] == 1.0 && factors[1] > 1.7 && factors[2] > factors[1], "{factors:?}");
        assert_eq!(at(&after(5, |_| true), 5, 70), 1.0);
        assert_eq!(at(&after(9, |day| day == 0), 9, 44), 1.0, "once is no habit");
        assert_eq!(at(&after(20, |day| day < 3), 20, 44), 1.0, "habits end");
    }

    #[test]
    fn what_methods_know_already_is_not_expected_twice_and_a_peak_that_they_know_is_one_all_the_same() {
        let mut uplift = after(4, |_| true);
        let (now, step) = (4 * SEASON + 20, 4 * SEASON + 44);
        assert!(factor(&uplift, now, step) > 1.9);
        assert_eq!(uplift.lift(now, step, 26.0), 26.0, "points are what methods say");
        assert!(uplift.floor(now, step, |step| if step % SEASON < 40 { 10.0 } else { 26.0 }) < 26.0);
        for step in 4 * SEASON..9 * SEASON {
            let value = if (40..48).contains(&(step % SEASON)) { 25.0 } else { 10.0 };
            uplift.learn(step, value, Some((value, 1.0)), SEASON);
        }
        assert!(
            factor(&uplift, 9 * SEASON, 9 * SEASON + 44) > 1.6
                && uplift.height(9 * SEASON, 9 * SEASON + 44, |_| 10.0).is_some()
        );
    }

    #[test]
    fn an_announced_event_is_as_it_was_the_last_time() {
        let mut uplift = Uplift::default();
        for event in 0..4 {
            uplift.announce(7, 1000 * event + 500, 1000 * event + 520);
        }
        for step in 0..3000 {
            let value = if (500..520).contains(&(step % 1000)) { 5.0 } else { 10.0 };
            uplift.learn(step, value, Some((10.0, 1.0)), 1);
        }
        assert!((0.5..0.6).contains(&factor(&uplift, 2999, 3510)), "{}", factor(&uplift, 2999, 3510));
        assert_eq!((factor(&uplift, 2999, 3499), factor(&uplift, 2999, 3520)), (1.0, 1.0));
    }
}
