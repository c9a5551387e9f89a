//! The configuration file: what it means once every rule holds.
//!
//! Reading never stops at the first mistake: every problem is reported at once, each with its line, its key and what
//! to do about it. Unknown keys are problems too.

mod events;
mod forecast;
mod resources;
mod section;
mod tiers;
mod yaml;

use std::{
    collections::BTreeMap,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use serde::Serialize;
use subtle::ConstantTimeEq;
use tidegate_core::{
    plan::{ResourcePolicy, TierPolicy},
    table::DrawOrder,
};
use tidegate_learn::{Learning, NamedCustomer, Policy};

pub(crate) use events::Event;
pub(crate) use forecast::ForecastConfig;
use section::{Problems, Rule, Section};

/// A valid configuration.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Where HTTP API and sync stream are served.
    pub(crate) listen: SocketAddr,
    /// The database file.
    pub(crate) database: PathBuf,
    /// What proxies must present, if anything.
    pub(crate) token: Option<Token>,
    /// What clients of the HTTP API must present, if anything.
    pub(crate) api_token: Option<Token>,
    /// The file with the key that signs tables.
    pub(crate) signing_key: Option<PathBuf>,
    /// Length of usage windows.
    pub(crate) report_interval_ms: u32,
    /// Usage older than this is deleted.
    pub(crate) retention_days: u32,
    /// At most this many keys are learned, named customers excepted.
    pub(crate) max_keys: usize,
    pub(crate) forecast: ForecastConfig,
    pub(crate) draw_order: DrawOrder,
    pub(crate) resources: Vec<ResourcePolicy>,
    pub(crate) tiers: Vec<TierConfig>,
    /// Index of the tier of keys that are no named customers.
    pub(crate) default_tier: u8,
    pub(crate) customers: BTreeMap<String, NamedCustomer>,
}

/// A tier as configured.
#[derive(Clone, Debug)]
pub(crate) struct TierConfig {
    pub(crate) policy: TierPolicy,
    /// What it costs, in the operator's currency; only shown.
    pub(crate) price_per_month: Option<f64>,
}

impl Config {
    /// What is to be planned for whom.
    pub(crate) fn policy(&self) -> Policy<'_> {
        Policy {
            step_ms: self.forecast.step_ms,
            horizon_steps: self.forecast.horizon_steps,
            draw_order: self.draw_order,
            tiers: self.tiers.iter().map(|tier| tier.policy.clone()).collect(),
            default_tier: self.default_tier,
            resources: &self.resources,
            customers: &self.customers,
        }
    }

    /// How every key is learned.
    pub(crate) const fn learning(&self) -> Learning {
        let ForecastConfig { model, season_steps, .. } = self.forecast;
        Learning { model, season_steps, max_keys: self.max_keys }
    }
}

/// A shared secret: compared in constant time, and never logged.
#[derive(Clone)]
pub(crate) struct Token(String);

impl Token {
    pub(crate) fn matches(&self, presented: &str) -> bool {
        self.0.as_bytes().ct_eq(presented.as_bytes()).into()
    }

    /// The secret, for the configuration of who has to present it.
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// One thing that is wrong with a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// Line in the file, from 1.
    pub(crate) line: u64,
    /// Path of the key, such as `tiers.gold.weight`; empty for the file as a whole.
    pub(crate) key: String,
    /// What is wrong and what to do.
    pub(crate) problem: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, key, problem } = self;
        if key.is_empty() {
            write!(f, "line {line}: {problem}")
        } else {
            write!(f, "line {line}: {key}: {problem}")
        }
    }
}

/// Finds the value of an environment variable.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Understands the text of a configuration file that lies in `folder`; or says everything that is wrong with it.
pub(crate) fn parse(text: &str, folder: &Path, environment: Environment<'_>) -> Result<Config, Vec<Problem>> {
    let node = yaml::parse(text).map_err(|problem| vec![problem])?;
    let problems = Problems::default();
    let config = read(&Section::root(&node, &problems), folder, environment);
    let mut problems = problems.into_vec();
    problems.sort_by_key(|problem| problem.line);
    config.filter(|_| problems.is_empty()).ok_or(problems)
}

