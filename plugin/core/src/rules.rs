//! Rules that turn the attributes of a request into a key, a class and costs, and those of a response into an actual cost.

use alloc::{string::String, vec::Vec};

use crate::{allocator::Class, attributes::Attributes};

/// The key of requests that lack what the key is built from; they share it.
pub const ANONYMOUS: &[u8] = b"(anonymous)";
/// What separates the parts of a key.
const SEPARATOR: u8 = b'|';
/// Largest cost a rule yields, in tokens.
const MAX_COST: u64 = 1 << 40;

/// One part of the throttling key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPart {
    /// The value of a request header.
    Header(String),
    /// The path without its query.
    Path,
    /// The method.
    Method,
    /// The authority (host).
    Authority,
    /// Always the same.
    Constant(String),
}

/// What a request costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CostRule {
    /// Always the same number of tokens.
    Constant(u64),
    /// The number in a request header, or a default when it is missing or no whole number.
    Header {
        /// Name of the header.
        name: String,
        /// Tokens when the header does not say.
        default: u64,
    },
}

/// Writes the key of a request into `key`. False when a part is missing: then the key is [`ANONYMOUS`].
pub fn write_key<A: Attributes + ?Sized>(parts: &[KeyPart], attributes: &A, key: &mut Vec<u8>) -> bool {
    key.clear();
    for (position, part) in parts.iter().enumerate() {
        if position > 0 {
            key.push(SEPARATOR);
        }
        let value = match part {
            KeyPart::Header(name) => attributes.header(name),
            KeyPart::Path => {
                attributes.header(":path").and_then(|path| path.split(|byte| *byte == b'?').next())
            }
            KeyPart::Method => attributes.header(":method"),
            KeyPart::Authority => attributes.header(":authority"),
            KeyPart::Constant(value) => Some(value.as_bytes()),
        };
        match value {
            Some(value) if !value.is_empty() => key.extend_from_slice(value),
            _ => {
                key.clear();
                key.extend_from_slice(ANONYMOUS);
                return false;
            }
        }
    }
    if parts.is_empty() {
        key.extend_from_slice(ANONYMOUS);
    }
    true
}

/// The class that a request header states; standard when it states none.
pub fn class_of<A: Attributes + ?Sized>(header: Option<&str>, attributes: &A) -> Class {
    match header.and_then(|name| attributes.header(name)) {
        Some(value) if value.eq_ignore_ascii_case(b"critical") => Class::Critical,
        Some(value) if value.eq_ignore_ascii_case(b"deferrable") => Class::Deferrable,
        _ => Class::Standard,
    }
}

impl CostRule {
    /// The cost of a request in tokens.
    pub fn cost<A: Attributes + ?Sized>(&self, attributes: &A) -> u64 {
        match self {
            Self::Constant(cost) => *cost,
            Self::Header { name, default } => attributes.header(name).and_then(number).unwrap_or(*default),
        }
    }
}

/// A whole number of tokens in a header value; surrounding blanks are allowed, anything else is not a number.
#[must_use]
pub fn number(value: &[u8]) -> Option<u64> {
    let text = core::str::from_utf8(value).ok()?.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { Some(text.parse::<u64>().unwrap_or(u64::MAX).min(MAX_COST)) } else { None }
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec};

    use super::*;

    fn headers(list: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
        list.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
    }

    #[test]
    fn a_key_joins_its_parts() {
        let request = headers(&[("x-customer", "acme"), (":path", "/v1/chat?stream=1"), (":method", "POST")]);
        let parts = [KeyPart::Header("x-customer".into()), KeyPart::Path, KeyPart::Constant("eu".into())];
        let mut key = Vec::new();
        assert!(write_key(&parts, request.as_slice(), &mut key));
        assert_eq!(key, b"acme|/v1/chat|eu");
    }

    #[test]
    fn a_missing_or_empty_part_makes_the_request_anonymous() {
        let parts = [KeyPart::Constant("eu".into()), KeyPart::Header("x-customer".into())];
        for request in [headers(&[]), headers(&[("x-customer", "")])] {
            let mut key = vec![1];
            assert!(!write_key(&parts, request.as_slice(), &mut key));
            assert_eq!(key, ANONYMOUS);
        }
    }

    #[test]
    fn costs_come_from_whole_numbers_only() {
        let rule = CostRule::Header { name: "x-cost".into(), default: 7 };
        for (value, cost) in [
            ("12", 12),
            (" 3 ", 3),
            ("", 7),
            ("-1", 7),
            ("1.5", 7),
            ("+2", 7),
            ("99999999999999999999999", MAX_COST),
        ] {
            assert_eq!(rule.cost(headers(&[("x-cost", value)]).as_slice()), cost, "{value:?}");
        }
        assert_eq!(rule.cost(headers(&[]).as_slice()), 7);
        assert_eq!(number(&[0xff, 0xfe]), None);
    }

    #[test]
    fn an_unknown_class_is_standard() {
        let class = |value| class_of(Some("x-priority"), headers(&[("x-priority", value)]).as_slice());
        assert_eq!(class("Critical"), Class::Critical);
        assert_eq!(class("deferrable"), Class::Deferrable);
        assert_eq!(class("urgent"), Class::Standard);
        assert_eq!(class_of(None, headers(&[("x-priority", "critical")]).as_slice()), Class::Standard);
    }
}
