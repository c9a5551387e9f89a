//! The interface `http`: requests by their attributes. What it wants to see of them follows from the configuration.

use tidegate_core::{
    Receipt, Timestamp,
    attributes::Attributes,
    config::Config,
    gate::Gate,
    outcome,
    rules::{CostRule, KeyPart},
};

pub(crate) use crate::bindings::exports::tidegate::admission::http::Attribute;
use crate::{
    bindings::{
        Policy as Component,
        exports::tidegate::admission::http::{Guest, Header, Label, Verdict},
    },
    state::{self, Policy, State},
};

impl Guest for Component {
    fn configure(config: Vec<u8>, now: u64) -> Result<(), Vec<String>> {
        let now = Timestamp::from_nanos(now);
        let config = Config::parse(&config)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        state::with(|state| {
            state.attributes = attributes(&config);
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

    fn admit(values: Vec<Option<Vec<u8>>>, now: u64) -> Verdict {
        let now = Timestamp::from_nanos(now);
        state::with(|state| {
            let State { policy, attributes, .. } = state;
            let names = attributes.iter().map(|attribute| attribute.name.as_str()).collect();
            let seen = Seen { names, values: &values };
            let (Policy::Gate(gate) | Policy::Unset(gate)) = policy else { return without_rules() };
            let verdict = gate.admit(&seen, now);
            let headers = told(gate, verdict.label.as_str(), verdict.tier);
            Verdict {
                label: verdict.label.into(),
                tier: verdict.tier,
                receipt: verdict.receipt.map(Receipt::to_u64),
                response: verdict.response.map(Into::into),
                headers,
                anonymous: verdict.anonymous,
            }
        })
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
        anonymous: true,
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
}

/// What the rules of a configuration look at, each once.
fn attributes(config: &Config) -> Vec<Attribute> {
    let mut found: Vec<Attribute> = Vec::new();
    let mut want = |name: &str, in_key: bool, without_query: bool| match found
        .iter_mut()
        .find(|attribute| attribute.name == name)
    {
        Some(attribute) => {
            attribute.in_key |= in_key;
            attribute.without_query &= without_query;
        }
        None => found.push(Attribute { name: name.to_owned(), in_key, without_query }),
    };
    for part in &config.key {
        match part {
            KeyPart::Header(name) => want(name, true, false),
            KeyPart::Path => want(":path", true, true),
            KeyPart::Method => want(":method", true, false),
            KeyPart::Authority => want(":authority", true, false),
            KeyPart::Constant(_) => {}
        }
    }
    config.class_header.iter().for_each(|name| want(name, false, false));
    for resource in &config.resources {
        if let CostRule::Header { name, .. } = &resource.cost {
            want(name, false, false);
        }
    }
    found
}

/// What settling looks at.
fn settle_headers(config: Option<&Config>) -> impl Iterator<Item = &str> {
    config.into_iter().flat_map(|config| &config.resources).filter_map(|rule| rule.settle_header.as_deref())
}

fn told(gate: &Gate, label: &str, tier: u8) -> Vec<Header> {
    if !gate.config().response_headers {
        return Vec::new();
    }
    let told = outcome::told(label, gate.allocator().tier_name(tier));
    told.into_iter().map(|(name, value)| Header { name: name.to_owned(), value: value.to_owned() }).collect()
}
