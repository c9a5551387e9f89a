//! `GET /v1/explain?key=K`: everything that decides about one key, as numbers and as sentences.

mod sentences;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Query, State},
};
use serde::{Deserialize, Serialize};
use tidegate_core::table::Reservation;
use tidegate_learn::Learner;
use tidegate_store::{WindowUsage, Wished};

use super::{
    Asked, ContractView,
    problem::Problem,
    profile::{self, ProfileView, ShareView},
    tidy, tier_name, tier_of,
    usage::CountersView,
};
use crate::{
    app::App,
    clock::{now_ms, rfc3339},
    config::Config,
    planning::Plan,
    proxies::Proxy,
    wishes::Lately,
};

/// How many report intervals back usage is shown.
const WINDOWS_SHOWN: u64 = 30;
const MAX_WINDOWS: u32 = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    key: String,
}

#[derive(Serialize)]
pub(super) struct Explanation {
    key: String,
    tier: String,
    /// `customers` or `default_tier`: the place in the configuration.
    tier_from: &'static str,
    resources: Vec<ResourceView>,
    recent_usage: Vec<WindowView>,
    table: Option<TableView>,
    proxies: Vec<ProxyView>,
    sentences: Vec<String>,
}

#[derive(Serialize)]
struct ResourceView {
    resource: String,
    contract: Option<ContractView>,
    /// `customer` or `tier`.
    contract_from: Option<&'static str>,
    reservation: Option<ReservationView>,
    forecast: Option<ForecastView>,
    /// What more capacity would have served lately, of all keys; absent where nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    wished: Option<WishedView>,
    /// What its requests are like, where reports tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<ProfileView>,
}

/// What was wished for, and whether what this key was refused counts among it.
#[derive(Serialize)]
struct WishedView {
    over_s: f64,
    refused: u64,
    delayed: u64,
    /// Whether the key's tier may ask for capacity (`scales`).
    counts: bool,
}

/// The reservation of the current step.
#[derive(Serialize)]
struct ReservationView {
    /// `own`, or `tier` when it is shared with the tier's other keys.
    bucket: &'static str,
    rate_per_s: f64,
    depth: u64,
}

/// The forecast of the current step, in tokens.
#[derive(Serialize)]
struct ForecastView {
    starts_at: String,
    mean: f64,
    median: f64,
    #[serde(rename = "lo-80")]
    lo_80: f64,
    #[serde(rename = "hi-80")]
    hi_80: f64,
}

#[derive(Serialize)]
struct WindowView {
    resource: String,
    starts_at: String,
    #[serde(flatten)]
    usage: CountersView,
}

#[derive(Serialize)]
struct TableView {
    epoch: u64,
    made_at: String,
    age_s: f64,
    valid_until: String,
    keys: usize,
    bytes: usize,
}

#[derive(Serialize)]
struct ProxyView {
    proxy: String,
    /// As text: the numbers exceed what JSON readers keep exactly.
    boot: String,
    connected_since: String,
    table_epoch: u64,
    table_error: Option<String>,
    last_report: u64,
    windows_dropped: u64,
}

pub(super) async fn get(
    State(app): State<Arc<App>>,
    asked: Asked<Params>,
) -> Result<Json<Explanation>, Problem> {
    let Query(Params { key }) = asked?;
    let (config, now_ms) = (&app.config, now_ms());
    let from_ms = now_ms.saturating_sub(u64::from(config.report_interval_ms) * WINDOWS_SHOWN);
    let windows = app.store.windows(&key, from_ms, MAX_WINDOWS).await?;
    let plan = app.current_plan();
    let proxies = app.proxies.list();
    let lately = app.wished_lately().await?;
    let resources = {
        let learner = app.learner.read().await;
        let view = |index| {
            let view = resource_view(config, &learner, plan.as_deref(), &key, index, now_ms)?;
            let wished = wished_view(config, &lately, &key, index);
            Some(ResourceView { profile: profile::of(&app, &learner, &key, index), wished, ..view })
        };
        (0..config.resources.len()).filter_map(view).collect()
    };
    let named = config.customers.contains_key(&key);
    let mut explanation = Explanation {
        tier: tier_name(config, tier_of(config, &key)).to_owned(),
        tier_from: if named { "customers" } else { "default_tier" },
        key,
        resources,
        recent_usage: windows.iter().map(window_view).collect(),
        table: plan.map(|plan| table_view(&plan, now_ms)),
        proxies: proxies.iter().map(proxy_view).collect(),
        sentences: Vec::new(),
    };
    explanation.sentences = sentences::write(config, &explanation);
    Ok(Json(explanation))
}

