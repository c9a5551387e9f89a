//! Reports on their way to the forecaster, and notes between the workers of one Envoy.
//!
//! A worker keeps each of its reports until the forecaster has it durable, whoever holds the stream. The leader sends its own
//! over the stream; the others put theirs into the leader's queue, and hear of acknowledgements, tables and changes
//! of the crew through a queue of their own (Envoy wakes only the last worker that registered a queue). What is not
//! acknowledged in time is sent again; the forecaster recognises what it has. The wait is bounded in bytes: beyond that the
//! oldest reports are dropped, and counted.

use std::collections::BTreeMap;

use tidegate_core::{
    Timestamp,
    details::{Entry, Place},
    report::Report,
};

use crate::{detailed, host};

/// Most bytes of reports kept for a forecaster that does not answer.
const MAX_KEPT_BYTES: usize = 8 << 20;
/// A report that was sent and not acknowledged is sent again after this.
const RESEND_AFTER_MS: u64 = 3_000;
/// How often usage is cut into reports before the forecaster has said.
const UNTOLD_INTERVAL_MS: u32 = 10_000;

/// What workers tell one another.
pub(crate) enum Note {
    /// The forecaster has this report durable.
    Acknowledged(u64),
    /// There is a newer table in shared data.
    Table,
    /// A worker has joined.
    Crew,
}

impl Note {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Acknowledged(seq) => [&b"a"[..], &seq.to_le_bytes()].concat(),
            Self::Table => b"t".to_vec(),
            Self::Crew => b"c".to_vec(),
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (b'a', seq) => Some(Self::Acknowledged(u64::from_le_bytes(seq.try_into().ok()?))),
            (b't', _) => Some(Self::Table),
            (b'c', _) => Some(Self::Crew),
            _ => None,
        }
    }
}

struct Kept {
    bytes: Vec<u8>,
    /// Not before this; 0 when it has not been sent to the present leader.
    resend_at: Timestamp,
}

/// One worker's mail.
pub(crate) struct Courier {
    plugin: String,
    vm_id: String,
    /// This worker's own queue, for notes.
    mailbox: Option<u32>,
    /// The leader's queue of the others' reports, while this worker leads.
    intake: Option<u32>,
    kept: BTreeMap<u64, Kept>,
    kept_bytes: usize,
    /// Keys' details that found no room in reports, since the start.
    details_left_out: u64,
    report_interval_ms: u32,
    next_report: Timestamp,
}

impl Courier {
    pub(crate) fn new(plugin: &str) -> Self {
        Self {
            plugin: plugin.to_owned(),
            vm_id: String::new(),
            mailbox: None,
            intake: None,
            kept: BTreeMap::new(),
            kept_bytes: 0,
            details_left_out: 0,
            report_interval_ms: UNTOLD_INTERVAL_MS,
            next_report: Timestamp::default(),
        }
    }

    /// Opens the queue in which this worker hears notes.
    pub(crate) fn open_mailbox(&mut self, id: u64) {
        self.vm_id = host::property("plugin_vm_id");
        self.mailbox = host::register_queue(&self.mailbox_name(id));
    }

    /// Opens, or takes over, the queue of the others' reports.
    pub(crate) fn open_intake(&mut self) {
        if self.intake.is_none() {
            self.intake = host::register_queue(&self.intake_name());
        }
    }

    /// This worker no longer leads.
    pub(crate) const fn leave_intake(&mut self) {
        self.intake = None;
    }

    /// Everything is to be sent again: there is another leader, or another stream.
    pub(crate) fn start_over(&mut self) {
        for kept in self.kept.values_mut() {
            kept.resend_at = Timestamp::default();
        }
    }

    pub(crate) const fn set_report_interval(&mut self, interval_ms: u32) {
        if self.report_interval_ms != interval_ms {
            self.report_interval_ms = interval_ms;
            self.next_report = Timestamp::from_nanos(0);
        }
    }

    /// True once per report interval, right after its boundaries.
    pub(crate) fn report_due(&mut self, now: Timestamp) -> bool {
        if now < self.next_report {
            return false;
        }
        let interval_ms = u64::from(self.report_interval_ms.max(1));
        self.next_report = Timestamp::from_millis((now.millis() / interval_ms + 1) * interval_ms);
        true
    }

    /// Keeps a report until it is acknowledged. Returns how many had to be dropped for it.
    pub(crate) fn keep(&mut self, report: Report, details: BTreeMap<Place, Entry>) -> u64 {
        let seq = report.seq;
        let (bytes, left_out) = detailed::encode(report, details);
        self.details_left_out += left_out;
        self.kept_bytes += bytes.len();
        self.kept.insert(seq, Kept { bytes, resend_at: Timestamp::default() });
        let mut dropped = 0;
        while self.kept_bytes > MAX_KEPT_BYTES && self.kept.len() > 1 {
            if let Some((_, oldest)) = self.kept.pop_first() {
                self.kept_bytes -= oldest.bytes.len();
                dropped += 1;
            }
        }
        dropped
    }

    pub(crate) const fn details_left_out(&self) -> u64 {
        self.details_left_out
    }

    /// The reports that are due to be sent, now or again.
    pub(crate) fn due(&mut self, now: Timestamp) -> Vec<Vec<u8>> {
        let due = self.kept.values_mut().filter(|kept| now >= kept.resend_at);
        due.map(|kept| {
            kept.resend_at = now.plus(RESEND_AFTER_MS * 1_000_000);
            kept.bytes.clone()
        })
        .collect()
    }

    /// Puts reports into the leader's queue.
    pub(crate) fn hand_over(&mut self, reports: &[Vec<u8>]) {
        let name = self.intake_name();
        for report in reports {
            if !host::tell_queue(&self.vm_id, &name, report) {
                return;
            }
        }
    }

    /// The others' reports, to be sent over the stream.
    pub(crate) fn collect(&self) -> Vec<Vec<u8>> {
        self.intake.map(drain).unwrap_or_default()
    }

    /// A report of this worker is durable.
    pub(crate) fn acknowledged(&mut self, seq: u64) {
        if let Some(kept) = self.kept.remove(&seq) {
            self.kept_bytes -= kept.bytes.len();
        }
    }

    /// Tells another worker something.
    pub(crate) fn notify(&self, worker: u64, note: &Note) {
        let _ = host::tell_queue(&self.vm_id, &self.mailbox_name(worker), &note.encode());
    }

    /// What the others have told this worker.
    pub(crate) fn notes(&self) -> Vec<Note> {
        let messages = self.mailbox.map(drain).unwrap_or_default();
        messages.iter().filter_map(|message| Note::decode(message)).collect()
    }

    fn mailbox_name(&self, worker: u64) -> String {
        format!("tidegate.{}.worker.{worker}", self.plugin)
    }

    fn intake_name(&self) -> String {
        format!("tidegate.{}.reports", self.plugin)
    }
}

fn drain(queue: u32) -> Vec<Vec<u8>> {
    const AT_ONCE: usize = 1_024;
    std::iter::from_fn(|| host::dequeue(queue)).take(AT_ONCE).collect()
}
