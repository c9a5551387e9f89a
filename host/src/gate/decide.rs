//! Requests, by interned keys.

use std::sync::atomic::Ordering;

use super::{FailMode, Gate};
use crate::{
    bindings::exports::tidegate::admission::types::{Ask, Demand, Request as Named},
    decision::{Decision, Request},
    error::Error,
    instance::{Instance, Purpose},
    shard::Shard,
    time::Timestamp,
};

impl Gate {
    /// Decides a request. Never fails and never waits for more than a call into the policy: while the policy is being restarted,
    /// the fail mode answers. A gate with a configuration holds nothing back here: that is for [`Gate::admit_or_hold`].
    #[must_use]
    pub fn decide(&self, request: &Request<'_>, now: Timestamp) -> Decision {
        let shard = self.shard(request.key.shard);
        let decided = self.on(shard, |state| {
            let place = state.place(shard.index);
            let decision = state.timed(now, |instance, now| self.ask_one(instance, request, now))?;
            Ok(place.decision(&decision))
        });
        decided.unwrap_or_else(|_| self.unavailable())
    }

    /// Decides several requests of the same instant, in their order as far as they are of the same shard. One call into the
    /// policy decides many: cheaper than one by one.
    #[must_use]
    pub fn decide_batch(&self, requests: &[Request<'_>], now: Timestamp) -> Vec<Decision> {
        let mut answers: Vec<Option<Decision>> = vec![None; requests.len()];
        for shard in &self.inner.shards {
            let of_shard = |request: &Request<'_>| request.key.shard == shard.index;
            let mut asks = Vec::with_capacity(requests.len());
            let mut places = Vec::with_capacity(requests.len());
            for (place, request) in requests.iter().enumerate().filter(|(_, request)| of_shard(request)) {
                match self.ask(request) {
                    Some(ask) => {
                        asks.push(ask);
                        places.push(place);
                    }
                    None => {
                        self.batch(shard, &asks, &places, &mut answers, now);
                        asks.clear();
                        places.clear();
                        let decision = self.decide(request, now);
                        answers
                            .get_mut(place)
                            .into_iter()
                            .for_each(|answer| *answer = Some(decision.clone()));
                    }
                }
            }
            self.batch(shard, &asks, &places, &mut answers, now);
        }
        answers.into_iter().map(|answer| answer.unwrap_or_else(|| self.unavailable())).collect()
    }

    fn batch(
        &self,
        shard: &Shard,
        asks: &[Ask],
        places: &[usize],
        answers: &mut [Option<Decision>],
        now: Timestamp,
    ) {
        if asks.is_empty() {
            return;
        }
        let decided = self.on(shard, |state| {
            let from = state.place(shard.index);
            let decisions = state.timed(now, |instance, now| {
                instance.call(Purpose::Decision, |policy, store| {
                    policy.allocation().decide_batch(store, asks, now)
                })
            })?;
            Ok((from, decisions))
        });
        let Ok((from, decisions)) = decided else { return };
        for (place, decision) in places.iter().zip(&decisions) {
            if let Some(answer) = answers.get_mut(*place) {
                *answer = Some(from.decision(decision));
            }
        }
    }

    fn ask_one(&self, instance: &mut Instance, request: &Request<'_>, now: u64) -> Result<Answer, Error> {
        if let Some(ask) = self.ask(request) {
            return instance
                .call(Purpose::Decision, |policy, store| policy.allocation().decide(store, ask, now));
        }
        let named = Named { may_wait: self.holds(request), ..named(request) };
        instance
            .call(Purpose::Decision, |policy, store| policy.allocation().decide_request(store, &named, now))
    }

    /// The request in the form of the hot path: a single demand under an interned key.
    fn ask(&self, request: &Request<'_>) -> Option<Ask> {
        let Request { key, class, first, several, partial, .. } = request;
        if !several.is_empty() {
            return None;
        }
        let may_wait = self.holds(request);
        Some(Ask { key: key.id?, class: *class, demand: *first, may_wait, partial: *partial })
    }

    fn holds(&self, request: &Request<'_>) -> bool {
        request.may_wait && !self.has_rules()
    }

    pub(crate) fn unavailable(&self) -> Decision {
        self.inner.counters.unavailable.fetch_add(1, Ordering::Relaxed);
        Decision::Unavailable { pass: self.inner.fail_mode == FailMode::Open }
    }
}

type Answer = crate::bindings::exports::tidegate::admission::types::Decision;

/// The request with its key by name.
pub(super) fn named(request: &Request<'_>) -> Named {
    let Request { key, class, first, several, may_wait, partial } = request;
    let demands: Vec<Demand> = if several.is_empty() { vec![*first] } else { several.clone() };
    Named { key: key.name.to_vec(), class: *class, demands, may_wait: *may_wait, partial: *partial }
}
