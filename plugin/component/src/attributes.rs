//! What the rules of a configuration look at, so that a host copies nothing else of a request.

use tidegate_core::{
    config::Config,
    rules::{ClassRule, CostRule, KeyPart, Matcher, ROUTE_NAME},
};

use crate::http::Attribute;

/// All of it, each once.
pub(crate) fn of(config: &Config) -> Vec<Attribute> {
    let rules = || config.rules.iter().filter(|rule| !rule.skip);
    let keys: Vec<&[KeyPart]> = std::iter::once(&config.key)
        .chain(rules().filter_map(|rule| rule.key.as_ref()))
        .map(Vec::as_slice)
        .collect();
    let mut wanted = Wanted::default();
    keys.iter().copied().flatten().for_each(|part| wanted.key_part(part));
    let classes = config.class.iter().chain(rules().filter_map(|rule| rule.class.as_ref()));
    classes.for_each(|class| wanted.class(class));
    let costs = config.resources.iter().map(|resource| &resource.cost);
    costs.chain(rules().flat_map(|rule| rule.costs.iter().flatten())).for_each(|cost| wanted.cost(cost));
    config.rules.iter().for_each(|rule| wanted.matcher(&rule.matcher));
    wanted.divide_by(&keys);
    wanted.0
}

/// The name under which a host is asked for an attribute that is no header.
pub(crate) fn property(names: &[impl AsRef<str>]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    format!("@{}", names.join("/"))
}

#[derive(Default)]
struct Wanted(Vec<Attribute>);

impl Wanted {
    fn want(&mut self, name: impl Into<String>) {
        let name = name.into();
        if self.0.iter().all(|attribute| attribute.name != name) {
            // No rule looks at a query.
            let without_query = name == ":path";
            self.0.push(Attribute { name, in_key: false, without_query });
        }
    }

    fn key_part(&mut self, part: &KeyPart) {
        if let Some((name, _)) = source(part) {
            self.want(name);
        }
    }

    fn class(&mut self, class: &ClassRule) {
        if let ClassRule::Header(name) = class {
            self.want(name);
        }
    }

    fn cost(&mut self, cost: &CostRule) {
        match cost {
            CostRule::Constant(_) => {}
            CostRule::Header { name, .. } => self.want(name),
            CostRule::BodySize { .. } | CostRule::Llm(_) => self.want("content-length"),
        }
    }

    fn matcher(&mut self, matcher: &Matcher) {
        let Matcher { methods, path_prefix, path_templates, authorities, headers, properties, route } =
            matcher;
        if !methods.is_empty() {
            self.want(":method");
        }
        if path_prefix.is_some() || !path_templates.is_empty() {
            self.want(":path");
        }
        if !authorities.is_empty() {
            self.want(":authority");
        }
        headers.iter().for_each(|(name, _)| self.want(name));
        properties.iter().for_each(|(names, _)| self.want(property(names)));
        if route.is_some() {
            self.want(property(&ROUTE_NAME));
        }
    }

    /// Chooses what instances divide requests by: what every key has in it as it is, so that those of one key meet; else, by whatever
    /// the common key is made of.
    fn divide_by(&mut self, keys: &[&[KeyPart]]) {
        let has = |key: &[KeyPart], name: &str, as_it_is: bool| {
            key.iter().filter_map(source).any(|(other, whole)| other == name && (whole || !as_it_is))
        };
        for attribute in &mut self.0 {
            attribute.in_key = keys.iter().all(|key| has(key, &attribute.name, true));
        }
        if self.0.iter().all(|attribute| !attribute.in_key) {
            for attribute in &mut self.0 {
                attribute.in_key = keys.first().is_some_and(|key| has(key, &attribute.name, false));
            }
        }
    }
}

/// The attribute that a part of a key is made of, and whether it is that attribute as it is.
fn source(part: &KeyPart) -> Option<(String, bool)> {
    Some(match part {
        KeyPart::Header(name) => (name.clone(), true),
        KeyPart::Path => (":path".to_owned(), true),
        KeyPart::PathSegments(_) | KeyPart::PathTemplates(_) => (":path".to_owned(), false),
        KeyPart::Method => (":method".to_owned(), true),
        KeyPart::Authority => (":authority".to_owned(), true),
        // Its port may be in it.
        KeyPart::SourceAddress => (property(&["source", "address"]), false),
        KeyPart::Property(names) => (property(names), true),
        KeyPart::Constant(_) => return None,
    })
}
