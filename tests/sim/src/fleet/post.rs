//! The network between proxies and forecaster: streams that keep their order, and outages.

use std::collections::VecDeque;

use crate::{
    random::Random,
    scenario::{MILLI, SECOND, Scenario},
};

/// One stream each way per proxy.
#[derive(Debug)]
pub(super) struct Post<M> {
    random: Random,
    streams: Vec<VecDeque<(u64, M)>>,
    away: Option<(u64, u64)>,
    partition: Option<(u64, u64)>,
}

impl<M> Post<M> {
    pub(super) fn new(scenario: &Scenario, seed: u64, purpose: u64) -> Self {
        let nanos =
            |(from, until): (f64, f64)| ((from * SECOND as f64) as u64, (until * SECOND as f64) as u64);
        Self {
            random: Random::new(seed, purpose),
            streams: (0..scenario.workers).map(|_| VecDeque::new()).collect(),
            away: scenario.faults.away.map(nanos),
            partition: scenario.faults.partition.map(nanos),
        }
    }

    /// Whether a proxy and the forecaster reach each other.
    pub(super) fn reaches(&self, proxy: usize, now: u64) -> bool {
        let within =
            |span: Option<(u64, u64)>| span.is_some_and(|(from, until)| (from..until).contains(&now));
        !(within(self.away) || proxy == 0 && within(self.partition))
    }

    /// Sends a message on a proxy's stream; lost when there is none.
    pub(super) fn send(&mut self, proxy: usize, message: M, now: u64) {
        if !self.reaches(proxy, now) {
            return;
        }
        let takes = (self.random.between(1.0, 100.0) * MILLI as f64) as u64;
        let Some(stream) = self.streams.get_mut(proxy) else { return };
        let at = stream.back().map_or(0, |(at, _)| *at).max(now + takes);
        stream.push_back((at, message));
    }

    /// When the next message arrives.
    pub(super) fn due(&self) -> u64 {
        self.streams.iter().filter_map(|stream| stream.front()).map(|(at, _)| *at).min().unwrap_or(u64::MAX)
    }

    /// A message that has arrived by now, and whose stream it was on. What was under way when a stream broke is lost.
    pub(super) fn receive(&mut self, now: u64) -> Option<(usize, M)> {
        loop {
            let proxy =
                self.streams.iter().position(|stream| stream.front().is_some_and(|(at, _)| *at <= now))?;
            let (at, message) = self.streams.get_mut(proxy)?.pop_front()?;
            if self.reaches(proxy, at) {
                return Some((proxy, message));
            }
        }
    }

    /// A proxy's stream breaks, and what is under way is lost.
    pub(super) fn hang_up(&mut self, proxy: usize) {
        if let Some(stream) = self.streams.get_mut(proxy) {
            stream.clear();
        }
    }
}
