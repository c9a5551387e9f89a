//! One per plugin configuration: takes configurations over, ticks, and hears the stream and the other workers.

use proxy_wasm::{
    traits::{Context, HttpContext, RootContext},
    types::{BufferType, ContextType, LogLevel},
};
use tidegate_core::{
    Timestamp,
    config::{Config, Shell},
    report::Report,
    sync::{Hello, PROTOCOL},
    table::Table,
};

use crate::{
    courier::Note,
    held::Stream,
    host::{self, Shown},
    link::MOST_MESSAGE_BYTES,
    request::Request,
    state::{self, Shared, State, TICK_MS},
};

const GAUGES_PER_CHORES: u32 = 20;
/// A tick may come so much early and still do the chores.
const SLACK_NS: u64 = 5_000_000;

/// The root context.
pub(crate) struct Root {
    /// As Envoy knows it.
    id: u32,
    state: Shared,
    /// Which of the plugin's root contexts it is.
    number: u32,
    chores: u32,
    chores_due: Timestamp,
    /// A stream that Envoy closed within the call that opened it.
    closed_early: Option<(u32, u32)>,
}

impl Root {
    pub(crate) fn new(id: u32) -> Self {
        Self {
            id,
            state: state::of_plugin(""),
            number: 0,
            chores: 0,
            chores_due: Timestamp::default(),
            closed_early: None,
        }
    }

    fn do_chores(&mut self, now: Timestamp) {
        self.chores = self.chores.wrapping_add(1);
        let closed_early = self.closed_early.take();
        let gauges_due = self.chores.is_multiple_of(GAUGES_PER_CHORES);
        self.with(|state| {
            if let Some((stream, status)) = closed_early {
                state.link.closed(stream, status, now);
            }
            if !state.crew.is_member() {
                return;
            }
            state.keep_up();
            let now = host::now();
            let leader = state.crew.leader();
            let requests = state.gate.allocator().requests();
            let holds = state.holds();
            if state.crew.beat(requests, holds, now) {
                state.share();
                state.publish_holds();
            }
            state.gate.allocator_mut().advance(now);
            if let Some(trial) = state.gate.trial_mut() {
                trial.advance(now);
            }
            if state.gate.config().forecaster.is_some() {
                keep_in_touch(state, leader, now);
            }
            if gauges_due {
                state.publish();
            }
            state.flush_metrics();
        });
    }

    #[cfg(feature = "llm")]
    fn let_go_without_bodies(&self, now: Timestamp) {
        let stuck = self.with(|state| state.bodies.give_up(now.millis())).unwrap_or_default();
        if stuck.is_empty() {
            return;
        }
        host::log(
            LogLevel::Error,
            "Envoy shows no bodies, costs by `llm` are estimated by content-length from now on: \
             set `allow_on_headers_stop_iteration: true` beside `root_id`",
        );
        self.with(|state| state.metrics.set("tidegate_bodies_unread", 1));
        for context in stuck {
            if host::act_for(context) {
                let _ = proxy_wasm::hostcalls::resume_http_request();
            }
        }
        host::act_for(self.id);
    }

    /// Decides requests anew whose places in the queue were lost.
    fn ask_again(&self, displaced: Vec<Stream>) {
        let now = host::now();
        for stream in displaced {
            let Some(headers) = stream.headers() else { continue };
            let shown = self.shown();
            if let Some((verdict, tier)) = self.with(|state| state.decide_again(&headers, now)) {
                stream.finish(verdict, &tier, shown);
            }
        }
        host::act_for(self.id);
    }

    fn shown(&self) -> Shown {
        self.with(|state| Shown::by(state.gate.config())).unwrap_or_default()
    }

    /// Runs `act` on the plugin's state, unless it is in use further up the stack.
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> Option<T> {
        self.state.try_borrow_mut().ok().map(|mut state| act(&mut state))
    }
}

impl Context for Root {
    fn on_grpc_stream_message(&mut self, stream: u32, size: usize) {
        // It is not copied out, so whoever sends more than any table needs takes none of our memory.
        if size > MOST_MESSAGE_BYTES {
            let text =
                format!("the forecaster sent a message of {size} bytes, longer than any of this version");
            return host::log(LogLevel::Warn, &text);
        }
        let message = host::buffer(BufferType::GrpcReceiveBuffer, 0, size);
        let now = host::now();
        self.with(|state| receive(state, stream, &message, now));
    }

