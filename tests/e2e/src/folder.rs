//! Folders for configurations, logs and databases of a run: below cargo's target directory, empty at the start.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// Cargo's target directory: the one that holds the running program.
///
/// # Errors
/// When the program was not built by cargo's dev profile.
pub fn target() -> Result<PathBuf> {
    let program = env::current_exe().context("cannot tell where this program is")?;
    let debug = program.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "debug"));
    let target = debug
        .and_then(Path::parent)
        .with_context(|| format!("{} is not below target/debug", program.display()))?;
    Ok(target.to_path_buf())
}

/// Makes `target/<name>` an empty folder.
///
/// # Errors
/// When the file system refuses.
pub fn fresh(name: &str) -> Result<PathBuf> {
    let folder = target()?.join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

/// Makes `<folder>/<name>`, if there is none yet.
///
/// # Errors
/// When the file system refuses.
pub fn within(folder: &Path, name: &str) -> Result<PathBuf> {
    let folder = folder.join(name);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

/// Writes a generated file and returns its path.
///
/// # Errors
/// When the file system refuses.
pub fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
