//! One request: decide when its headers are there, settle when the response's are.

use proxy_wasm::{
    traits::{Context, HttpContext},
    types::Action,
};
use tidegate_core::{Receipt, Ticket, gate::Verdict};

use crate::{
    held::Slot,
    host::{self, Headers},
    state::{Shared, State},
};

/// What is kept of a request until its response.
pub(crate) struct Request {
    state: Shared,
    context: u32,
    receipt: Option<Receipt>,
    /// Decision and tier for the response's headers, if those are wanted.
    told: Option<(&'static str, String)>,
    /// Held back under this ticket, and where the end of that is found.
    held: Option<(Ticket, Slot)>,
}

impl Request {
    pub(crate) fn new(state: &Shared, context: u32) -> Self {
        Self { state: Shared::clone(state), context, receipt: None, told: None, held: None }
    }

    fn decide(&mut self) -> Option<Verdict> {
        let headers = Headers::of_request();
        #[cfg(feature = "crash-test")]
        if tidegate_core::attributes::Attributes::header(&headers, "x-tidegate-crash").is_some() {
            std::process::abort();
        }
        let now = host::now();
        let mut state = self.state.try_borrow_mut().ok()?;
        let State { gate, metrics, held, rules, .. } = &mut *state;
        let verdict = gate.admit(&headers, true, now);
        let name = |tier: u8| gate.allocator().tier_name(tier).to_owned();
        metrics.count_decision(verdict.label, verdict.tier, verdict.mode, name);
        rules.count(verdict.rule);
        if verdict.anonymous {
            metrics.add("tidegate_key_missing_total", 1);
        }
        let tier = name(verdict.tier);
        host::show_decision(verdict.label, &tier);
        if gate.config().response_headers {
            self.told = Some((verdict.label.as_str(), tier));
        }
        self.held = verdict.ticket.map(|ticket| (ticket, held.hold(ticket, self.context, now.millis())));
        if self.held.is_some() {
            state.wake(now);
        }
        Some(verdict)
    }

    /// What became of it while it was held back.
    fn learn(&mut self) {
        let Some(let_go) = self.held.as_ref().and_then(|(_, slot)| slot.get()) else { return };
        self.held = None;
        self.receipt = let_go.receipt;
        if let Some((decision, _)) = &mut self.told {
            *decision = let_go.label.as_str();
        }
    }
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let Some(verdict) = self.decide() else { return Action::Continue };
        self.receipt = verdict.receipt;
        if self.held.is_some() {
            return Action::Pause;
        }
        match &verdict.response {
            Some(response) if host::respond(response) => Action::Pause,
            _ => Action::Continue,
        }
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        self.learn();
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

    /// A request that ends without a response keeps its estimate; without this it would only expire. One whose client
    /// has gone while it was held back leaves the queue.
    fn on_log(&mut self) {
        self.learn();
        let Ok(mut state) = self.state.try_borrow_mut() else { return };
        if let Some((ticket, _)) = self.held.take()
            && state.held.take(ticket).is_some()
        {
            state.gate.cancel(ticket);
        }
        if let Some(receipt) = self.receipt.take() {
            let now = host::now();
            state.gate.allocator_mut().settle(receipt, &[], now);
        }
    }
}
