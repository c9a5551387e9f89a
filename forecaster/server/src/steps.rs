//! The heartbeat: closes each step, learns it, forecasts, plans, publishes; then fits models for a part of the step.
//!
//! Learning reads a step's usage from the database, so that a restart learns exactly what a running forecaster did.
//! A step in which nobody could report is a gap; every other step is silence for the keys without usage.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context;
use ed25519_dalek::SigningKey;
use rayon::prelude::*;
use tidegate_core::report::Usage;
use tidegate_learn::{Fit, Learner, Series, Used};
use tidegate_store::{Counters, RegionUsage, SeriesUsage, Wished};

use crate::{
    app::App,
    clock,
    config::{Config, Event},
    details::parts_of_demand,
    metrics::{RegionLabels, gauge},
    planning::Planner,
    wishes::wanted_capacities,
};

/// Reports of a window arrive this much after its end at the latest, or are late.
const LONGEST_GRACE_MS: u64 = 2000;
/// How many seasons of the past are learned again after a restart: one to repeat, one to know its errors.
const SEASONS_LEARNED: u64 = 2;
/// How many closed steps are shown beside their forecasts; forecasts before them are not made again.
const STEPS_PREDICTED_AGAIN: u64 = 120;
/// So many models are fitted at a time, and after each step of the past when it is learned again.
const FITS: usize = 64;
/// It is looked every so many steps which keys are worth a heavy model.
const CHOSEN_EVERY: u64 = 16;
const CLEANUP_INTERVAL_MS: u64 = 3_600_000;
const DAY_MS: u64 = 86_400_000;

/// The step loop.
pub(crate) struct Steps {
    app: Arc<App>,
    step_ms: u64,
    /// The first step that has not been learned.
    next: u64,
    cleanup_at_ms: u64,
    planner: Arc<Mutex<Planner>>,
}

impl Steps {
    pub(crate) fn new(app: Arc<App>, key: Option<SigningKey>) -> Self {
        let step_ms = u64::from(app.config.forecast.step_ms);
        let planner = Arc::new(Mutex::new(Planner::new(key)));
        Self { app, step_ms, next: 0, cleanup_at_ms: 0, planner }
    }

