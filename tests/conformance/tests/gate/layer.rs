//! The layer before an HTTP service: what becomes of requests that never end as they should.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use http::{Request, Response};
use tidegate_core::units::MicroRate;
use tidegate_host::{AdmissionLayer, AdmissionService, Gate, Timestamp};
use tower_layer::Layer;
use tower_service::Service;

use crate::world::{component, market};

const CONFIGURATION: &str = r#"{
    "mode": "enforce",
    "key": [{"header": "x-customer"}],
    "resources": {"requests": {"safe_capacity_per_s": 1, "safe_burst": 1}},
    "response_headers": true
}"#;

/// Answers at once.
#[derive(Clone)]
struct Upstream;

impl Service<Request<()>> for Upstream {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new("served".into())))
    }
}

/// Two requests may run at the same time.
fn service() -> AdmissionService<Upstream, String> {
    let now = Timestamp::now();
    let gate = Gate::builder().component(component()).configuration(CONFIGURATION).build(now).unwrap();
    let mut table = market(now, 0.0, 2, 0);
    table.resources[0].held = true;
    table.resources[0].capacity = MicroRate(0);
    gate.apply_table(&table.encode(), now).unwrap();
    AdmissionLayer::new(&gate, |text| text).unwrap().layer(Upstream)
}

fn request() -> Request<()> {
    Request::builder().header("x-customer", "acme").body(()).unwrap()
}

#[tokio::test]
async fn what_a_request_holds_comes_back_with_its_response_and_its_headers_tell_the_decision() {
    let mut service = service();
    for _ in 0..5 {
        let response = service.call(request()).await.unwrap();
        assert_eq!((response.status().as_u16(), response.body().as_str()), (200, "served"));
        assert_eq!(response.headers()["x-tidegate-decision"], "opportunistic");
    }
    let running = [service.call(request()), service.call(request())];
    let refused = service.call(request()).await.unwrap();
    assert_eq!(refused.status().as_u16(), 503);
    assert!(refused.body().contains("temporary-reduced-capacity"), "{}", refused.body());
    drop(running);
}

#[tokio::test]
async fn a_request_that_is_dropped_before_it_begins_gives_back_what_it_holds() {
    let mut service = service();
    drop([service.call(request()), service.call(request())]);
    assert_eq!(service.call(request()).await.unwrap().status().as_u16(), 200);
}
