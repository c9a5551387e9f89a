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
            // A whole line: a filter of the listener may have the same one, further in.
            let line = format!("\n{place}");
            ensure!(whole.matches(&line).count() == 1, "no single place {place:?} in\n{whole}");
            whole = whole.replace(&line, &format!("{line}{addition}"));
        }
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::{Limiter, Listener, LocalLimit, TokenBucket};

    #[test]
    fn options_are_the_listeners_and_not_its_limiters() {
        let others = TokenBucket { rate_per_s: 10, burst: 20 };
        let limit = LocalLimit { others, customers: Vec::new() };
        let listener = Listener {
            name: INGRESS.into(),
            listen: ([127, 0, 0, 1], 1).into(),
            limiter: Limiter::Local(limit),
            access_log: None,
        };
        let yaml = format!("listeners:\n{}  clusters:\n", listener.to_yaml());
        let extra = Extra { options: "          merge_slashes: true\n".into(), ..Extra::default() };
        let whole = extra.added_to(&yaml).unwrap();
        assert_eq!(whole.matches("merge_slashes").count(), 1, "{whole}");
        assert!(whole.find("merge_slashes").unwrap() < whole.find("route_config").unwrap(), "{whole}");
    }
}
