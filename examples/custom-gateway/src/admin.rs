//! Metrics and health.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tidegate_host::Gate;
use tower_service::Service;

use crate::proxy::{Body, answer};

/// Answers operators.
#[derive(Clone)]
pub(crate) struct Admin {
    gate: Gate,
}

impl Admin {
    pub(crate) fn new(gate: &Gate) -> Self {
        Self { gate: gate.clone() }
    }
}

impl Service<Request<Incoming>> for Admin {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        ready(Ok(match request.uri().path() {
            "/metrics" => answer(StatusCode::OK, &self.gate.metrics().to_prometheus()),
            "/healthz" => answer(StatusCode::OK, "ok\n"),
            _ => answer(StatusCode::NOT_FOUND, "there are /metrics and /healthz\n"),
        }))
    }
}
