//! Requests that wait, and receipts that are settled.

use super::{Gate, decide::named};
use crate::{
    decision::{Cost, Decision, Place, Receipt, Refusal, Request, Ticket},
    error::Error,
    instance::Purpose,
    shard::State,
    time::Timestamp,
};

pub use crate::bindings::exports::tidegate::admission::allocation::Alternatives;

/// A request that has left the queue.
#[derive(Clone, Debug, PartialEq)]
pub struct Released {
    /// Its ticket.
    pub ticket: Ticket,
    /// Admitted or refused.
    pub decision: Decision,
}

impl Gate {
    /// Charges or refunds the difference to the actual cost; false when the receipt was spent, or is of an instance that is no
    /// more. Resources that are not named keep their estimate; what was held comes back in any case.
    pub fn settle(&self, receipt: Receipt, actual: &[Cost], now: Timestamp) -> bool {
        let number = receipt.0.number;
        let settled = self.at(receipt.0, |state| {
            state.timed(now, |instance, now| {
                instance.call(Purpose::Decision, |policy, store| {
                    policy.allocation().settle(store, number, actual, now)
                })
            })
        });
        settled.unwrap_or(false)
    }

    /// Requests that can go now, or whose time is over. To be called when [`Gate::next_release`] says. None in a gate with a
    /// configuration: [`Gate::admit_or_hold`] waits by itself.
    pub fn release(&self, now: Timestamp) -> Vec<Released> {
        let mut all = Vec::new();
        if self.has_rules() {
            return all;
        }
        for shard in &self.inner.shards {
            let released = self.on(shard, |state| {
                let place = state.place(shard.index);
                let released = state.timed(now, |instance, now| {
                    instance.call(Purpose::Decision, |policy, store| policy.allocation().release(store, now))
                })?;
                Ok((place, released))
            });
            let Ok((place, released)) = released else { continue };
            all.extend(released.iter().map(|released| Released {
                ticket: Ticket(place.with(released.ticket)),
                decision: place.decision(&released.decision),
            }));
        }
        all
    }

    /// Nanoseconds until [`Gate::release`] may have something; `None` when nobody waits.
    pub fn next_release(&self, now: Timestamp) -> Option<u64> {
        let next = self.inner.shards.iter().filter_map(|shard| {
            let next = self.on(shard, |state| {
                state.timed(now, |instance, now| {
                    instance
                        .call(Purpose::Decision, |policy, store| policy.allocation().next_release(store, now))
                })
            });
            next.ok().flatten()
        });
        next.min()
    }

    /// Takes a request out of the queue whose client has gone; false when it was no longer in it.
    pub fn cancel(&self, ticket: Ticket) -> bool {
        let number = ticket.0.number;
        let cancelled = self.at(ticket.0, |state| {
            state.with(|instance| {
                instance.call(Purpose::Decision, |policy, store| policy.allocation().cancel(store, number))
            })
        });
        cancelled.unwrap_or(false)
    }

    /// Whether a request that waits still has its place: a restart of the policy takes all of them away, and who waited asks
    /// again.
    #[must_use]
    pub fn is_queued(&self, ticket: Ticket) -> bool {
        let state = self.shard(ticket.0.shard).lock();
        state.instance.is_some() && state.generation == ticket.0.generation
    }

    /// Where a key stands, as a JSON object for people.
    ///
    /// # Errors
    /// While the policy is being restarted.
    pub fn explain(&self, key: impl AsRef<[u8]>, now: Timestamp) -> Result<String, Error> {
        let key = key.as_ref();
        self.on(self.shard_of(key), |state| {
            state.timed(now, |instance, now| {
                instance.call(Purpose::Decision, |policy, store| policy.allocation().explain(store, key, now))
            })
        })
    }

    /// What a request that was just refused could have instead, at the same instant.
    ///
    /// # Errors
    /// While the policy is being restarted.
    pub fn instead(
        &self,
        request: &Request<'_>,
        refusal: Refusal,
        now: Timestamp,
    ) -> Result<Alternatives, Error> {
        let named = named(request);
        self.on(self.shard(request.key.shard), |state| {
            state.timed(now, |instance, now| {
                instance.call(Purpose::Decision, |policy, store| {
                    policy.allocation().instead(store, &named, refusal, now)
                })
            })
        })
    }

    /// Runs `act` on the shard whose instance gave a number, if it is still there.
    pub(super) fn at<T>(
        &self,
        place: Place,
        act: impl FnOnce(&mut State) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.on(self.shard(place.shard), |state| match state.of(place) {
            Some(state) => act(state),
            None => Err(Error::Restarting),
        })
    }
}
