//! Requests held back: paused streams by ticket, resumed or answered when the gate says so.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use proxy_wasm::hostcalls;
use tidegate_core::{Receipt, Ticket, gate::Verdict};

use crate::host::{self, Headers, Shown};

/// What a request learns when it may go on.
#[derive(Debug)]
pub(crate) struct LetGo {
    pub(crate) receipt: Option<Receipt>,
    /// It was admitted.
    pub(crate) admitted: bool,
    /// What its response tells of it.
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// Where a request finds that.
pub(crate) type Slot = Rc<RefCell<Option<LetGo>>>;

/// Paused streams.
#[derive(Default)]
pub(crate) struct Held {
    by_ticket: HashMap<Ticket, Stream>,
}

/// A paused stream.
pub(crate) struct Stream {
    context: u32,
    slot: Slot,
    since_ms: u64,
}

impl Held {
    /// Remembers a stream that is being paused.
    pub(crate) fn hold(&mut self, ticket: Ticket, context: u32, now_ms: u64) -> Slot {
        let slot = Slot::default();
        self.by_ticket.insert(ticket, Stream { context, slot: Rc::clone(&slot), since_ms: now_ms });
        slot
    }

    /// The stream under a ticket, which is not held any more; `None` for a request that was never paused.
    pub(crate) fn take(&mut self, ticket: Ticket) -> Option<Stream> {
        self.by_ticket.remove(&ticket)
    }

    /// Everybody, when the queue that they were in is no more.
    pub(crate) fn take_all(&mut self) -> Vec<Stream> {
        std::mem::take(&mut self.by_ticket).into_values().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_ticket.len()
    }
}

impl Stream {
    pub(crate) fn held_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.since_ms)
    }

    /// The headers of the request, which is the one that is being handled from now on; `None` when it has gone.
    pub(crate) fn headers(&self) -> Option<Headers> {
        host::act_for(self.context).then(Headers::of_request)
    }

    /// Lets the request pass or answers it. Envoy acts when the call into the plugin has returned.
    ///
    /// A stream that has gone meanwhile is left alone: its request notices by itself.
    pub(crate) fn finish(self, verdict: Verdict, tier: &str, shown: Shown) {
        if !host::act_for(self.context) {
            return;
        }
        host::show_decision(&verdict, tier, shown);
        host::change_request(&verdict.request_headers);
        let admitted = verdict.response.is_none();
        *self.slot.borrow_mut() =
            Some(LetGo { receipt: verdict.receipt, admitted, headers: verdict.headers });
        match &verdict.response {
            Some(response) => host::respond(response),
            None => hostcalls::resume_http_request().is_ok(),
        };
    }
}
