//! The books: three parties counted the same traffic, and must have counted the same.

use std::time::Duration;

use anyhow::{Result, bail};
use serde::Serialize;
use tidegate_e2e::{
    envoy::Stats,
    forecaster::Usage,
    rig::{Rig, TABLE_EPOCH},
    trace::REQUESTS,
    wait,
};
use tokio::time::sleep;

use crate::{
    script::{REPORT_INTERVAL, Script},
    table::Table,
    tally::Tally,
};

const LAST_REPORTS: Duration = Duration::from_secs(20);

/// What each party counted, and what differs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Books {
    /// Epoch of the last table in force.
    pub(crate) table_epoch: u64,
    /// What was compared.
    pub(crate) entries: Vec<Entry>,
    /// What differs or should not have happened, in sentences.
    pub(crate) problems: Vec<String>,
}

/// One figure as three parties know it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry {
    /// What was counted.
    pub(crate) what: String,
    /// By the client.
    pub(crate) client: u64,
    /// By Envoy, where it counts that.
    pub(crate) envoy: Option<u64>,
    /// By the forecaster's database.
    pub(crate) database: u64,
}

impl Books {
    /// Waits for the last reports and compares.
    pub(crate) async fn close(script: &Script, rig: &Rig, tally: &Tally) -> Result<Self> {
        let all = tally.all();
        let complete = |usage: &Usage| {
            let settled = |(name, suffix): &(String, String)| {
                usage.sum(name, |total| total.settled) >= tally.settled(suffix)
            };
            usage.sum(REQUESTS, |total| total.requests_offered) >= all.offered
                && script.settled.iter().all(settled)
        };
        let asked = || async { Ok(Some(rig.forecaster()?.usage().await?).filter(complete)) };
        // What never came is told by the comparison, with both numbers.
        let _ = wait::until("the last reports", LAST_REPORTS, asked).await;
        // One more round: a report that is counted twice shows now.
        sleep(3 * REPORT_INTERVAL).await;
        let usage = rig.forecaster()?.usage().await?;
        Ok(Self::compare(script, tally, &rig.envoy.stats().await?, &usage))
    }

    fn compare(script: &Script, tally: &Tally, envoy: &Stats, usage: &Usage) -> Self {
        let all = tally.all();
        let keys: u64 = script.cast.iter().map(|one| usage.of(&one.key, REQUESTS).requests_offered).sum();
        // Somebody may have tried the curl line; those requests are on the books of Envoy and database alone.
        let visitors = usage.sum(REQUESTS, |total| total.requests_offered) - keys;
        let mut books =
            Self { table_epoch: envoy.plugin(TABLE_EPOCH), entries: Vec::new(), problems: Vec::new() };
        books.entry("requests", all.offered, Some(envoy.requests() - visitors.min(envoy.requests())), keys);
        let decided = envoy.plugin_sum("tidegate_decisions_total", &[]);
        books.entry("decisions", all.offered, Some(decided - visitors.min(decided)), keys);
        let admitted = script.cast.iter().map(|one| usage.of(&one.key, REQUESTS).requests_admitted).sum();
        books.entry("admitted", all.admitted(), None, admitted);
        for (who, one) in script.cast.iter().enumerate().filter(|_| script.cast.len() > 1) {
            let (client, database) = (tally.of(who), usage.of(&one.key, REQUESTS));
            books.entry(&format!("requests of {}", one.key), client.offered, None, database.requests_offered);
            books.entry(
                &format!("admitted of {}", one.key),
                client.admitted(),
                None,
                database.requests_admitted,
            );
        }
        for (name, suffix) in &script.settled {
            let database = usage.sum(name, |total| total.settled);
            books.entry(&format!("{name} settled"), tally.settled(suffix), None, database);
        }
        books.problems.extend(tally.problems().map(|(what, times)| format!("{times} times: {what}")));
        let dropped = envoy.plugin("tidegate_reports_dropped_total");
        if dropped > 0 {
            books.problems.push(format!("the plugin dropped {dropped} reports"));
        }
        if all.offered == 0 {
            books.problems.push("no request was answered".into());
        }
        books
    }

    fn entry(&mut self, what: &str, client: u64, envoy: Option<u64>, database: u64) {
        if database != client || envoy.is_some_and(|envoy| envoy != client) {
            let envoy = envoy.map_or_else(String::new, |envoy| format!(", Envoy {envoy}"));
            self.problems.push(format!("{what}: the client counts {client}{envoy}, the database {database}"));
        }
        self.entries.push(Entry { what: what.to_owned(), client, envoy, database });
    }

    /// Shows what was compared.
    pub(crate) fn print(&self) {
        println!("\nThe books");
        let mut table = Table::new(&["", "client", "Envoy", "database", ""]);
        for entry in &self.entries {
            let same =
                entry.database == entry.client && entry.envoy.is_none_or(|envoy| envoy == entry.client);
            let envoy = entry.envoy.map_or_else(|| "-".into(), |envoy| envoy.to_string());
            let verdict = if same { "equal" } else { "DIFFERENT" };
            table.row([
                entry.what.clone(),
                entry.client.to_string(),
                envoy,
                entry.database.to_string(),
                verdict.into(),
            ]);
        }
        table.print();
    }

    /// # Errors
    /// Says everything that differs.
    pub(crate) fn verdict(&self) -> Result<()> {
        if self.problems.is_empty() { Ok(()) } else { bail!(self.problems.join("; ")) }
    }
}
