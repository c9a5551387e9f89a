//! The link to the forecaster: one bidirectional gRPC stream, reports up, tables down. Only the leading worker has one.

use std::{collections::VecDeque, time::Duration};

use proxy_wasm::{hostcalls, types::LogLevel};
use tidegate_core::{
    Timestamp,
    config::Forecaster,
    sync::{Hello, Kind, PROTOCOL, ReportAck, TableAck, Welcome},
    transfer::{Announcement, Assembly, CHUNK_BYTES, Chunk, MAX_TABLE_BYTES, TransferError},
};

use crate::{frame, host};

const SERVICE: &str = "tidegate.sync.v1.Sync";
const METHOD: &str = "Stream";
const FIRST_BACKOFF_MS: u64 = 200;
const LONGEST_BACKOFF_MS: u64 = 5_000;
/// Most parts of tables kept to be looked at later: those of one table.
const MOST_PARTS: usize = MAX_TABLE_BYTES / CHUNK_BYTES;

/// Longest message of the forecaster: a chunk with what goes around it, or the manifest of the largest table.
pub(crate) const MOST_MESSAGE_BYTES: usize = 2 * CHUNK_BYTES;

/// State of the stream.
#[derive(Default)]
pub(crate) struct Link {
    stream: Option<u32>,
    /// A stream that was left, maybe by another root context than the one that had opened it and alone can end it.
    former: Option<u32>,
    /// The forecaster has welcomed us on this stream.
    welcomed: bool,
    retry_at: Timestamp,
    backoff_ms: u64,
    assembly: Assembly,
    /// Announcements and chunks that nobody has looked at yet.
    parts: VecDeque<(Kind, Vec<u8>)>,
}

/// What a message from the forecaster means.
pub(crate) enum Message {
    /// The stream is open for reports, of windows this long.
    Welcome { report_interval_ms: u32 },
    /// A table is complete and verified.
    Table(Vec<u8>),
    /// A table, or a part of it, is not what it should be.
    BadTransfer(TransferError),
    /// A report is durable.
    Acknowledged(ReportAck),
}

impl Link {
    pub(crate) const fn is_welcomed(&self) -> bool {
        self.welcomed
    }

    /// Opens the stream if there is none and it is time to try.
    pub(crate) fn connect(&mut self, forecaster: &Forecaster, hello: impl FnOnce() -> Hello, now: Timestamp) {
        if self.stream.is_some() || now < self.retry_at {
            return;
        }
        self.back_off(now);
        let opened = hostcalls::open_grpc_stream(&forecaster.cluster, SERVICE, METHOD, Vec::new());
        let Ok(stream) = opened else {
            host::log(
                LogLevel::Warn,
                &format!("cannot reach the forecaster: Envoy has no usable cluster {:?}", forecaster.cluster),
            );
            return;
        };
        self.stream = Some(stream);
        self.welcomed = false;
        self.assembly = Assembly::new(forecaster.public_key);
        self.parts.clear();
        self.send(Kind::Hello, hello().encode());
    }

    /// Ends the stream, to open it anew or not at all.
    pub(crate) fn leave(&mut self) {
        if let Some(stream) = self.stream.take() {
            host::cancel_stream(stream);
            self.former = Some(stream);
        }
        self.welcomed = false;
        self.parts.clear();
        self.retry_at = Timestamp::default();
        self.backoff_ms = 0;
    }

    /// Ends a stream that was left.
    pub(crate) fn end_former(&mut self) {
        self.former.take().into_iter().for_each(host::cancel_stream);
    }

    /// Takes a message of the stream; anything that is not for us is ignored with a log line.
    pub(crate) fn receive(&mut self, stream: u32, message: &[u8]) -> Option<Message> {
        if self.stream != Some(stream) {
            return None;
        }
        match frame::decode(message) {
            Some((Kind::Welcome, payload)) => self.welcome(&payload),
            Some((Kind::ReportAck, payload)) => ReportAck::decode(&payload).ok().map(Message::Acknowledged),
            Some((kind @ (Kind::Announcement | Kind::Chunk), payload)) => {
                self.parts.push_back((kind, payload));
                if self.parts.len() > MOST_PARTS { self.next_part() } else { None }
            }
            _ => {
                host::log(LogLevel::Warn, "the forecaster sent a message that this version does not know");
                None
            }
        }
    }

    /// Whether a table on its way is so small that it comes in one chunk; true before anything is known of it.
    pub(crate) fn expects_little(&self) -> bool {
        self.assembly.expected_bytes() <= CHUNK_BYTES
    }

    /// Whether parts of tables wait for [`Self::next_part`].
    pub(crate) fn has_parts(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Looks at the next part of a table. They come many at a time, and to verify one takes a millisecond at first.
    pub(crate) fn next_part(&mut self) -> Option<Message> {
        let (kind, payload) = self.parts.pop_front()?;
        let added = if kind == Kind::Announcement {
            let announcement = Announcement::decode(&payload).map_err(TransferError::from);
            announcement.and_then(|announcement| self.assembly.announce(&announcement)).map(|()| None)
        } else {
            let chunk = Chunk::decode(&payload).map_err(TransferError::from);
            chunk.and_then(|chunk| self.assembly.add(&chunk))
        };
        match added {
            Ok(table) => table.map(Message::Table),
            Err(error) => Some(Message::BadTransfer(error)),
        }
    }

    /// Sends a report, as it was encoded.
    pub(crate) fn report(&self, report: Vec<u8>) {
        self.send(Kind::Report, report);
    }

    /// Tells what became of a table.
    pub(crate) fn acknowledge(&self, ack: &TableAck) {
        self.send(Kind::TableAck, ack.encode());
    }

    /// The stream has ended; try again later.
    pub(crate) fn closed(&mut self, stream: u32, status: u32, now: Timestamp) {
        if self.stream != Some(stream) {
            return;
        }
        let reason = host::stream_status();
        if self.welcomed || self.backoff_ms <= FIRST_BACKOFF_MS * 2 || self.backoff_ms == LONGEST_BACKOFF_MS {
            host::log(
                LogLevel::Warn,
                &format!("the forecaster ended the stream (gRPC status {status}: {reason}); will try again"),
            );
        }
        self.stream = None;
        self.welcomed = false;
        self.retry_at = now.plus(self.backoff_ms * 1_000_000);
    }

    fn welcome(&mut self, payload: &[u8]) -> Option<Message> {
        let welcome = Welcome::decode(payload).ok()?;
        if welcome.protocol != PROTOCOL {
            host::log(
                LogLevel::Error,
                &format!("the forecaster speaks protocol {}, not {PROTOCOL}", welcome.protocol),
            );
            return None;
        }
        self.welcomed = true;
        self.backoff_ms = 0;
        host::log(LogLevel::Info, "connected to the forecaster");
        Some(Message::Welcome { report_interval_ms: welcome.report_interval_ms })
    }

    fn send(&self, kind: Kind, payload: Vec<u8>) {
        if let Some(stream) = self.stream {
            host::send_on_stream(stream, &frame::encode(kind, payload));
        }
    }

    /// Doubles the wait; a tenth of it is jitter, so that proxies do not come back in step.
    fn back_off(&mut self, now: Timestamp) {
        let doubled = (self.backoff_ms * 2).clamp(FIRST_BACKOFF_MS, LONGEST_BACKOFF_MS);
        self.backoff_ms = doubled;
        let jitter_ms = (now.nanos() / 1_000) % (doubled / 10).max(1);
        self.retry_at = now.plus(Duration::from_millis(doubled + jitter_ms).as_nanos() as u64);
    }
}
