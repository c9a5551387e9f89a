//! Demand that rises for a while and was known to: events that were announced, and peaks that come back.
//!
//! How much more is asked for during an event is learned as the ratio of demand to what had been forecast for it from
//! before, and multiplies the next forecast of the same event. A rise that no method foresaw is remembered with its place
//! in the season; if it comes back it is an event of its own, and trusted more each time. Methods that know the season
//! foresee its usual waves, so these are no events.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// So many times what was forecast is a rise, if it is so many units more too.
const RISE: f64 = 1.4;
const UNITS: f64 = 2.0;
/// Steps that are looked at together, and the least length of a rise.
const TOGETHER: usize = 3;
const SHORTEST: u64 = 5;
/// A rise that lasts longer than this part of a season is a new level.
const LONGEST_PART: u64 = 8;
/// Peaks that begin no more than this part of a season apart are the same, so often the least number of steps too; and a
/// peak is expected a third of that earlier and later.
const APART_PART: u64 = 144;
/// Most kinds of events, and most that are announced at a time.
const KINDS: usize = 8;
const ANNOUNCED: usize = 16;
/// A peak that has failed to come more often than it came, or so often, is forgotten.
const MISSES: f32 = 4.0;
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
#[derive(Serialize, Deserialize)]
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
        let proven = if self.hits < 2.0 && self.name.is_none() { 0.0 } else { self.hits - 0.5 };
        proven / (self.hits + 3.0 * self.misses)
    }

    /// When a peak that was found may be expected.
    fn window(&self) -> Range<u64> {
        let slack = self.apart / 3;
        self.next.saturating_sub(slack)..self.next + self.length + slack
    }

    fn learn(&mut self, ratio: f32) {
        self.hits += 1.0;
        self.ratio += (ratio.clamp(1.0 / MOST, MOST) - self.ratio) / self.hits.min(4.0);
    }

    fn factor(&self) -> f64 {
        f64::from(1.0 + (self.ratio - 1.0) * self.trust())
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

    /// By how much more than usual is expected of a step when `now` is the last one known.
    pub(super) fn factor(&self, now: u64, step: u64) -> f64 {
        if self.kinds.is_empty() {
            return 1.0;
        }
        let found = self.kinds.iter().filter(|kind| kind.name.is_none()).filter_map(|kind| {
            let window = kind.window();
            (window.contains(&step) && kind.hits >= 2.0).then(|| (kind.factor(), window.start))
        });
        let announced = self.announced.iter().filter_map(|one| {
            let kind = self.kinds.iter().find(|kind| kind.name == Some(one.name))?;
            (one.from..one.until).contains(&step).then(|| (kind.factor(), one.from))
        });
        // Once it has begun, methods know a part of it.
        let left = |(factor, from): (f64, u64)| match now >= from && self.level > 0.0 {
            true if factor > 1.0 => (factor * self.before / self.level).clamp(1.0, factor),
            true => (factor * self.before / self.level).clamp(factor, 1.0),
            false => factor,
        };
        let factors = found.chain(announced).map(left);
        factors.max_by(|left, right| left.ln().abs().total_cmp(&right.ln().abs())).unwrap_or(1.0)
    }

    /// Learns a value, and what had been forecast for it from a while before, without uplift.
    pub(super) fn learn(&mut self, step: u64, value: f64, expected: Option<(f64, f64)>, season: u64) {
        self.level += NEWS * (value - self.level);
        let goes_on = self.announced.iter().any(|one| (one.from..one.until).contains(&step))
            || self.kinds.iter().any(|kind| kind.name.is_none() && kind.window().contains(&step));
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
        for kind in self.kinds.iter_mut().filter(|kind| kind.name.is_none()) {
            let over = kind.next + kind.length + kind.apart;
            if step > over {
                kind.misses += 1.0;
                kind.next += ((step - over) / season.max(1) + 1) * season.max(1);
            }
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
        let apart = season / APART_PART + 1;
        let same = |kind: &Kind| kind.name.is_none() && kind.next.abs_diff(rise.from) <= apart;
        self.change(same, None, |kind| {
            let from = if kind.hits > 0.0 { (kind.next + rise.from) / 2 } else { rise.from };
            (kind.next, kind.apart) = (from + season, apart);
            kind.length = kind.length.max(rise.length);
            kind.learn(rise.values / rise.expected);
        });
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
        let mut new = Kind { name, ratio: 1.0, hits: 0.0, misses: 0.0, next: 0, length: 0, apart: 0 };
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

    #[test]
    fn a_peak_that_comes_back_is_expected_and_trusted_more_each_time() {
        let at =
            |uplift: &Uplift, days: u64, place: u64| uplift.factor(days * SEASON - 1, days * SEASON + place);
        let factors = [1, 2, 5].map(|days| at(&after(days, |_| true), days, 44));
        assert!(factors[0] == 1.0 && factors[1] > 1.7 && factors[2] > factors[1], "{factors:?}");
        assert_eq!(at(&after(5, |_| true), 5, 70), 1.0);
        assert_eq!(at(&after(9, |day| day == 0), 9, 44), 1.0, "once is no habit");
    }

    #[test]
    fn what_methods_know_already_is_not_expected_twice() {
        let mut uplift = after(4, |_| true);
        let before = uplift.factor(4 * SEASON + 30, 4 * SEASON + 46);
        for step in 4 * SEASON..4 * SEASON + 46 {
            let value = if step % SEASON >= 40 { 25.0 } else { 10.0 };
            uplift.learn(step, value, Some((10.0, 1.0)), SEASON);
        }
        let now = uplift.factor(4 * SEASON + 45, 4 * SEASON + 46);
        assert!(before > 1.9 && now < 1.2, "{before} and {now}");
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
        assert!((0.5..0.6).contains(&uplift.factor(2999, 3510)), "{}", uplift.factor(2999, 3510));
        assert_eq!((uplift.factor(2999, 3499), uplift.factor(2999, 3520)), (1.0, 1.0));
    }
}
