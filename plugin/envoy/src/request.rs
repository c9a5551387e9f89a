//! One request: decide when its headers are there, settle when the response's are.

use proxy_wasm::{
    traits::{Context, HttpContext},
    types::Action,
};
use tidegate_core::{
    Receipt, Ticket, attributes::Attributes, details::Trace, gate::Verdict, outcome::Response,
};

#[cfg(feature = "llm")]
use crate::body::{self, Asking, Telling};
use crate::{
    held::Slot,
    host::{self, Headers, Shown},
    state::{Shared, State},
};

/// What becomes of a request.
enum Outcome {
    /// It was decided.
    Decided(Verdict),
    /// It was a question, and this is the answer.
    Answered(Response),
}

/// What is kept of a request until its response.
pub(crate) struct Request {
    state: Shared,
    context: u32,
    receipt: Option<Receipt>,
    /// The receipt of the policy on trial.
    trial: Option<Receipt>,
    /// What its response will tell beside its cost, where reports want that.
    trace: Option<Box<Trace>>,
    /// What its response tells of the decision: header names and values.
    told: Vec<(&'static str, String)>,
    /// Its response's headers, while its trailers may still tell what it cost.
    awaiting_trailers: Option<Headers>,
    /// Held back under this ticket, and where the end of that is found.
    held: Option<(Ticket, Slot)>,
    /// Its body is being read.
    #[cfg(feature = "llm")]
    asking: Option<Asking>,
    /// Its response's body is being read.
    #[cfg(feature = "llm")]
    telling: Option<Telling>,
}

impl Request {
    pub(crate) fn new(state: &Shared, context: u32) -> Self {
        Self {
            state: Shared::clone(state),
            context,
            receipt: None,
            trial: None,
            trace: None,
            told: Vec::new(),
            awaiting_trailers: None,
            held: None,
            #[cfg(feature = "llm")]
            asking: None,
            #[cfg(feature = "llm")]
            telling: None,
        }
    }

    fn decide<A: Attributes>(&mut self, request: &A) -> Action {
        #[cfg(feature = "crash-test")]
        if request.header("x-tidegate-crash").is_some() {
            std::process::abort();
        }
        let Some(verdict) = self.admit(request) else { return Action::Continue };
        let verdict = match verdict {
            Outcome::Decided(verdict) => verdict,
            Outcome::Answered(answer) if host::respond(&answer) => return Action::Pause,
            Outcome::Answered(_) => return Action::Continue,
        };
        host::change_request(&verdict.request_headers);
        (self.receipt, self.told, self.trace) = (verdict.receipt, verdict.headers, verdict.trace);
        if self.held.is_some() {
            return Action::Pause;
        }
        match &verdict.response {
            Some(response) if host::respond(response) => Action::Pause,
            _ => Action::Continue,
        }
    }

    fn admit<A: Attributes>(&mut self, request: &A) -> Option<Outcome> {
        let now = host::now();
        let mut state = self.state.try_borrow_mut().ok()?;
        let State { gate, metrics, held, rules, .. } = &mut *state;
        // A question about the plugin itself.
        if gate.config().debug.is_some()
            && let Some(answer) = gate.answer(request, now)
        {
            return Some(Outcome::Answered(answer));
        }
        let verdict = gate.admit(request, true, now);
        metrics.count_decision(verdict.label, verdict.tier, verdict.mode);
        rules.count(verdict.rule);
        if verdict.anonymous {
            metrics.count_anonymous();
        }
        if verdict.warns {
            metrics.count_warning();
        }
        if let Some(trial) = verdict.trial {
            metrics.count_trial(trial.label, verdict.label, verdict.tier);
            self.trial = trial.receipt;
        }
        host::show_decision(&verdict, gate.allocator().tier_name(verdict.tier), Shown::by(gate.config()));
        self.held = verdict.ticket.map(|ticket| (ticket, held.hold(ticket, self.context, now.millis())));
        if self.held.is_some() {
            state.wake(now);
        }
        Some(Outcome::Decided(verdict))
    }

    fn settle<A: Attributes>(&mut self, response: &A) {
        if !self.is_open() {
            return;
        }
        let now = host::now();
        let Ok(mut state) = self.state.try_borrow_mut() else { return };
        if let Some(receipt) = self.receipt.take() {
            state.gate.settle(receipt, response, now);
        }
        if let Some(receipt) = self.trial.take() {
            state.gate.settle_trial(receipt, Some(response), now);
        }
    }

    /// Something is to be settled.
    const fn is_open(&self) -> bool {
        self.receipt.is_some() || self.trial.is_some()
    }

    fn reads_trailers(&self) -> bool {
        self.state.try_borrow().is_ok_and(|state| state.gate.config().reads_trailers())
    }

    /// What became of it while it was held back.
    fn learn(&mut self) {
        let Some(let_go) = self.held.as_ref().and_then(|(_, slot)| slot.take()) else { return };
        self.held = None;
        (self.receipt, self.told) = (let_go.receipt, let_go.headers);
        match &mut self.trace {
            Some(trace) if let_go.admitted => trace.admitted(host::now()),
            trace => *trace = None,
        }
    }
}

#[cfg(feature = "llm")]
impl Request {
    fn reads_bodies(&self) -> bool {
        self.state.try_borrow().is_ok_and(|state| state.gate.config().reads_bodies())
    }

