//! What a test adds to the usual configuration: YAML as it stands at its place, indentation included.

use anyhow::{Result, ensure};

use super::INGRESS;

/// Additions; nothing by default.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    /// Routes that are tried before the one to the upstream.
    pub routes: String,
    /// HTTP filters before the limiter.
    pub filters: String,
    /// More clusters.
    pub clusters: String,
    /// More options of the connection manager.
    pub options: String,
}

impl Extra {
    /// A configuration with the additions in their places.
    ///
    /// # Errors
    /// When a place is not there any more.
    pub fn added_to(&self, yaml: &str) -> Result<String> {
        let mut whole = yaml.to_owned();
        let prefix = format!("          stat_prefix: {INGRESS}\n");
        for (place, addition) in [
            (prefix.as_str(), &self.options),
            ("              routes:\n", &self.routes),
            ("          http_filters:\n", &self.filters),
            ("  clusters:\n", &self.clusters),
        ] {
            ensure!(whole.matches(place).count() == 1, "no single place {place:?} in\n{whole}");
            whole = whole.replace(place, &format!("{place}{addition}"));
        }
        Ok(whole)
    }
}