    /// Runs until shutdown.
    pub(crate) async fn run(mut self) {
        let shutdown = self.app.shutdown.clone();
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.beat() => {}
        }
    }

    async fn beat(&mut self) {
        while let Err(error) = self.load().await {
            tracing::error!("cannot learn from the database, trying again: {error:#}");
            self.app.metrics.step_failures.inc();
            clock::sleep_until(clock::now_ms() + LONGEST_GRACE_MS).await;
        }
        self.app.set_loaded();
        self.publish_or_log().await;
        self.app.keep_school().await;
        let grace_ms = (self.step_ms * 3 / 10).min(LONGEST_GRACE_MS);
        loop {
            clock::sleep_until((self.next + 1) * self.step_ms + grace_ms).await;
            let started = Instant::now();
            // More than one when the process was held up or the clock jumped; a clock set back just waits.
            let current = clock::now_ms().saturating_sub(grace_ms) / self.step_ms;
            match self.catch_up(current).await {
                Ok(()) => self.publish_or_log().await,
                Err(error) => {
                    tracing::error!("cannot close a step, trying again: {error:#}");
                    self.app.metrics.step_failures.inc();
                    clock::sleep_until(clock::now_ms() + grace_ms.max(100)).await;
                }
            }
            self.app.keep_school().await;
            self.app.metrics.step_seconds.observe(started.elapsed().as_secs_f64());
            if let Err(error) = self.fit().await {
                tracing::error!("models keep what they were fitted to: {error:#}");
            }
            self.clean_up().await;
        }
    }

    /// Learns the past from the database.
    async fn load(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        let now_ms = clock::now_ms();
        let current = now_ms / self.step_ms;
        // Not again when it is tried again: steps learned by then have taught.
        if self.next == 0 {
            self.app.restore_school(current).await?;
        }
        let first = current.saturating_sub(self.app.config.forecast.season_steps as u64 * SEASONS_LEARNED);
        let oldest = self.app.store.first_window_ms().await?.map_or(current, |window| window / self.step_ms);
        self.next = self.next.max(first).max(oldest.min(current));
        let from = self.next;
        self.catch_up(current).await?;
        let series = self.app.learner.read().await.series_count();
        let took_ms = started.elapsed().as_millis() as u64;
        tracing::info!(steps = current - from, series, took_ms, "learned from the database");
        Ok(())
    }

    /// Learns every step before `current`.
    async fn catch_up(&mut self, current: u64) -> anyhow::Result<()> {
        let memory = self.app.config.forecast.season_steps as u64 * SEASONS_LEARNED;
        self.next = self.next.max(current.saturating_sub(memory));
        let (from_ms, to_ms) = (self.next * self.step_ms, current * self.step_ms);
        let marked: BTreeSet<u64> =
            self.app.store.observed_between(from_ms, to_ms).await?.into_iter().collect();
        while self.next < current {
            let is_recent = self.next + STEPS_PREDICTED_AGAIN >= current;
            self.learn(self.next, marked.contains(&(self.next * self.step_ms)), is_recent).await?;
            self.next += 1;
            if self.next < current {
                self.fit_some().await?;
            }
        }
        self.app.ingest.close_until(to_ms);
        Ok(())
    }

    /// Learns one step, and forecasts the one after it when `predict` asks for that.
    async fn learn(&self, step: u64, marked: bool, predict: bool) -> anyhow::Result<()> {
        let app = &self.app;
        let (starts_at_ms, ends_at_ms) = (step * self.step_ms, (step + 1) * self.step_ms);
        app.ingest.close_until(ends_at_ms);
        let usage = app.store.usage_between(starts_at_ms, ends_at_ms).await.context("usage of a step")?;
        let watched = !marked && app.proxies.watched_since(starts_at_ms);
        if watched {
            app.store.mark_observed(starts_at_ms).await.context("marking a step")?;
        }
        if !(marked || watched) && usage.is_empty() {
            return Ok(());
        }
        let regions =
            app.store.regions_between(starts_at_ms, ends_at_ms).await.context("regions of a step")?;
        let loads = app.store.loads_between(starts_at_ms, ends_at_ms).await.context("loads of a step")?;
        let wishes = app.store.wishes_between(starts_at_ms, ends_at_ms).await.context("wishes of a step")?;
        self.observe(step, Seen { usage, regions, loads, wishes }, predict).await?;
        app.metrics.steps.inc();
        Ok(())
    }

    async fn observe(&self, step: u64, seen: Seen, predict: bool) -> anyhow::Result<()> {
        let app = Arc::clone(&self.app);
        let unlearned = tokio::task::spawn_blocking(move || {
            let mut learner = app.learner.blocking_write();
            let (forecast, ahead) = (&app.config.forecast, u64::from(app.config.forecast.horizon_steps));
            let announce = |event: &Event| {
                event.announce(&mut learner, u64::from(forecast.step_ms), step, step + 1 + ahead);
            };
            forecast.events.iter().for_each(announce);
            locate(&app.config, &mut learner, &seen);
            for (name, wished) in &seen.wishes {
                if let Some(resource) = app.resource(name) {
                    learner.wish(resource, wished.refused);
                }
            }
            let unlearned = learner.observe(&app.config.customers, step, used(&app.config, &seen.usage));
            for (resource, load) in loads(&app.config, &seen).enumerate() {
                learner.measure(resource, load);
            }
            if step.is_multiple_of(CHOSEN_EVERY) && forecast.heavy_share > 0.0 {
                learner.choose(forecast.heavy_keys);
            }
            if predict {
                learner.predict(step + 1, 1);
            }
            unlearned
        });
        let unlearned = unlearned.await.context("learning a step")?;
        self.app.metrics.unlearned("too_many_keys", unlearned.too_many_keys);
        self.app.metrics.unlearned("unknown_resource", unlearned.unknown_resource);
        Ok(())
    }

    /// Fits the models that are worth it most, until their part of the step is used up.
    async fn fit(&self) -> anyhow::Result<()> {
        let part = self.app.config.forecast.fit_share * self.step_ms as f64;
        let (started, most) = (Instant::now(), Duration::from_millis(part as u64));
        while started.elapsed() < most && self.fit_some().await? > 0 {}
        Ok(())
    }

    /// Fits some copies of models while everybody may read the others; gives how many.
    async fn fit_some(&self) -> anyhow::Result<usize> {
        let app = Arc::clone(&self.app);
        let fitted = tokio::task::spawn_blocking(move || {
            let mut fits = app.learner.blocking_read().fits(FITS);
            fits.par_iter_mut().for_each(Fit::run);
            app.learner.blocking_write().adopt(fits)
        });
        let fitted = fitted.await.context("fitting models")?;
        self.app.metrics.fits.inc_by(fitted as u64);
        Ok(fitted)
    }

    async fn publish_or_log(&self) {
        if let Err(error) = self.publish().await {
            tracing::error!("no new table, proxies keep the last one until it expires: {error:#}");
            self.app.metrics.step_failures.inc();
        }
    }

    /// Forecasts, plans and hands the table to every stream.
    async fn publish(&self) -> anyhow::Result<()> {
        let epoch = self.app.store.next_epoch(clock::now_ms()).await.context("taking an epoch")?;
        let (app, planner, from) = (Arc::clone(&self.app), Arc::clone(&self.planner), self.next);
        let planned = tokio::task::spawn_blocking(move || {
            let mut learner = app.learner.blocking_write();
            learner.predict(from, usize::from(app.config.forecast.horizon_steps));
            let learner = learner.downgrade();
            let mut planner = planner.lock().unwrap_or_else(PoisonError::into_inner);
            let plan = planner.make(&app.config, &learner, epoch, from, clock::now_ms());
            app.metrics.forecast_regions(regions(&app.config, &learner));
            app.metrics.want(wanted_capacities(&app.config, &learner, from));
            (plan, learner.series_count())
        });
        let (plan, series) = planned.await.context("planning")?;
        let plan = plan.context("the planner made a table that breaks its rules")?;
        self.app.show_takes();
        let metrics = &self.app.metrics;
        metrics.series.set(gauge(series));
        metrics.tables.inc();
        metrics.table_epoch.set(i64::try_from(epoch).unwrap_or(i64::MAX));
        metrics.table_bytes.set(gauge(plan.pushed_bytes()));
        let (keys, bytes) = (plan.table.keys.len(), plan.pushed_bytes());
        tracing::debug!(epoch, series, keys, bytes, "published a table");
        self.app.plan.send_replace(Some(plan));
        Ok(())
    }

    async fn clean_up(&mut self) {
        let now_ms = clock::now_ms();
        if now_ms < self.cleanup_at_ms {
            return;
        }
        self.cleanup_at_ms = now_ms + CLEANUP_INTERVAL_MS;
        self.app.forget_profiles(now_ms);
        let before_ms = now_ms.saturating_sub(u64::from(self.app.config.retention_days) * DAY_MS);
        match self.app.store.delete_before(before_ms).await {
            Ok(windows) => {
                self.app.metrics.windows_deleted.inc_by(windows);
                tracing::debug!(windows, "deleted usage older than retention_days");
            }
            Err(error) => tracing::error!(%error, "cannot delete old usage; the database keeps growing"),
        }
    }
}

