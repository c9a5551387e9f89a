//! What a refused client could have instead, in the words of its problem document.

use alloc::{collections::BTreeMap, string::String};

use serde::Serialize;

use crate::allocator::{Allocator, Alternatives, Demand, Refusal};

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// The member `alternatives`. Only what there is stands in it.
#[derive(Serialize)]
pub(super) struct Offer<'a> {
    /// So many tokens of each resource would be admitted now.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    smaller_cost: BTreeMap<&'a str, u64>,
    /// A critical request would be admitted now.
    #[serde(skip_serializing_if = "is_false")]
    as_critical: bool,
    /// So many seconds until the plan has more for this customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_step_s: Option<u64>,
    /// Resources that could serve the same requests, as the plan says.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    resources: &'a [String],
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl<'a> Offer<'a> {
    pub(super) fn new(
        instead: &Alternatives,
        refusal: &Refusal,
        demands: &[Demand],
        allocator: &'a Allocator,
    ) -> Self {
        let Alternatives { smaller_permille, as_critical, next_step_ns } = *instead;
        let part = |permille: u16| {
            let tokens = |demand: &Demand| {
                let part = u128::from(demand.cost) * u128::from(permille) / 1_000;
                (allocator.resource_name(demand.resource), (part as u64).max(1))
            };
            demands.iter().map(tokens).collect()
        };
        Self {
            smaller_cost: smaller_permille.map(part).unwrap_or_default(),
            as_critical,
            next_step_s: next_step_ns.map(|nanos| nanos.div_ceil(NANOS_PER_SECOND)),
            resources: allocator.resource_alternatives(refusal.resource),
        }
    }
}
