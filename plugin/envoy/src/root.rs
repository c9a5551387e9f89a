//! One per plugin configuration: takes configurations over, ticks, and hears the sync stream.

use std::time::Duration;

use proxy_wasm::{
    hostcalls,
    traits::{Context, HttpContext, RootContext},
    types::{BufferType, ContextType, LogLevel},
};
use tidegate_core::{TableState, config::Config};

use crate::{
    host,
    link::Order,
    request::Request,
    state::{self, State},
};

/// Fine enough for reports and reconnects, coarse enough to cost nothing.
const TICK: Duration = Duration::from_millis(50);
const METRICS_PER_TICKS: u32 = 20;

/// The root context.
#[derive(Default)]
pub(crate) struct Root {
    ticks: u32,
    closed_early: Option<(u32, u32)>,
}

impl Context for Root {
    fn on_grpc_stream_message(&mut self, stream: u32, size: usize) {
        let message = hostcalls::get_buffer(BufferType::GrpcReceiveBuffer, 0, size).ok().flatten();
        let Some(message) = message else { return };
        state::with(|state| match state.link.receive(stream, &message) {
            Some(Order::Apply(table)) => apply(state, &table),
            Some(Order::ReportEvery(interval_ms)) => {
                state.gate.allocator_mut().set_report_interval(interval_ms)
            }
            None => {}
        });
    }

    fn on_grpc_stream_close(&mut self, stream: u32, status: u32) {
        let now = host::now();
        if state::with(|state| state.link.closed(stream, status, now)).is_none() {
            // Envoy closed it within the call that opened it, further up the stack.
            self.closed_early = Some((stream, status));
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let bytes = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size)
            .ok()
            .flatten()
            .unwrap_or_default();
        match Config::parse(&bytes) {
            Ok(config) => {
                state::with(|state| {
                    state.configure(config);
                    state.metrics.set("tidegate_config_rejected", 0);
                });
            }
            Err(problems) => {
                for problem in &problems {
                    host::log(LogLevel::Error, &format!("configuration {problem}"));
                }
                // Refusing would take the listener down; the last good configuration goes on, or shadow mode.
                let kept = state::with(|state| {
                    state.metrics.set("tidegate_config_rejected", 1);
                    state.metrics.add("tidegate_config_errors_total", problems.len() as u64);
                    state.configured
                });
                let kept = if kept == Some(true) { "the last good one stays" } else { "nothing is enforced" };
                host::log(
                    LogLevel::Error,
                    &format!("configuration refused, {} problems; {kept}", problems.len()),
                );
            }
        }
        let _ = hostcalls::set_tick_period(TICK);
        true
    }

    fn on_tick(&mut self) {
        let now = host::now();
        self.ticks = self.ticks.wrapping_add(1);
        let closed_early = self.closed_early.take();
        state::with(|state| {
            if let Some((stream, status)) = closed_early {
                state.link.closed(stream, status, now);
            }
            if !state.serving {
                return;
            }
            state.gate.allocator_mut().advance(now);
            let config = state.gate.config();
            if let Some(forecaster) = config.forecaster.clone() {
                let proxy = config.proxy.clone();
                let epoch = state.gate.allocator().epoch();
                state.link.connect(&forecaster, &proxy, epoch, state.gate.resource_names(), now);
                report(state, now);
            }
            if self.ticks.is_multiple_of(METRICS_PER_TICKS) {
                publish(state);
            }
        });
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request::default()))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

fn apply(state: &mut State, table: &[u8]) {
    let now = host::now();
    let applied = state.gate.allocator_mut().apply(table, now);
    let epoch = state.gate.allocator().epoch();
    let result = if applied.is_ok() { "applied" } else { "rejected" };
    state.metrics.add(&format!("tidegate_tables_total.result.{result}"), 1);
    match applied {
        Ok(_) => {
            state.metrics.forget_tiers();
            state.link.acknowledge(epoch, None);
            publish(state);
        }
        Err(error) => {
            host::log(LogLevel::Error, &format!("table refused, epoch {epoch} stays in force: {error}"));
            state.link.acknowledge(epoch, Some(error.to_string()));
        }
    }
}

fn report(state: &mut State, now: tidegate_core::Timestamp) {
    if !state.link.report_due(now) {
        return;
    }
    if let Some(report) = state.gate.allocator_mut().report() {
        let dropped = state.link.submit(&report);
        state.metrics.add("tidegate_reports_dropped_total", dropped);
    }
}

fn publish(state: &mut State) {
    let allocator = state.gate.allocator();
    let (epoch, keys) = (allocator.epoch(), allocator.key_count());
    let stale = allocator.table_state() != TableState::Live;
    state.metrics.set("tidegate_table_epoch", epoch);
    state.metrics.set("tidegate_table_stale", u64::from(stale));
    state.metrics.set("tidegate_connected", u64::from(state.link.is_welcomed()));
    state.metrics.set("tidegate_keys", keys as u64);
}
