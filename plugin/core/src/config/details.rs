//! `details`: what reports tell beside their counters, and where it is read.

use alloc::string::String;

use super::{
    json::{Node, Reader},
    rules,
};
use crate::details::DetailRules;

pub(super) fn details<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> Option<DetailRules> {
    reader.proxy_only(node);
    let mut object = reader.object(node)?;
    let mut details = DetailRules::default();
    for (name, part) in [
        ("region", &mut details.region),
        ("account_type", &mut details.account_type),
        ("client_version", &mut details.client_version),
    ] {
        if let Some(node) = object.take(name) {
            *part = rules::key_part(reader, &node);
        }
    }
    for (name, header) in [("cpu_us", &mut details.cpu_us), ("memory_bytes", &mut details.memory_bytes)] {
        if let Some(node) = object.take(name) {
            *header = response_header(reader, &node);
        }
    }
    for (name, flag) in
        [("network_bytes", &mut details.network_bytes), ("duration_ms", &mut details.duration_ms)]
    {
        if let Some(node) = object.take(name) {
            *flag = reader.flag(&node).unwrap_or_default();
        }
    }
    object.finish(reader);
    Some(details)
}

fn response_header<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> Option<String> {
    let mut object = reader.object(node)?;
    let header = object.required(reader, "response_header").and_then(|node| reader.header(&node));
    object.finish(reader);
    header
}