/// What the database knows of a step.
struct Seen {
    usage: Vec<SeriesUsage>,
    regions: Vec<RegionUsage>,
    loads: BTreeMap<String, f64>,
    wishes: BTreeMap<String, Wished>,
}

/// How busy each resource was in a step: what reports say, or else how much of its capacity was given away.
fn loads<'a>(config: &'a Config, seen: &'a Seen) -> impl Iterator<Item = Option<f64>> + 'a {
    let step_s = f64::from(config.forecast.step_ms) / 1e3;
    config.resources.iter().map(move |resource| {
        let told = seen.loads.get(&resource.name).copied();
        let admitted = |row: &SeriesUsage| {
            let Counters { guaranteed, opportunistic, emergency, .. } = row.counters;
            [guaranteed, opportunistic, emergency].into_iter().fold(0, u64::saturating_add)
        };
        let given: u64 = seen.usage.iter().filter(|row| row.resource == resource.name).map(admitted).sum();
        let whole = resource.capacity_per_s * step_s;
        told.or_else(|| (whole > 0.0).then(|| given as f64 / whole))
    })
}

/// What is forecast of every region for the next step.
fn regions(config: &Config, learner: &Learner) -> Vec<(RegionLabels, f64)> {
    let named = config.resources.iter().enumerate();
    let of_resource = named.flat_map(|(index, resource)| {
        let labels = |name: &str| RegionLabels { resource: resource.name.clone(), region: name.to_owned() };
        let mean = |series: &Series| series.forecast().1.first().map_or(0.0, |step| step.mean);
        learner.regions(index).map(move |(name, series)| (labels(name), mean(series)))
    });
    of_resource.collect()
}

