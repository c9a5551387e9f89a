//! Rules that turn the attributes of a request into a key, a class and costs, and those of a response into an actual cost.
//!
//! | file | idea |
//! |---|---|
//! | `key` | what the throttling key is built from |
//! | `template` | paths with placeholders |
//! | `matcher` | which requests a rule is for |
//! | `refusal` | what a refusal may become instead of an answer |
//! | `cost` | what a request costs, and what it turned out to |

mod cost;
mod key;
mod matcher;
mod refusal;
mod template;

pub(crate) use cost::MAX_COST;
pub use cost::{CostRule, number};
pub use key::{ANONYMOUS, KeyPart, write_key};
pub use matcher::{HeaderMatch, Matcher, ROUTE_NAME};
pub use refusal::{Instead, OnRefusal};
pub use template::Template;

use crate::{allocator::Class, attributes::Attributes, config::Mode};

/// Where the class of a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClassRule {
    /// Always the same.
    Constant(Class),
    /// The value of a request header; standard when it says none.
    Header(alloc::string::String),
}

impl ClassRule {
    /// The class of a request.
    pub fn class<A: Attributes + ?Sized>(&self, attributes: &A) -> Class {
        match self {
            Self::Constant(class) => *class,
            Self::Header(name) => match attributes.header(name) {
                Some(value) if value.eq_ignore_ascii_case(b"critical") => Class::Critical,
                Some(value) if value.eq_ignore_ascii_case(b"deferrable") => Class::Deferrable,
                _ => Class::Standard,
            },
        }
    }
}

/// What is different for the requests that it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name in metrics and logs.
    pub name: alloc::string::String,
    /// Which requests it is for.
    pub matcher: Matcher,
    /// They are not limited at all, and nothing else of the rule counts.
    pub skip: bool,
    /// Their key, when it is built differently.
    pub key: Option<alloc::vec::Vec<KeyPart>>,
    /// Their class.
    pub class: Option<ClassRule>,
    /// Their costs, by index of the resource.
    pub costs: alloc::vec::Vec<Option<CostRule>>,
    /// Whether decisions on them bite.
    pub mode: Option<Mode>,
    /// What their refusals become instead of an answer.
    pub on_refusal: Option<OnRefusal>,
}

#[cfg(test)]
mod tests {
    use alloc::{
        string::{String, ToString},
        vec::Vec,
    };

    use super::*;

    #[test]
    fn an_unknown_class_is_standard() {
        let class = |value: &str| {
            let request: Vec<(String, Vec<u8>)> =
                alloc::vec![("x-priority".to_string(), value.as_bytes().to_vec())];
            ClassRule::Header("x-priority".into()).class(request.as_slice())
        };
        assert_eq!(class("Critical"), Class::Critical);
        assert_eq!(class("deferrable"), Class::Deferrable);
        assert_eq!(class("urgent"), Class::Standard);
        let nothing: Vec<(String, Vec<u8>)> = Vec::new();
        assert_eq!(ClassRule::Constant(Class::Critical).class(nothing.as_slice()), Class::Critical);
    }
}
