//! The fields `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11): what a client's contract is, and what it leaves.
//!
//! They are lists of structured fields (RFC 9651): one item for each resource that has a contract, by the resource's name.

use alloc::{string::String, vec::Vec};

use crate::allocator::Standing;

/// The quota unit that the draft registers for requests.
const REQUESTS: &str = "requests";
/// Room for one contract in either field, so that it mostly is allocated once.
const USUAL_BYTES: usize = 64;

/// Both fields, for the resources that `standings` tells of; none where there is nothing to tell.
pub(crate) fn fields(standings: &[(&str, Standing)]) -> Vec<(&'static str, String)> {
    let named = || standings.iter().filter(|(resource, _)| is_printable(resource));
    if named().next().is_none() {
        return Vec::new();
    }
    let [mut policies, mut limits] = [(); 2].map(|()| String::with_capacity(USUAL_BYTES * standings.len()));
    for (resource, standing) in named() {
        item(&mut policies, resource);
        parameter(&mut policies, ";q=", Some(standing.burst));
        parameter(&mut policies, ";w=", standing.window_s);
        if *resource == REQUESTS {
            policies.push_str(";qu=\"requests\"");
        }
        item(&mut limits, resource);
        parameter(&mut limits, ";r=", Some(standing.left));
        parameter(&mut limits, ";t=", standing.full_in_s);
    }
    alloc::vec![("ratelimit-policy", policies), ("ratelimit", limits)]
}

/// Whether a string can be one of structured fields.
pub(super) fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

/// Begins the next item of a list: a string, which has to be [printable](is_printable).
pub(super) fn item(list: &mut String, text: &str) {
    if !list.is_empty() {
        list.push_str(", ");
    }
    list.push('"');
    for character in text.chars() {
        if matches!(character, '\\' | '"') {
            list.push('\\');
        }
        list.push(character);
    }
    list.push('"');
}

/// Adds a number, if there is one, of at most fifteen digits: integers have no more there.
pub(super) fn parameter(list: &mut String, name: &str, number: Option<u64>) {
    let Some(number) = number else { return };
    list.push_str(name);
    // `format!` takes ten times as long, and this is in every response.
    list.push_str(itoa::Buffer::new().format(number.min(999_999_999_999_999)));
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