    fn on_grpc_stream_close(&mut self, stream: u32, status: u32) {
        let now = host::now();
        if self.with(|state| state.link.closed(stream, status, now)).is_none() {
            self.closed_early = Some((stream, status));
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        host::keep_time();
        self.state = state::of_plugin(&host::property("plugin_name"));
        self.number = self.with(State::take_over).unwrap_or_default();
        let bytes = host::buffer(BufferType::PluginConfiguration, 0, size);
        let shell = Shell { is_proxy: true, reads_bodies: cfg!(feature = "llm") };
        match Config::parse_for(&bytes, shell) {
            Ok(config) => {
                let displaced = self.with(|state| {
                    let displaced = state.configure(config);
                    #[cfg(feature = "llm")]
                    {
                        state.bodies = crate::body::Watch::default();
                        state.metrics.set("tidegate_bodies_unread", 0);
                    }
                    state.metrics.set("tidegate_config_rejected", 0);
                    displaced
                });
                self.ask_again(displaced.unwrap_or_default());
            }
            Err(problems) => {
                for problem in &problems {
                    host::log(LogLevel::Error, &format!("configuration {problem}"));
                }
                // Refusing would take the listener down; the last good configuration goes on, or shadow mode.
                let kept = self.with(|state| {
                    state.metrics.set("tidegate_config_rejected", 1);
                    state.metrics.add("tidegate_config_errors_total", problems.len() as u64);
                    state.is_configured()
                });
                let kept = if kept == Some(true) { "the last good one stays" } else { "nothing is enforced" };
                host::log(
                    LogLevel::Error,
                    &format!("configuration refused, {} problems; {kept}", problems.len()),
                );
            }
        }
        self.with(|state| {
            state.install_tables();
            state.wake(host::now());
        });
        true
    }

    fn on_tick(&mut self) {
        let now = host::now();
        let number = self.number;
        if self.with(|state| state.is_led_by(number)) != Some(true) {
            return;
        }
        let released = self.with(|state| state.let_go(now)).unwrap_or_default();
        let shown = self.shown();
        for (stream, verdict, tier) in released {
            stream.finish(verdict, &tier, shown);
        }
        // Ticks and streams are those of the context that asks for them.
        host::act_for(self.id);
        #[cfg(feature = "llm")]
        self.let_go_without_bodies(now);
        // A clock that jumps back does not stop them.
        if now >= self.chores_due || self.chores_due.since(now) > TICK_MS * 1_000_000 {
            self.chores_due = now.plus(TICK_MS * 1_000_000 - SLACK_NS);
            self.do_chores(now);
        }
        self.with(|state| {
            state.install_tables();
            state.wake(now);
        });
    }

    fn on_queue_ready(&mut self, _: u32) {
        let now = host::now();
        self.with(|state| {
            for note in state.courier.notes() {
                match note {
                    Note::Acknowledged(seq) => state.courier.acknowledged(seq),
                    Note::Table => state.share(),
                    Note::Crew => {
                        state.crew.refresh(now);
                        state.share();
                    }
                }
            }
            forward(state);
            state.install_tables();
            state.wake(now);
        });
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        self.with(|state| {
            if !state.crew.is_member() {
                state.serve(host::now());
            }
        });
        Some(Box::new(Request::new(&self.state, context)))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// Holds the stream if it is this worker's to hold, and gets reports on their way.
fn keep_in_touch(state: &mut State, leader_before: u64, now: Timestamp) {
    if state.courier.report_due(now)
        && let Some(report) = state.gate.allocator_mut().report(state.crew.id())
    {
        let details = state.gate.take_details();
        let dropped = state.courier.keep(report, details);
        state.metrics.add("tidegate_reports_dropped_total", dropped);
    }
    if state.crew.leader() != leader_before {
        state.courier.start_over();
    }
    if state.crew.is_leader() {
        state.courier.open_intake();
        let is_expecting = state.expects_table();
        let State { gate, crew, link, .. } = state;
        if let Some(forecaster) = &gate.config().forecaster {
            let allocator = gate.allocator();
            let hello = || Hello {
                protocol: PROTOCOL,
                proxy: gate.config().proxy.clone(),
                boot: crew.id(),
                token: forecaster.token.clone(),
                table_epoch: allocator.epoch(),
                snapshot_epoch: allocator.snapshot_epoch(),
                table_format: Table::FORMAT,
                report_format: Report::FORMAT,
                resources: gate.resource_names(),
            };
            // A hello tells which table is in force, so that is waited for.
            if !is_expecting {
                link.connect(forecaster, hello, now);
            }
        }
        if state.link.is_welcomed() {
            for report in state.courier.due(now) {
                state.link.report(report);
            }
        }
        forward(state);
    } else {
        state.link.leave();
        state.tables.leave();
        state.courier.leave_intake();
        let due = state.courier.due(now);
        state.courier.hand_over(&due);
    }
}

/// Sends the other workers' reports over the stream. Without a stream they are let go: their workers keep them and hand
/// them over again, and a queue that nobody empties would grow without bound.
fn forward(state: &mut State) {
    if !state.crew.is_leader() {
        return;
    }
    for report in state.courier.collect() {
        if state.link.is_welcomed() {
            state.link.report(report);
        }
    }
}

/// Acts on a message of the forecaster.
fn receive(state: &mut State, stream: u32, message: &[u8], now: Timestamp) {
    if let Some(message) = state.link.receive(stream, message) {
        state.hear(message);
    }
    state.install_in_between(now);
    state.wake(now);
}