    fn wants_body(&self, headers: &Headers) -> bool {
        let wants = |state: &State| !state.bodies.is_blind() && state.gate.wants_body(headers);
        self.state.try_borrow().is_ok_and(|state| wants(&state)) && body::is_plain_json(headers)
    }

    fn expect_body(&self) {
        if let Ok(mut state) = self.state.try_borrow_mut() {
            state.bodies.expect(self.context, host::now().millis());
        }
    }

    /// It waits for tokens.
    fn is_held(&self) -> bool {
        self.held.as_ref().is_some_and(|(_, slot)| slot.borrow().is_none())
    }

    fn decide_by_body(&mut self) -> Action {
        let Some(asking) = self.asking.take() else { return Action::Continue };
        self.decide(&asking.attributes())
    }

    fn settle_by_body(&mut self) {
        let Some(telling) = self.telling.take() else { return };
        let response = telling.attributes();
        if response.usage.is_none()
            && let Ok(mut state) = self.state.try_borrow_mut()
        {
            state.metrics.add("tidegate_usage_missing_total", 1);
        }
        self.settle(&response);
    }
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, _ends: bool) -> Action {
        let headers = Headers::of_request();
        #[cfg(feature = "llm")]
        if !_ends && self.wants_body(&headers) {
            self.expect_body();
            self.asking = Some(Asking::new(headers));
            return Action::Pause;
        }
        self.decide(&headers)
    }

    #[cfg(feature = "llm")]
    fn on_http_request_body(&mut self, size: usize, ends: bool) -> Action {
        // It may wait for tokens when its body comes.
        if self.is_held() {
            return Action::Pause;
        }
        let Some(asking) = &mut self.asking else { return Action::Continue };
        if let Ok(mut state) = self.state.try_borrow_mut() {
            state.bodies.see();
        }
        asking.read(size);
        if ends { self.decide_by_body() } else { Action::Pause }
    }

    #[cfg(feature = "llm")]
    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        // To continue here would let go of all that is held.
        if self.is_held() { Action::Pause } else { self.decide_by_body() }
    }

    fn on_http_response_headers(&mut self, _: usize, ends: bool) -> Action {
        self.learn();
        for (name, value) in self.told.drain(..) {
            host::add_response_header(name, &value);
        }
        if let Some(trace) = &mut self.trace
            && let Ok(state) = self.state.try_borrow()
            && let Some(rules) = &state.gate.config().details
        {
            trace.read(rules, &Headers::of_response());
        }
        if self.is_open() {
            let headers = Headers::of_response();
            #[cfg(feature = "llm")]
            let headers = match self.reads_bodies() && !ends {
                true => match Telling::new(headers) {
                    Ok(telling) => {
                        self.telling = Some(telling);
                        return Action::Continue;
                    }
                    Err(headers) => headers,
                },
                false => headers,
            };
            if !ends && self.reads_trailers() {
                headers.keep();
                self.awaiting_trailers = Some(headers);
            } else {
                self.settle(&headers);
            }
        }
        Action::Continue
    }

    #[cfg(feature = "llm")]
    fn on_http_response_body(&mut self, size: usize, ends: bool) -> Action {
        if let Some(telling) = &mut self.telling {
            telling.read(size);
            if ends {
                self.settle_by_body();
            }
        }
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        #[cfg(feature = "llm")]
        if let Some(telling) = &mut self.telling {
            telling.read_trailers();
            self.settle_by_body();
        }
        if let Some(mut headers) = self.awaiting_trailers.take() {
            headers.read_trailers();
            self.settle(&headers);
        }
        Action::Continue
    }
}

impl Drop for Request {
    /// A request that ends without a response keeps its estimate; without this it would only expire. One whose client
    /// has gone while it was held back leaves the queue. Envoy drops a request when its stream has ended: that spares the
    /// callbacks before that, `on_log` and `on_done`.
    fn drop(&mut self) {
        self.learn();
        // Its trailers never came.
        if let Some(headers) = self.awaiting_trailers.take() {
            self.settle(&headers);
        }
        let Ok(mut state) = self.state.try_borrow_mut() else { return };
        #[cfg(feature = "llm")]
        {
            state.bodies.forget(self.context);
            // What was told so far may not be all that was used.
            if self.telling.take().is_some() {
                state.metrics.add("tidegate_usage_missing_total", 1);
            }
        }
        if let Some((ticket, _)) = self.held.take()
            && state.held.take(ticket).is_some()
        {
            state.gate.cancel(ticket);
        }
        if let Some(receipt) = self.receipt.take() {
            let now = host::now();
            state.gate.allocator_mut().settle(receipt, &[], now);
        }
        if let Some(trace) = self.trace.take() {
            let now = host::now();
            state.gate.close_trace(&trace, now);
        }
        if let Some(receipt) = self.trial.take() {
            let now = host::now();
            state.gate.settle_trial(receipt, None::<&Headers>, now);
        }
    }
}
