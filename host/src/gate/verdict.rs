//! Requests by their attributes: the policy's own rules make key, class and cost of them, and the answer that a client sees.

use std::{
    hash::{BuildHasher, Hasher},
    sync::{Arc, atomic::Ordering},
};

use super::{FailMode, Gate, held::Held};
pub use crate::bindings::exports::tidegate::admission::http::{Header, Label, Response};
use crate::{
    bindings::exports::tidegate::admission::http::{self, Attribute},
    decision::{Place, Receipt, Ticket},
    error::Error,
    instance::{Instance, Purpose},
    time::Timestamp,
};

/// Labels as words, in their order, and that of a request which no policy saw.
pub(crate) const WORDS: [&str; 11] = [
    "guaranteed",
    "opportunistic",
    "emergency",
    "waiting",
    "delayed",
    "skipped",
    "fail_open",
    "refused_contract",
    "refused_pool",
    "fail_closed",
    "unavailable",
];

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The decision in a word; none while the policy is being restarted.
    pub label: Option<Label>,
    /// Index of the tier, for [`Gate::tiers`].
    pub tier: u8,
    /// To be settled when the response is there.
    pub receipt: Option<Receipt>,
    /// The answer to send instead of passing the request on.
    pub response: Option<Response>,
    /// What to add to the response, whoever writes it.
    pub headers: Vec<Header>,
    /// A part of the key was missing.
    pub anonymous: bool,
    /// Index of the rule that matched, for [`Gate::rules`].
    pub rule: Option<u32>,
    /// Whether refusals bite; otherwise the label only tells what would have been.
    pub is_enforced: bool,
}

/// What an instance wants to see of messages.
#[derive(Debug)]
pub(crate) struct Rules {
    request: Vec<Attribute>,
    response: Vec<String>,
    names: Arc<[String]>,
}

type Values = Vec<Option<Vec<u8>>>;

