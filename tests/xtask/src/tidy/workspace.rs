//! What `cargo metadata` says about our crates: where they are, their target roots, and which of ours they need.

use anyhow::{Context, Result};
use serde_json::Value;

/// The members of the workspace.
pub(crate) struct Workspace {
    pub(crate) crates: Vec<Crate>,
}

/// One member. Paths are relative to the workspace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) folder: String,
    /// The files that the compiler is called with, build scripts included.
    pub(crate) roots: Vec<String>,
    /// Dependencies of any kind that have a path, which only ours do.
    pub(crate) needs: Vec<String>,
}

impl Workspace {
    /// From the output of `cargo metadata --no-deps --format-version 1`.
    pub(crate) fn parse(json: &str) -> Result<Self> {
        let metadata: Value = serde_json::from_str(json).context("cargo metadata wrote no JSON")?;
        let root = format!("{}/", text(&metadata, "workspace_root")?);
        let crates = list(&metadata, "packages").map(|package| Crate::parse(package, &root));
        Ok(Self { crates: crates.collect::<Result<_>>()? })
    }
}

impl Crate {
    fn parse(package: &Value, root: &str) -> Result<Self> {
        let inside = |path: &str| path.strip_prefix(root).unwrap_or(path).to_owned();
        let manifest = inside(text(package, "manifest_path")?);
        let ours =
            list(package, "dependencies").filter(|needed| needed.get("path").is_some_and(Value::is_string));
        let roots = list(package, "targets").map(|target| text(target, "src_path").map(inside));
        Ok(Self {
            name: text(package, "name")?.to_owned(),
            folder: manifest.strip_suffix("/Cargo.toml").unwrap_or_default().to_owned(),
            roots: roots.collect::<Result<_>>()?,
            needs: ours.map(|needed| text(needed, "name").map(str::to_owned)).collect::<Result<_>>()?,
        })
    }
}

fn text<'v>(value: &'v Value, field: &str) -> Result<&'v str> {
    value.get(field).and_then(Value::as_str).with_context(|| format!("cargo metadata gives no {field}"))
}

fn list<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_relative_and_foreign_dependencies_are_left_out() {
        let json = r#"{"workspace_root": "/w", "packages": [{"name": "a", "manifest_path": "/w/x/a/Cargo.toml",
            "targets": [{"src_path": "/w/x/a/src/lib.rs"}, {"src_path": "/w/x/a/build.rs"}],
            "dependencies": [{"name": "b", "path": "/w/b", "kind": "dev"}, {"name": "serde", "kind": null}]}]}"#;
        let a = Crate {
            name: "a".into(),
            folder: "x/a".into(),
            roots: vec!["x/a/src/lib.rs".into(), "x/a/build.rs".into()],
            needs: vec!["b".into()],
        };
        assert_eq!(Workspace::parse(json).unwrap().crates, [a]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = Workspace::parse("{}").err().unwrap();
        assert_eq!(error.to_string(), "cargo metadata gives no workspace_root");
    }
}
