//! `on_refusal`: what refusals become instead of an answer.

use alloc::{format, string::String, vec::Vec};

use super::{
    Config,
    json::{Node, Reader},
};
use crate::rules::{Instead, OnRefusal};

/// The header that names a cluster, unless the configuration calls it something else.
const CLUSTER_HEADER: &str = "x-tidegate-cluster";
/// Every refused request gets them, so they are few.
const MAX_HEADERS: usize = 8;

/// `{"tag": {NAME: VALUE}}`, or `{"downgrade": {"cluster": C, "header": NAME}}`, or so with `reroute`; the latter may be tagged too.
pub(super) fn on_refusal<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> Option<OnRefusal> {
    reader.proxy_only(node);
    let mut object = reader.object(node)?;
    let tag = object.take("tag");
    let elsewhere = [("downgrade", Instead::Downgrade), ("reroute", Instead::Reroute)]
        .map(|(name, what)| object.take(name).map(|node| (what, node)));
    let sound = object.finish(reader);
    let mut elsewhere = elsewhere.into_iter().flatten();
    let mut headers = Vec::new();
    let what = match elsewhere.next() {
        Some((what, node)) => {
            headers.extend(cluster(reader, &node));
            what
        }
        None => Instead::Tag,
    };
    if elsewhere.next().is_some() || (sound && tag.is_none() && what == Instead::Tag) {
        reader.problem(node, "give tag, or one of downgrade and reroute, which may have a tag beside it");
    }
    if let Some(tag) = tag {
        headers.extend(tags(reader, &tag));
    }
    if headers.len() > MAX_HEADERS {
        reader.problem(node, &format!("sets {} headers; give at most {MAX_HEADERS}", headers.len()));
    }
    let twice = (1..headers.len()).find(|at| {
        let (before, from) = headers.split_at(*at);
        from.first().is_some_and(|(name, _)| before.iter().any(|(other, _)| other == name))
    });
    if let Some((name, _)) = twice.and_then(|at| headers.get(at)) {
        reader.problem(node, &format!("sets the header `{name}` twice"));
    }
    Some(OnRefusal { what, headers })
}

fn cluster<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> Option<(String, String)> {
    let mut object = reader.object(node)?;
    let cluster = object.required(reader, "cluster").and_then(|node| value(reader, &node));
    let header =
        object.take("header").map_or_else(|| Some(String::from(CLUSTER_HEADER)), |node| reader.header(&node));
    object.finish(reader);
    header.zip(cluster)
}

fn tags<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> Vec<(String, String)> {
    let Some(object) = reader.object(node) else { return Vec::new() };
    let members = object.into_members();
    if members.is_empty() {
        reader.problem(node, "give at least one header and its value");
    }
    let mut tag = |(name, node): &(String, Node<'t>)| reader.header_name(node, name).zip(value(reader, node));
    members.iter().filter_map(&mut tag).collect()
}

/// What a header may say: visible characters and blanks.
fn value<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> Option<String> {
    let text = reader.text(node)?;
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Some(text);
    }
    reader.problem(node, "has characters that a header cannot have");
    None
}

/// The headers that refused requests get anywhere, each once.
pub(super) fn own_headers(config: &Config) -> Vec<String> {
    let rules = config.rules.iter().filter_map(|rule| rule.on_refusal.as_ref());
    let mut names: Vec<String> = rules
        .chain(&config.on_refusal)
        .flat_map(|instead| instead.headers.iter().map(|(name, _)| name.clone()))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}