impl Gate {
    /// Decides a request by its attributes: lower-case header names, `:path`, `:method`, `:authority`, and what the gateway knows
    /// beside, such as `@source/address`. Never fails, and never holds a request back.
    ///
    /// Only a gate with a configuration has rules for that; one that was built from resources lets everything pass.
    pub fn admit<'r>(&self, attribute: impl Fn(&str) -> Option<&'r [u8]>, now: Timestamp) -> Verdict {
        self.judge(attribute, false, now).0
    }

    /// Decides a request by its attributes as [`Gate::admit`] does, by the system's clock. One whose tier may wait is held back where
    /// tokens are short: then there is a future of what becomes of it.
    pub fn admit_or_hold<'r>(&self, attribute: impl Fn(&str) -> Option<&'r [u8]>) -> (Verdict, Option<Held>) {
        let (verdict, ticket) = self.judge(attribute, true, Timestamp::now());
        let waits = verdict.label == Some(Label::Waiting);
        let held = if waits { self.wait(ticket) } else { None };
        (verdict, held)
    }

    fn judge<'r>(
        &self,
        attribute: impl Fn(&str) -> Option<&'r [u8]>,
        holds: bool,
        now: Timestamp,
    ) -> (Verdict, Option<Ticket>) {
        // Another configuration may come between looking and asking; then it is looked again.
        const ATTEMPTS: usize = 3;
        let mut rules = self.looks();
        for _ in 0..ATTEMPTS {
            let values = rules.values(&attribute);
            let shard = self.shard(self.index_of_values(&rules, &values));
            let decided = self.on(shard, |state| {
                if !Arc::ptr_eq(&state.rules, &rules) && state.rules.request != rules.request {
                    return Ok(Err(Arc::clone(&state.rules)));
                }
                let place = state.place(shard.index);
                let verdict = state.timed(now, |instance, now| {
                    instance.call(Purpose::Decision, |policy, store| {
                        policy.http().admit(store, &values, holds, now)
                    })
                })?;
                let ticket = verdict.ticket.map(|number| Ticket(place.with(number)));
                // Before anybody else can let it go.
                ticket.into_iter().for_each(|ticket| self.inner.room.seat(ticket));
                Ok(Ok((Verdict::new(place, verdict), ticket)))
            });
            match decided {
                Ok(Ok((verdict, ticket))) => {
                    self.inner.counters.count(&verdict);
                    return (verdict, ticket);
                }
                Ok(Err(others)) => rules = others,
                Err(_) => break,
            }
        }
        (self.no_verdict(), None)
    }

    /// Names of the configuration's rules, by the index that verdicts give.
    #[must_use]
    pub fn rules(&self) -> Arc<[String]> {
        Arc::clone(&self.looks().names)
    }

    /// Settles an admitted request by the headers of its response. Without the one that tells the cost, or without a response,
    /// the estimate stands.
    pub fn settle_response<'r>(
        &self,
        receipt: Receipt,
        header: impl Fn(&str) -> Option<&'r [u8]>,
        now: Timestamp,
    ) {
        let number = receipt.0.number;
        // What cannot be settled any more keeps its estimate.
        let _ = self.at(receipt.0, |state| {
            let values: Values =
                state.rules.response.iter().map(|name| header(name).map(<[u8]>::to_vec)).collect();
            state.timed(now, |instance, now| {
                instance.call(Purpose::Decision, |policy, store| {
                    policy.http().settle(store, number, &values, now)
                })
            })
        });
    }

    /// Whether the gate has rules for HTTP requests.
    #[must_use]
    pub fn has_rules(&self) -> bool {
        self.inner.has_rules
    }

    fn looks(&self) -> Arc<Rules> {
        Arc::clone(&self.shard(0).lock().rules)
    }

    /// Requests of one key go to one shard.
    fn index_of_values(&self, rules: &Rules, values: &Values) -> u16 {
        let shards = self.inner.shards.len();
        if shards < 2 {
            return 0;
        }
        let mut hasher = self.inner.hasher.build_hasher();
        for (attribute, value) in rules.request.iter().zip(values) {
            if attribute.in_key {
                hasher.write(value.as_deref().unwrap_or_default());
                hasher.write_u8(0xff);
            }
        }
        (hasher.finish() % shards as u64) as u16
    }

    fn no_verdict(&self) -> Verdict {
        self.inner.counters.unavailable.fetch_add(1, Ordering::Relaxed);
        let response = (self.inner.fail_mode == FailMode::Closed).then(|| Response {
            status: 503,
            headers: vec![
                Header { name: "content-type".into(), value: "text/plain".into() },
                Header { name: "retry-after".into(), value: "1".into() },
            ],
            body: "Admission control is being restarted.\n".into(),
        });
        let verdict = Verdict {
            label: None,
            tier: 0,
            receipt: None,
            response,
            headers: Vec::new(),
            anonymous: false,
            rule: None,
            is_enforced: true,
        };
        self.inner.counters.count(&verdict);
        verdict
    }
}

impl Rules {
    pub(crate) fn of(instance: &mut Instance) -> Result<Self, Error> {
        let request = instance.call(Purpose::Upkeep, |policy, store| policy.http().attributes(store))?;
        let response =
            instance.call(Purpose::Upkeep, |policy, store| policy.http().response_headers(store))?;
        let names = instance.call(Purpose::Upkeep, |policy, store| policy.http().rules(store))?;
        Ok(Self { request, response, names: names.into() })
    }

    fn values<'r>(&self, attribute: impl Fn(&str) -> Option<&'r [u8]>) -> Values {
        let value = |wanted: &Attribute| {
            let value = attribute(&wanted.name)?;
            let end = value.iter().position(|byte| wanted.without_query && *byte == b'?');
            value.get(..end.unwrap_or(value.len())).map(<[u8]>::to_vec)
        };
        self.request.iter().map(value).collect()
    }
}

impl Verdict {
    pub(super) fn new(place: Place, verdict: http::Verdict) -> Self {
        Self {
            label: Some(verdict.label),
            tier: verdict.tier,
            receipt: verdict.receipt.map(|number| Receipt(place.with(number))),
            response: verdict.response,
            headers: verdict.headers,
            anonymous: verdict.anonymous,
            rule: verdict.rule,
            is_enforced: verdict.is_enforced,
        }
    }

    /// The decision in a word, as headers and metrics have it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        let label = self.label.map_or(WORDS.len() - 1, |label| label as usize);
        WORDS.get(label).copied().unwrap_or("unavailable")
    }
}
