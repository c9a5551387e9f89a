//! What the VM keeps of one plugin: the gate, its place among the workers, what waits for the forecaster.
//!
//! State is per plugin, not per VM: filters with the same code and `vm_id` share a VM. It lives in a static, so that it
//! survives configuration updates, each of which makes a new root context.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use proxy_wasm::{hostcalls, types::LogLevel};
use tidegate_core::{
    Crew as Sharing, Share, TableState, Timestamp,
    config::Config,
    gate::{Gate, Verdict},
    lease::Birth,
    table::TableError,
};

use crate::{
    books,
    courier::{Courier, Note},
    crew::Crew,
    held::{Held, Stream},
    host::{self, Headers},
    link::Link,
    metrics::Metrics,
    rule_use::RuleUse,
    shared::{self, Notice},
};

/// A worker's part of the budget on trial changes by this part of the whole at least: each change means to apply the table again.
const SHARE_STEPS: u64 = 32;

/// Fine enough for reports and reconnects, coarse enough to cost nothing; shorter while somebody is held back.
pub(crate) const TICK_MS: u64 = 50;

/// Everything of one plugin that outlives a request.
pub(crate) struct State {
    pub(crate) gate: Gate,
    pub(crate) crew: Crew,
    pub(crate) courier: Courier,
    pub(crate) link: Link,
    pub(crate) metrics: Metrics,
    pub(crate) held: Held,
    pub(crate) rules: RuleUse,
    #[cfg(feature = "llm")]
    pub(crate) bodies: crate::body::Watch,
    /// Length of a tick.
    tick_ms: u64,
    /// This worker's part of the budgets on trial.
    trial_share: Share,
    plugin: String,
    configured: bool,
    newest_epoch: u64,
}

/// A plugin's state, shared by its contexts.
pub(crate) type Shared = Rc<RefCell<State>>;

thread_local! {
    static PLUGINS: RefCell<HashMap<String, Shared>> = RefCell::default();
}

/// The state of the plugin with this name; made when there is none.
pub(crate) fn of_plugin(plugin: &str) -> Shared {
    PLUGINS.with(|plugins| {
        let make = || Rc::new(RefCell::new(State::new(plugin)));
        match plugins.try_borrow_mut() {
            Ok(mut plugins) => Rc::clone(plugins.entry(plugin.to_owned()).or_insert_with(make)),
            Err(_) => make(),
        }
    })
}

impl State {
    fn new(plugin: &str) -> Self {
        Self {
            gate: Gate::new(Config::default(), Timestamp::default()),
            crew: Crew::new(plugin),
            courier: Courier::new(plugin),
            link: Link::default(),
            metrics: Metrics::default(),
            held: Held::default(),
            rules: RuleUse::default(),
            #[cfg(feature = "llm")]
            bodies: crate::body::Watch::default(),
            tick_ms: 0,
            trial_share: Share::WHOLE,
            plugin: plugin.to_owned(),
            configured: false,
            newest_epoch: 0,
        }
    }

    pub(crate) const fn is_configured(&self) -> bool {
        self.configured
    }

    /// Takes over an accepted configuration; learned state stays. Where budgets are others, so is the queue: who waited in the one
    /// before is returned, to be asked about again.
    pub(crate) fn configure(&mut self, config: Config) -> Vec<Stream> {
        let now = host::now();
        host::forget_habits();
        self.metrics.forget_tiers(|tier| self.gate.allocator().tier_name(tier).to_owned());
        if self.gate.config().forecaster != config.forecaster || self.gate.config().proxy != config.proxy {
            self.link.leave();
        }
        if self.configured {
            if let Some(report) = self.gate.reconfigure(config, self.crew.id(), now) {
                let details = self.gate.take_details();
                self.courier.keep(report, details);
            }
        } else {
            self.gate = Gate::new(config, now);
            self.gate.identify(self.crew.id());
        }
        self.rules = RuleUse::new(&self.gate.config().rules);
        self.configured = true;
        self.trial_share = Share::WHOLE;
        if self.crew.is_member() {
            if self.gate.allocator().crew().is_none() {
                self.open_books(now);
            }
            self.share(now);
        }
        if self.gate.allocator().waiting() == 0 { self.held.take_all() } else { Vec::new() }
    }