const INTERVAL: Rule = Rule {
    holds: |seconds| (0.05..=3600.0).contains(&seconds) && is_whole_millis(seconds),
    says: "give seconds between 0.05 and 3600, in whole milliseconds",
};
const DAYS: Rule = Rule {
    holds: |days| (1.0..=3660.0).contains(&days) && days.fract() == 0.0,
    says: "give a whole number of days from 1 to 3660",
};
const KEYS: Rule = Rule {
    holds: |keys| (1.0..=1e6).contains(&keys) && keys.fract() == 0.0,
    says: "give a whole number from 1 to 1000000",
};

fn read(root: &Section<'_>, folder: &Path, environment: Environment<'_>) -> Option<Config> {
    let listen = listen(root);
    let database = folder.join(root.text("database").unwrap_or("tidegate.db"));
    let proxy_token = token(root, "token", environment);
    let api_token = token(root, "api_token", environment);
    let signing_key = root.text("signing_key").map(|path| folder.join(path));
    check_exposure(root, listen);
    let report_interval_ms = root.number("report_interval_s", &INTERVAL).map_or(10_000, to_millis) as u32;
    let retention_days = root.number("retention_days", &DAYS).unwrap_or(30.0) as u32;
    let max_keys = root.number("max_keys", &KEYS).unwrap_or(100_000.0) as usize;
    let orders = [("pool-first", DrawOrder::PoolFirst), ("shadow-first", DrawOrder::ShadowFirst)];
    let draw_order = root.choice("draw_order", &orders).unwrap_or_default();
    let mut forecast = forecast::read(root, report_interval_ms);
    if let Some(forecast) = &forecast {
        check_retention(root, retention_days, forecast);
    }
    let resources = resources::read(root);
    let tiers = tiers::read(root, &resources);
    let default_tier = tiers::default_tier(root, &tiers);
    let customers = tiers::customers(root, &tiers, &resources);
    if let Some(forecast) = &mut forecast {
        forecast.events = events::read(&root.section("forecast"), &tiers, &customers);
    }
    root.finish();
    Some(Config {
        listen: listen?,
        database,
        token: proxy_token,
        api_token,
        signing_key,
        report_interval_ms,
        retention_days,
        max_keys,
        forecast: forecast?,
        draw_order,
        resources,
        tiers,
        default_tier: default_tier?,
        customers,
    })
}

/// A restart learns again from what has been kept.
fn check_retention(root: &Section<'_>, retention_days: u32, forecast: &ForecastConfig) {
    let season_ms = u64::from(forecast.step_ms) * forecast.season_steps as u64;
    let needed_days = (2 * season_ms).div_ceil(86_400_000);
    if u64::from(retention_days) < needed_days {
        let says = format!(
            "is {retention_days}; give at least {needed_days}, two seasons, or season_s is not learned"
        );
        root.wrong("retention_days", &says);
    }
}

fn listen(root: &Section<'_>) -> Option<SocketAddr> {
    let Some(text) = root.text("listen") else { return Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 7080))) };
    let address = text.parse().ok();
    if address.is_none() {
        root.wrong("listen", &format!("`{text}` is no address; give IP:port, such as 127.0.0.1:7080"));
    }
    address
}

/// Beyond this machine nobody may report or read without a token.
fn check_exposure(root: &Section<'_>, listen: Option<SocketAddr>) {
    if listen.is_some_and(|address| !address.ip().is_loopback()) {
        for key in ["token", "api_token"] {
            if root.secret(key).is_none() {
                root.wrong(key, "is missing, and `listen` is open to other hosts; give a secret");
            }
        }
    }
}

fn token(root: &Section<'_>, key: &'static str, environment: Environment<'_>) -> Option<Token> {
    let text = root.secret(key)?;
    let Some(name) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) else {
        if text.is_empty() {
            root.wrong(
                key,
                "is empty; give a secret, or leave the key out to admit everybody on this machine",
            );
        }
        return Some(Token(text.to_owned()));
    };
    let value = environment(name).filter(|value| !value.is_empty());
    if value.is_none() {
        root.wrong(key, &format!("environment variable {name} is not set; set it to the secret"));
    }
    value.map(Token)
}

fn is_whole_millis(seconds: f64) -> bool {
    ((seconds * 1e3).round() - seconds * 1e3).abs() < 1e-6
}

fn to_millis(seconds: f64) -> u64 {
    (seconds * 1e3).round() as u64
}

#[cfg(test)]
mod tests;
