//! The queue from the allocator's side: who gets in, who goes next, who gives up.

use super::{
    Allocator, Decision, Demand, Refusal, Waiting,
    decide::{Asker, DRAIN_PER_REQUEST, Shortage},
    waiting::{Ticket, Waiter},
};
use crate::units::Timestamp;

impl Allocator {
    /// The next waiting request that can go now, or whose time is over, with what became of it: admitted or refused.
    /// To be called until `None`, whenever [`Allocator::next_release_ns`] says.
    pub fn release(&mut self, now: Timestamp) -> Option<(Ticket, Decision)> {
        if self.waiting.is_empty() {
            return None;
        }
        self.ledger.turn(now);
        let now = self.begin(now, DRAIN_PER_REQUEST);
        for rank in 0..self.policy.ranks() {
            let Some((ticket, waiter)) = self.waiting.head(rank) else { continue };
            let asker = self.asker_of(&waiter);
            if let Ok(admission) = self.admit(&asker, waiter.demands(), now) {
                self.leave(ticket, true);
                self.count_released(&asker, waiter.demands(), now.since(waiter.since));
                return Some((ticket, Decision::Admit(admission)));
            }
        }
        let (deadline, ticket) = self.waiting.first_deadline()?;
        if deadline > now {
            return None;
        }
        let waiter = self.leave(ticket, false)?;
        let asker = Asker { queued: false, ..self.asker_of(&waiter) };
        let decision = match self.admit(&asker, waiter.demands(), now) {
            // Not first in its queue, but its reservation has filled up meanwhile.
            Ok(admission) => {
                self.count_released(&asker, waiter.demands(), now.since(waiter.since));
                Decision::Admit(admission)
            }
            Err((resource, Shortage { reason, retry_after_ns, .. })) => {
                self.count_refused(&asker, waiter.demands());
                Decision::Refuse(Refusal { tier: asker.tier, resource, reason, retry_after_ns })
            }
        };
        Some((ticket, decision))
    }

    /// Nanoseconds until [`Allocator::release`] may have something; `None` when nobody waits.
    pub fn next_release_ns(&mut self, now: Timestamp) -> Option<u64> {
        let (deadline, _) = self.waiting.first_deadline()?;
        let now = self.begin(now, DRAIN_PER_REQUEST);
        let mut soonest = deadline.since(now);
        for rank in 0..self.policy.ranks() {
            let Some((_, waiter)) = self.waiting.head(rank) else { continue };
            let asker = self.asker_of(&waiter);
            match self.quote_all(&asker, waiter.demands(), now) {
                Ok(()) => return Some(0),
                Err((_, shortage)) => soonest = shortage.retry_after_ns.map_or(soonest, |ns| ns.min(soonest)),
            }
        }
        Some(soonest)
    }

    /// Takes a request out of the queue whose client has gone; false when it was no longer in it.
    pub fn cancel(&mut self, ticket: Ticket) -> bool {
        self.leave(ticket, false).is_some()
    }

    /// Requests that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn enqueue(
        &mut self,
        asker: &Asker,
        demands: &[Demand],
        expected_ns: Option<u64>,
        now: Timestamp,
    ) -> Waiting {
        let weight = self.policy.tiers.get(usize::from(asker.tier)).map_or(1, |tier| tier.weight);
        let ticket = self.waiting.push(Waiter::new(asker, weight, demands, now));
        if let Some(entry) = self.keys.entry_mut(asker.key) {
            entry.outstanding = entry.outstanding.saturating_add(1);
        }
        Waiting { tier: asker.tier, ticket, expected_ns: expected_ns.unwrap_or(asker.max_wait_ns) }
    }

    fn leave(&mut self, ticket: Ticket, served: bool) -> Option<Waiter> {
        let waiter = self.waiting.remove(ticket, served)?;
        if let Some(entry) = self.keys.entry_mut(waiter.key) {
            entry.outstanding = entry.outstanding.saturating_sub(1);
        }
        Some(waiter)
    }

    fn asker_of(&self, waiter: &Waiter) -> Asker {
        Asker { queued: true, rank: waiter.rank, ..self.asker(waiter.key, waiter.class, false, false) }
    }
}
