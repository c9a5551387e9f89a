//! What the VM keeps: the gate, the link to the forecaster, metrics. Survives configuration updates.

use std::cell::RefCell;

use tidegate_core::{Timestamp, config::Config, gate::Gate};

use crate::{host, link::Link, metrics::Metrics};

/// Everything that outlives a request.
pub(crate) struct State {
    pub(crate) gate: Gate,
    pub(crate) link: Link,
    pub(crate) metrics: Metrics,
    /// Envoy runs the plugin in VMs that never see a request; only those that do have use for a table.
    pub(crate) serving: bool,
    /// A configuration has been accepted.
    pub(crate) configured: bool,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::new(State {
        gate: Gate::new(Config::default(), Timestamp::default()),
        link: Link::default(),
        metrics: Metrics::default(),
        serving: false,
        configured: false,
    });
}

/// Runs `act` on the VM's state, unless it is already in use further up the stack.
pub(crate) fn with<T>(act: impl FnOnce(&mut State) -> T) -> Option<T> {
    STATE.with(|state| state.try_borrow_mut().ok().map(|mut state| act(&mut state)))
}

impl State {
    /// Takes over an accepted configuration; learned state stays.
    pub(crate) fn configure(&mut self, config: Config) {
        let now = host::now();
        if self.gate.config().forecaster != config.forecaster || self.gate.config().proxy != config.proxy {
            self.link.leave();
        }
        if self.configured {
            if let Some(report) = self.gate.reconfigure(config, now) {
                self.link.submit(&report);
            }
        } else {
            self.gate = Gate::new(config, now);
        }
        self.metrics.forget_tiers();
        self.configured = true;
    }
}
