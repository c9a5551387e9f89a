//! The corpus of a target: files in `corpus/<target>/`.

use std::{
    collections::BTreeSet,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// Files that once made a target fail begin so, and stay whatever else is found.
const REGRESSION: &str = "regression-";

/// The folder of a target's corpus.
#[derive(Debug)]
pub(crate) struct Corpus {
    folder: PathBuf,
}

impl Corpus {
    pub(crate) fn of(target: &str) -> Self {
        Self { folder: Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target) }
    }

    /// A corpus anywhere.
    #[cfg(test)]
    pub(crate) const fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Every input with the name of its file, in the order of names.
    pub(crate) fn read(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let mut inputs = Vec::new();
        let entries =
            fs::read_dir(&self.folder).with_context(|| format!("no corpus in {}", self.folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            inputs.push((file_name(&path), bytes));
        }
        inputs.sort();
        Ok(inputs)
    }

    /// Replaces everything but regressions.
    pub(crate) fn renew(&self, inputs: &BTreeSet<Vec<u8>>) -> Result<()> {
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot create {}", self.folder.display()))?;
        for (name, _) in self.read()?.iter().filter(|(name, _)| !name.starts_with(REGRESSION)) {
            fs::remove_file(self.folder.join(name)).with_context(|| format!("cannot remove {name}"))?;
        }
        for input in inputs {
            let path = self.folder.join(name_of(input));
            fs::write(&path, input).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    /// Keeps an input that fails, where it will be replayed first.
    pub(crate) fn keep_regression(&self, input: &[u8]) -> Result<PathBuf> {
        let path = self.folder.join(format!("{REGRESSION}{}", name_of(input)));
        fs::create_dir_all(&self.folder)?;
        fs::write(&path, input).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The same input has the same name.
fn name_of(input: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
