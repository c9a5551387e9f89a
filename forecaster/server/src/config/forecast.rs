//! The `forecast` section: steps, horizon, season, model, and what fitting may cost. Its calendar is read by
//! [`super::events`].

use tidegate_core::table::MAX_STEPS;
use tidegate_model::{Entry, MODELS};

use super::{
    events::Event,
    is_whole_millis,
    section::{Rule, Section},
    to_millis,
};

/// How demand is forecast.
#[derive(Clone, Debug)]
pub(crate) struct ForecastConfig {
    /// What is known to come.
    pub(crate) events: Vec<Event>,
    /// Length of a step.
    pub(crate) step_ms: u32,
    /// Steps planned ahead.
    pub(crate) horizon_steps: u16,
    /// Steps per season.
    pub(crate) season_steps: usize,
    /// The model of every series.
    pub(crate) model: &'static Entry,
    /// The part of a step's time that may go into fitting models.
    pub(crate) fit_share: f64,
    /// The part of one core that may go into trying heavy models, and the series that they are tried for at most.
    pub(crate) heavy_share: f64,
    pub(crate) heavy_keys: usize,
}

/// The default model.
const USUAL: &str = "auto";
const FIT_SHARE: f64 = 0.2;
/// The model that takes heavy ones in.
const BANK: &str = "auto";
const HEAVY_SHARE: f64 = 0.05;
const HEAVY_KEYS: f64 = 100.0;

/// Most steps per season: a week of 30 second steps; each costs every series four bytes.
const MAX_SEASON_STEPS: u64 = 20_160;

const STEP: Rule = Rule {
    holds: |seconds| (0.05..=86_400.0).contains(&seconds) && is_whole_millis(seconds),
    says: "give seconds between 0.05 and 86400, a multiple of report_interval_s",
};
const HORIZON: Rule = Rule {
    holds: |steps| (1.0..=f64::from(MAX_STEPS)).contains(&steps) && steps.fract() == 0.0,
    says: "give a whole number of steps from 1 to 64",
};
const SEASON: Rule = Rule {
    holds: |seconds| (0.05..=1e8).contains(&seconds) && is_whole_millis(seconds),
    says: "give seconds, a multiple of step_s, such as 86400 for a day",
};
const SHARE: Rule =
    Rule { holds: |share| (0.0..=0.9).contains(&share), says: "give a share of each step between 0 and 0.9" };

const CORE_SHARE: Rule =
    Rule { holds: |share| (0.0..=0.9).contains(&share), says: "give a share of one core between 0 and 0.9" };
const HEAVY: Rule = Rule {
    holds: |keys| (0.0..=10_000.0).contains(&keys) && keys.fract() == 0.0,
    says: "give a whole number from 0 to 10000; each takes up to 50 KiB",
};

pub(super) fn read(root: &Section<'_>, report_interval_ms: u32) -> Option<ForecastConfig> {
    let section = root.section("forecast");
    let step_ms = section.number("step_s", &STEP).map_or(60_000, to_millis);
    let horizon_steps = section.number("horizon_steps", &HORIZON).unwrap_or(15.0) as u16;
    let season_ms = section.number("season_s", &SEASON).map_or(86_400_000, to_millis);
    let models: Vec<(&str, &'static Entry)> = MODELS.iter().map(|entry| (entry.name, entry)).collect();
    let model = section.choice("model", &models).or(tidegate_model::find(USUAL));
    let fit_share = section.number("fit_share", &SHARE).unwrap_or(FIT_SHARE);
    let heavy_share = section.number("heavy_share", &CORE_SHARE);
    let heavy_keys = section.number("heavy_keys", &HEAVY);
    let takes_heavy = model.is_some_and(|model| model.name == BANK);
    if model.is_some() && !takes_heavy {
        for (key, given) in [("heavy_share", heavy_share), ("heavy_keys", heavy_keys)] {
            if given.is_some_and(|given| given > 0.0) {
                section.wrong(key, "is given, but only `auto` takes heavy models in; give `model: auto`");
            }
        }
    }
    section.allow("events");
    section.finish();
    if !step_ms.is_multiple_of(u64::from(report_interval_ms)) {
        let says = format!("is {step_ms} ms; give a multiple of report_interval_s ({report_interval_ms} ms)");
        section.wrong("step_s", &says);
    }
    let season_steps = season_ms / step_ms.max(1);
    if !season_ms.is_multiple_of(step_ms.max(1)) {
        section.wrong("season_s", &format!("is {season_ms} ms; give a multiple of step_s ({step_ms} ms)"));
    } else if season_steps > MAX_SEASON_STEPS {
        let says = format!("is {season_steps} steps; give at most {MAX_SEASON_STEPS}, or a longer step_s");
        section.wrong("season_s", &says);
    }
    Some(ForecastConfig {
        events: Vec::new(),
        step_ms: u32::try_from(step_ms).ok()?,
        horizon_steps,
        season_steps: usize::try_from(season_steps).ok()?,
        model: model?,
        fit_share,
        heavy_share: if takes_heavy { heavy_share.unwrap_or(HEAVY_SHARE) } else { 0.0 },
        heavy_keys: heavy_keys.unwrap_or(HEAVY_KEYS) as usize,
    })
}
