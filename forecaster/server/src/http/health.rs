//! `GET /healthz`, `GET /readyz`, `GET /metrics`: for orchestrators and Prometheus.

use std::sync::Arc;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use super::problem::Problem;
use crate::app::App;

/// The process answers.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// The database takes reports and the models know the past.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    app.store.ping().await?;
    if !app.ingest.is_healthy() {
        return Err(Problem::unavailable("the last reports could not be written to the database"));
    }
    if !app.is_loaded() {
        return Err(Problem::unavailable("models are still learning from the database"));
    }
    Ok("ready\n")
}

/// Every metric as text.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], app.metrics.encode()).into_response()
}
