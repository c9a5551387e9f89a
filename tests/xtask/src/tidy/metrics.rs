//! The README names every metric of the Envoy plugin, and none that nobody keeps.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    markdown::{self, Kind},
    tree::Tree,
    violation::Violation,
};

/// Whose metrics operators look up in the README.
const PLUGIN: &str = "plugin/envoy/src/";
const PAGE: &str = "README.md";
/// What every metric's name begins with.
const PREFIX: &str = "tidegate_";

/// Metrics that the README does not name, and names there that no code has.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let page = tree.text(PAGE).unwrap_or_default();
    let code = markdown::pieces(page);
    let named: BTreeMap<&str, usize> = code
        .iter()
        .filter(|piece| piece.kind == Kind::Inline)
        .filter_map(|piece| Some((name(piece.text)?, piece.line)))
        .collect();
    let sources =
        || tree.ending(".rs").filter(|(path, _)| !tree.is_test(path) && !path.starts_with("tests/"));
    let kept: BTreeSet<&str> =
        sources().flat_map(|(_, text)| metrics(text)).map(|(_, metric)| metric).collect();
    let unnamed = sources().filter(|(path, _)| path.starts_with(PLUGIN)).flat_map(|(path, text)| {
        metrics(text).filter(|(_, metric)| !named.contains_key(metric)).map(move |(line, metric)| {
            Violation::new(
                path,
                line,
                format!("{PAGE} does not name the metric `{metric}`: say what it tells"),
            )
        })
    });
    let unknown = named.iter().filter(|(metric, _)| !kept.contains(*metric)).map(|(metric, line)| {
        Violation::new(PAGE, *line, format!("there is no metric `{metric}`: name one that exists"))
    });
    unnamed.chain(unknown).collect()
}

/// Metrics that a source names in strings, with their lines.
fn metrics(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_comment = |line: &str| line.trim_start().starts_with("//");
    source.lines().zip(1..).filter(move |(line, _)| !is_comment(line)).flat_map(|(line, number)| {
        line.split('"').skip(1).step_by(2).filter_map(move |text| Some((number, name(text)?)))
    })
}

/// The metric that a text begins with: labels follow behind a dot.
fn name(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(text.len());
    text.get(..end).filter(|name| name.strip_prefix(PREFIX).is_some_and(|rest| !rest.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::{super::violation::printed, *};

    const SOURCE: &str = "use tidegate_core::Gate;\n// \"tidegate_old\" is gone\n\
        set(\"tidegate_held\", 1);\nadd(&format!(\"tidegate_tables_total.result.{r}\"), 1);\n";

    #[test]
    fn every_metric_is_named_and_every_name_is_a_metric() {
        let page = "counts `tidegate_tables_total.result.R`,\nshows `tidegate_hold` and `tidegate_depth`;\n\n```\ntidegate_x\n```\n";
        let tree = Tree::of(&[
            ("README.md", page),
            ("plugin/envoy/src/state.rs", SOURCE),
            ("host/src/metrics.rs", "(\"tidegate_depth\", depth)"),
        ]);
        assert_eq!(
            printed(&check(&tree)),
            [
                "plugin/envoy/src/state.rs:3: README.md does not name the metric `tidegate_held`: say what it tells",
                "README.md:2: there is no metric `tidegate_hold`: name one that exists",
            ]
        );
    }
}
