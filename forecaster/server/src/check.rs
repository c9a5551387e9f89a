//! `tidegate check`: says what a configuration file means, or everything that is wrong with it.

use std::{io::Write, path::Path, process::ExitCode};

use anyhow::Context;
use serde::Serialize;

use crate::config::{Config, Problem};

/// What one series costs beside its season, and a season's step, in bytes.
const SERIES_BYTES: u64 = 6_000;
const SEASON_STEP_BYTES: u64 = 4;
/// What a series with a heavy model and the values kept for it takes more.
const HEAVY_BYTES: u64 = 50 << 10;

#[derive(Serialize)]
struct Verdict<'a> {
    ok: bool,
    problems: &'a [Problem],
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<Summary>,
}

#[derive(Serialize)]
struct Summary {
    listen: String,
    database: String,
    token: bool,
    api_token: bool,
    signing_key: Option<String>,
    report_interval_s: f64,
    retention_days: u32,
    max_keys: usize,
    step_s: f64,
    horizon_steps: u16,
    season_steps: usize,
    model: &'static str,
    draw_order: &'static str,
    resources: Vec<String>,
    tiers: Vec<String>,
    default_tier: String,
    customers: usize,
    /// Memory of the models when every key there may be is known on every resource.
    models_max_mib: u64,
}

/// Prints the verdict; failure when there are problems.
pub(crate) fn run(path: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let parsed = crate::read_config(path)?;
    let (problems, config) = match &parsed {
        Ok(config) => (&[][..], Some(summary(config))),
        Err(problems) => (problems.as_slice(), None),
    };
    let verdict = Verdict { ok: problems.is_empty(), problems, config };
    let mut out = std::io::stdout().lock();
    let text = if json { serde_json::to_string_pretty(&verdict)? + "\n" } else { verdict.in_words(path) };
    out.write_all(text.as_bytes()).context("writing the verdict")?;
    Ok(if verdict.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn summary(config: &Config) -> Summary {
    let forecast = &config.forecast;
    let tier_names: Vec<String> = config.tiers.iter().map(|tier| tier.policy.tier.name.clone()).collect();
    let series = config.max_keys as u64 * config.resources.len() as u64;
    let heavy = if forecast.heavy_share > 0.0 { forecast.heavy_keys as u64 * HEAVY_BYTES } else { 0 };
    let bytes = series * (SERIES_BYTES + SEASON_STEP_BYTES * forecast.season_steps as u64) + heavy;
    Summary {
        listen: config.listen.to_string(),
        database: config.database.display().to_string(),
        token: config.token.is_some(),
        api_token: config.api_token.is_some(),
        signing_key: config.signing_key.as_ref().map(|path| path.display().to_string()),
        report_interval_s: f64::from(config.report_interval_ms) / 1e3,
        retention_days: config.retention_days,
        max_keys: config.max_keys,
        step_s: f64::from(forecast.step_ms) / 1e3,
        horizon_steps: forecast.horizon_steps,
        season_steps: forecast.season_steps,
        model: forecast.model.name,
        draw_order: match config.draw_order {
            tidegate_core::table::DrawOrder::PoolFirst => "pool-first",
            tidegate_core::table::DrawOrder::ShadowFirst => "shadow-first",
        },
        resources: config.resources.iter().map(|resource| resource.name.clone()).collect(),
        default_tier: tier_names.get(usize::from(config.default_tier)).cloned().unwrap_or_default(),
        tiers: tier_names,
        customers: config.customers.len(),
        models_max_mib: bytes >> 20,
    }
}

impl Verdict<'_> {
    fn in_words(&self, path: &Path) -> String {
        let path = path.display();
        let Some(config) = &self.config else {
            let count = self.problems.len();
            let lines: Vec<String> = self.problems.iter().map(|problem| format!("  {problem}\n")).collect();
            let plural = if count == 1 { "" } else { "s" };
            return format!("{path}: {count} problem{plural}\n{}", lines.concat());
        };
        let token = if config.token { "proxies need a token" } else { "every proxy is admitted (no token)" };
        format!(
            "{path}: ok\n  listens on {}, {token}\n  database {}, kept for {} days\n  \
             reports every {} s, steps of {} s, {} planned ahead, seasons of {} steps\n  \
             model {}, up to {} keys ({} MiB when all are known)\n  draw order {}\n  \
             resources: {}\n  tiers: {} (default {})\n  customers: {}\n",
            config.listen,
            config.database,
            config.retention_days,
            config.report_interval_s,
            config.step_s,
            config.horizon_steps,
            config.season_steps,
            config.model,
            config.max_keys,
            config.models_max_mib,
            config.draw_order,
            config.resources.join(", "),
            config.tiers.join(", "),
            config.default_tier,
            config.customers,
        )
    }
}