fn resource_view(
    config: &Config,
    learner: &Learner,
    plan: Option<&Plan>,
    key: &str,
    index: usize,
    now_ms: u64,
) -> Option<ResourceView> {
    let tier = tier_of(config, key);
    let contract_in = |contracts: &[_]| contracts.get(index).copied().flatten();
    let own = config.customers.get(key).and_then(|customer| contract_in(&customer.contracts));
    let tiers = config.tiers.get(usize::from(tier));
    let contract = own.or_else(|| tiers.and_then(|tier| contract_in(&tier.policy.tier.contracts)));
    let step_ms = u64::from(config.forecast.step_ms);
    let step = now_ms / step_ms;
    let series = learner.key(key).get(index).and_then(Option::as_ref);
    let forecast = series.and_then(|series| series.at(step)).map(|forecast| {
        let [_, lo_80, median, hi_80, _] = forecast.bounds().map(tidy);
        ForecastView { starts_at: rfc3339(step * step_ms), mean: tidy(forecast.mean), median, lo_80, hi_80 }
    });
    Some(ResourceView {
        resource: config.resources.get(index)?.name.clone(),
        contract: contract.map(ContractView::from),
        contract_from: contract.map(|_| if own.is_some() { "customer" } else { "tier" }),
        reservation: plan.and_then(|plan| reservation_view(plan, key, index, tier, now_ms)),
        forecast,
        wished: None,
        profile: None,
    })
}

fn wished_view(config: &Config, lately: &Lately, key: &str, index: usize) -> Option<WishedView> {
    let Wished { refused, delayed } = *lately.wished.get(index)?;
    let tier = config.tiers.get(usize::from(tier_of(config, key)));
    let counts = tier.is_some_and(|tier| tier.policy.tier.scales);
    (refused > 0 || delayed > 0).then_some(WishedView { over_s: lately.over_s, refused, delayed, counts })
}

fn reservation_view(plan: &Plan, key: &str, index: usize, tier: u8, now_ms: u64) -> Option<ReservationView> {
    let step = plan.step_at(now_ms)?;
    let own = plan
        .grant(key, index)
        .filter(|grant| !grant.reservations.is_empty())
        .map(|grant| grant.reservations.step(step));
    let (bucket, reservation) = match own {
        Some(reservation) => ("own", reservation),
        None => ("tier", plan.tier_reservation(index, tier, step)?),
    };
    let Reservation { rate, depth } = reservation;
    (rate.per_s() > 0.0).then(|| ReservationView { bucket, rate_per_s: tidy(rate.per_s()), depth })
}

fn window_view(window: &WindowUsage) -> WindowView {
    WindowView {
        resource: window.resource.clone(),
        starts_at: rfc3339(window.window_start_ms),
        usage: CountersView::from(&window.counters),
    }
}

fn table_view(plan: &Plan, now_ms: u64) -> TableView {
    TableView {
        epoch: plan.table.epoch,
        made_at: rfc3339(plan.made_at_ms),
        age_s: now_ms.saturating_sub(plan.made_at_ms) as f64 / 1e3,
        valid_until: rfc3339(plan.table.valid_until_ms),
        keys: plan.table.keys.len(),
        bytes: plan.pushed_bytes(),
    }
}

fn proxy_view(proxy: &Proxy) -> ProxyView {
    ProxyView {
        proxy: proxy.name.clone(),
        boot: proxy.boot.to_string(),
        connected_since: rfc3339(proxy.since_ms),
        table_epoch: proxy.table_epoch,
        table_error: proxy.table_error.clone(),
        last_report: proxy.last_seq,
        windows_dropped: proxy.dropped,
    }
}

/// Sums over the windows shown, by resource: tokens asked for and tokens refused.
fn recent_sums(windows: &[WindowView]) -> BTreeMap<&str, (u64, u64)> {
    let mut sums: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for window in windows {
        let (offered, refused) = sums.entry(&window.resource).or_default();
        *offered = offered.saturating_add(window.usage.offered());
        *refused = refused.saturating_add(window.usage.refused());
    }
    sums
}
