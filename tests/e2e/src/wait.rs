//! Waiting for something to become true, with an end.

use std::{future::Future, time::Duration};

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

const PAUSE: Duration = Duration::from_millis(25);

/// Asks until the answer is `Some`, at most for `limit`; `what` says in the error what never came.
///
/// # Errors
/// When the time is over, or when asking itself fails.
pub async fn until<T, F>(what: &str, limit: Duration, mut ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if Instant::now() >= end {
            bail!("waited {:.0} s in vain: {what}", limit.as_secs_f64());
        }
        sleep(PAUSE).await;
    }
}