/// Tells the learner where demand of a step came from.
fn locate(config: &Config, learner: &mut Learner, seen: &Seen) {
    let Seen { usage, regions, .. } = seen;
    let whole = usage
        .iter()
        .zip(used(config, usage))
        .map(|(row, used)| (row.key.as_str(), row.resource.as_str(), row.counters.offered, used.demand));
    for (row, demand) in parts_of_demand(regions, whole) {
        let resource = config.resources.iter().position(|resource| resource.name == row.resource);
        if let Some(resource) = resource {
            learner.locate(&row.key, resource, &row.tokens.region, demand);
        }
    }
}

/// What the rows mean to the learner; resources that are not configured get an index that does not exist.
fn used<'a>(config: &Config, rows: &'a [SeriesUsage]) -> impl Iterator<Item = Used<'a>> {
    let known = |name: &str| config.resources.iter().position(|resource| resource.name == name);
    rows.iter().map(move |row| {
        let counters = &row.counters;
        let usage = Usage {
            offered: counters.offered,
            settled: counters.settled,
            settled_estimate: counters.settled_estimate,
            ..Usage::default()
        };
        Used {
            key: &row.key,
            resource: known(&row.resource).unwrap_or(usize::MAX),
            demand: usage.demand(),
            largest: counters.largest,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn demand_is_offered_corrected_by_settlement_and_unknown_resources_have_no_index() {
        let text = "resources: { requests: { capacity_per_s: 10, burst: 10 } }\ntiers: { gold: {} }\n";
        let config = crate::config::parse(text, Path::new("/"), &|_| None).unwrap();
        let counters =
            Counters { offered: 100, settled: 30, settled_estimate: 50, largest: 9, ..Counters::default() };
        let row = |resource: &str| SeriesUsage { key: "a".into(), resource: resource.into(), counters };
        let rows = [row("requests"), row("cpu")];
        let used: Vec<Used<'_>> = used(&config, &rows).collect();
        assert_eq!(used[0], Used { key: "a", resource: 0, demand: 80, largest: 9 });
        assert_eq!(used[1].resource, usize::MAX);
    }

    #[test]
    fn load_is_what_reports_say_or_what_was_given_away() {
        let text = "resources: { requests: { capacity_per_s: 10, burst: 10 } }\ntiers: { gold: {} }\n";
        let config = crate::config::parse(text, Path::new("/"), &|_| None).unwrap();
        let counters = Counters { guaranteed: 100, opportunistic: 50, offered: 9999, ..Counters::default() };
        let usage = vec![SeriesUsage { key: "a".into(), resource: "requests".into(), counters }];
        let mut seen = Seen { usage, regions: Vec::new(), loads: BTreeMap::new(), wishes: BTreeMap::new() };
        assert_eq!(loads(&config, &seen).collect::<Vec<_>>(), [Some(0.25)]);
        seen.loads.insert("requests".into(), 0.8);
        assert_eq!(loads(&config, &seen).collect::<Vec<_>>(), [Some(0.8)]);
    }
}
