//! Which of our crates may depend on which of ours, dev- and build-dependencies included.

use super::{
    tree::{Tree, join, line_where},
    violation::Violation,
    workspace::{Crate, Workspace},
};

/// One crate, its place, and what it may depend on.
pub(crate) struct Row {
    name: &'static str,
    folder: &'static str,
    may: May,
}

enum May {
    Use(&'static [&'static str]),
    /// Tests look at everything; nothing depends on them, but for tests whose rows say so.
    UseAllButTests,
}

/// Every crate of ours has a row here, so that a new one is placed by decision and not by accident.
pub(crate) const TABLE: &[Row] = &[
    row("tidegate-core", "plugin/core", May::Use(&[])),
    row("tidegate-envoy", "plugin/envoy", May::Use(&["tidegate-core"])),
    row("tidegate-component", "plugin/component", May::Use(&["tidegate-core"])),
    row("tidegate-host", "host", May::Use(&["tidegate-proto"])),
    row("tidegate-custom-gateway", "examples/custom-gateway", May::Use(&["tidegate-host"])),
    row("tidegate-model", "forecaster/model", May::Use(&[])),
    row("tidegate-backtest", "forecaster/backtest", May::Use(&["tidegate-model"])),
    row("tidegate-learn", "forecaster/learn", May::Use(&["tidegate-core", "tidegate-model"])),
    row("tidegate-market", "forecaster/market", May::Use(&[])),
    row("tidegate-proto", "forecaster/proto", May::Use(&[])),
    row(
        "tidegate-simulate",
        "forecaster/simulate",
        May::Use(&["tidegate-core", "tidegate-learn", "tidegate-model"]),
    ),
    row(
        "tidegate-fleet",
        "forecaster/fleet",
        May::Use(&["tidegate-core", "tidegate-market", "tidegate-model"]),
    ),
    row(
        "tidegate-store",
        "forecaster/store",
        May::Use(&["tidegate-fleet", "tidegate-market", "tidegate-model"]),
    ),
    row(
        "tidegate",
        "forecaster/server",
        May::Use(&[
            "tidegate-backtest",
            "tidegate-core",
            "tidegate-fleet",
            "tidegate-learn",
            "tidegate-market",
            "tidegate-model",
            "tidegate-proto",
            "tidegate-simulate",
            "tidegate-store",
        ]),
    ),
    row(
        "tidegate-conformance",
        "tests/conformance",
        May::Use(&["tidegate-core", "tidegate-e2e", "tidegate-host"]),
    ),
    row("tidegate-conformance-guest", "tests/conformance/guest", May::Use(&["tidegate-conformance"])),
    row("tidegate-e2e", "tests/e2e", May::UseAllButTests),
    row(
        "tidegate-fuzz",
        "tests/fuzz",
        May::Use(&["tidegate-conformance", "tidegate-core", "tidegate-proto"]),
    ),
    row("tidegate-sim", "tests/sim", May::UseAllButTests),
    row("tidegate-xtask", "tests/xtask", May::UseAllButTests),
];

const fn row(name: &'static str, folder: &'static str, may: May) -> Row {
    Row { name, folder, may }
}

impl Row {
    fn allows(&self, needed: &str, table: &[Row]) -> bool {
        match self.may {
            May::Use(list) => list.contains(&needed),
            May::UseAllButTests => {
                table.iter().any(|row| row.name == needed && !row.folder.starts_with("tests/"))
            }
        }
    }

    fn describe(&self) -> String {
        match self.may {
            May::Use([]) => "none of our crates".to_owned(),
            May::Use(list) => format!("only {}", list.join(", ")),
            May::UseAllButTests => "any of our crates but tests".to_owned(),
        }
    }
}

/// Crates that the table does not know, crates in another folder than it says, and edges that it does not have.
pub(crate) fn check(tree: &Tree, workspace: &Workspace, table: &[Row]) -> Vec<Violation> {
    workspace.crates.iter().flat_map(|member| check_crate(tree, member, table)).collect()
}

fn check_crate(tree: &Tree, member: &Crate, table: &[Row]) -> Vec<Violation> {
    let Crate { name, folder, needs, .. } = member;
    let manifest = join(folder, "Cargo.toml");
    let text = tree.text(&manifest).unwrap_or_default();
    let Some(row) = table.iter().find(|row| row.name == name) else {
        let message = format!(
            "no rule says what `{name}` may depend on: give it a row in tests/xtask/src/tidy/imports.rs"
        );
        return vec![Violation::new(&manifest, line_where(text, |line| line.starts_with("name")), message)];
    };
    let mut found = Vec::new();
    if row.folder != folder {
        found.push(Violation::new(
            &manifest,
            1,
            format!("`{name}` belongs in {}: move it there", row.folder),
        ));
    }
    for needed in needs.iter().filter(|needed| !row.allows(needed, table)) {
        let line = line_where(text, |line| line.split(['.', ' ', '=']).next() == Some(needed));
        let message = format!(
            "`{name}` may depend on {}, not on `{needed}`: move the code to where it may, or hand it over as a value",
            row.describe()
        );
        found.push(Violation::new(&manifest, line, message));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{super::violation::printed, *};

    fn found(name: &str, folder: &str, needs: &[&str]) -> Vec<String> {
        let manifest =
            format!("[package]\nname = \"{name}\"\n[dependencies]\n{}.workspace = true\n", needs.join("\n"));
        let tree = Tree::of(&[(&join(folder, "Cargo.toml"), &manifest)]);
        let member = Crate {
            name: name.into(),
            folder: folder.into(),
            roots: vec![],
            needs: needs.iter().map(|needed| String::from(*needed)).collect(),
        };
        printed(&check(&tree, &Workspace { crates: vec![member] }, TABLE))
    }

    #[test]
    fn allowed_edges_pass() {
        assert!(found("tidegate-envoy", "plugin/envoy", &["tidegate-core"]).is_empty());
        assert!(found("tidegate-e2e", "tests/e2e", &["tidegate-core", "tidegate"]).is_empty());
        assert!(found("tidegate-core", "plugin/core", &[]).is_empty());
    }

    #[test]
    fn an_edge_that_is_not_in_the_table_is_told_at_its_line() {
        let told = found("tidegate-host", "host", &["tidegate-core"]);
        assert_eq!(told.len(), 1);
        assert!(
            told[0]
                .starts_with("host/Cargo.toml:4: `tidegate-host` may depend on only tidegate-proto, not on")
        );
    }

    #[test]
    fn nobody_depends_on_tests() {
        assert_eq!(found("tidegate", "forecaster/server", &["tidegate-e2e"]).len(), 1);
        assert_eq!(found("tidegate-e2e", "tests/e2e", &["tidegate-xtask"]).len(), 1);
    }

    #[test]
    fn unknown_crates_and_places_are_told() {
        assert!(found("tidegate-new", "new", &[])[0].starts_with("new/Cargo.toml:2: no rule says what"));
        assert!(found("tidegate-core", "core", &[])[0].contains("belongs in plugin/core"));
    }
}
