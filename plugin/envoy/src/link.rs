//! The link to the forecaster: one bidirectional gRPC stream, reports up, tables down.
//!
//! Reports wait here until the forecaster says they are durable, and are sent again over the next stream; it
//! recognises those it has. The wait is bounded: when nobody takes them the oldest are dropped, and counted.

use std::{collections::VecDeque, time::Duration};

use proxy_wasm::{hostcalls, types::LogLevel};
use tidegate_core::{
    Timestamp,
    config::Forecaster,
    report::Report,
    sync::{Hello, Kind, PROTOCOL, ReportAck, TableAck, Welcome},
    table::Table,
};

use crate::{frame, host};

const SERVICE: &str = "tidegate.sync.v1.Sync";
const METHOD: &str = "Stream";
/// Most bytes of reports kept for a forecaster that does not answer.
const MAX_PENDING_BYTES: usize = 8 << 20;
/// How often usage is cut into reports before the forecaster has said.
const UNTOLD_INTERVAL_MS: u32 = 10_000;
const FIRST_BACKOFF_MS: u64 = 200;
const LONGEST_BACKOFF_MS: u64 = 5_000;

/// State of the stream and what waits for it.
#[derive(Default)]
pub(crate) struct Link {
    stream: Option<u32>,
    /// The forecaster has welcomed us on this stream.
    welcomed: bool,
    retry_at: Timestamp,
    backoff_ms: u64,
    /// Tells this start of the VM from others.
    boot: u64,
    pending: VecDeque<(u64, Vec<u8>)>,
    pending_bytes: usize,
    dropped: u64,
    /// 0 until the forecaster has told it.
    report_interval_ms: u32,
    next_report: Timestamp,
}

/// What a message from the forecaster asks the gate to do.
pub(crate) enum Order {
    /// Install a table.
    Apply(Vec<u8>),
    /// Use this window length.
    ReportEvery(u32),
}

impl Link {
    pub(crate) const fn is_welcomed(&self) -> bool {
        self.welcomed
    }

    /// Opens the stream if there is none and it is time to try.
    pub(crate) fn connect(
        &mut self,
        forecaster: &Forecaster,
        proxy: &str,
        epoch: u64,
        resources: Vec<String>,
        now: Timestamp,
    ) {
        if self.stream.is_some() || now < self.retry_at {
            return;
        }
        if self.boot == 0 {
            self.boot = now.nanos();
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
        let hello = Hello {
            protocol: PROTOCOL,
            proxy: proxy.to_owned(),
            boot: self.boot,
            token: forecaster.token.clone(),
            table_epoch: epoch,
            table_format: Table::FORMAT,
            report_format: Report::FORMAT,
            resources,
        };
        self.send(Kind::Hello, hello.encode());
    }

    /// Ends the stream, to open it anew under another configuration.
    pub(crate) fn leave(&mut self) {
        if let Some(stream) = self.stream.take() {
            let _ = hostcalls::cancel_grpc_stream(stream);
        }
        self.welcomed = false;
        self.retry_at = Timestamp::default();
        self.backoff_ms = 0;
    }

    /// True once per report interval, at its boundaries.
    pub(crate) fn report_due(&mut self, now: Timestamp) -> bool {
        if now < self.next_report {
            return false;
        }
        let interval_ms = u64::from(if self.report_interval_ms == 0 {
            UNTOLD_INTERVAL_MS
        } else {
            self.report_interval_ms
        });
        self.next_report = Timestamp::from_millis((now.millis() / interval_ms + 1) * interval_ms);
        true
    }

    /// Keeps a report until it is acknowledged, and sends it if the forecaster listens. Returns how many were dropped.
    pub(crate) fn submit(&mut self, report: &Report) -> u64 {
        let bytes = report.encode();
        self.pending_bytes += bytes.len();
        if self.welcomed {
            self.send(Kind::Report, bytes.clone());
        }
        self.pending.push_back((report.seq, bytes));
        let mut dropped = 0;
        while self.pending_bytes > MAX_PENDING_BYTES && self.pending.len() > 1 {
            if let Some((_, bytes)) = self.pending.pop_front() {
                self.pending_bytes -= bytes.len();
                dropped += 1;
            }
        }
        self.dropped += dropped;
        dropped
    }

    /// Takes a message of the stream; anything that is not for us is ignored with a log line.
    pub(crate) fn receive(&mut self, stream: u32, message: &[u8]) -> Option<Order> {
        if self.stream != Some(stream) {
            return None;
        }
        match frame::decode(message) {
            Some((Kind::Welcome, payload)) => self.welcome(&payload),
            Some((Kind::ReportAck, payload)) => {
                if let Ok(ack) = ReportAck::decode(&payload) {
                    self.forget_up_to(ack.seq);
                }
                None
            }
            Some((Kind::Table, payload)) => Some(Order::Apply(payload)),
            _ => {
                host::log(LogLevel::Warn, "the forecaster sent a message that this version does not know");
                None
            }
        }
    }

    /// Tells what became of a table.
    pub(crate) fn acknowledge(&mut self, epoch: u64, error: Option<String>) {
        self.send(Kind::TableAck, TableAck { epoch, error }.encode());
    }

    /// The stream has ended; try again later.
    pub(crate) fn closed(&mut self, stream: u32, status: u32, now: Timestamp) {
        if self.stream != Some(stream) {
            return;
        }
        let reason = hostcalls::get_grpc_status().ok().and_then(|(_, message)| message).unwrap_or_default();
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

    fn welcome(&mut self, payload: &[u8]) -> Option<Order> {
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
        self.report_interval_ms = welcome.report_interval_ms;
        self.next_report = Timestamp::default();
        self.forget_up_to(welcome.last_seq);
        let again: Vec<Vec<u8>> = self.pending.iter().map(|(_, bytes)| bytes.clone()).collect();
        for bytes in again {
            self.send(Kind::Report, bytes);
        }
        host::log(LogLevel::Info, "connected to the forecaster");
        Some(Order::ReportEvery(welcome.report_interval_ms))
    }

    fn forget_up_to(&mut self, seq: u64) {
        while let Some((pending, bytes)) = self.pending.front() {
            if *pending > seq {
                break;
            }
            self.pending_bytes -= bytes.len();
            self.pending.pop_front();
        }
    }

    fn send(&mut self, kind: Kind, payload: Vec<u8>) {
        if let Some(stream) = self.stream {
            let _ = hostcalls::send_grpc_stream_message(stream, Some(&frame::encode(kind, payload)), false);
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
