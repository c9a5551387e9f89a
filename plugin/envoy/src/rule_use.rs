//! How often each rule matched. A rule that never does is a mistake that nobody would notice otherwise.

use proxy_wasm::types::LogLevel;
use tidegate_core::rules::Rule;

use crate::{
    host,
    metrics::{Metrics, safe},
};

/// So many requests without a match are suspicious.
const SUSPICIOUS_REQUESTS: u64 = 10_000;

/// Matches of each rule.
#[derive(Default)]
pub(crate) struct RuleUse {
    requests: u64,
    rules: Vec<Used>,
    is_warned: bool,
}

struct Used {
    name: String,
    matches: u64,
    published: u64,
}

impl RuleUse {
    pub(crate) fn new(rules: &[Rule]) -> Self {
        let used = |rule: &Rule| Used { name: rule.name.clone(), matches: 0, published: 0 };
        Self { requests: 0, rules: rules.iter().map(used).collect(), is_warned: false }
    }

    /// Counts a request and the rule that matched it.
    pub(crate) fn count(&mut self, rule: Option<usize>) {
        self.requests += 1;
        if let Some(used) = rule.and_then(|index| self.rules.get_mut(index)) {
            used.matches += 1;
        }
    }

    /// Brings the counters up to date, those of rules without a match too, and warns once of rules that have matched nothing for long.
    pub(crate) fn publish(&mut self, metrics: &mut Metrics) {
        for used in &mut self.rules {
            let name = format!("tidegate_rule_matches_total.rule.{}", safe(&used.name));
            metrics.declare(&name);
            metrics.add(&name, used.matches - used.published);
            used.published = used.matches;
        }
        for warning in self.warnings() {
            host::log(LogLevel::Warn, &warning);
        }
    }

    /// What is to be said of rules that have matched nothing for long; once.
    fn warnings(&mut self) -> Vec<String> {
        if self.is_warned || self.requests < SUSPICIOUS_REQUESTS {
            return Vec::new();
        }
        self.is_warned = true;
        let requests = self.requests;
        let warning = |used: &Used| {
            format!(
                "rule `{}` has matched none of {requests} requests at this worker: check its match",
                used.name
            )
        };
        self.rules.iter().filter(|used| used.matches == 0).map(warning).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_never_match_are_told_of_once() {
        let used = |name: &str| Used { name: name.into(), matches: 0, published: 0 };
        let mut rules = RuleUse { rules: vec![used("often"), used("never")], ..RuleUse::default() };
        for request in 1..=SUSPICIOUS_REQUESTS + 1 {
            assert_eq!(rules.warnings(), Vec::<String>::new(), "before request {request}");
            rules.count((request == 7).then_some(0));
            if request == SUSPICIOUS_REQUESTS {
                let told = rules.warnings();
                assert!(told.len() == 1 && told[0].contains("`never`"), "{told:?}");
            }
        }
    }
}
