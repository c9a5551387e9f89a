//! Manifests: everything that all crates share is said once, in the workspace.

use super::{
    tree::{Tree, join, line_where},
    violation::Violation,
    workspace::Workspace,
};

const SHARED: [&str; 5] = ["version", "edition", "license", "rust-version", "publish"];

/// Members that say for themselves what the workspace says, and manifests that are no member's.
pub(crate) fn check(tree: &Tree, workspace: &Workspace) -> Vec<Violation> {
    let members: Vec<String> =
        workspace.crates.iter().map(|member| join(&member.folder, "Cargo.toml")).collect();
    let mut found = Vec::new();
    for (path, text) in tree.ending("/Cargo.toml") {
        if members.iter().any(|member| member == path) {
            found.extend(faults(text).into_iter().map(|(line, message)| Violation::new(path, line, message)));
        } else {
            found.push(Violation::new(
                path,
                1,
                "no member of the workspace, so nothing checks it: add it to `members`",
            ));
        }
    }
    found
}

/// The sections and keys of a manifest, read line by line: enough for manifests, where a key starts a line.
fn faults(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut section = "";
    let mut said: Vec<(&str, &str)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end().trim_end_matches(']').trim_start_matches('[');
            if section.contains("dependencies.") {
                found.push((at + 1, format!("write [{section}] as one line, `NAME.workspace = true`")));
            }
        } else if let Some((key, value)) = line.split_once('=').map(|(key, value)| (key.trim(), value.trim()))
        {
            said.push((section, key));
            // What follows the keys of an array or a table over several lines is no key.
            let is_key = !line.starts_with([' ', '#']);
            if is_key && section.ends_with("dependencies") && !is_shared(key, value) {
                let name = key.split('.').next().unwrap_or(key);
                found.push((
                    at + 1,
                    format!(
                        "`{name}`: put it in [workspace.dependencies] and write `{name}.workspace = true`"
                    ),
                ));
            }
        }
    }
    let package = line_where(text, |line| line == "[package]");
    for field in SHARED {
        if !said.contains(&("package", format!("{field}.workspace").as_str())) {
            found.push((package, format!("[package] lacks `{field}.workspace = true`: add it")));
        }
    }
    if !said.contains(&("lints", "workspace")) {
        found.push((package, "no `[lints] workspace = true`: add it".to_owned()));
    }
    found
}

fn is_shared(key: &str, value: &str) -> bool {
    key.ends_with(".workspace") || value.starts_with("{ workspace = true")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[package]\nname = \"a\"\nversion.workspace = true\nedition.workspace = true\n\
        license.workspace = true\nrust-version.workspace = true\npublish.workspace = true\n\n\
        [lints]\nworkspace = true\n\n[dependencies]\nx.workspace = true\n\
        y = { workspace = true, features = [\n    \"a=b\",\n] }\n";

    #[test]
    fn a_manifest_of_shared_things_passes() {
        assert_eq!(faults(GOOD), []);
    }

    #[test]
    fn what_a_crate_says_for_itself_is_told() {
        let text =
            GOOD.replace("edition.workspace = true", "edition = \"2024\"").replace("[lints]", "[other]");
        let text = format!(
            "{text}\n[target.'cfg(unix)'.dev-dependencies]\nz = \"1\"\n[dependencies.v]\nversion = \"1\"\n"
        );
        let told: Vec<String> =
            faults(&text).into_iter().map(|(line, what)| format!("{line} {what}")).collect();
        assert_eq!(
            told,
            [
                "19 `z`: put it in [workspace.dependencies] and write `z.workspace = true`",
                "20 write [dependencies.v] as one line, `NAME.workspace = true`",
                "1 [package] lacks `edition.workspace = true`: add it",
                "1 no `[lints] workspace = true`: add it",
            ]
        );
    }

    #[test]
    fn a_manifest_outside_the_workspace_is_told() {
        let found = check(&Tree::of(&[("a/Cargo.toml", GOOD)]), &Workspace { crates: vec![] });
        assert_eq!(found.len(), 1);
    }
}
