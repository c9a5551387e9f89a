//! The table: a row for each number of workers and each way.

use serde::Serialize;

use crate::place::{Counts, Way};

/// What was measured of one way with so many workers.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    workers: u32,
    #[serde(serialize_with = "name")]
    way: Way,
    /// Median over rounds.
    cpu_ns_per_take: f64,
    /// A quarter of the rounds each are below and above.
    quartiles: [f64; 2],
    /// Tries beyond the first, a take, while everybody takes without a pause.
    tried_again: f64,
    budgets: u64,
    /// Budgets of which exactly all was admitted.
    exact: u64,
    /// By how much the worst was exceeded.
    most_over: u64,
    /// How much of the worst was left.
    most_short: u64,
    /// Refusals while tokens were left.
    wrongly_refused: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn name<S: serde::Serializer>(way: &Way, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(way.name())
}

impl Row {
    pub(crate) fn new(workers: u32, way: Way, mut cpu_ns: Vec<f64>, tried_again: f64) -> Self {
        cpu_ns.sort_unstable_by(f64::total_cmp);
        let at = |part: f64| {
            let place = (cpu_ns.len().saturating_sub(1) as f64 * part).round() as usize;
            cpu_ns.get(place).copied().unwrap_or(f64::NAN)
        };
        Self {
            workers,
            way,
            cpu_ns_per_take: at(0.5),
            quartiles: [at(0.25), at(0.75)],
            tried_again,
            budgets: 0,
            exact: 0,
            most_over: 0,
            most_short: 0,
            wrongly_refused: 0,
        }
    }

    pub(crate) const fn way(&self) -> Way {
        self.way
    }

    /// A budget was given away.
    pub(crate) fn gave(&mut self, counts: Counts, budget: u32) {
        let budget = u64::from(budget);
        self.budgets += 1;
        self.exact += u64::from(counts.admitted == budget);
        self.most_over = self.most_over.max(counts.admitted.saturating_sub(budget));
        self.most_short = self.most_short.max(budget.saturating_sub(counts.admitted));
        self.wrongly_refused += counts.wrongly;
    }
}

pub(crate) fn print(rows: &[Row]) {
    println!(
        "\n{:>7}  {:<30} {:>9} {:>13} {:>9} {:>12} {:>9} {:>10} {:>15}",
        "workers",
        "way",
        "ns a take",
        "quartiles",
        "again",
        "exact",
        "most over",
        "most short",
        "wrongly refused"
    );
    for row in rows {
        println!(
            "{:>7}  {:<30} {:>9.0} {:>13} {:>9.4} {:>12} {:>9} {:>10} {:>15}",
            row.workers,
            row.way.name(),
            row.cpu_ns_per_take,
            row.quartiles.map(|quartile| format!("{quartile:.0}")).join(".."),
            row.tried_again,
            format!("{} of {}", row.exact, row.budgets),
            row.most_over,
            row.most_short,
            row.wrongly_refused
        );
    }
}
