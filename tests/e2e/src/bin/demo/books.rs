//! The books: three parties counted the same traffic in every arm, and must have counted the same.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use tidegate_e2e::{
    arena::{Arena, Arm, Counted},
    envoy::Stats,
    forecaster::{Forecaster, Usage},
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
    /// In which arm; `all` where Envoy does not tell its own apart.
    pub(crate) arm: &'static str,
    /// What was counted.
    pub(crate) what: String,
    /// By the client.
    pub(crate) client: u64,
    /// By the proxy, where it counts that.
    pub(crate) proxy: Option<u64>,
    /// By the forecaster's database, where there is one.
    pub(crate) database: Option<u64>,
}

impl Books {
    /// Waits for the last reports and compares.
    pub(crate) async fn close(script: &Script, arena: &Arena, tallies: &[Tally]) -> Result<Self> {
        for (arm, tally) in arena.arms.iter().zip(tallies) {
            if let Some(forecaster) = &arm.forecaster {
                last_reports(script, forecaster, tally).await;
            }
        }
        // One more round: a report that is counted twice shows now.
        sleep(3 * REPORT_INTERVAL).await;
        let envoy = match &arena.envoy {
            Some(envoy) => Some(envoy.stats().await?),
            None => None,
        };
        let mut books = Self { table_epoch: 0, entries: Vec::new(), problems: Vec::new() };
        let (mut offered, mut in_databases) = (0, 0);
        for (arm, tally) in arena.arms.iter().zip(tallies) {
            let times = tally.problems().map(|(what, times)| format!("{}: {times} times: {what}", arm.name));
            books.problems.extend(times);
            let Some(forecaster) = &arm.forecaster else {
                books.compare_native(arm, tally, envoy.as_ref().context("no Envoy")?);
                continue;
            };
            let usage = forecaster.usage().await?;
            books.compare(script, arm, tally, arena.counted(arm).await?, &usage);
            books.obeyed(arm, forecaster).await?;
            books.table_epoch = books.table_epoch.max(arena.table_epoch(arm).await?);
            if let Some(gateway) = &arm.gateway {
                let refused = gateway.metrics().await?.sum("tidegate_tables_rejected_total", &[]);
                books.refused_tables(refused, "the gateway");
            } else {
                offered += tally.all().offered;
                in_databases += usage.sum(REQUESTS, |total| total.requests_offered);
            }
        }
        if let Some(envoy) = &envoy {
            books.close_plugins(envoy, offered, in_databases);
        }
        if tallies.iter().any(|tally| tally.all().offered == 0) {
            books.problems.push("no request was answered".into());
        }
        Ok(books)
    }

    /// A Tidegate arm.
    fn compare(&mut self, script: &Script, arm: &Arm, tally: &Tally, counted: Counted, usage: &Usage) {
        let all = tally.all();
        let of_cast = |figure: fn(&tidegate_e2e::forecaster::Total) -> u64| {
            script.cast.iter().map(|one| figure(&usage.of(&one.key, REQUESTS))).sum::<u64>()
        };
        let keys = of_cast(|total| total.requests_offered);
        let admitted = of_cast(|total| total.requests_admitted);
        // Somebody may have tried the curl line; those requests are on the books of proxy and database alone.
        let visitors = usage.sum(REQUESTS, |total| total.requests_offered).saturating_sub(keys);
        let let_in = usage.sum(REQUESTS, |total| total.requests_admitted).saturating_sub(admitted);
        let came = counted.requests.saturating_sub(visitors);
        let passed = counted.admitted.saturating_sub(let_in);
        self.entry(arm.name, "requests", all.offered, Some(came), Some(keys));
        self.entry(arm.name, "admitted", all.admitted(), Some(passed), Some(admitted));
        for (one, client) in script.cast.iter().zip(tally.customers()).filter(|_| script.cast.len() > 1) {
            let database = usage.of(&one.key, REQUESTS);
            let what = format!("requests of {}", one.key);
            self.entry(arm.name, &what, client.offered, None, Some(database.requests_offered));
            let what = format!("admitted of {}", one.key);
            self.entry(arm.name, &what, client.admitted(), None, Some(database.requests_admitted));
        }
        for (name, suffix) in &script.settled {
            let database = usage.sum(name, |total| total.settled);
            self.entry(arm.name, &format!("{name} settled"), tally.settled(suffix), None, Some(database));
        }
    }

