//! `cargo xtask tidy`: what neither compiler nor clippy can check, one rule a file, every violation printed at once.
//!
//! A rule is a pure function over the texts of the repository, so it is tested on made-up ones.

mod commands;
mod exemptions;
mod facade;
mod header;
mod imports;
mod manifests;
mod markdown;
mod mentions;
mod metrics;
mod names;
mod paths;
mod reach;
mod rust;
mod size;
mod tree;
mod violation;
mod words;
mod workspace;

use anyhow::{Result, bail};

use crate::{layout::Layout, run};

use self::{tree::Tree, violation::Violation, workspace::Workspace};

/// Checks the tracked files as they are in the working tree. `own` are the subcommands of `cargo xtask`.
pub(crate) fn tidy(layout: &Layout, own: &[String]) -> Result<()> {
    let tree = Tree::read(layout.root())?;
    let mut metadata = run::cargo();
    metadata.current_dir(layout.root()).args(["metadata", "--no-deps", "--format-version", "1"]);
    let workspace = Workspace::parse(&run::capture(&mut metadata)?)?;

    let violations = check(&tree, &workspace, own);
    for violation in &violations {
        println!("{violation}");
    }
    match violations.len() {
        0 => {
            println!("tidy: {} files, nothing to say", tree.files().count());
            Ok(())
        }
        1 => bail!("tidy: 1 violation"),
        many => bail!("tidy: {many} violations"),
    }
}

fn check(tree: &Tree, workspace: &Workspace, own: &[String]) -> Vec<Violation> {
    let mut found = [
        imports::check(tree, workspace, imports::TABLE),
        manifests::check(tree, workspace),
        size::check_files(tree, exemptions::FILES),
        size::check_functions(tree, exemptions::FUNCTIONS),
        header::check(tree),
        names::check(tree),
        facade::check(tree),
        reach::check(tree, workspace),
        mentions::check(tree),
        metrics::check(tree),
        paths::check(tree),
        commands::check(tree, own),
        words::check(tree),
    ]
    .concat();
    found.sort();
    found
}
