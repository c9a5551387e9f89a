//! `GET /v1/usage?[key=&resource=&from=&to=]`: what has been used, summed by the database.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State},
};
use serde::{Deserialize, Serialize};
use tidegate_store::{Counters, Totals, TotalsQuery};

use super::{Asked, problem::Problem, tier_name, tier_of};
use crate::{app::App, clock::parse_rfc3339, config::Config};

/// Most rows in one answer.
const MAX_ROWS: usize = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    key: Option<String>,
    resource: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

#[derive(Serialize)]
pub(super) struct UsageView {
    totals: Vec<TotalView>,
    /// There are more series than one answer holds: narrow the question.
    truncated: bool,
}

#[derive(Serialize)]
struct TotalView {
    key: String,
    resource: String,
    tier: String,
    windows: u64,
    #[serde(flatten)]
    usage: CountersView,
}

/// Counters as the API shows them. Tokens are of the resource's unit.
#[derive(Serialize)]
pub(super) struct CountersView {
    requests_offered: u64,
    requests_admitted: u64,
    requests_refused: u64,
    offered: u64,
    guaranteed: u64,
    opportunistic: u64,
    emergency: u64,
    refused: u64,
    beyond: u64,
    delayed: u64,
    delay_ms: u64,
    settled: u64,
}

impl CountersView {
    pub(super) fn offered(&self) -> u64 {
        self.offered
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused
    }
}

impl From<&Counters> for CountersView {
    fn from(counters: &Counters) -> Self {
        Self {
            requests_offered: counters.requests_offered,
            requests_admitted: counters.requests_admitted,
            requests_refused: counters.requests_offered.saturating_sub(counters.requests_admitted),
            offered: counters.offered,
            guaranteed: counters.guaranteed,
            opportunistic: counters.opportunistic,
            emergency: counters.emergency,
            refused: counters
                .offered
                .saturating_sub(counters.guaranteed)
                .saturating_sub(counters.opportunistic)
                .saturating_sub(counters.emergency),
            beyond: counters.beyond,
            delayed: counters.delayed,
            delay_ms: counters.delay_ms,
            settled: counters.settled,
        }
    }
}

pub(super) async fn get(
    State(app): State<Arc<App>>,
    asked: Asked<Params>,
) -> Result<Json<UsageView>, Problem> {
    let Query(params) = asked?;
    let query = TotalsQuery {
        from_ms: instant("from", params.from.as_deref())?,
        to_ms: instant("to", params.to.as_deref())?,
        key: params.key,
        resource: params.resource,
        limit: MAX_ROWS as u32 + 1,
    };
    let mut totals = app.store.totals(&query).await?;
    let truncated = totals.len() > MAX_ROWS;
    totals.truncate(MAX_ROWS);
    let totals = totals.into_iter().map(|total| total_view(&app.config, total)).collect();
    Ok(Json(UsageView { totals, truncated }))
}

fn instant(name: &str, text: Option<&str>) -> Result<Option<u64>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let advice = || format!("`{name}` is no instant; write it as 2026-11-01T12:00:00Z");
    parse_rfc3339(text).map(Some).ok_or_else(|| Problem::bad_request(advice()))
}

fn total_view(config: &Config, total: Totals) -> TotalView {
    TotalView {
        tier: tier_name(config, tier_of(config, &total.usage.key)).to_owned(),
        usage: CountersView::from(&total.usage.counters),
        key: total.usage.key,
        resource: total.usage.resource,
        windows: total.windows,
    }
}
