//! The interface `allocation`: decisions about keys and tokens.

use tidegate_core::{Allocator, Demand, Reason, Receipt, Refusal, Request, Ticket, Timestamp};

use crate::{
    bindings::{
        Policy as Component,
        exports::tidegate::admission::{
            allocation::{Alternatives, Guest, Setup},
            types::{self, Ask, Cost, Decision, Released},
        },
    },
    state::{self, Keys, Policy, State},
};

/// Requests released in one call; the host comes again for the others.
const MOST_RELEASED: usize = 256;

impl Guest for Component {
    fn start(setup: Setup, now: u64) {
        let now = Timestamp::from_nanos(now);
        state::with(|state| {
            let next = match &mut state.policy {
                Policy::Unset(_) => Allocator::new(setup.into(), now),
                former => former.allocator().successor(setup.into(), now),
            };
            state.policy = Policy::Plain(Box::new(next));
        });
    }

    fn intern(keys: Vec<Vec<u8>>) -> u32 {
        state::with(|state| {
            let first = state.keys.len();
            for key in keys {
                state.keys.add(&key);
            }
            first
        })
    }

    fn decide(ask: Ask, now: u64) -> Decision {
        state::with(|state| {
            let State { policy, keys, .. } = state;
            decide(policy.allocator(), keys, ask, Timestamp::from_nanos(now))
        })
    }

    fn decide_batch(asks: Vec<Ask>, now: u64) -> Vec<Decision> {
        let now = Timestamp::from_nanos(now);
        state::with(|state| {
            let State { policy, keys, .. } = state;
            let allocator = policy.allocator();
            asks.into_iter().map(|ask| decide(allocator, keys, ask, now)).collect()
        })
    }

    fn decide_request(request: types::Request, now: u64) -> Decision {
        let now = Timestamp::from_nanos(now);
        with_request(&request, |allocator, request| allocator.decide(request, now).into())
    }

    fn count(request: types::Request, admitted: bool, now: u64) -> u8 {
        let now = Timestamp::from_nanos(now);
        with_request(&request, |allocator, request| allocator.count_undecided(request, admitted, now))
    }

    fn settle(receipt: u64, actual: Vec<Cost>, now: u64) -> bool {
        let actual: Vec<(u8, u64)> = actual.into_iter().map(|cost| (cost.resource, cost.tokens)).collect();
        let now = Timestamp::from_nanos(now);
        state::with_allocator(|allocator| allocator.settle(Receipt::from_u64(receipt), &actual, now))
    }

    fn release(now: u64) -> Vec<Released> {
        let now = Timestamp::from_nanos(now);
        state::with_allocator(|allocator| {
            let released = std::iter::from_fn(|| allocator.release(now));
            let released = released.take(MOST_RELEASED);
            released
                .map(|(ticket, decision)| Released { ticket: ticket.to_u64(), decision: decision.into() })
                .collect()
        })
    }

    fn next_release(now: u64) -> Option<u64> {
        state::with_allocator(|allocator| allocator.next_release_ns(Timestamp::from_nanos(now)))
    }

    fn cancel(ticket: u64) -> bool {
        state::with_allocator(|allocator| allocator.cancel(Ticket::from_u64(ticket)))
    }

    fn explain(key: Vec<u8>, now: u64) -> String {
        let now = Timestamp::from_nanos(now);
        let standing = state::with_allocator(|allocator| allocator.explain(&key, now));
        serde_json::to_string(&standing).unwrap_or_default()
    }

    fn instead(request: types::Request, refusal: types::Refusal, now: u64) -> Alternatives {
        let now = Timestamp::from_nanos(now);
        let refusal = Refusal::from(refusal);
        with_request(&request, |allocator, request| {
            let Request { key, class, demands, .. } = *request;
            allocator.alternatives(key, class, demands, &refusal, now).into()
        })
    }
}

fn decide(allocator: &mut Allocator, keys: &Keys, ask: Ask, now: Timestamp) -> Decision {
    let demands = [Demand::from(ask.demand)];
    match keys.get(ask.key) {
        #[cfg(feature = "crash-test")]
        Some(key) if crate::crash::is_meant(key) => crate::crash::crash(key),
        Some(key) => {
            let Ask { may_wait, partial, .. } = ask;
            let request = Request { key, class: ask.class.into(), demands: &demands, may_wait, partial };
            allocator.decide(&request, now).into()
        }
        // Nobody was given this id.
        None => {
            let resource = ask.demand.resource;
            let refusal = Refusal { tier: 0, resource, reason: Reason::Malformed, retry_after_ns: None };
            Decision::Refuse(refusal.into())
        }
    }
}

fn with_request<T>(request: &types::Request, act: impl FnOnce(&mut Allocator, &Request<'_>) -> T) -> T {
    let demands: Vec<Demand> = request.demands.iter().copied().map(Demand::from).collect();
    let types::Request { key, may_wait, partial, .. } = request;
    let class = request.class.into();
    let request = Request { key, class, demands: &demands, may_wait: *may_wait, partial: *partial };
    state::with_allocator(|allocator| act(allocator, &request))
}
