//! `trial`: a policy that is tried beside the live one.

use alloc::{boxed::Box, string::String, vec::Vec};

use super::{
    Config,
    json::{Node, Reader},
    judging, rules,
};

/// A policy on trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialConfig {
    /// What of the live configuration is different, and the rest of it.
    pub config: Box<Config>,
    /// The part of every budget that it has, in thousandths.
    pub capacity: u16,
}

/// What is not given is as in `live`, which has been read in full.
pub(super) fn trial<'t>(reader: &mut Reader<'t>, node: &Node<'t>, live: &Config) -> Option<TrialConfig> {
    const WHOLE: u16 = 1_000;
    reader.proxy_only(node);
    let mut config = live.clone();
    let mut object = reader.object(node)?;
    judging(reader, &mut object, &mut config);
    // Costs stand in rules by the resource's position.
    let lost = !same_resources(&config, live)
        && live.rules.iter().any(|rule| rule.costs.iter().any(Option::is_some));
    match object.take("rules") {
        Some(node) => {
            let names: Vec<String> = config.resources.iter().map(|resource| resource.name.clone()).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            config.rules = rules::rules(reader, &node, &names);
        }
        None if lost => {
            reader.problem(node, "has other resources than the live policy, so give it rules of its own");
        }
        None => {}
    }
    let capacity = object.take("capacity").map_or(Some(WHOLE), |node| reader.permille(&node));
    object.finish(reader);
    Some(TrialConfig { config: Box::new(config), capacity: capacity? })
}

fn same_resources(one: &Config, other: &Config) -> bool {
    let names = |config: &Config| -> Vec<String> {
        config.resources.iter().map(|resource| resource.name.clone()).collect()
    };
    names(one) == names(other)
}
