//! Who may ask: every route with data wants the API's bearer token (RFC 6750) when one is configured.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::header,
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::problem::Problem;
use crate::app::App;

/// Lets a request through if it presents the token.
pub(super) async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let presented = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map_or("", |(_, token)| token.trim());
    if app.config.api_token.as_ref().is_none_or(|token| token.matches(presented)) {
        return next.run(request).await;
    }
    app.metrics.requests_unauthorized.inc();
    Problem::unauthorized().into_response()
}
