//! The forecaster's configuration file, from typed parts; what is not given is left to the forecaster's defaults.

use std::{fmt, net::SocketAddr};

/// The whole file.
#[derive(Clone, Debug)]
pub struct ForecasterConfig {
    /// HTTP API and synchronisation of proxies.
    pub listen: SocketAddr,
    /// The secret that proxies must present.
    pub token: Option<String>,
    /// Length of usage windows.
    pub report_interval_s: f64,
    /// Steps, horizon and season.
    pub forecast: Forecast,
    /// What there is to share.
    pub resources: Vec<Resource>,
    /// Service levels, best first.
    pub tiers: Vec<Tier>,
    /// The tier of customers that are not listed.
    pub default_tier: &'static str,
    /// The customers.
    pub customers: Vec<Customer>,
}

/// How far and how finely to look ahead.
#[derive(Clone, Copy, Debug)]
pub struct Forecast {
    /// Length of a step.
    pub step_s: u32,
    /// Steps to plan.
    pub horizon_steps: u32,
    /// After how long demand repeats.
    pub season_s: u32,
}

/// A resource and its budget.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its name.
    pub name: String,
    /// Capacity in tokens per second.
    pub capacity_per_s: f64,
    /// Burst in tokens.
    pub burst: u64,
    /// The part of both that may be reserved; the forecaster's default when absent.
    pub reservable_share: Option<f64>,
}

/// A service level.
#[derive(Clone, Debug)]
pub struct Tier {
    /// Its name.
    pub name: &'static str,
    /// Its share when capacity is short.
    pub weight: u32,
    /// The part of the pool that it leaves to better tiers.
    pub floor: f64,
    /// The quantile of the forecast that is reserved for it.
    pub risk_quantile: f64,
    /// So long its requests may be held back instead of being refused.
    pub max_delay_ms: u32,
    /// What its customers may use, per resource.
    pub contract: Vec<(&'static str, Bucket)>,
}

/// A rate and a burst.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// Tokens per second.
    pub rate_per_s: f64,
    /// Tokens.
    pub burst: u64,
}

/// A customer.
#[derive(Clone, Debug)]
pub struct Customer {
    /// The throttling key.
    pub key: String,
    /// Its tier.
    pub tier: &'static str,
}

impl ForecasterConfig {
    /// The configuration file.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut yaml = format!("listen: {}\ndatabase: tidegate.db\n", self.listen);
        if let Some(token) = &self.token {
            yaml += &format!("token: \"{token}\"\n");
        }
        let Forecast { step_s, horizon_steps, season_s } = self.forecast;
        yaml += &format!("report_interval_s: {}\n", self.report_interval_s);
        yaml += &format!(
            "forecast: {{ step_s: {step_s}, horizon_steps: {horizon_steps}, season_s: {season_s} }}\n"
        );
        yaml += &section("resources", &self.resources);
        yaml += &section("tiers", &self.tiers);
        yaml += &format!("default_tier: {}\n", self.default_tier);
        yaml += &section("customers", &self.customers);
        yaml
    }
}

fn section<T: fmt::Display>(name: &str, entries: &[T]) -> String {
    if entries.is_empty() {
        return String::new();
    }
    entries.iter().fold(format!("{name}:\n"), |yaml, entry| format!("{yaml}  {entry}\n"))
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, capacity_per_s, burst, reservable_share } = self;
        write!(f, "{name}: {{ capacity_per_s: {capacity_per_s}, burst: {burst}")?;
        if let Some(share) = reservable_share {
            write!(f, ", reservable_share: {share}")?;
        }
        f.write_str(" }")
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, weight, floor, risk_quantile, max_delay_ms, contract } = self;
        write!(f, "{name}: {{ weight: {weight}, floor: {floor}, risk_quantile: {risk_quantile}")?;
        write!(f, ", max_delay_ms: {max_delay_ms}")?;
        if !contract.is_empty() {
            let entry = |(resource, bucket): &(&str, Bucket)| {
                format!("{resource}: {{ rate_per_s: {}, burst: {} }}", bucket.rate_per_s, bucket.burst)
            };
            write!(f, ", contract: {{ {} }}", contract.iter().map(entry).collect::<Vec<_>>().join(", "))?;
        }
        f.write_str(" }")
    }
}

impl fmt::Display for Customer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {{ tier: {} }}", self.key, self.tier)
    }
}
