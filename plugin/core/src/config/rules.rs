//! Keys, classes, costs, and what is different for some requests.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use super::{
    Mode,
    json::{Node, Object, Reader},
    refusal,
};
use crate::{
    allocator::Class,
    llm::LlmRule,
    rules::{ClassRule, CostRule, HeaderMatch, KeyPart, Matcher, Rule, Template},
};

/// Every request tries the rules one after the other.
const MAX_RULES: usize = 64;

pub(super) fn mode<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> Option<Mode> {
    reader.one_of(node, &[("shadow", Mode::Shadow), ("enforce", Mode::Enforce)])
}

pub(super) fn key<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> Vec<KeyPart> {
    let parts = reader.array(node);
    parts.iter().filter_map(|part| key_part(reader, part)).collect()
}

pub(super) fn key_part<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> Option<KeyPart> {
    let mut object = reader.object(node)?;
    let mut parts = Vec::new();
    if let Some(node) = object.take("header") {
        parts.extend(reader.header(&node).map(KeyPart::Header));
    }
    if let Some(node) = object.take("constant") {
        parts.extend(reader.text(&node).map(KeyPart::Constant));
    }
    if let Some(node) = object.take("path_segments") {
        parts.extend(reader.whole(&node, 1).map(KeyPart::PathSegments));
    }
    if let Some(node) = object.take("path_templates") {
        parts.push(KeyPart::PathTemplates(templates(reader, &node)));
    }
    if let Some(node) = object.take("property") {
        parts.push(KeyPart::Property(texts(reader, &node)));
    }
    if let Some(node) = object.take("jwt_claim") {
        parts.extend(reader.text(&node).map(|claim| jwt_claim(&claim)));
    }
    for (name, part) in [
        ("path", KeyPart::Path),
        ("method", KeyPart::Method),
        ("authority", KeyPart::Authority),
        ("source_address", KeyPart::SourceAddress),
    ] {
        if let Some(node) = object.take(name)
            && reader.flag(&node) == Some(true)
        {
            parts.push(part);
        }
    }
    let allowed = object.allowed();
    let sound = object.finish(reader);
    if sound && parts.len() != 1 {
        reader.problem(node, &format!("give exactly one of {allowed}"));
    }
    parts.pop()
}

/// A claim as Envoy's `jwt_authn` filter leaves it with `payload_in_metadata: payload`; nested claims by dots.
fn jwt_claim(claim: &str) -> KeyPart {
    let filter = ["metadata", "filter_metadata", "envoy.filters.http.jwt_authn", "payload"];
    KeyPart::Property(filter.into_iter().chain(claim.split('.')).map(ToOwned::to_owned).collect())
}

pub(super) fn class<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> Option<ClassRule> {
    if !node.is_object() {
        let classes =
            [("critical", Class::Critical), ("standard", Class::Standard), ("deferrable", Class::Deferrable)];
        return reader.one_of(node, &classes).map(ClassRule::Constant);
    }
    let mut object = reader.object(node)?;
    let header = object.required(reader, "header").and_then(|node| reader.header(&node));
    object.finish(reader);
    header.map(ClassRule::Header)
}

pub(super) fn cost<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> Option<CostRule> {
    if !node.is_object() {
        return reader.whole(node, 0).map(CostRule::Constant);
    }
    let mut object: Object<'_> = reader.object(node)?;
    let rule = if let Some(llm) = object.take("llm") {
        llm_cost(reader, &llm).map(CostRule::Llm)
    } else if let Some(bytes) = object.take("body_bytes_per_token") {
        let bytes_per_token = reader.whole(&bytes, 1);
        let plus = object.take("plus").map_or(Some(0), |node| reader.whole(&node, 0));
        bytes_per_token.zip(plus).map(|(bytes_per_token, plus)| CostRule::BodySize { bytes_per_token, plus })
    } else {
        let name = object.required(reader, "header").and_then(|node| reader.header(&node));
        let default = object.take("default").map_or(Some(1), |node| reader.whole(&node, 0));
        name.zip(default).map(|(name, default)| CostRule::Header { name, default })
    };
    object.finish(reader);
    rule
}

fn llm_cost<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> Option<LlmRule> {
    if !reader.shell.reads_bodies {
        reader.problem(
            node,
            "needs bodies, which are not read here: in Envoy load tidegate-llm.wasm instead of tidegate.wasm",
        );
    }
    let mut object: Object<'_> = reader.object(node)?;
    let mut whole = |reader: &mut Reader<'t>, name, least, default| {
        object.take(name).map_or(Some(default), |node| reader.whole(&node, least))
    };
    let bytes_per_token = whole(reader, "bytes_per_token", 1, 4);
    let default_output = whole(reader, "default_output", 0, 1_024);
    let input_weight = whole(reader, "input_weight", 0, 1);
    let output_weight = whole(reader, "output_weight", 0, 1);
    object.finish(reader);
    Some(LlmRule {
        bytes_per_token: bytes_per_token?,
        default_output: default_output?,
        input_weight: input_weight?,
        output_weight: output_weight?,
    })
}

