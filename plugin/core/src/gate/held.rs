//! Requests held back: what is kept of them, and what becomes of them.

use alloc::boxed::Box;

use super::{DecisionId, Gate, Label, Verdict};
use crate::{
    allocator::{Class, Decision, Demand, Ticket},
    config::Mode,
    units::Timestamp,
};

/// What is kept of a request held back, to answer it in the end as if it had just been asked.
#[derive(Debug)]
pub(super) struct Held {
    id: DecisionId,
    /// The rule that matched.
    pub(super) rule: Option<usize>,
    class: Class,
    key: Box<[u8]>,
    demands: Box<[Demand]>,
}

impl Gate {
    /// Keeps what is known of the request whose key and demands are at hand.
    pub(super) fn hold(&mut self, ticket: Ticket, id: DecisionId, rule: Option<usize>, class: Class) {
        let (key, demands) = (self.key.as_slice().into(), self.demands.as_slice().into());
        self.waiting.insert(ticket.to_u64(), Held { id, rule, class, key, demands });
    }

    /// The next request held back that is decided now, by its ticket; to be called until there is none, whenever
    /// [`Gate::next_release_ns`] says.
    pub fn release(&mut self, now: Timestamp) -> Option<(Ticket, Verdict)> {
        let (ticket, decision) = self.allocator.release(now)?;
        let held = self.waiting.remove(&ticket.to_u64());
        let (id, rule) = held.as_ref().map_or_else(|| (self.ids.next(), None), |held| (held.id, held.rule));
        let class = held.map(|held| {
            self.key.clear();
            self.key.extend_from_slice(&held.key);
            self.demands.clear();
            self.demands.extend_from_slice(&held.demands);
            held.class
        });
        let waited = Verdict {
            rule,
            mode: Mode::Enforce,
            ..Verdict::passed(id, Label::Waiting, self.allocator.default_tier(), None)
        };
        let mut verdict = self.verdict(waited, &decision);
        match decision {
            Decision::Admit(_) => verdict.label = Label::Delayed,
            Decision::Refuse(refusal) => verdict = self.refused(verdict, &refusal, class, now),
            Decision::Wait(_) => {}
        }
        verdict.headers = self.told(&verdict);
        if class.is_some() {
            self.tell_standings(&mut verdict, now);
        }
        Some((ticket, verdict))
    }

    /// Nanoseconds until [`Gate::release`] may have something; `None` when nobody is held back.
    pub fn next_release_ns(&mut self, now: Timestamp) -> Option<u64> {
        self.allocator.next_release_ns(now)
    }

    /// The client of a request held back has gone. False when it is not held back any more.
    pub fn cancel(&mut self, ticket: Ticket) -> bool {
        self.waiting.remove(&ticket.to_u64());
        self.allocator.cancel(ticket)
    }
}
