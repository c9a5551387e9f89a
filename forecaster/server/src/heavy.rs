//! Heavy models for the keys that are worth them: when they are tried, and how much CPU time that may take.
//!
//! Beside the step loop, so that no trial ever holds up a step: after each table there is a step's worth of CPU time more,
//! `heavy_share` of one core, and while some is left the trial that promises most is run on a thread of its own. What is
//! not used is saved up, for a while.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};
use tidegate_learn::{Trial, Verdict};

use crate::app::App;

/// CPU time is saved up for so many steps.
const SAVED_STEPS: f64 = 10.0;

/// Runs until shutdown.
pub(crate) async fn run(app: Arc<App>) {
    let shutdown = app.shutdown.clone();
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = spend(&app) => {}
    }
}

async fn spend(app: &Arc<App>) {
    let forecast = &app.config.forecast;
    if forecast.heavy_share <= 0.0 || forecast.heavy_keys == 0 {
        return;
    }
    let per_step_s = forecast.heavy_share * f64::from(forecast.step_ms) / 1e3;
    let (mut left_s, mut tables) = (0.0_f64, app.plan.subscribe());
    while tables.changed().await.is_ok() {
        left_s = (left_s + per_step_s).min(per_step_s * SAVED_STEPS);
        // A trial may take more than is left; that is then missing in the next steps.
        while left_s > 0.0 {
            match try_one(app).await {
                Ok(Some(seconds)) => left_s -= seconds,
                Ok(None) => break,
                Err(error) => {
                    tracing::error!("no heavy model was tried: {error:#}");
                    break;
                }
            }
        }
    }
}

/// Runs the trial that promises most; gives the CPU time that it took, or nothing where none is due.
async fn try_one(app: &Arc<App>) -> anyhow::Result<Option<f64>> {
    let shared = Arc::clone(app);
    let tried = tokio::task::spawn_blocking(move || {
        let mut trial = shared.learner.blocking_read().trial()?;
        let began = thread_time();
        trial.run();
        let seconds = thread_time().saturating_sub(began).as_secs_f64();
        Some(conclude(&shared, trial, seconds))
    });
    tried.await.context("a trial")
}

fn conclude(app: &App, trial: Trial, seconds: f64) -> f64 {
    let candidate = trial.candidate();
    let mut learner = app.learner.blocking_write();
    let verdict = learner.conclude(trial, seconds);
    let learner = learner.downgrade();
    let gains: Vec<f64> = learner.heavy().map(|(.., gain)| gain).collect();
    app.metrics.trial(verdict, seconds, &gains);
    if verdict != Verdict::Stayed {
        tracing::debug!(candidate, ?verdict, seconds, "a key's bank has changed");
    }
    seconds
}

/// CPU time of this thread so far.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
