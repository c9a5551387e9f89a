//! Envoy's counters and gauges, as its administration port lists them: `name: value`, one a line.

use std::collections::BTreeMap;

/// The name of the listener where there is only one.
pub const INGRESS: &str = "ingress";

/// One reading of all counters and gauges.
#[derive(Clone, Debug, Default)]
pub struct Stats(BTreeMap<String, u64>);

impl Stats {
    /// Reads the text format; histograms and text readouts are left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let number = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Self(text.lines().filter_map(number).collect())
    }

    /// A counter or gauge by its full name; what never moved is zero.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Counters and gauges whose full name ends so.
    #[must_use]
    pub fn ending(&self, end: &str) -> Vec<(String, u64)> {
        let ending = self.0.iter().filter(|(name, _)| name.ends_with(end));
        ending.map(|(name, value)| (name.clone(), *value)).collect()
    }

    /// Metrics of the plugin whose name begins so, by what follows.
    #[must_use]
    pub fn plugin_beginning(&self, begin: &str) -> BTreeMap<&str, u64> {
        let begin = format!("wasmcustom.{begin}");
        self.0.iter().filter_map(|(name, value)| Some((name.strip_prefix(&begin)?, *value))).collect()
    }

    /// A metric of the plugin.
    #[must_use]
    pub fn plugin(&self, name: &str) -> u64 {
        self.get(&format!("wasmcustom.{name}"))
    }

    /// The sum of the plugin's metrics whose name begins with `prefix` and contains all of `parts`, which are tags
    /// and their values between dots, such as `.tier.gold`.
    #[must_use]
    pub fn plugin_sum(&self, prefix: &str, parts: &[&str]) -> u64 {
        let prefix = format!("wasmcustom.{prefix}");
        let wanted = |name: &str| {
            let dotted = format!("{name}.");
            name.starts_with(&prefix) && parts.iter().all(|part| dotted.contains(&format!("{part}.")))
        };
        self.0.iter().filter(|(name, _)| wanted(name)).map(|(_, value)| value).sum()
    }

    /// Requests that came to the rig's one listener.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests_to(INGRESS)
    }

    /// Requests that came to a listener.
    #[must_use]
    pub fn requests_to(&self, listener: &str) -> u64 {
        self.get(&format!("http.{listener}.downstream_rq_total"))
    }

    /// Responses of a listener with a status of `class`, such as `2xx`.
    #[must_use]
    pub fn responses_of(&self, listener: &str, class: &str) -> u64 {
        self.get(&format!("http.{listener}.downstream_rq_{class}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_the_tags_that_are_not_given() {
        let stats = Stats::parse(
            "wasmcustom.d.decision.guaranteed.tier.gold.mode.enforce: 3\n\
             wasmcustom.d.decision.guaranteed.tier.goldish.mode.enforce: 5\n\
             wasmcustom.d.decision.refused_pool.tier.gold.mode.enforce: 7\n\
             http.ingress.downstream_rq_total: 15\n\
             http.ingress.downstream_rq_time: P0(1,1) P25(1,1)\n",
        );
        assert_eq!(stats.plugin_sum("d", &[".tier.gold"]), 10);
        assert_eq!(stats.plugin_sum("d", &[".decision.guaranteed", ".mode.enforce"]), 8);
        assert_eq!(stats.requests(), 15);
        assert_eq!(stats.get("never"), 0);
        assert_eq!(stats.ending("rq_total"), [("http.ingress.downstream_rq_total".to_owned(), 15)]);
        assert_eq!(
            stats.plugin_beginning("d.decision.refused").into_iter().collect::<Vec<_>>(),
            [("_pool.tier.gold.mode.enforce", 7)]
        );
    }
}
