//! One request: decide when its headers are there, settle when the response's are.

use proxy_wasm::{
    hostcalls,
    traits::{Context, HttpContext},
    types::Action,
};
use tidegate_core::Receipt;

use crate::{
    host::{self, Headers},
    state::{Shared, State},
};

/// What is kept of a request until its response.
pub(crate) struct Request {
    state: Shared,
    receipt: Option<Receipt>,
    /// Decision and tier for the response's headers, if those are wanted.
    told: Option<(&'static str, String)>,
}

impl Request {
    pub(crate) fn new(state: &Shared) -> Self {
        Self { state: Shared::clone(state), receipt: None, told: None }
    }
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let headers = Headers::of_request();
        #[cfg(feature = "crash-test")]
        if tidegate_core::attributes::Attributes::header(&headers, "x-tidegate-crash").is_some() {
            std::process::abort();
        }
        let now = host::now();
        let Ok(mut state) = self.state.try_borrow_mut() else { return Action::Continue };
        let State { gate, metrics, .. } = &mut *state;
        let verdict = gate.admit(&headers, now);
        let name = |tier: u8| gate.allocator().tier_name(tier).to_owned();
        metrics.count_decision(verdict.label, verdict.tier, gate.config().mode, name);
        if verdict.anonymous {
            metrics.add("tidegate_key_missing_total", 1);
        }
        let tier = name(verdict.tier);
        if gate.config().response_headers {
            self.told = Some((verdict.label.as_str(), tier.clone()));
        }
        drop(state);
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
            if let Ok(mut state) = self.state.try_borrow_mut() {
                state.gate.settle(receipt, &headers, now);
            }
        }
        Action::Continue
    }

    /// A request that ends without a response keeps its estimate; without this it would only expire.
    fn on_log(&mut self) {
        if let Some(receipt) = self.receipt.take() {
            let now = host::now();
            if let Ok(mut state) = self.state.try_borrow_mut() {
                state.gate.allocator_mut().settle(receipt, &[], now);
            }
        }
    }
}
