//! What a request does to the usage counters.

use super::{
    Allocator, Decision, Demand, Reason, Request,
    decide::{Asker, Draw},
    ledger::Ledger,
};
use crate::{
    report::Usage,
    units::{Amount, Timestamp},
};

const NANOS_PER_MILLI: u64 = 1_000_000;

impl Allocator {
    /// Counts a request that somebody else admitted or turned away, without debiting anything; returns the key's tier.
    pub fn count_undecided(&mut self, request: &Request<'_>, admitted: bool, now: Timestamp) -> u8 {
        self.note_undecided(request, admitted, true, now)
    }

    /// The same, as offered only if it is new.
    pub(crate) fn note_undecided(
        &mut self,
        request: &Request<'_>,
        admitted: bool,
        is_new: bool,
        now: Timestamp,
    ) -> u8 {
        self.ledger.turn(now);
        self.begin(now, super::decide::DRAIN_PER_REQUEST);
        let key = self.locate(request.key);
        let asker = self.asker(key, request.class, false, false);
        self.draws.clear();
        self.note(&asker, request.demands, Note { offered: is_new, admitted, waited_ns: None });
        asker.tier
    }

    /// Counts a request that has just been decided, as offered if it is new.
    pub(super) fn count(&mut self, asker: &Asker, demands: &[Demand], decision: &Decision, is_new: bool) {
        let admitted = matches!(decision, Decision::Admit(_));
        self.note(asker, demands, Note { offered: is_new, admitted, waited_ns: None });
        match decision {
            Decision::Wait(_) => self.wish(asker, demands, |ledger, demand| {
                ledger.wish(demand.resource, 0, demand.cost);
            }),
            Decision::Refuse(refusal) if refusal.reason == Reason::Pool => self.count_refused(asker, demands),
            Decision::Admit(_) | Decision::Refuse(_) => {}
        }
    }

    /// Counts a request that has been admitted out of the queue, where it had been counted as offered.
    pub(super) fn count_released(&mut self, asker: &Asker, demands: &[Demand], waited_ns: u64) {
        self.note(asker, demands, Note { offered: false, admitted: true, waited_ns: Some(waited_ns) });
    }

    fn note(&mut self, asker: &Asker, demands: &[Demand], note: Note) {
        self.requests = self.requests.wrapping_add(u64::from(note.offered));
        if let Some(entry) = self.keys.entry_mut(asker.key) {
            entry.unreported = true;
        }
        for demand in demands {
            let Some(slot) = self.keys.slot_mut(asker.key, demand.resource) else { continue };
            let usage = &mut self.ledger.record(asker.key, demand.resource, &mut slot.record).usage;
            if note.offered {
                usage.requests_offered = usage.requests_offered.saturating_add(1);
                usage.offered = usage.offered.saturating_add(demand.cost);
                usage.largest = usage.largest.max(demand.cost);
            }
            if note.admitted {
                let draw = self.draws.iter().find(|draw| draw.resource == demand.resource);
                admit(usage, demand, draw);
            }
            if let Some(waited_ns) = note.waited_ns {
                usage.delayed = usage.delayed.saturating_add(1);
                usage.delay_ms = usage.delay_ms.saturating_add(waited_ns / NANOS_PER_MILLI);
            }
        }
    }

    /// Notes that a request within its contract found the pool short.
    pub(super) fn count_refused(&mut self, asker: &Asker, demands: &[Demand]) {
        self.wish(asker, demands, |ledger, demand| ledger.wish(demand.resource, demand.cost, 0));
    }

    fn wish(&mut self, asker: &Asker, demands: &[Demand], add: impl Fn(&mut Ledger, &Demand)) {
        if asker.scales {
            demands.iter().for_each(|demand| add(&mut self.ledger, demand));
        }
    }
}

/// What is to be counted of a request.
#[derive(Clone, Copy)]
struct Note {
    offered: bool,
    admitted: bool,
    /// How long it was in the queue, if it was.
    waited_ns: Option<u64>,
}

/// Counts what a draw took; without one everything came from elsewhere.
fn admit(usage: &mut Usage, demand: &Demand, draw: Option<&Draw>) {
    let cost = draw.map_or(demand.cost, |draw| draw.cost);
    usage.requests_admitted = usage.requests_admitted.saturating_add(1);
    let (mut guaranteed, mut emergency) = (0, 0);
    if let Some(draw) = draw.filter(|draw| draw.shadow > Amount::ZERO || draw.emergency > Amount::ZERO) {
        let whole = |amount: Amount| (amount.floor_tokens().max(0) as u64).min(cost);
        emergency = whole(draw.emergency);
        guaranteed = whole(draw.shadow).min(cost - emergency);
        usage.guaranteed = usage.guaranteed.saturating_add(guaranteed);
        usage.emergency = usage.emergency.saturating_add(emergency);
    }
    usage.opportunistic = usage.opportunistic.saturating_add(cost - guaranteed - emergency);
    if !draw.map_or(demand.estimated, |draw| draw.estimated) {
        usage.settled = usage.settled.saturating_add(cost);
        usage.settled_estimate = usage.settled_estimate.saturating_add(cost);
    }
}
