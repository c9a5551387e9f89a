//! What the plugin itself answers, to whoever knows the token: below the configured path,
//!
//! | path | answer |
//! |---|---|
//! | `version` | what is running, and the table in force |
//! | `explain?key=K` | where a key stands at this worker |
//!
//! Answers are this worker's alone: where several share a budget, so are the tokens that they tell of.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use serde::Serialize;
use subtle::ConstantTimeEq;

use super::Gate;
use crate::{
    allocator::{Explanation, TableState},
    attributes::Attributes,
    config::Mode,
    outcome::Response,
    units::{Share, Timestamp},
};

#[derive(Serialize)]
struct Version<'a> {
    version: &'static str,
    proxy: &'a str,
    mode: &'static str,
    table_epoch: u64,
    snapshot_epoch: u64,
    table_state: &'static str,
    keys: usize,
    requests: u64,
    waiting: usize,
    share: f64,
}

#[derive(Serialize)]
struct Explained {
    key: String,
    #[serde(flatten)]
    explanation: Explanation,
}

#[derive(Serialize)]
struct Problem {
    title: &'static str,
    status: u16,
    detail: &'static str,
}

impl Gate {
    /// The plugin's own answer to a request; `None` when it is not asked itself. Counts nothing and debits nothing.
    pub fn answer<A: Attributes + ?Sized>(&mut self, attributes: &A, now: Timestamp) -> Option<Response> {
        let debug = self.config.debug.as_ref()?;
        let whole = attributes.header(":path")?;
        let asked = whole.strip_prefix(debug.path.as_bytes())?;
        let bearer = attributes.header("authorization").and_then(|value| value.strip_prefix(b"Bearer "));
        if !bearer.is_some_and(|token| bool::from(token.ct_eq(debug.token.as_bytes()))) {
            return Some(problem(401, "Unauthorized", "Send the token of `debug` as bearer token."));
        }
        let (path, query) = match asked.iter().position(|byte| *byte == b'?') {
            Some(mark) => (asked.get(..mark).unwrap_or_default(), asked.get(mark + 1..).unwrap_or_default()),
            None => (asked, &[][..]),
        };
        Some(match path {
            b"version" => json(200, &self.version()),
            b"explain" => match parameter(query, b"key") {
                Some(key) => {
                    let explanation = self.allocator.explain(&key, now);
                    json(200, &Explained { key: String::from_utf8_lossy(&key).to_string(), explanation })
                }
                None => problem(400, "No key", "Ask for a key: explain?key=K."),
            },
            _ => problem(404, "Not found", "There are `version` and `explain?key=K`."),
        })
    }

    fn version(&self) -> Version<'_> {
        let allocator = &self.allocator;
        Version {
            version: env!("CARGO_PKG_VERSION"),
            proxy: &self.config.proxy,
            mode: match self.config.mode {
                Mode::Shadow => "shadow",
                Mode::Enforce => "enforce",
            },
            table_epoch: allocator.epoch(),
            snapshot_epoch: allocator.snapshot_epoch(),
            table_state: match allocator.table_state() {
                TableState::Absent => "absent",
                TableState::Live => "live",
                TableState::Stale => "stale",
            },
            keys: allocator.key_count(),
            requests: allocator.requests(),
            waiting: allocator.waiting(),
            share: f64::from(allocator.share().units()) / f64::from(Share::WHOLE.units()),
        }
    }
}

fn json(status: u16, value: &impl Serialize) -> Response {
    typed(status, "application/json", value)
}

fn problem(status: u16, title: &'static str, detail: &'static str) -> Response {
    typed(status, "application/problem+json", &Problem { title, status, detail })
}

fn typed(status: u16, kind: &'static str, value: &impl Serialize) -> Response {
    let mut headers =
        alloc::vec![("content-type", String::from(kind)), ("cache-control", String::from("no-store"))];
    if status == 401 {
        headers.push(("www-authenticate", String::from("Bearer")));
    }
    Response { status, headers, body: serde_json::to_string(value).unwrap_or_default() }
}

/// A parameter of a query, with its escapes undone.
fn parameter(query: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let of_name = |pair: &[u8]| pair.strip_prefix(name)?.strip_prefix(b"=").map(unescaped);
    query.split(|byte| *byte == b'&').find_map(of_name)
}

/// Percent-encoding undone (RFC 3986, section 2.1); what is none stays as it is.
fn unescaped(value: &[u8]) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).map(|digit| digit as u8);
    let mut plain = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((first, after)) = rest.split_first() {
        let escaped = match after {
            [high, low, ..] if *first == b'%' => digit(high).zip(digit(low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                plain.push(high << 4 | low);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Shell};

    fn ask(gate: &mut Gate, path: &str, token: Option<&str>) -> Option<Response> {
        let mut request: Vec<(String, Vec<u8>)> = alloc::vec![(":path".to_string(), path.into())];
        request.extend(token.map(|token| ("authorization".to_string(), token.as_bytes().to_vec())));
        gate.answer(request.as_slice(), Timestamp::from_millis(1))
    }

    fn gate(debug: &str) -> Gate {
        let text = alloc::format!(r#"{{"proxy": "edge"{debug}}}"#);
        let shell = Shell { is_proxy: true, reads_bodies: false };
        Gate::new(Config::parse_for(text.as_bytes(), shell).unwrap(), Timestamp::from_millis(1))
    }

    #[test]
    fn nothing_is_answered_unless_it_is_configured_and_meant() {
        assert_eq!(ask(&mut gate(""), "/tidegate/version", Some("Bearer ")), None);
        let mut gate = gate(r#", "debug": {"token": "0123456789abcdef"}"#);
        for path in ["/", "/tidegate", "/x/tidegate/version"] {
            assert_eq!(ask(&mut gate, path, Some("Bearer 0123456789abcdef")), None, "{path}");
        }
    }

    #[test]
    fn who_does_not_know_the_token_learns_nothing() {
        let mut gate = gate(r#", "debug": {"token": "0123456789abcdef"}"#);
        let wrong =
            ["Bearer ", "Bearer 0123456789abcdeg", "Bearer 0123456789abcdef0", "0123456789abcdef", ""];
        for token in wrong.into_iter().map(Some).chain([None]) {
            for path in ["/tidegate/version", "/tidegate/explain?key=acme", "/tidegate/nothing"] {
                let answer = ask(&mut gate, path, token).unwrap();
                assert_eq!(answer.status, 401, "{token:?}");
                assert!(!answer.body.contains("edge"), "{}", answer.body);
            }
        }
    }

    #[test]
    fn keys_are_explained_and_the_table_is_named() {
        let mut gate = gate(r#", "debug": {"path": "/-/", "token": "0123456789abcdef"}"#);
        let mut told = |path: &str| ask(&mut gate, path, Some("Bearer 0123456789abcdef")).unwrap();
        let version = told("/-/version");
        assert_eq!(version.status, 200);
        for part in [r#""proxy":"edge""#, r#""table_state":"absent""#, r#""mode":"shadow""#, r#""share":1.0"#]
        {
            assert!(version.body.contains(part), "{part} in {}", version.body);
        }
        let explained = told("/-/explain?x=1&key=a%7Cb%2");
        for part in [r#""key":"a|b%2""#, r#""tier":"default""#, r#""resource":"requests""#] {
            assert!(explained.body.contains(part), "{part} in {}", explained.body);
        }
        assert_eq!((told("/-/explain").status, told("/-/other").status), (400, 404));
    }
}
