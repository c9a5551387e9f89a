//! The load: threads with a connection each, which send two requests at once, read the answers, and send the next.

use std::{
    collections::BTreeMap,
    io::{BufReader, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use tidegate_e2e::load::Random;

use crate::{
    answers::{self, Answer},
    requests::{A_BATCH, Batch, Crowd, Hostile},
};

/// Requests under way on a connection. Envoy closes one with three local replies on their way: a guard against floods.
const AT_ONCE: usize = 2;
/// Longer than this no answer takes.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// What all lanes share.
#[derive(Debug)]
pub(crate) struct Load {
    /// Where requests go.
    pub(crate) target: SocketAddr,
    /// Requests to send.
    pub(crate) requests: u64,
    /// Who asks.
    pub(crate) crowd: Crowd,
    /// When nothing more is sent.
    pub(crate) end: Instant,
    /// Requests that lanes have taken.
    pub(crate) taken: AtomicU64,
    /// Requests that have been dealt with.
    pub(crate) done: AtomicU64,
}

/// What lanes have seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Requests sent.
    pub(crate) sent: u64,
    /// Answers by status.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Answers to hostile requests by what was wrong and status; 0 where there was none.
    pub(crate) hostile: BTreeMap<(Hostile, u16), u64>,
    /// Refusals with their problem documents.
    pub(crate) problems: u64,
    /// Plain requests whose answers never came.
    pub(crate) unanswered: u64,
    /// Answers of 5xx that are no problem documents.
    pub(crate) broken: u64,
    /// Plain requests with an answer that is neither 200 nor a refusal.
    pub(crate) odd: u64,
    /// Connections that were made.
    pub(crate) connections: u64,
    /// What went wrong first.
    pub(crate) first_failure: Option<String>,
}

impl Load {
    /// One lane, to its end.
    ///
    /// # Errors
    /// When Envoy takes no connection.
    pub(crate) fn run(&self, seed: u64) -> Result<Tally> {
        let (mut tally, mut random, mut batch) = (Tally::default(), Random::new(seed), Batch::default());
        let mut connection = None;
        while let Some(requests) = self.take() {
            batch.refill(requests, self.crowd, &mut random);
            let open = match connection.take() {
                Some(open) => open,
                None => {
                    tally.connections += 1;
                    connect(self.target)?
                }
            };
            connection = tally.exchange(open, &batch);
            self.done.fetch_add(requests, Ordering::Relaxed);
        }
        Ok(tally)
    }

    fn take(&self) -> Option<u64> {
        if Instant::now() >= self.end {
            return None;
        }
        let before = self.taken.fetch_add(A_BATCH, Ordering::Relaxed);
        Some(self.requests.saturating_sub(before).min(A_BATCH)).filter(|requests| *requests > 0)
    }
}

impl Tally {
    /// Adds what another lane has seen.
    pub(crate) fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.problems += other.problems;
        self.unanswered += other.unanswered;
        self.broken += other.broken;
        self.odd += other.odd;
        self.connections += other.connections;
        other
            .statuses
            .into_iter()
            .for_each(|(status, count)| *self.statuses.entry(status).or_default() += count);
        other.hostile.into_iter().for_each(|(what, count)| *self.hostile.entry(what).or_default() += count);
        self.first_failure = self.first_failure.take().or(other.first_failure);
    }

    /// Answers in all.
    pub(crate) fn answered(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Hostile requests whose connection ended without an answer.
    pub(crate) fn cut_off(&self) -> u64 {
        self.hostile.iter().filter(|((_, status), _)| *status == 0).map(|(_, count)| count).sum()
    }

    /// Sends a batch and reads its answers. Returns the connection, if it goes on.
    fn exchange(
        &mut self,
        mut connection: BufReader<TcpStream>,
        batch: &Batch,
    ) -> Option<BufReader<TcpStream>> {
        let (mut line, mut from, mut left) = (Vec::new(), 0, batch.ends.len() as u64);
        self.sent += left;
        for ends in batch.ends.chunks(AT_ONCE) {
            let to = ends.last().copied().unwrap_or(from);
            // Envoy may close before it has read all of a hostile one: the answers tell.
            let _ = connection.get_mut().write_all(batch.bytes.get(from..to).unwrap_or_default());
            from = to;
            for _ in ends {
                left -= 1;
                let hostile = batch.hostile.filter(|_| left == 0);
                match answers::next(&mut connection, hostile == Some(Hostile::Head), &mut line) {
                    Ok(Some(answer)) => {
                        self.count(answer, hostile);
                        if answer.closes {
                            self.miss(None, left, "Envoy closed amid plain requests");
                            return None;
                        }
                    }
                    failure => {
                        let plain = left + u64::from(hostile.is_none());
                        self.miss(hostile, plain, &format!("{failure:?}"));
                        return None;
                    }
                }
            }
        }
        Some(connection)
    }

    fn count(&mut self, answer: Answer, hostile: Option<Hostile>) {
        let Answer { status, is_problem, .. } = answer;
        *self.statuses.entry(status).or_default() += 1;
        self.problems += u64::from(is_problem);
        let is_refusal = is_problem && matches!(status, 429 | 503);
        if status >= 500 && !is_problem {
            self.broken += 1;
            self.note(|| format!("{status} without a problem document to {hostile:?}"));
        }
        match hostile {
            Some(what) => *self.hostile.entry((what, status)).or_default() += 1,
            None if status != 200 && !is_refusal => {
                self.odd += 1;
                self.note(|| format!("{status} to a plain request"));
            }
            None => {}
        }
    }

    /// So many answers are not there; the last may have been a hostile request's.
    fn miss(&mut self, hostile: Option<Hostile>, answers: u64, why: &str) {
        match hostile {
            Some(what) => *self.hostile.entry((what, 0)).or_default() += 1,
            None if answers == 0 => {}
            None => {
                self.unanswered += answers;
                self.note(|| format!("{answers} answers are missing: {why}"));
            }
        }
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if self.first_failure.is_none() {
            self.first_failure = Some(what());
        }
    }
}

fn connect(target: SocketAddr) -> Result<BufReader<TcpStream>> {
    let connection =
        TcpStream::connect_timeout(&target, ANSWER_LIMIT).context("Envoy takes no connection")?;
    connection.set_nodelay(true)?;
    connection.set_read_timeout(Some(ANSWER_LIMIT))?;
    connection.set_write_timeout(Some(ANSWER_LIMIT))?;
    Ok(BufReader::with_capacity(32 << 10, connection))
}