    /// An arm of Envoy's own.
    fn compare_native(&mut self, arm: &Arm, tally: &Tally, envoy: &Stats) {
        let all = tally.all();
        let refused = envoy.get(&format!("{}.http_local_rate_limit.rate_limited", arm.name));
        self.entry(arm.name, "requests", all.offered, Some(envoy.requests_to(arm.name)), None);
        self.entry(arm.name, "admitted", all.admitted(), Some(envoy.responses_of(arm.name, "2xx")), None);
        self.entry(arm.name, "refused", all.refused(), Some(refused), None);
    }

    /// A limiter without a table would be judged for something that it is not.
    async fn obeyed(&mut self, arm: &Arm, forecaster: &Forecaster) -> Result<()> {
        let proxies = forecaster.proxies().await?;
        if !proxies.iter().any(|proxy| proxy.table_epoch > 0) {
            self.problems.push(format!("{}: no proxy has a table", arm.name));
        }
        let errors = proxies.into_iter().filter_map(|proxy| proxy.table_error);
        self.problems.extend(errors.map(|error| format!("{}: table refused: {error}", arm.name)));
        Ok(())
    }

    /// What the plugins count together, since Envoy keeps one counter for all of them.
    fn close_plugins(&mut self, envoy: &Stats, offered: u64, in_databases: u64) {
        let decided = envoy.plugin_sum("tidegate_decisions_total", &[]);
        let visitors = in_databases.saturating_sub(offered);
        self.entry("all", "decisions", offered, Some(decided.saturating_sub(visitors)), None);
        let dropped = envoy.plugin("tidegate_reports_dropped_total");
        if dropped > 0 {
            self.problems.push(format!("the plugin dropped {dropped} reports"));
        }
        self.refused_tables(envoy.plugin("tidegate_tables_total.result.rejected"), "the plugin");
    }

    fn refused_tables(&mut self, refused: u64, by: &str) {
        if refused > 0 {
            self.problems.push(format!("{by} refused {refused} tables"));
        }
    }

    fn entry(
        &mut self,
        arm: &'static str,
        what: &str,
        client: u64,
        proxy: Option<u64>,
        database: Option<u64>,
    ) {
        let entry = Entry { arm, what: what.to_owned(), client, proxy, database };
        if !entry.agrees() {
            let told = |who: &str, count: Option<u64>| {
                count.map_or_else(String::new, |count| format!(", {who} {count}"))
            };
            let others = told("the proxy", proxy) + &told("the database", database);
            self.problems.push(format!("{arm}: {what}: the client counts {client}{others}"));
        }
        self.entries.push(entry);
    }

    /// Shows what was compared.
    pub(crate) fn print(&self) {
        println!("\nThe books");
        let mut table = Table::new(&["", "arm", "client", "proxy", "database", ""]);
        let count = |count: Option<u64>| count.map_or_else(|| "-".into(), |count| count.to_string());
        for entry in &self.entries {
            let verdict = if entry.agrees() { "equal" } else { "DIFFERENT" };
            table.row([
                entry.what.clone(),
                entry.arm.into(),
                entry.client.to_string(),
                count(entry.proxy),
                count(entry.database),
                verdict.into(),
            ]);
        }
        table.print();
    }
}

impl Entry {
    fn agrees(&self) -> bool {
        [self.proxy, self.database].into_iter().flatten().all(|count| count == self.client)
    }
}

/// What never comes is told by the comparison, with both numbers.
async fn last_reports(script: &Script, forecaster: &Forecaster, tally: &Tally) {
    let complete = |usage: &Usage| {
        let settled = |(name, suffix): &(String, String)| {
            usage.sum(name, |total| total.settled) >= tally.settled(suffix)
        };
        usage.sum(REQUESTS, |total| total.requests_offered) >= tally.all().offered
            && script.settled.iter().all(settled)
    };
    let asked = || async { Ok(Some(forecaster.usage().await?).filter(complete)) };
    let _ = wait::until("the last reports", LAST_REPORTS, asked).await;
}
