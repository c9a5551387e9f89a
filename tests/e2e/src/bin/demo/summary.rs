//! What one run leaves: figures per arm, the client's pace and the books.

use std::{path::Path, time::Duration};

use anyhow::{Result, bail};
use serde::Serialize;
use tidegate_e2e::folder;

use crate::{
    accuracy::Accuracy,
    arms::Tuned,
    board::{of_tier, tiers},
    books::Books,
    cast::Cast,
    pace::PaceFigures,
    script::{Budget, Script},
    table::Table,
    tally::{Counts, Tally},
};

/// Everything about one run.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) consistent: bool,
    pub(crate) seconds: f64,
    pub(crate) learning_seconds: f64,
    /// Whether all the traffic that counts was sent.
    pub(crate) complete: bool,
    #[serde(skip)]
    pub(crate) budget: Option<Budget>,
    pub(crate) pace: PaceFigures,
    pub(crate) arms: Vec<Arm>,
    #[serde(flatten)]
    pub(crate) books: Books,
}

/// What one limiter did.
#[derive(Debug, Serialize)]
pub(crate) struct Arm {
    pub(crate) arm: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tuned: Option<Tuned>,
    pub(crate) all: Counts,
    pub(crate) tiers: Vec<Tier>,
    customers: Vec<Customer>,
    pub(crate) highest_admitted_in_a_second: usize,
}

#[derive(Debug, Serialize)]
pub(crate) struct Tier {
    pub(crate) tier: &'static str,
    /// From the end of the learning on; all when there was none, or it did not end.
    pub(crate) measured: Counts,
}

#[derive(Debug, Serialize)]
struct Customer {
    key: String,
    tier: &'static str,
    measured: Counts,
    forecast: Option<Accuracy>,
}

impl Arm {
    /// From everything that is known at the end; `learned` is whether the learning has ended.
    pub(crate) fn new(
        script: &Script,
        arm: &'static str,
        tuned: Option<Tuned>,
        tally: &Tally,
        accuracy: &[Option<Accuracy>],
        learned: bool,
    ) -> Self {
        let measured = if learned { tally.measured() } else { tally.customers() };
        let in_tier = |tier| Tier { tier, measured: of_tier(&script.cast, measured, tier) };
        let customer = |(who, (one, counts)): (usize, (&Cast, &Counts))| Customer {
            key: one.key.clone(),
            tier: one.tier,
            measured: *counts,
            forecast: accuracy.get(who).copied().flatten(),
        };
        Self {
            arm,
            tuned,
            all: tally.all(),
            tiers: tiers(&script.cast).into_iter().map(in_tier).collect(),
            customers: script.cast.iter().zip(measured).enumerate().map(customer).collect(),
            highest_admitted_in_a_second: tally.highest_in_a_second(),
        }
    }

    /// What became of the requests of all tiers after the learning.
    pub(crate) fn measured(&self) -> Counts {
        self.tiers.iter().map(|tier| tier.measured).sum()
    }

    /// Shows who was admitted how, and how good the forecasts were.
    pub(crate) fn print(&self) {
        let columns =
            ["", "offered", "guaranteed", "opportunistic", "refused 429", "refused 503", "admitted"];
        let mut table = Table::new(&columns);
        let tiers = self.tiers.iter().map(|tier| (tier.tier.to_owned(), tier.measured));
        let customers = self.customers.iter().map(|one| (one.key.clone(), one.measured));
        for (name, counts) in tiers.chain(customers.filter(|_| self.customers.len() > 1)) {
            let share = 100.0 * counts.admitted() as f64 / counts.offered.max(1) as f64;
            let opportunistic = counts.admitted() - counts.guaranteed;
            let figures = [
                counts.offered,
                counts.guaranteed,
                opportunistic,
                counts.refused_contract,
                counts.refused_shortage,
            ];
            table.row(
                std::iter::once(name)
                    .chain(figures.map(|figure| figure.to_string()))
                    .chain([format!("{share:.1} %")]),
            );
        }
        table.print();
        println!("\nForecasts one step ahead, against the last value as the forecast");
        let mut table = Table::new(&["", "steps", "inside the 80 % interval", "mean error", "of last value"]);
        for one in &self.customers {
            let Some(forecast) = one.forecast else { continue };
            table.row([
                one.key.clone(),
                forecast.steps.to_string(),
                format!("{:.0} %", 100.0 * forecast.coverage_80),
                format!("{:.1}", forecast.mae),
                format!("{:.1}", forecast.mae_last_value),
            ]);
        }
        table.print();
    }
}

impl Run {
    /// From everything that is known at the end.
    pub(crate) fn new(
        script: &Script,
        lasted: Duration,
        pace: PaceFigures,
        arms: Vec<Arm>,
        books: Books,
    ) -> Self {
        Self {
            consistent: books.problems.is_empty(),
            seconds: lasted.as_secs_f64(),
            learning_seconds: script.learning.as_secs_f64(),
            complete: script.judged_after.is_some_and(|whole| lasted >= whole),
            budget: script.budget,
            pace,
            arms,
            books,
        }
    }

    /// What the figures are about.
    pub(crate) fn what(&self) -> &'static str {
        match self.learning_seconds {
            0.0 => "All requests",
            learning if self.seconds < learning => "All requests; the learning had not ended",
            _ => "Requests after the learning",
        }
    }

    /// An arm by name.
    pub(crate) fn arm(&self, name: &str) -> Option<&Arm> {
        self.arms.iter().find(|arm| arm.arm == name)
    }

    /// Whether the client kept its schedule.
    pub(crate) fn print_pace(&self) {
        let PaceFigures { worst_lag_ms, p99_lag_ms, p99_answer_ms, worst_answer_ms } = self.pace;
        println!(
            "\nThe client sent 99 % of requests within {p99_lag_ms} ms of their time, the latest after {worst_lag_ms} ms;\n\
             99 % of answers came within {p99_answer_ms} ms, the last within {worst_answer_ms} ms."
        );
    }

    /// # Errors
    /// Says everything that differs between the books.
    pub(crate) fn verdict(&self) -> Result<()> {
        if self.consistent { Ok(()) } else { bail!(self.books.problems.join("; ")) }
    }
}

/// A run of one arm, as it is written.
#[derive(Serialize)]
struct Single<'a> {
    consistent: bool,
    seconds: f64,
    learning_seconds: f64,
    #[serde(flatten)]
    arm: &'a Arm,
    pace: PaceFigures,
    #[serde(flatten)]
    books: &'a Books,
}

/// Shows a run of one arm, and writes `summary.json` into a folder.
pub(crate) fn single(run: &Run, folder: &Path) -> Result<()> {
    let Some(arm) = run.arms.first() else { bail!("nothing was played") };
    let Run { consistent, seconds, learning_seconds, pace, ref books, .. } = *run;
    println!("\n{}", run.what());
    arm.print();
    run.print_pace();
    run.books.print();
    write(folder, &Single { consistent, seconds, learning_seconds, arm, pace, books })
}

/// Writes `summary.json` into a folder.
pub(crate) fn write(folder: &Path, summary: &impl Serialize) -> Result<()> {
    let path = folder::write(folder, "summary.json", &serde_json::to_string_pretty(summary)?)?;
    println!("\nwritten: {}", path.display());
    Ok(())
}
