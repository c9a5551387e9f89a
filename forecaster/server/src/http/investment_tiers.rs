//! `GET /investmentTiers`: what can be bought, and how many have.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use serde::Serialize;

use super::{ContractView, contract_views, tier_name};
use crate::app::App;

#[derive(Serialize)]
pub(super) struct InvestmentTiers {
    tiers: Vec<TierView>,
    default_tier: String,
}

#[derive(Serialize)]
struct TierView {
    name: String,
    weight: f64,
    floor: f64,
    risk_quantile: f64,
    max_delay_ms: u32,
    price_per_month: Option<f64>,
    contract: BTreeMap<String, ContractView>,
    /// Named customers; keys that fall into the default tier are not counted.
    customers: usize,
}

pub(super) async fn get(State(app): State<Arc<App>>) -> Json<InvestmentTiers> {
    let config = &app.config;
    let view = |(index, tier): (usize, &crate::config::TierConfig)| TierView {
        name: tier.policy.tier.name.clone(),
        weight: tier.policy.weight,
        floor: f64::from(tier.policy.tier.floor_permille) / 1000.0,
        risk_quantile: tier.policy.risk_quantile,
        max_delay_ms: tier.policy.tier.max_delay_ms,
        price_per_month: tier.price_per_month,
        contract: contract_views(config, &tier.policy.tier.contracts),
        customers: config.customers.values().filter(|customer| usize::from(customer.tier) == index).count(),
    };
    Json(InvestmentTiers {
        tiers: config.tiers.iter().enumerate().map(view).collect(),
        default_tier: tier_name(config, config.default_tier).to_owned(),
    })
}
