//! What the VM keeps of one plugin: the gate, its place among the workers, what waits for the forecaster.
//!
//! State is per plugin, not per VM: filters with the same code and `vm_id` share a VM. It lives in a static, so that it
//! survives configuration updates, each of which makes a new root context.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use tidegate_core::{
    Crew as Sharing, Share, TableState, Timestamp,
    config::Config,
    gate::{Gate, Verdict},
    lease::Birth,
};

use crate::{
    books,
    courier::{Courier, Note},
    crew::{Crew, Holds},
    held::{Held, Stream},
    host::{self, Headers},
    link::Link,
    metrics::Metrics,
    rule_use::RuleUse,
    shared::Notice,
    tables::Tables,
};

/// A worker's part of the budget on trial changes by this part of the whole at least: each change means to apply the table again.
const SHARE_STEPS: u64 = 32;

/// Fine enough for reports and reconnects, coarse enough to cost nothing; shorter while somebody is held back.
pub(crate) const TICK_MS: u64 = 50;
/// While tables are on their way: each tick takes them a little further.
const BUSY_TICK_MS: u64 = 1;

/// Everything of one plugin that outlives a request.
pub(crate) struct State {
    pub(crate) gate: Gate,
    pub(crate) crew: Crew,
    pub(crate) courier: Courier,
    pub(crate) link: Link,
    pub(crate) metrics: Metrics,
    pub(crate) held: Held,
    pub(crate) rules: RuleUse,
    pub(crate) tables: Tables,
    #[cfg(feature = "llm")]
    pub(crate) bodies: crate::body::Watch,
    /// Which root context acts.
    root: u32,
    /// Length of its ticks; 0 before it has any.
    tick_ms: u64,
    /// The era of the clock that the books are of.
    era: u64,
    /// This worker's part of the budgets on trial.
    trial_share: Share,
    pub(crate) plugin: String,
    configured: bool,
    /// The newest table that was ever wholly in force.
    pub(crate) newest_epoch: u64,
    /// Details without room in reports, as far as Envoy has been told of them.
    details_left_out: u64,
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
            tables: Tables::default(),
            #[cfg(feature = "llm")]
            bodies: crate::body::Watch::default(),
            root: 0,
            tick_ms: 0,
            era: 0,
            trial_share: Share::WHOLE,
            plugin: plugin.to_owned(),
            configured: false,
            newest_epoch: 0,
            details_left_out: 0,
        }
    }

    pub(crate) const fn is_configured(&self) -> bool {
        self.configured
    }

    /// A new root context is there, and acts from now on; returns which it is. Envoy ends the one before when its listener has
    /// drained, and with it its ticks, its stream, and whom its queues would wake.
    pub(crate) fn take_over(&mut self) -> u32 {
        self.root = self.root.wrapping_add(1);
        self.tick_ms = 0;
        self.link.leave();
        self.courier.leave_intake();
        if self.crew.is_member() {
            self.courier.open_mailbox(self.crew.id());
        }
        self.root
    }

    /// Whether this root context acts. One that does not gets no more ticks.
    pub(crate) fn is_led_by(&mut self, root: u32) -> bool {
        if self.root == root {
            return true;
        }
        self.link.end_former();
        host::set_tick_period(0);
        // A request that came by it may have asked for a tick there.
        self.tick_ms = 0;
        false
    }

    /// Takes over an accepted configuration; learned state stays. Where budgets are others, so is the queue: who waited in the one
    /// before is returned, to be asked about again.
    pub(crate) fn configure(&mut self, config: Config) -> Vec<Stream> {
        let now = host::now();
        host::forget_habits();
        self.metrics.forget_tiers(|tier| self.gate.allocator().tier_name(tier).to_owned());
        if self.gate.config().forecaster != config.forecaster || self.gate.config().proxy != config.proxy {
            self.link.leave();
            self.tables.leave();
        }
        if self.configured {
            self.keeping_tables(|state| {
                if let Some(report) = state.gate.reconfigure(config, state.crew.id(), now) {
                    let details = state.gate.take_details();
                    let dropped = state.courier.keep(report, details);
                    state.metrics.add("tidegate_reports_dropped_total", dropped);
                }
            });
        } else {
            self.gate = Gate::new(config, now);
            self.gate.identify(self.crew.id());
        }
        // What the rules of before have matched since they told.
        self.rules.publish(&mut self.metrics);
        self.rules = RuleUse::new(&self.gate.config().rules);
        self.rules.publish(&mut self.metrics);
        self.configured = true;
        self.trial_share = Share::WHOLE;
        if self.crew.is_member() {
            if self.gate.allocator().crew().is_none() {
                self.open_books(now);
            }
            self.share();
            self.install_tables();
        }
        if self.gate.allocator().waiting() == 0 { self.held.take_all() } else { Vec::new() }
    }

    /// Decides a request anew whose place in the queue was lost; it does not wait again.
    pub(crate) fn decide_again(&mut self, headers: &Headers, now: Timestamp) -> (Verdict, String) {
        let Self { gate, metrics, .. } = self;
        let verdict = gate.admit_again(headers, now);
        metrics.count_decision(verdict.label, verdict.tier, verdict.mode);
        if verdict.warns {
            metrics.count_warning();
        }
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
        self.share();
        self.tell_all(&Note::Crew);
        self.install_tables();
        self.wake(now);
    }

    /// Shares all budgets with the other workers, by the books of the present era.
    ///
    /// A table that is partly in force is finished for it at once, one that is not is begun anew: this comes with the first request,
    /// another set of resources, or a clock that was set.
    pub(crate) fn open_books(&mut self, now: Timestamp) {
        self.era = host::era();
        let cells = books::cells(&self.plugin, &self.gate.resource_names(), self.era);
        let sharing = self.sharing();
        self.keeping_tables(|state| state.gate.allocator_mut().join_crew(&cells, sharing, now));
    }

    /// Goes by the books of the present era, if those it has are of another.
    pub(crate) fn keep_up(&mut self) {
        host::keep_time();
        if self.era != host::era() {
            // Times of before mean nothing any more.
            self.open_books(host::now());
            self.share();
        }
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
            if verdict.warns {
                metrics.count_warning();
            }
            let tier = gate.allocator().tier_name(verdict.tier).to_owned();
            released.push((stream, verdict, tier));
        }
        released
    }

    /// Goes on with tables, and ticks when the next request may be let go, or tables may be taken further, and else as usual.
    pub(crate) fn wake(&mut self, now: Timestamp) {
        const NANOS_PER_MS: u64 = 1_000_000;
        let next_ms = self.gate.next_release_ns(now).map(|ns| ns.div_ceil(NANOS_PER_MS).max(1));
        let most_ms = if self.has_tables() { BUSY_TICK_MS } else { TICK_MS };
        let tick_ms = next_ms.unwrap_or(most_ms).min(most_ms);
        if tick_ms != self.tick_ms && host::set_tick_period(tick_ms) {
            self.tick_ms = tick_ms;
        }
    }

    /// Takes over what the workers share: how often to report, and the tables as they are.
    pub(crate) fn share(&mut self) {
        let notice = Notice::read(&self.plugin);
        let interval_ms =
            u32::try_from(notice.report_interval_ms).ok().filter(|interval_ms| *interval_ms > 0);
        if let Some(interval_ms) = interval_ms {
            self.gate.allocator_mut().set_report_interval(interval_ms);
            self.courier.set_report_interval(interval_ms);
        }
        self.tables.look();
        if let Some(trial) = self.gate.trial_mut() {
            // Nobody else wants to know what it counted.
            let _ = trial.report(0);
        }
    }

    /// Takes over how many workers share the budgets; not while a table is on its way, whose parts are of the former size.
    pub(crate) fn take_crew(&mut self) {
        let sharing = self.sharing();
        if self.gate.allocator().crew() != Some(sharing) {
            self.gate.allocator_mut().set_crew(sharing);
            self.tables.begin_anew();
        }
    }

    /// What is on trial is divided by the load; not while a table is on its way there, either.
    pub(crate) fn take_trial_share(&mut self, now: Timestamp) {
        let share = self.crew.share();
        let change = share.distance(self.trial_share);
        if change > Share::new(1, SHARE_STEPS) || (share == Share::WHOLE && self.trial_share != share) {
            self.gate.set_share(share, now);
            self.trial_share = share;
            self.tables.begin_anew();
        }
    }

    /// Takes over the length of usage windows that the forecaster asks for, for all workers.
    pub(crate) fn take_report_interval(&mut self, interval_ms: u32) {
        let report_interval_ms = u64::from(interval_ms);
        Notice { report_interval_ms, ..Notice::read(&self.plugin) }.post(&self.plugin);
        self.share();
        self.tell_all(&Note::Table);
    }

    pub(crate) fn tell_all(&self, note: &Note) {
        for colleague in self.crew.colleagues() {
            self.courier.notify(colleague, note);
        }
    }

    /// Tells Envoy what has been counted.
    pub(crate) fn flush_metrics(&mut self) {
        self.metrics.flush(|tier| self.gate.allocator().tier_name(tier).to_owned());
    }

    /// What this worker holds.
    pub(crate) fn holds(&self) -> Holds {
        Holds { keys: self.gate.allocator().key_count() as u64, requests: self.held.len() as u64 }
    }

    /// What all workers hold together the leader tells.
    pub(crate) fn publish_holds(&mut self) {
        if self.crew.is_leader() {
            let Holds { keys, requests } = self.crew.holds();
            self.metrics.set("tidegate_keys", keys);
            self.metrics.set("tidegate_held", requests);
        }
    }

    /// Brings the other gauges up to date.
    pub(crate) fn publish(&mut self) {
        let allocator = self.gate.allocator();
        let epoch = allocator.epoch();
        let stale = allocator.table_state() != TableState::Live;
        if !self.is_half_way() {
            self.metrics.set("tidegate_table_epoch", epoch);
        }
        self.metrics.set("tidegate_table_stale", u64::from(stale));
        self.metrics.set("tidegate_workers", u64::from(self.crew.size()));
        let left_out = self.gate.details_left_out() + self.courier.details_left_out();
        self.metrics.add("tidegate_details_left_out_total", left_out.saturating_sub(self.details_left_out));
        self.details_left_out = left_out;
        self.rules.publish(&mut self.metrics);
        if self.crew.is_leader() {
            self.metrics.set("tidegate_connected", u64::from(self.link.is_welcomed()));
        }
    }
}
