//! The interface `http`: requests by their attributes. What it wants to see of them follows from the configuration.

use tidegate_core::{
    Receipt, Ticket, Timestamp,
    attributes::Attributes,
    config::{Config, Mode},
    gate::{self, Gate},
};

pub(crate) use crate::bindings::exports::tidegate::admission::http::Attribute;
use crate::{
    attributes,
    bindings::{
        Policy as Component,
        exports::tidegate::admission::http::{Guest, Header, Label, LetGo, Verdict},
    },
    state::{self, Policy, State},
};

/// Requests let go in one call; the host comes again for the others.
const MOST_RELEASED: usize = 256;

impl Guest for Component {
    fn configure(config: Vec<u8>, now: u64) -> Result<(), Vec<String>> {
        let now = Timestamp::from_nanos(now);
        let config = Config::parse(&config)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        state::with(|state| {
            state.attributes = attributes::of(&config);
            match &mut state.policy {
                // The caller numbers boots when it asks for reports.
                Policy::Gate(gate) => state.unreported = gate.reconfigure(config, 0, now),
                policy => *policy = Policy::Gate(Box::new(Gate::new(config, now))),
            }
        });
        Ok(())
    }

    fn attributes() -> Vec<Attribute> {
        state::with(|state| state.attributes.clone())
    }

    fn response_headers() -> Vec<String> {
        state::with(|state| {
            let config = state.policy.config();
            settle_headers(config).map(str::to_owned).collect()
        })
    }

    fn admit(values: Vec<Option<Vec<u8>>>, holds: bool, now: u64) -> Verdict {
        let now = Timestamp::from_nanos(now);
        state::with(|state| {
            let State { policy, attributes, .. } = state;
            let names = attributes.iter().map(|attribute| attribute.name.as_str()).collect();
            let seen = Seen { names, values: &values };
            let (Policy::Gate(gate) | Policy::Unset(gate)) = policy else { return without_rules() };
            let verdict = gate.admit(&seen, holds, now);
            told(verdict)
        })
    }

    fn release(now: u64) -> Vec<LetGo> {
        let now = Timestamp::from_nanos(now);
        state::with(|state| {
            let (Policy::Gate(gate) | Policy::Unset(gate)) = &mut state.policy else { return Vec::new() };
            let released = std::iter::from_fn(|| gate.release(now)).take(MOST_RELEASED);
            let released: Vec<_> = released.collect();
            let let_go = |(ticket, verdict)| LetGo { ticket: Ticket::to_u64(ticket), verdict: told(verdict) };
            released.into_iter().map(let_go).collect()
        })
    }

    fn rules() -> Vec<String> {
        let rules = |config: &Config| config.rules.iter().map(|rule| rule.name.clone()).collect();
        state::with(|state| state.policy.config().map(rules).unwrap_or_default())
    }

    fn settle(receipt: u64, values: Vec<Option<Vec<u8>>>, now: u64) {
        let (receipt, now) = (Receipt::from_u64(receipt), Timestamp::from_nanos(now));
        state::with(|state| match &mut state.policy {
            Policy::Gate(gate) => {
                let config = gate.config().clone();
                let seen = Seen { names: settle_headers(Some(&config)).collect(), values: &values };
                gate.settle(receipt, &seen, now);
            }
            policy => {
                policy.allocator().settle(receipt, &[], now);
            }
        });
    }
}

/// There is nothing to judge a request by.
const fn without_rules() -> Verdict {
    Verdict {
        label: Label::FailOpen,
        tier: 0,
        receipt: None,
        response: None,
        headers: Vec::new(),
        ticket: None,
        anonymous: true,
        rule: None,
        is_enforced: false,
    }
}

/// Values in the order of their names.
struct Seen<'a> {
    names: Vec<&'a str>,
    values: &'a [Option<Vec<u8>>],
}

impl Attributes for Seen<'_> {
    fn header(&self, name: &str) -> Option<&[u8]> {
        let at = self.names.iter().position(|candidate| *candidate == name)?;
        self.values.get(at)?.as_deref()
    }

    fn property(&self, names: &[&str]) -> Option<Vec<u8>> {
        self.header(&attributes::property(names)).map(<[u8]>::to_vec)
    }
}

/// What settling looks at.
fn settle_headers(config: Option<&Config>) -> impl Iterator<Item = &str> {
    config.into_iter().flat_map(|config| &config.resources).filter_map(|rule| rule.settle_header.as_deref())
}

/// A verdict in the world's types.
fn told(verdict: gate::Verdict) -> Verdict {
    let header = |(name, value): (&str, String)| Header { name: name.to_owned(), value };
    Verdict {
        label: verdict.label.into(),
        tier: verdict.tier,
        receipt: verdict.receipt.map(Receipt::to_u64),
        response: verdict.response.map(Into::into),
        headers: verdict.headers.into_iter().map(header).collect(),
        ticket: verdict.ticket.map(Ticket::to_u64),
        anonymous: verdict.anonymous,
        rule: verdict.rule.and_then(|rule| u32::try_from(rule).ok()),
        is_enforced: verdict.mode == Mode::Enforce,
    }
}
