//! The load client: asks when the schedule says, not when the last answer came (open loop), within hard limits.
//!
//! Every request of a schedule gets exactly one counted [`Outcome`].

mod arrivals;
mod client;

use std::{
    slice,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{Semaphore, mpsc, watch},
    time::sleep_until,
};

pub use arrivals::{Arrivals, Random};
pub use client::{Answer, Ask, Client, Outcome};

/// The most that one run of a schedule may do.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests without an answer at the same time.
    pub concurrency: usize,
    /// Requests in all.
    pub requests: usize,
    /// How long the schedule may go on.
    pub time: Duration,
}

/// One request of a schedule.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// When it is due, since the schedule began.
    pub at: Duration,
    /// Who asks; the meaning is the caller's.
    pub who: usize,
    /// What is asked.
    pub ask: Ask,
}

/// What became of one request of a schedule.
#[derive(Debug)]
pub struct Done {
    /// [`Arrival::who`].
    pub who: usize,
    /// Index of the client that sent it.
    pub client: usize,
    /// [`Arrival::at`].
    pub due: Duration,
    /// When it was sent, since the schedule began.
    pub sent: Duration,
    /// How long the answer took.
    pub took: Duration,
    /// What came back.
    pub outcome: Outcome,
}

/// Sends a schedule, ordered by time, and returns when its last answer is in.
///
/// Ends early when a limit is reached or `stop` becomes true. When `concurrency` requests are under way, an arrival
/// that is due is not sent, and counted so: waiting would hide how slow the answers are.
pub async fn drive(
    client: &Client,
    schedule: impl Iterator<Item = Arrival> + Send,
    limits: Limits,
    stop: watch::Receiver<bool>,
    sink: mpsc::UnboundedSender<Done>,
) {
    drive_all(slice::from_ref(client), schedule, limits, stop, sink).await;
}

/// Like [`drive`], with every request sent by all clients at once.
pub async fn drive_all(
    clients: &[Client],
    schedule: impl Iterator<Item = Arrival> + Send,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
    sink: mpsc::UnboundedSender<Done>,
) {
    let started = Instant::now();
    let permits = Arc::new(Semaphore::new(limits.concurrency));
    for arrival in schedule.take(limits.requests).take_while(|arrival| arrival.at <= limits.time) {
        tokio::select! {
            () = sleep_until((started + arrival.at).into()) => {}
            // An error means that nobody can stop us any more, which is no reason to stop.
            Ok(_) = stop.wait_for(|stop| *stop) => break,
        }
        for (index, client) in clients.iter().enumerate() {
            let (client, sink, ask) = (client.clone(), sink.clone(), arrival.ask.clone());
            let (who, due) = (arrival.who, arrival.at);
            let done = move |sent: Duration, outcome| {
                let took = started.elapsed().saturating_sub(sent);
                Done { who, client: index, due, sent, took, outcome }
            };
            let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
                let _ = sink.send(done(started.elapsed(), Outcome::NotSent));
                continue;
            };
            tokio::spawn(async move {
                let sent = started.elapsed();
                let outcome = client.send(&ask).await;
                // A receiver that is gone has no use for the outcome.
                let _ = sink.send(done(sent, outcome));
                drop(permit);
            });
        }
    }
    let all = u32::try_from(limits.concurrency).unwrap_or(u32::MAX);
    // The semaphore is never closed; this returns when every request has its outcome.
    let _ = permits.acquire_many(all).await;
}
