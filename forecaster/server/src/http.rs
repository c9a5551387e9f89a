//! The HTTP API: JSON out, problems as `application/problem+json` (RFC 9457), one file a resource.

mod access;
mod explain;
mod health;
mod investment_tiers;
mod predict_usage;
mod problem;
mod profile;
mod regions;
mod resource_availability;
mod usage;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::{Query, rejection::QueryRejection},
    middleware::from_fn_with_state,
    routing::get,
};
use serde::Serialize;
use tidegate_core::table::Contract;

use crate::{app::App, config::Config};
use problem::Problem;

/// The query of a request, or why it was not understood.
type Asked<T> = Result<Query<T>, QueryRejection>;

/// Every route.
pub(crate) fn router(app: Arc<App>) -> Router {
    let data = Router::new()
        .route("/predictUsage", get(predict_usage::get))
        .route("/investmentTiers", get(investment_tiers::get))
        .route("/resourceAvailability", get(resource_availability::get))
        .route("/v1/usage", get(usage::get))
        .route("/v1/regions", get(regions::get))
        .route("/v1/explain", get(explain::get))
        .route_layer(from_fn_with_state(Arc::clone(&app), access::check));
    // Probes and metrics carry no key and no customer.
    data.route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .fallback(async || Problem::not_found("there is nothing at this path"))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .with_state(app)
}

/// A contract as the API shows it.
#[derive(Clone, Copy, Debug, Serialize)]
struct ContractView {
    rate_per_s: f64,
    burst: u64,
}

impl From<Contract> for ContractView {
    fn from(contract: Contract) -> Self {
        Self { rate_per_s: contract.rate.per_s(), burst: contract.burst }
    }
}

/// Contracts by the name of their resource.
fn contract_views(config: &Config, contracts: &[Option<Contract>]) -> BTreeMap<String, ContractView> {
    let named = config.resources.iter().zip(contracts);
    named
        .filter_map(|(resource, contract)| Some((resource.name.clone(), ContractView::from((*contract)?))))
        .collect()
}

/// The index of the tier of a key.
fn tier_of(config: &Config, key: &str) -> u8 {
    config.customers.get(key).map_or(config.default_tier, |customer| customer.tier)
}

/// The name of a tier.
fn tier_name(config: &Config, tier: u8) -> &str {
    config.tiers.get(usize::from(tier)).map_or("", |tier| tier.policy.tier.name.as_str())
}

/// Rounded to what a person reads; forecasts are not exact to the millionth.
fn tidy(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
