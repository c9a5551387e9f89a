//! The fields `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11): what a client's contract is, and what it leaves.
//!
//! They are lists of structured fields (RFC 9651): one item for each resource that has a contract, by the resource's name.

use alloc::{format, string::String, vec::Vec};

use crate::allocator::Standing;

/// The quota unit that the draft registers for requests.
const REQUESTS: &str = "requests";

/// Both fields, for the resources that `standings` tells of; none where there is nothing to tell.
pub(crate) fn fields(standings: &[(&str, Standing)]) -> Vec<(&'static str, String)> {
    let (mut policies, mut limits) = (Vec::new(), Vec::new());
    for (resource, standing) in standings {
        let Some(name) = string(resource) else { continue };
        let Standing { burst, left, window_s, full_in_s } = *standing;
        let parameter = |name: char, seconds: Option<u64>| {
            seconds.map_or_else(String::new, |seconds| format!(";{name}={}", integer(seconds)))
        };
        let unit = if *resource == REQUESTS { ";qu=\"requests\"" } else { "" };
        policies.push(format!("{name};q={}{}{unit}", integer(burst), parameter('w', window_s)));
        limits.push(format!("{name};r={}{}", integer(left), parameter('t', full_in_s)));
    }
    if policies.is_empty() {
        return Vec::new();
    }
    alloc::vec![("ratelimit-policy", policies.join(", ")), ("ratelimit", limits.join(", "))]
}

/// A string as structured fields have it: printable ASCII only.
pub(super) fn string(text: &str) -> Option<String> {
    let printable = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    printable.then(|| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// Integers have at most fifteen digits there.
pub(super) fn integer(number: u64) -> u64 {
    number.min(999_999_999_999_999)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(burst: u64, left: u64) -> Standing {
        Standing { burst, left, window_s: Some(60), full_in_s: Some(30) }
    }

    #[test]
    fn every_contract_is_an_item_of_both_lists() {
        let held = Standing { burst: 5, left: 5, window_s: None, full_in_s: Some(0) };
        let told = fields(&[("requests", standing(100, 50)), ("in_flight", held)]);
        assert_eq!(
            told,
            [
                ("ratelimit-policy", String::from(r#""requests";q=100;w=60;qu="requests", "in_flight";q=5"#)),
                ("ratelimit", String::from(r#""requests";r=50;t=30, "in_flight";r=5;t=0"#)),
            ]
        );
        assert_eq!(fields(&[]), []);
    }

    #[test]
    fn names_and_numbers_stay_within_what_structured_fields_allow() {
        let told = fields(&[(r#"a "b" \"#, standing(u64::MAX, 0)), ("löl", standing(1, 1))]);
        assert_eq!(told[0].1, r#""a \"b\" \\";q=999999999999999;w=60"#);
    }
}
