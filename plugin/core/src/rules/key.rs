//! What the throttling key is built from.
//!
//! Two requests have the same key only if all of its parts are the same: in every part the separator and the backslash have a backslash
//! before them, and so has a part that is the whole key and reads like [`ANONYMOUS`].

use alloc::{borrow::Cow, string::String, vec::Vec};

use super::template::Template;
use crate::attributes::Attributes;

/// The key of requests that lack what the key is built from; they share it.
pub const ANONYMOUS: &[u8] = b"(anonymous)";
/// What separates the parts of a key.
const SEPARATOR: u8 = b'|';
/// What stands before a byte of a part that would mean something else.
const ESCAPE: u8 = b'\\';
/// A part of a key is cut off here: nobody makes keys of any length.
const MAX_PART: usize = 256;
/// What stands for a path that none of the templates fits.
const OTHER: &[u8] = b"(other)";

/// One part of the throttling key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPart {
    /// The value of a request header.
    Header(String),
    /// The path without its query.
    Path,
    /// The first segments of the path.
    PathSegments(u64),
    /// The first of these templates that fits the path, as it is written; `(other)` when none does.
    PathTemplates(Vec<Template>),
    /// The method.
    Method,
    /// The authority (host).
    Authority,
    /// The address that the connection comes from, without its port.
    SourceAddress,
    /// An attribute of the proxy, such as `metadata`, `filter_metadata`, `envoy.filters.http.jwt_authn`, `payload`, `sub`.
    Property(Vec<String>),
    /// Always the same.
    Constant(String),
}

/// Writes the key of a request into `key`. False when a part is missing: then the key is [`ANONYMOUS`].
pub fn write_key<A: Attributes + ?Sized>(parts: &[KeyPart], attributes: &A, key: &mut Vec<u8>) -> bool {
    key.clear();
    for (position, part) in parts.iter().enumerate() {
        if position > 0 {
            key.push(SEPARATOR);
        }
        match part.value(attributes) {
            Some(value) if !value.is_empty() => {
                write_part(value.get(..MAX_PART).unwrap_or(&value), key);
            }
            _ => {
                key.clear();
                key.extend_from_slice(ANONYMOUS);
                return false;
            }
        }
    }
    if parts.is_empty() {
        key.extend_from_slice(ANONYMOUS);
    } else if key == ANONYMOUS {
        key.insert(0, ESCAPE);
    }
    true
}

fn write_part(value: &[u8], key: &mut Vec<u8>) {
    let is_special = |byte: &u8| matches!(*byte, SEPARATOR | ESCAPE);
    if !value.iter().any(is_special) {
        return key.extend_from_slice(value);
    }
    for byte in value {
        if is_special(byte) {
            key.push(ESCAPE);
        }
        key.push(*byte);
    }
}

impl KeyPart {
    /// What it is of a request.
    pub(crate) fn value<'a, A: Attributes + ?Sized>(&'a self, attributes: &'a A) -> Option<Cow<'a, [u8]>> {
        let path = || attributes.path().map(Cow::Borrowed);
        match self {
            Self::Header(name) => attributes.header(name).map(Cow::Borrowed),
            Self::Path => path(),
            Self::PathSegments(count) => attributes.path().map(|path| Cow::Borrowed(segments(path, *count))),
            Self::PathTemplates(templates) => {
                let path = attributes.path()?;
                let fitting = templates.iter().find(|template| template.fits(path));
                Some(Cow::Borrowed(fitting.map_or(OTHER, |template| template.as_str().as_bytes())))
            }
            Self::Method => attributes.header(":method").map(Cow::Borrowed),
            Self::Authority => attributes.header(":authority").map(Cow::Borrowed),
            Self::SourceAddress => {
                let address = attributes.property(&["source", "address"])?;
                Some(Cow::Owned(without_port(&address).to_vec()))
            }
            Self::Property(names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                attributes.property(&names).map(Cow::Owned)
            }
            Self::Constant(value) => Some(Cow::Borrowed(value.as_bytes())),
        }
    }
}

/// The path up to its `count`-th segment.
fn segments(path: &[u8], count: u64) -> &[u8] {
    let mut slashes =
        path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(position, _)| position);
    let end = slashes.nth(usize::try_from(count).unwrap_or(usize::MAX));
    end.and_then(|end| path.get(..end)).unwrap_or(path)
}

