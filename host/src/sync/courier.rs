//! Reports until they are durable.
//!
//! What is not acknowledged in time is sent again; the forecaster recognises what it has. The wait is bounded in bytes: beyond that
//! the oldest reports are dropped, and counted.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::gate::Report;

/// Most bytes of reports kept for a forecaster that does not answer.
const MOST_BYTES: usize = 8 << 20;
/// A report that was sent and not acknowledged is sent again after this.
const RESEND_AFTER: Duration = Duration::from_secs(3);

/// The mail of a gate.
#[derive(Debug, Default)]
pub(super) struct Courier {
    /// By age, the older ones first.
    kept: BTreeMap<u64, Kept>,
    next: u64,
    bytes: usize,
    dropped: u64,
}

#[derive(Debug)]
struct Kept {
    report: Report,
    /// Not before this; none when it has not been sent on this stream.
    resend_at: Option<Instant>,
}

impl Courier {
    /// Keeps a report until it is acknowledged.
    pub(super) fn keep(&mut self, report: Report) {
        self.bytes += report.bytes.len();
        self.kept.insert(self.next, Kept { report, resend_at: None });
        self.next += 1;
        while self.bytes > MOST_BYTES && self.kept.len() > 1 {
            if let Some((_, oldest)) = self.kept.pop_first() {
                self.bytes -= oldest.report.bytes.len();
                self.dropped += 1;
            }
        }
    }

    /// Everything is to be sent again: there is another stream.
    pub(super) fn start_over(&mut self) {
        self.kept.values_mut().for_each(|kept| kept.resend_at = None);
    }

    /// The reports to be sent, now or again.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let due = self.kept.values_mut().filter(|kept| kept.resend_at.is_none_or(|at| now >= at));
        due.map(|kept| {
            kept.resend_at = Some(now + RESEND_AFTER);
            kept.report.bytes.clone()
        })
        .collect()
    }

    /// A report is durable.
    pub(super) fn acknowledged(&mut self, boot: u64, seq: u64) {
        let bytes = &mut self.bytes;
        self.kept.retain(|_, Kept { report, .. }| {
            let is_it = (report.boot, report.seq) == (boot, seq);
            *bytes -= if is_it { report.bytes.len() } else { 0 };
            !is_it
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Reports that had to be dropped.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(seq: u64, bytes: usize) -> Report {
        Report { boot: 1, seq, bytes: vec![0; bytes] }
    }

    #[test]
    fn reports_are_sent_until_they_are_acknowledged() {
        let mut courier = Courier::default();
        let now = Instant::now();
        courier.keep(report(1, 10));
        courier.keep(report(2, 20));
        assert_eq!(courier.due(now).len(), 2);
        assert!(courier.due(now).is_empty(), "they are on their way");
        courier.acknowledged(1, 1);
        courier.acknowledged(9, 2);
        assert_eq!(courier.due(now + RESEND_AFTER), [vec![0; 20]]);
        courier.start_over();
        assert_eq!(courier.due(now).len(), 1);
        courier.acknowledged(1, 2);
        assert!(courier.is_empty() && courier.bytes == 0);
    }

    #[test]
    fn what_waits_is_bounded_and_the_oldest_goes() {
        let mut courier = Courier::default();
        for seq in 0..20 {
            courier.keep(report(seq, 1 << 20));
        }
        assert!(courier.bytes <= MOST_BYTES);
        assert_eq!((courier.dropped(), courier.kept.len()), (12, 8));
    }
}
