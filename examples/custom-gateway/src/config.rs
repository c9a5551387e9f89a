//! The configuration file.

use std::{env, fs, net::SocketAddr, path::Path, path::PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

/// What the gateway is told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where clients come.
    pub(crate) listen: SocketAddr,
    /// Where metrics are.
    pub(crate) admin: SocketAddr,
    /// Host and port of what is behind.
    pub(crate) upstream: String,
    /// The policy.
    pub(crate) component: PathBuf,
    /// The policy's configuration; it says itself what is wrong with it.
    pub(crate) admission: serde_json::Value,
}

impl Config {
    /// Reads a file; `${NAME}` in it stands for a variable of the environment.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let text = with_variables(&text, |name| env::var(name).ok())?;
        serde_saphyr::from_str(&text).with_context(|| format!("in {}", path.display()))
    }
}

fn with_variables(text: &str, value: impl Fn(&str) -> Option<String>) -> Result<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').context("a `${` without its `}`")?;
        out.push_str(before);
        out.push_str(&value(name).with_context(|| format!("the variable {name} is not set"))?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_a_configuration() {
        let text =
            with_variables(include_str!("../gateway.yaml"), |name| Some(format!("the {name}"))).unwrap();
        let config: Config = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(config.admission["forecaster"]["token"], "the TIDEGATE_TOKEN");
        assert_eq!(config.upstream, "127.0.0.1:8081");
    }

    #[test]
    fn what_is_missing_or_unknown_is_told() {
        let error = with_variables("a: ${NOBODY_SETS_THIS}", |_| None).unwrap_err();
        assert_eq!(error.to_string(), "the variable NOBODY_SETS_THIS is not set");
        assert!(serde_saphyr::from_str::<Config>("listen: 127.0.0.1:1\nextra: 1").is_err());
    }
}
