//! What a request costs, and what it turned out to.

use alloc::string::String;

use crate::{
    attributes::Attributes,
    llm::{LlmRule, Prompt},
};

/// Largest cost a rule yields, in tokens.
pub(crate) const MAX_COST: u64 = 1 << 40;

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
    /// By the size of the request's body as its `content-length` says; 0 bytes when it does not.
    BodySize {
        /// So many bytes are one token, rounded up.
        bytes_per_token: u64,
        /// Tokens beside those.
        plus: u64,
    },
    /// An estimate by the prompt and by how much may be generated, settled by the usage that the response tells. Where the
    /// body is not read, by its `content-length`.
    Llm(LlmRule),
}

impl CostRule {
    /// The cost of a request in tokens.
    pub fn cost<A: Attributes + ?Sized>(&self, attributes: &A) -> u64 {
        match self {
            Self::Constant(cost) => *cost,
            Self::Header { name, default } => attributes.header(name).and_then(number).unwrap_or(*default),
            Self::BodySize { bytes_per_token, plus } => {
                let bytes = attributes.header("content-length").and_then(number).unwrap_or(0);
                bytes.div_ceil((*bytes_per_token).max(1)).saturating_add(*plus).min(MAX_COST)
            }
            Self::Llm(rule) => {
                let length = || attributes.header("content-length").and_then(number).unwrap_or(0);
                let prompt = attributes.prompt();
                rule.estimate(&prompt.unwrap_or_else(|| Prompt { bytes: length(), max_output: None }))
            }
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
    use alloc::{string::ToString, vec::Vec};

    use super::*;

    fn headers(list: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
        list.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
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
    fn a_prompt_costs_what_it_says_and_by_its_length_where_nobody_has_read_it() {
        let llm = LlmRule { bytes_per_token: 4, default_output: 500, input_weight: 1, output_weight: 1 };
        let (rule, head) = (CostRule::Llm(llm), headers(&[("content-length", "400")]));
        assert_eq!(rule.cost(head.as_slice()), 100 + 500);
        let prompt = Some(Prompt { bytes: 800, max_output: Some(20) });
        let read = crate::attributes::WithBody { head: head.as_slice(), prompt, usage: None };
        assert_eq!(rule.cost(&read), 200 + 20);
    }

    #[test]
    fn bodies_cost_by_their_size() {
        let rule = CostRule::BodySize { bytes_per_token: 4, plus: 100 };
        for (length, cost) in
            [("0", 100), ("1", 101), ("400", 200), ("no", 100), ("99999999999999999999", MAX_COST / 4 + 100)]
        {
            assert_eq!(rule.cost(headers(&[("content-length", length)]).as_slice()), cost, "{length}");
        }
        assert_eq!(rule.cost(headers(&[]).as_slice()), 100);
    }
}
