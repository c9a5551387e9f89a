//! The field `X-Tidegate-Warning`: a contract is nearly used up, while there still is time to slow down.
//!
//! A list of structured fields (RFC 9651), as `RateLimit` is: one item for each resource of whose contract more is used than the
//! configuration bears, by the resource's name, with the used part in percent and the seconds until all of it is back.

use alloc::string::String;

use super::ratelimit::{is_printable, item, parameter};
use crate::allocator::Standing;

const NAME: &str = "x-tidegate-warning";

/// The field, where more than `permille` thousandths of a contract are used.
pub(crate) fn field(standings: &[(&str, Standing)], permille: u16) -> Option<(&'static str, String)> {
    let mut list = String::new();
    for (resource, standing) in standings.iter().filter(|(resource, _)| is_printable(resource)) {
        let (used, burst) = (standing.burst.saturating_sub(standing.left), standing.burst.max(1));
        let part = |whole: u64| u128::from(used) * u128::from(whole) / u128::from(burst);
        if part(1_000) >= u128::from(permille) {
            item(&mut list, resource);
            parameter(&mut list, ";usage=", u64::try_from(part(100)).ok());
            parameter(&mut list, ";t=", standing.full_in_s);
        }
    }
    (!list.is_empty()).then_some((NAME, list))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(burst: u64, left: u64) -> Standing {
        Standing { burst, left, window_s: Some(60), full_in_s: Some(52) }
    }

    #[test]
    fn only_contracts_that_are_nearly_used_up_are_told() {
        let standings = [("requests", standing(100, 13)), ("tokens", standing(1_000, 201))];
        let told = |permille| field(&standings, permille).map(|(_, value)| value);
        assert_eq!(told(800).as_deref(), Some(r#""requests";usage=87;t=52"#));
        assert_eq!(told(799).as_deref(), Some(r#""requests";usage=87;t=52, "tokens";usage=79;t=52"#));
        assert_eq!((told(871), field(&[], 1)), (None, None));
    }

    #[test]
    fn extremes_are_well_formed() {
        let held = Standing { burst: u64::MAX, left: 0, window_s: None, full_in_s: None };
        let none = Standing { burst: 0, left: 0, window_s: None, full_in_s: None };
        let told = field(&[("held", held), ("none", none)], 1_000);
        assert_eq!(told.map(|(_, value)| value).as_deref(), Some(r#""held";usage=100"#));
    }
}