    /// Decides a request anew whose place in the queue was lost; it does not wait again.
    pub(crate) fn decide_again(&mut self, headers: &Headers, now: Timestamp) -> (Verdict, String) {
        let Self { gate, metrics, .. } = self;
        let verdict = gate.admit(headers, false, now);
        metrics.count_decision(verdict.label, verdict.tier, verdict.mode);
        let tier = gate.allocator().tier_name(verdict.tier).to_owned();
        (verdict, tier)
    }

    /// The first request is about to come: only now is there use for a table, and a place among the workers. Envoy
    /// also runs the plugin in VMs of its main thread, which never get here.
    pub(crate) fn serve(&mut self, now: Timestamp) {
        if self.crew.is_member() {
            return;
        }
        self.crew.join(now);
        self.gate.identify(self.crew.id());
        self.courier.open_mailbox(self.crew.id());
        self.open_books(now);
        self.share(now);
        self.tell_all(&Note::Crew);
    }

    /// Shares all budgets with the other workers, by the books of the present era.
    pub(crate) fn open_books(&mut self, now: Timestamp) {
        let cells = books::cells(&self.plugin, &self.gate.resource_names(), host::era());
        let sharing = self.sharing();
        self.gate.allocator_mut().join_crew(&cells, sharing, now);
    }

    /// Shared data outlives VMs: what is not there yet nobody has drawn on.
    fn sharing(&self) -> Sharing {
        Sharing { workers: self.crew.size(), birth: Birth::First }
    }

    /// Those whose time has come, with what becomes of them and their tier's name.
    pub(crate) fn let_go(&mut self, now: Timestamp) -> Vec<(Stream, Verdict, String)> {
        let Self { gate, held, metrics, .. } = self;
        let mut released = Vec::new();
        while let Some((ticket, verdict)) = gate.release(now) {
            // Shadow mode did not pause it.
            let Some(stream) = held.take(ticket) else { continue };
            metrics.count_decision(verdict.label, verdict.tier, verdict.mode);
            metrics.observe("tidegate_delay_ms", stream.held_ms(now.millis()));
            let tier = gate.allocator().tier_name(verdict.tier).to_owned();
            released.push((stream, verdict, tier));
        }
        released
    }

    /// Ticks when the next request may be let go, and else as usual.
    pub(crate) fn wake(&mut self, now: Timestamp) {
        const NANOS_PER_MS: u64 = 1_000_000;
        let next_ms = self.gate.next_release_ns(now).map(|ns| ns.div_ceil(NANOS_PER_MS).max(1));
        let tick_ms = next_ms.unwrap_or(TICK_MS).min(TICK_MS);
        if tick_ms != self.tick_ms
            && hostcalls::set_tick_period(std::time::Duration::from_millis(tick_ms)).is_ok()
        {
            self.tick_ms = tick_ms;
        }
    }

    /// Takes over how many workers share the budgets, and the tables as they are. What is on trial is divided by the load.
    pub(crate) fn share(&mut self, now: Timestamp) {
        let sharing = self.sharing();
        if self.gate.allocator().crew() != Some(sharing) {
            self.gate.allocator_mut().set_crew(sharing);
        }
        let share = self.crew.share();
        let change = share.distance(self.trial_share);
        if change > Share::new(1, SHARE_STEPS) || share == Share::WHOLE {
            self.gate.set_share(share, now);
            self.trial_share = share;
        }
        self.load_tables(now);
    }

    /// Installs what the workers share, as far as it is newer.
    pub(crate) fn load_tables(&mut self, now: Timestamp) {
        let notice = shared::notice(&self.plugin);
        if let Some(interval_ms) =
            u32::try_from(notice.report_interval_ms).ok().filter(|interval_ms| *interval_ms > 0)
        {
            self.gate.allocator_mut().set_report_interval(interval_ms);
            self.courier.set_report_interval(interval_ms);
        }
        if notice.snapshot > self.gate.allocator().snapshot_epoch()
            && let Some(table) = shared::load(&self.plugin, shared::SNAPSHOT)
        {
            let _ = self.install(&table, now);
        }
        if notice.newest > self.gate.allocator().epoch()
            && let Some(table) = shared::load(&self.plugin, shared::DELTA)
        {
            let _ = self.install(&table, now);
        }
        self.teach_trial(now);
    }

