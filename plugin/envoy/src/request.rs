//! One request: decide when its headers are there, settle when the response's are.

use proxy_wasm::{
    hostcalls,
    traits::{Context, HttpContext},
    types::Action,
};
use tidegate_core::Receipt;

use crate::{
    host::{self, Headers},
    state,
};

/// What is kept of a request until its response.
#[derive(Default)]
pub(crate) struct Request {
    receipt: Option<Receipt>,
    /// Decision and tier for the response's headers, if those are wanted.
    told: Option<(&'static str, String)>,
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let headers = Headers::of_request();
        let now = host::now();
        let Some((verdict, tier)) = state::with(|state| {
            state.serving = true;
            let verdict = state.gate.admit(&headers, now);
            let mode = state.gate.config().mode;
            let allocator = state.gate.allocator();
            let name = |tier: u8| allocator.tier_name(tier).to_owned();
            state.metrics.count_decision(verdict.label, verdict.tier, mode, name);
            if verdict.anonymous {
                state.metrics.add("tidegate_key_missing_total", 1);
            }
            let tier = name(verdict.tier);
            if state.gate.config().response_headers {
                self.told = Some((verdict.label.as_str(), tier.clone()));
            }
            (verdict, tier)
        }) else {
            return Action::Continue;
        };
        self.receipt = verdict.receipt;
        host::set_property("tidegate.decision", verdict.label.as_str());
        host::set_property("tidegate.tier", &tier);
        let Some(response) = verdict.response else { return Action::Continue };
        let headers = response.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        match hostcalls::send_http_response(
            u32::from(response.status),
            headers,
            Some(response.body.as_bytes()),
        ) {
            Ok(()) => Action::Pause,
            Err(_) => Action::Continue,
        }
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        if let Some((decision, tier)) = self.told.take() {
            host::add_response_header("x-tidegate-decision", decision);
            host::add_response_header("x-tidegate-tier", &tier);
        }
        if let Some(receipt) = self.receipt.take() {
            let headers = Headers::of_response();
            let now = host::now();
            state::with(|state| state.gate.settle(receipt, &headers, now));
        }
        Action::Continue
    }

    /// A request that ends without a response keeps its estimate; without this it would only expire.
    fn on_log(&mut self) {
        if let Some(receipt) = self.receipt.take() {
            let now = host::now();
            state::with(|state| state.gate.allocator_mut().settle(receipt, &[], now));
        }
    }
}
