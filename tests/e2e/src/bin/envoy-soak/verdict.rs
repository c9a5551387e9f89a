//! What must hold after a soak, and the summary.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use tidegate_e2e::envoy::Stats;

use crate::{
    load::Tally,
    place::{self, MOST_KEYS},
    watch::{self, Sample},
};

/// Envoy may hold so much more memory at the end than when two fifths of the requests were done.
const MOST_GROWTH: f64 = 0.05;
/// Lines of logs that a summary repeats.
const MOST_LINES: usize = 5;
const DECISIONS: &str = "tidegate_decisions_total";
/// Created VMs, by Envoy's count.
const CREATED: &str = "wasm.envoy.wasm.runtime.v8.created";

/// Everything that was seen.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Requests that were to be sent.
    pub(crate) wanted: u64,
    /// What the lanes saw.
    pub(crate) tally: Tally,
    /// Memory and keys over time.
    pub(crate) samples: Vec<Sample>,
    /// Envoy's counters before the load.
    pub(crate) before: Stats,
    /// And after it.
    pub(crate) after: Stats,
    /// What Envoy has logged.
    pub(crate) envoy_log: String,
    /// What the forecaster has logged.
    pub(crate) forecaster_log: String,
}

/// Something that must hold.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    what: &'static str,
    pub(crate) holds: bool,
    figures: String,
}

impl Seen {
    /// Everything that must hold.
    pub(crate) fn checks(&self) -> Vec<Check> {
        let check = |what, holds, figures| Check { what, holds, figures };
        let Self { tally, before, after, .. } = self;
        let (sent, answered, cut_off) = (tally.sent, tally.answered(), tally.cut_off());
        let mut checks = vec![
            check(
                "all requests were sent in time",
                sent == self.wanted,
                format!("{sent} of {}", self.wanted),
            ),
            check(
                "every plain request was answered",
                tally.unanswered == 0 && tally.odd == 0,
                format!(
                    "{} not, {} oddly, {answered} answers, {cut_off} hostile ones cut off",
                    tally.unanswered, tally.odd
                ),
            ),
            check(
                "5xx only as problem documents",
                tally.broken == 0,
                format!("{} without, {} problem documents", tally.broken, tally.problems),
            ),
        ];
        let reloads = after.ending("vm_reload_success").into_iter().chain(after.ending("vm_reload_failure"));
        let reloads: Vec<(String, u64)> = reloads.chain(after.ending("vm_reload_backoff")).collect();
        let (vms, new_vms) = (before.get(CREATED), after.get(CREATED));
        checks.push(check(
            "no VM was made anew",
            !reloads.is_empty() && reloads.iter().all(|(_, count)| *count == 0) && vms > 0 && vms == new_vms,
            format!("{vms} VMs before, {new_vms} after, {reloads:?}"),
        ));
        for (what, lines) in [
            ("Envoy's log has no errors", complaints(&self.envoy_log, &["[error]", "[critical]", "panick"])),
            ("the forecaster's log has no errors", complaints(&self.forecaster_log, &["ERROR", "panick"])),
        ] {
            checks.push(check(what, lines.is_empty(), format!("{} lines {:?}", lines.len(), first(&lines))));
        }
        let keys = self.samples.iter().map(|sample| sample.keys).max().unwrap_or_default();
        checks.push(check(
            "keys are bounded",
            (1..=MOST_KEYS * u64::from(place::WORKERS)).contains(&keys),
            format!("{keys} in {} workers, at most {MOST_KEYS} each", place::WORKERS),
        ));
        let growth = watch::growth(&self.samples).unwrap_or(f64::INFINITY);
        checks.push(check(
            "Envoy's memory is flat",
            growth <= MOST_GROWTH,
            format!("{:+.1} % after two fifths of the requests", growth * 100.0),
        ));
        let (decided, passed) = (self.decided(), place::passed_to_plugin(after));
        checks.push(check(
            "every request that came to the plugin is counted once",
            decided == passed && passed > 0,
            format!("{decided} decided or skipped, {passed} came"),
        ));
        checks
    }

    /// Everything, as JSON.
    pub(crate) fn summary(&self, checks: &[Check]) -> Value {
        let hostile: BTreeMap<String, u64> = self
            .tally
            .hostile
            .iter()
            .map(|((what, status), count)| (format!("{what:?} {status}"), *count))
            .collect();
        json!({
            "requests": self.tally.sent,
            "seconds": self.samples.last().map(|sample| sample.at_s),
            "statuses": self.tally.statuses,
            "hostile": hostile,
            "connections": self.tally.connections,
            "first_failure": self.tally.first_failure,
            "decisions": self.after.plugin_beginning(DECISIONS),
            "reports_dropped": self.after.plugin("tidegate_reports_dropped_total"),
            "samples": self.samples,
            "checks": checks,
        })
    }

    /// Requests that the plugin has counted; who was held back is counted again when that ends.
    fn decided(&self) -> u64 {
        self.after.plugin_sum(DECISIONS, &[]) - self.after.plugin_sum(DECISIONS, &[".decision.waiting"])
    }
}

/// Prints what was seen.
pub(crate) fn print(seen: &Seen, checks: &[Check]) {
    println!("\nanswers by status: {:?}", seen.tally.statuses);
    println!("hostile requests by what was wrong and status (0: none came):");
    for ((what, status), count) in &seen.tally.hostile {
        println!("  {:<12} {status:>3} {count:>8}", format!("{what:?}"));
    }
    println!("{} connections", seen.tally.connections);
    if let Some(failure) = &seen.tally.first_failure {
        println!("first failure: {failure}");
    }
    println!();
    for Check { what, holds, figures } in checks {
        println!("{:<7} {what}: {figures}", if *holds { "holds" } else { "FAILED" });
    }
}

fn complaints<'t>(log: &'t str, words: &[&str]) -> Vec<&'t str> {
    log.lines().filter(|line| words.iter().any(|word| line.contains(word))).collect()
}

fn first<'l, 't>(lines: &'l [&'t str]) -> &'l [&'t str] {
    lines.get(..MOST_LINES).unwrap_or(lines)
}