    /// Gives the policy on trial the tables of the live one, as far as it lacks them. A refused one changes nothing there either.
    fn teach_trial(&mut self, now: Timestamp) {
        let allocator = self.gate.allocator();
        let (snapshot, newest) = (allocator.snapshot_epoch(), allocator.epoch());
        let Some(trial) = self.gate.trial_mut() else { return };
        if trial.snapshot_epoch() < snapshot
            && let Some(table) = shared::load(&self.plugin, shared::SNAPSHOT)
        {
            let _ = trial.apply(&table, now);
        }
        if trial.epoch() < newest
            && let Some(table) = shared::load(&self.plugin, shared::DELTA)
        {
            let _ = trial.apply(&table, now);
        }
        // Nobody else wants to know what it counted.
        let _ = trial.report(0);
    }

    /// Installs a table that came from the forecaster, and hands it to the other workers.
    pub(crate) fn take_table(&mut self, table: &[u8], now: Timestamp) -> Result<(), TableError> {
        let before = self.gate.allocator().snapshot_epoch();
        self.install(table, now)?;
        let allocator = self.gate.allocator();
        let slot = if allocator.snapshot_epoch() == before { shared::DELTA } else { shared::SNAPSHOT };
        let (snapshot, newest) = (allocator.snapshot_epoch(), allocator.epoch());
        shared::save(&self.plugin, slot, table);
        shared::post(&self.plugin, Notice { snapshot, newest, ..shared::notice(&self.plugin) });
        self.tell_all(&Note::Table);
        self.teach_trial(now);
        Ok(())
    }

    /// Takes over the length of usage windows that the forecaster asks for, for all workers.
    pub(crate) fn take_report_interval(&mut self, interval_ms: u32, now: Timestamp) {
        let report_interval_ms = u64::from(interval_ms);
        shared::post(&self.plugin, Notice { report_interval_ms, ..shared::notice(&self.plugin) });
        self.load_tables(now);
        self.tell_all(&Note::Table);
    }

    fn tell_all(&self, note: &Note) {
        for colleague in self.crew.colleagues() {
            self.courier.notify(colleague, note);
        }
    }

    fn install(&mut self, table: &[u8], now: Timestamp) -> Result<(), TableError> {
        self.metrics.forget_tiers(|tier| self.gate.allocator().tier_name(tier).to_owned());
        let applied = self.gate.allocator_mut().apply(table, now);
        let result = if applied.is_ok() { "applied" } else { "rejected" };
        self.metrics.add(&format!("tidegate_tables_total.result.{result}"), 1);
        match applied {
            Ok(epoch) => {
                // Epochs are the forecaster's clock in ms when it made the table, unless tables come faster.
                // The first table was there before, and one that is applied again, for another part of the budget,
                // is no push.
                let pushed = self.newest_epoch > 0 && epoch > self.newest_epoch;
                self.newest_epoch = self.newest_epoch.max(epoch);
                if pushed {
                    self.metrics.observe("tidegate_push_to_effect_ms", now.millis().saturating_sub(epoch));
                }
                self.publish();
                Ok(())
            }
            Err(error) => {
                let epoch = self.gate.allocator().epoch();
                host::log(LogLevel::Error, &format!("table refused, epoch {epoch} stays in force: {error}"));
                Err(error)
            }
        }
    }

    /// Tells Envoy what has been counted.
    pub(crate) fn flush_metrics(&mut self) {
        self.metrics.flush(|tier| self.gate.allocator().tier_name(tier).to_owned());
    }

    /// Brings the gauges up to date.
    pub(crate) fn publish(&mut self) {
        let allocator = self.gate.allocator();
        let (epoch, keys) = (allocator.epoch(), allocator.key_count());
        let stale = allocator.table_state() != TableState::Live;
        self.metrics.set("tidegate_table_epoch", epoch);
        self.metrics.set("tidegate_table_stale", u64::from(stale));
        self.metrics.set("tidegate_workers", u64::from(self.crew.size()));
        self.metrics.set("tidegate_keys", keys as u64);
        self.metrics
            .set("tidegate_details_left_out", self.gate.details_left_out() + self.courier.details_left_out());
        self.rules.publish(&mut self.metrics);
        self.metrics.set("tidegate_held", self.held.len() as u64);
        if self.crew.is_leader() {
            self.metrics.set("tidegate_connected", u64::from(self.link.is_welcomed()));
        }
    }
}
