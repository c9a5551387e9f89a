//! Labels stand in the names of the plugin's metrics (`tidegate_decisions_total.decision.D.tier.T`), since a plugin has no other
//! place for them. Rules in Envoy's bootstrap take them out again.

use super::{indented, quoted};

const LABELS: [&str; 6] = ["decision", "tier", "mode", "result", "rule", "live"];

fn pattern(label: &str) -> String {
    format!("^wasmcustom\\.tidegate_.*?(\\.{label}\\.([^.]+))")
}

/// The rules as a part of a bootstrap in YAML, with so many blanks before every line.
pub(super) fn yaml(indent: usize) -> String {
    let rule = |label| format!("    - {{ tag_name: {label}, regex: {} }}\n", quoted(&pattern(label)));
    let rules: String = LABELS.into_iter().map(rule).collect();
    indented(&format!("stats_config:\n  stats_tags:\n{rules}"), indent)
}

/// The same in JSON.
pub(super) fn json(indent: usize) -> String {
    let rule =
        |label| format!("    {{ \"tag_name\": {}, \"regex\": {} }}", quoted(label), quoted(&pattern(label)));
    let rules: Vec<String> = LABELS.into_iter().map(rule).collect();
    indented(&format!("{{ \"stats_config\": {{ \"stats_tags\": [\n{}\n] }} }}\n", rules.join(",\n")), indent)
}