/// `192.0.2.1:443`, `[2001:db8::1]:443`: Envoy writes addresses with their ports.
fn without_port(address: &[u8]) -> &[u8] {
    let last = |wanted: u8| address.iter().rposition(|byte| *byte == wanted);
    let end = match (last(b']'), last(b':')) {
        (Some(bracket), _) => bracket + 1,
        (None, Some(colon)) => colon,
        (None, None) => address.len(),
    };
    address.get(..end).unwrap_or(address)
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec};

    use super::*;

    fn headers(list: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
        list.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
    }

    fn key(parts: &[KeyPart], path: &str) -> String {
        let request = headers(&[("x-customer", "acme"), (":path", path), (":method", "POST")]);
        let mut key = Vec::new();
        write_key(parts, request.as_slice(), &mut key);
        String::from_utf8(key).unwrap()
    }

    #[test]
    fn a_key_joins_its_parts() {
        let parts = [KeyPart::Header("x-customer".into()), KeyPart::Path, KeyPart::Constant("eu".into())];
        assert_eq!(key(&parts, "/v1/chat?stream=1"), "acme|/v1/chat|eu");
        assert_eq!(key(&[KeyPart::Method], "/"), "POST");
    }

    #[test]
    fn paths_are_cut_to_segments_or_named_by_template() {
        let cut = |path, count| key(&[KeyPart::PathSegments(count)], path);
        assert_eq!(
            (cut("/v1/chat/42?x=/y", 2), cut("/v1", 2), cut("/", 1)),
            ("/v1/chat".into(), "/v1".into(), "/".into())
        );
        let templates = ["/users/{id}", "/users/{id}/orders"].map(|text| Template::parse(text).unwrap());
        let named = |path| key(&[KeyPart::PathTemplates(templates.to_vec())], path);
        assert_eq!(named("/users/7/orders?page=2"), "/users/{id}/orders");
        assert_eq!(named("/admin"), "(other)");
    }

    #[test]
    fn a_missing_or_empty_part_makes_the_request_anonymous() {
        let parts = [KeyPart::Constant("eu".into()), KeyPart::Header("x-customer".into())];
        for request in [headers(&[]), headers(&[("x-customer", "")])] {
            let mut key = vec![1];
            assert!(!write_key(&parts, request.as_slice(), &mut key));
            assert_eq!(key, ANONYMOUS);
        }
        let mut key = Vec::new();
        assert!(
            !write_key(&[KeyPart::SourceAddress], headers(&[]).as_slice(), &mut key),
            "no such attribute here"
        );
    }

    /// The key of so many headers with these values.
    fn key_of(values: &[String]) -> Vec<u8> {
        let names: Vec<String> = (0..values.len()).map(|index| alloc::format!("x-{index}")).collect();
        let request: Vec<(String, Vec<u8>)> =
            names.iter().cloned().zip(values.iter().map(|value| value.clone().into_bytes())).collect();
        let parts: Vec<KeyPart> = names.into_iter().map(KeyPart::Header).collect();
        let mut key = Vec::new();
        assert!(write_key(&parts, request.as_slice(), &mut key));
        key
    }

    #[test]
    fn nobody_writes_a_key_that_is_anothers() {
        let key = |values: &[&str]| {
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            String::from_utf8(key_of(&values)).unwrap()
        };
        assert_eq!(key(&["a|b", "c"]), r"a\|b|c");
        assert_eq!(key(&["a", "b|c"]), r"a|b\|c");
        assert_eq!(key(&[r"a\", "b"]), r"a\\|b");
        assert_eq!(key(&["(anonymous)"]), r"\(anonymous)");
        assert_eq!(key(&[r"\(anonymous)"]), r"\\(anonymous)");
        assert_eq!(key(&["(anonymous)", "eu"]), "(anonymous)|eu");
        for plain in ["acme", "[2001:db8::1]", "/users/{id}", "org:7/téam, (x)"] {
            assert_eq!(key(&[plain]), plain, "as it is configured in the forecaster");
        }
    }

    proptest::proptest! {
        #[test]
        fn distinct_parts_make_distinct_keys(
            one in proptest::collection::vec(r"(\(anonymous\)|[a|\\()]){1,6}", 1..4),
            other in proptest::collection::vec(r"(\(anonymous\)|[a|\\()]){1,6}", 1..4),
        ) {
            proptest::prop_assert_eq!(one == other, key_of(&one) == key_of(&other));
            proptest::prop_assert_ne!(key_of(&one), ANONYMOUS);
        }
    }

    #[test]
    fn addresses_lose_their_ports_and_long_parts_their_ends() {
        for (address, expected) in
            [("192.0.2.1:443", "192.0.2.1"), ("[2001:db8::1]:443", "[2001:db8::1]"), ("@pipe", "@pipe")]
        {
            assert_eq!(without_port(address.as_bytes()), expected.as_bytes());
        }
        let long = "x".repeat(100_000);
        let mut key = Vec::new();
        assert!(write_key(&[KeyPart::Header("a".into())], headers(&[("a", &long)]).as_slice(), &mut key));
        assert_eq!(key.len(), MAX_PART);
    }
}
