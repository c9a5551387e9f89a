//! `resources`: what is limited, what requests cost of it, and how that is settled.

use alloc::{format, string::String, vec::Vec};

use super::{
    ResourceRule,
    json::{Node, Reader},
    rules,
};
use crate::{rules::CostRule, table::MAX_RESOURCES, units::MicroRate};

pub(super) fn resources<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> Vec<ResourceRule> {
    let Some(object) = reader.object(node) else { return Vec::new() };
    let members = object.into_members();
    if members.is_empty() || members.len() > MAX_RESOURCES {
        reader.problem(node, &format!("name 1 to {MAX_RESOURCES} resources"));
    }
    members.into_iter().filter_map(|(name, node)| resource(reader, name, &node)).collect()
}

fn resource<'t>(reader: &mut Reader<'t>, name: String, node: &Node<'t>) -> Option<ResourceRule> {
    let mut object = reader.object(node)?;
    let cost =
        object.take("cost").and_then(|node| rules::cost(reader, &node)).unwrap_or(CostRule::Constant(1));
    let (mut settle_header, mut settle_trailer) = (None, None);
    if let Some(node) = object.take("settle")
        && let Some(mut settle) = reader.object(&node)
    {
        settle_header = settle.take("response_header").and_then(|node| reader.header(&node));
        if let Some(trailer) = settle.take("response_trailer") {
            settle_trailer = reader.header(&trailer);
            reader.proxy_only(&trailer);
        }
        if settle.finish(reader) && settle_header.is_none() && settle_trailer.is_none() {
            reader.problem(&node, "give response_header or response_trailer, or both");
        }
        if matches!(cost, CostRule::Llm(_)) {
            reader.problem(
                &node,
                "a cost by `llm` is settled by the usage in the response's body; leave this out",
            );
        }
    }
    let capacity = object.take("safe_capacity_per_s");
    let burst = object.take("safe_burst");
    let safe = match (capacity, burst) {
        (None, None) => None,
        (Some(capacity), burst) => {
            let per_s = reader.positive(&capacity);
            // One second's worth, unless it is said.
            let burst = match burst {
                Some(burst) => reader.whole(&burst, 1),
                None => per_s.map(|per_s| libm::ceil(per_s) as u64),
            };
            per_s.zip(burst).map(|(per_s, burst)| (MicroRate::from_per_s(per_s), burst))
        }
        (None, Some(burst)) => {
            reader.problem(&burst, "safe_burst needs safe_capacity_per_s beside it");
            None
        }
    };
    object.finish(reader);
    Some(ResourceRule { name, cost, settle_header, settle_trailer, safe })
}
