//! What models share, kept in the database: it comes from more usage than is learned again after a restart.

use crate::{app::App, clock, metrics::gauge};

/// Its name in the database.
const NAME: &str = "school";

impl App {
    /// Goes on from what was kept. To be called before the past is learned again.
    pub(crate) async fn restore_school(&self, current: u64) -> Result<(), tidegate_store::Error> {
        let mut learner = self.learner.write().await;
        if learner.school().is_none() {
            return Ok(());
        }
        let Some(bytes) = self.store.learned(NAME).await? else { return Ok(()) };
        match learner.restore_school(&bytes, current) {
            Ok(()) => {
                let steps = learner.schooled_steps().unwrap_or_default();
                tracing::info!(steps, "what all keys have taught goes on from where it was");
            }
            Err(error) => {
                tracing::warn!(%error, "what all keys had taught is learned anew: it is of another model or season");
            }
        }
        Ok(())
    }

    /// Keeps what has been learned up to now, in place of what was kept.
    pub(crate) async fn keep_school(&self) {
        let learner = self.learner.read().await;
        let Some((bytes, steps)) = learner.save_school().zip(learner.schooled_steps()) else { return };
        drop(learner);
        match self.store.keep_learned(NAME, clock::now_ms(), &bytes).await {
            Ok(()) => {
                self.metrics.schooled_steps.set(gauge(steps as usize));
            }
            Err(error) => {
                tracing::error!(%error, "what all keys have taught is not kept; a restart now would lose some of it")
            }
        }
    }
}