/// The rules; `resources` are the names of those that they may give a cost.
pub(super) fn rules<'t>(reader: &mut Reader<'t>, node: &Node<'t>, resources: &[&str]) -> Vec<Rule> {
    let nodes = reader.array(node);
    if nodes.len() > MAX_RULES {
        reader.problem(node, &format!("has {} rules; give at most {MAX_RULES}", nodes.len()));
    }
    let mut rules: Vec<Rule> = Vec::new();
    for node in &nodes {
        let Some(rule) = rule(reader, node, resources) else { continue };
        if rules.iter().any(|other| other.name == rule.name) {
            reader.problem(node, &format!("there are two rules called `{}`; rename one", rule.name));
        }
        rules.push(rule);
    }
    rules
}

fn rule<'t>(reader: &mut Reader<'t>, node: &Node<'t>, resources: &[&str]) -> Option<Rule> {
    let mut object = reader.object(node)?;
    let name = object.required(reader, "name").and_then(|node| reader.text(&node));
    let matcher = object.required(reader, "match").and_then(|node| matcher(reader, &node));
    let skip = object.take("skip").and_then(|node| reader.flag(&node)).unwrap_or_default();
    let key = object.take("key").map(|node| key(reader, &node));
    let class = object.take("class").and_then(|node| class(reader, &node));
    let mode = object.take("mode").and_then(|node| mode(reader, &node));
    let mut costs = alloc::vec![None; resources.len()];
    if let Some(node) = object.take("costs")
        && let Some(object) = reader.object(&node)
    {
        for (name, node) in object.into_members() {
            match resources.iter().position(|resource| *resource == name) {
                Some(index) => {
                    let cost = cost(reader, &node);
                    if matches!(cost, Some(CostRule::Llm(_))) {
                        reader.problem(
                            &node,
                            "give the resource itself the cost by `llm`; a rule may replace it",
                        );
                    }
                    if let Some(slot) = costs.get_mut(index) {
                        *slot = cost;
                    }
                }
                None => reader
                    .problem(&node, &format!("there is no such resource; give {}", resources.join(" or "))),
            }
        }
    }
    let on_refusal = object.take("on_refusal").and_then(|node| refusal::on_refusal(reader, &node));
    object.finish(reader);
    Some(Rule { name: name?, matcher: matcher?, skip, key, class, costs, mode, on_refusal })
}

fn matcher<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> Option<Matcher> {
    let mut object = reader.object(node)?;
    let mut matcher = Matcher::default();
    if let Some(node) = object.take("methods") {
        matcher.methods = texts(reader, &node);
    }
    if let Some(node) = object.take("path_prefix") {
        matcher.path_prefix = reader.text(&node);
    }
    if let Some(node) = object.take("path_templates") {
        matcher.path_templates = templates(reader, &node);
    }
    if let Some(node) = object.take("authorities") {
        matcher.authorities = texts(reader, &node);
    }
    if let Some(node) = object.take("headers") {
        let tests = reader.array(&node);
        matcher.headers = tests.iter().filter_map(|test| header_match(reader, test)).collect();
    }
    if let Some(node) = object.take("properties") {
        let tests = reader.array(&node);
        matcher.properties = tests.iter().filter_map(|test| property_match(reader, test)).collect();
    }
    if let Some(node) = object.take("route") {
        matcher.route = reader.text(&node);
    }
    object.finish(reader);
    Some(matcher)
}

fn header_match<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> Option<(String, HeaderMatch)> {
    let mut object = reader.object(node)?;
    let name = object.required(reader, "name").and_then(|node| reader.header(&node));
    let test = value_match(reader, node, object);
    name.zip(test)
}

fn property_match<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> Option<(Vec<String>, HeaderMatch)> {
    let mut object = reader.object(node)?;
    let path = object.required(reader, "path").map(|node| texts(reader, &node));
    let test = value_match(reader, node, object);
    path.zip(test)
}

/// What a value has to be, which is all that is left to take.
fn value_match<'t>(reader: &mut Reader<'t>, node: &Node<'t>, mut object: Object<'t>) -> Option<HeaderMatch> {
    let exact = object.take("exact").and_then(|node| reader.text(&node));
    let prefix = object.take("prefix").and_then(|node| reader.text(&node));
    object.finish(reader);
    match (exact, prefix) {
        (None, None) => Some(HeaderMatch::Present),
        (Some(text), None) => Some(HeaderMatch::Exact(text)),
        (None, Some(text)) => Some(HeaderMatch::Prefix(text)),
        (Some(_), Some(_)) => {
            reader.problem(node, "give exact or prefix, not both");
            None
        }
    }
}

fn templates<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> Vec<Template> {
    let mut templates = Vec::new();
    for node in &reader.array(node) {
        let Some(text) = reader.text(node) else { continue };
        match Template::parse(&text) {
            Ok(template) => templates.push(template),
            Err(problem) => reader.problem(node, problem),
        }
    }
    if templates.is_empty() {
        reader.problem(node, "give at least one path, such as `/users/{id}`");
    }
    templates
}

fn texts<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> Vec<String> {
    let texts: Vec<String> = reader.array(node).iter().filter_map(|text| reader.text(text)).collect();
    if texts.is_empty() {
        reader.problem(node, "give at least one text");
    }
    texts
}
