//! What is left of a demo: `summary.json`, and the same in a few lines.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use tidegate_e2e::folder;

use crate::{
    accuracy::Accuracy,
    board::{of_tier, tiers},
    books::Books,
    script::Script,
    table::Table,
    tally::{Counts, Tally},
};

/// The whole file.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    consistent: bool,
    seconds: f64,
    learning_seconds: f64,
    all: Counts,
    tiers: Vec<Tier>,
    customers: Vec<Customer>,
    #[serde(flatten)]
    books: Books,
}

#[derive(Debug, Serialize)]
struct Tier {
    tier: &'static str,
    /// From the end of the learning on; all when there was none, or it did not end.
    measured: Counts,
}

#[derive(Debug, Serialize)]
struct Customer {
    key: String,
    tier: &'static str,
    measured: Counts,
    forecast: Option<Accuracy>,
}

impl Summary {
    /// From everything that is known at the end; `learned` is the tally when the learning ended.
    pub(crate) fn new(
        script: &Script,
        seconds: f64,
        learned: &Tally,
        tally: &Tally,
        accuracy: &[Option<Accuracy>],
        books: Books,
    ) -> Self {
        let tier = |tier| Tier {
            tier,
            measured: of_tier(&script.cast, tally, tier) - of_tier(&script.cast, learned, tier),
        };
        let customer = |(who, forecast): (usize, &Option<Accuracy>)| {
            let one = script.cast.get(who)?;
            let measured = tally.of(who) - learned.of(who);
            Some(Customer { key: one.key.clone(), tier: one.tier, measured, forecast: *forecast })
        };
        Self {
            consistent: books.problems.is_empty(),
            seconds,
            learning_seconds: script.learning.as_secs_f64(),
            all: tally.all(),
            tiers: tiers(&script.cast).into_iter().map(tier).collect(),
            customers: accuracy.iter().enumerate().filter_map(customer).collect(),
            books,
        }
    }

    /// Shows it.
    pub(crate) fn print(&self) {
        let what = match self.learning_seconds {
            0.0 => "All requests",
            learning if self.seconds < learning => "All requests; the learning had not ended",
            _ => "Requests after the learning",
        };
        println!("\n{what}");
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
        self.books.print();
    }

    /// Writes `summary.json` into a folder.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let path = folder::write(folder, "summary.json", &serde_json::to_string_pretty(self)?)?;
        println!("\nwritten: {}", path.display());
        Ok(())
    }
}
