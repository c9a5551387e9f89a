//! Tables on their way into force, a slice at a time, so that no request of this worker waits for one.
//!
//! They come over the stream (to the leader) or from shared data (to everybody else, and to whoever has to begin anew). A table
//! from the stream is checked first; once it is known to be good it goes into shared data and the others are told, then it comes
//! into force, then it is acknowledged. Tables that come meanwhile wait. The policy on trial takes what is in shared data when the
//! live one has nothing to do.

use proxy_wasm::types::LogLevel;
use tidegate_core::{
    Allocator, Progress, Stage, Timestamp,
    sync::TableAck,
    table::{Heading, TableError},
    transfer::{CHUNK_BYTES, Queue},
};

use crate::{
    courier::Note,
    host,
    link::Message,
    shared::{self, Notice, Read, Reading},
    state::State,
};

/// Keys that are looked at in one go: 20 to 90 µs.
const SLICE_KEYS: u32 = 128;
/// How much of a tick may go into tables. One slice or one piece may come on top.
const MOST_NS: u64 = 400_000;
/// The same where no request has come since the last time.
const MOST_NS_IF_IDLE: u64 = 1_500_000;
/// The same for a small table, so that it is in force within the call that brings it.
const MOST_NS_IF_SMALL: u64 = 3_000_000;
/// A small one: below a thousand keys, mostly.
const SMALL_BYTES: usize = CHUNK_BYTES;
/// Requests have at least so much time in between.
const PAUSE_NS: u64 = 1_000_000;

/// What is on its way at one worker.
#[derive(Default)]
pub(crate) struct Tables {
    /// From the stream, and not begun.
    arrived: Queue,
    /// Epoch of the table from the stream that is to be acknowledged when it is in force.
    owed: Option<u64>,
    /// The piece of it that goes into shared data next, until all have.
    saving: Option<usize>,
    live: Fetch,
    trial: Fetch,
    /// When something was last done for them.
    seen_to: Timestamp,
    /// Requests up to then.
    requests: u64,
    /// None has come for a while.
    is_idle: bool,
}

/// Tables from shared data, for one allocator.
#[derive(Default)]
struct Fetch {
    /// There may be something that it lacks.
    looks: bool,
    reading: Option<Reading>,
}

enum Fetched {
    Nothing,
    More,
    Table(Vec<u8>),
}

impl Fetch {
    /// Reads one piece of the next table for an allocator.
    fn next(&mut self, plugin: &str, allocator: &Allocator) -> Fetched {
        let Some(reading) = &mut self.reading else {
            if !self.looks {
                return Fetched::Nothing;
            }
            let next = Notice::read(plugin).after(allocator.snapshot_epoch(), allocator.epoch());
            self.reading = next.map(|(slot, epoch)| Reading::of(slot, epoch));
            self.looks = self.reading.is_some();
            return if self.looks { Fetched::More } else { Fetched::Nothing };
        };
        match reading.next(plugin) {
            Read::More => Fetched::More,
            Read::Whole(table) => {
                self.reading = None;
                Fetched::Table(table)
            }
            Read::Broken => {
                // Whoever writes there will tell when that is done; and every beat looks again.
                *self = Self::default();
                Fetched::Nothing
            }
        }
    }

    const fn is_busy(&self) -> bool {
        self.looks || self.reading.is_some()
    }
}

impl Tables {
    /// Shared data may have something new, or an allocator has to begin anew.
    pub(crate) const fn look(&mut self) {
        self.live.looks = true;
        self.trial.looks = true;
    }

    /// The same, when what is being read may not be the next any more.
    pub(crate) fn begin_anew(&mut self) {
        (self.live, self.trial) = Default::default();
        self.look();
    }

    /// Another leads now, and is told everything again.
    pub(crate) fn leave(&mut self) {
        self.arrived.clear();
    }
}

impl State {
    /// Acts on a message of the forecaster.
    pub(crate) fn hear(&mut self, message: Message) {
        match message {
            Message::Welcome { report_interval_ms } => {
                self.take_report_interval(report_interval_ms);
                self.courier.start_over();
            }
            Message::Acknowledged(ack) if ack.boot == self.crew.id() => self.courier.acknowledged(ack.seq),
            Message::Acknowledged(ack) => self.courier.notify(ack.boot, &Note::Acknowledged(ack.seq)),
            Message::Table(table) => self.take_table(table),
            Message::BadTransfer(error) => {
                self.metrics.add("tidegate_tables_total.result.rejected", 1);
                host::log(
                    LogLevel::Error,
                    &format!("table refused on its way, the last one stays in force: {error}"),
                );
                self.acknowledge(Some(error.to_string()));
            }
        }
    }

    /// A table has come from the forecaster. One that is on its way already will be acknowledged once.
    fn take_table(&mut self, table: Vec<u8>) {
        let epoch = Heading::read(&table).map_or(0, |heading| heading.epoch);
        let is_staged = self.gate.allocator().staged().is_some_and(|staged| staged.heading.epoch == epoch);
        if is_staged {
            // It may have come by shared data.
            self.tables.owed = Some(epoch);
        } else if !self.tables.arrived.has(epoch) {
            self.tables.arrived.push(table);
        }
    }

    /// Whether tables of the live policy are on their way.
    pub(crate) fn expects_table(&self) -> bool {
        self.gate.allocator().staged().is_some()
            || self.tables.live.is_busy()
            || !self.tables.arrived.is_empty()
    }

    /// Whether the epoch of the allocator is that of a table which is not wholly in force, or has to be read again.
    pub(crate) fn is_half_way(&self) -> bool {
        let is_partly =
            self.gate.allocator().staged().is_some_and(|staged| staged.stage == Stage::Installing);
        is_partly || self.tables.live.is_busy()
    }

    /// Whether there is something to do for [`Self::install_tables`].
    pub(crate) fn has_tables(&self) -> bool {
        let tries = |trial: &Allocator| trial.staged().is_some() || self.tables.trial.is_busy();
        self.crew.is_member()
            && (self.link.has_parts() || self.expects_table() || self.gate.trial().is_some_and(tries))
    }

    /// Goes on with what is on its way, for less than a millisecond; if it is small, until it is there.
    pub(crate) fn install_tables(&mut self) {
        if !self.crew.is_member() {
            return;
        }
        let began = host::now();
        let mut now = began;
        let requests = self.gate.allocator().requests();
        self.tables.is_idle = requests == self.tables.requests && now.since(self.tables.seen_to) >= PAUSE_NS;
        self.tables.requests = requests;
        while now.since(began) < self.most_ns() && self.go_on(now) {
            now = host::now();
        }
        self.tables.seen_to = now;
    }

    fn most_ns(&self) -> u64 {
        let is_small = match self.gate.allocator().staged() {
            Some(staged) => staged.bytes.len() <= SMALL_BYTES,
            None if self.link.has_parts() => self.link.expects_little(),
            None => self.tables.arrived.next().is_some_and(|table| table.len() <= SMALL_BYTES),
        };
        match (is_small, self.tables.is_idle) {
            (true, _) => MOST_NS_IF_SMALL,
            (false, true) => MOST_NS_IF_IDLE,
            (false, false) => MOST_NS,
        }
    }

    /// The same, where messages come one upon the other: a tick does what those of large tables leave.
    pub(crate) fn install_in_between(&mut self, now: Timestamp) {
        if now.since(self.tables.seen_to) >= PAUSE_NS || self.most_ns() == MOST_NS_IF_SMALL {
            self.install_tables();
        }
    }

    /// Does what may lose the table that is on its way, and makes sure that it does not.
    pub(crate) fn keeping_tables(&mut self, act: impl FnOnce(&mut Self)) {
        // What is in shared data will be read again, and acknowledged then.
        let staged = self.gate.allocator().staged().filter(|_| self.tables.saving.is_some());
        let unsaved = staged.map(|staged| staged.bytes.to_vec());
        act(self);
        if self.gate.allocator().staged().is_none()
            && let Some(table) = unsaved
        {
            self.tables.arrived.put_back(table);
            (self.tables.owed, self.tables.saving) = (None, None);
        }
        self.tables.begin_anew();
    }

    fn go_on(&mut self, now: Timestamp) -> bool {
        if self.link.has_parts() {
            if let Some(message) = self.link.next_part() {
                self.hear(message);
            }
            return true;
        }
        self.go_on_live(now) || self.go_on_trial(now)
    }

    fn go_on_live(&mut self, now: Timestamp) -> bool {
        let staged = self.gate.allocator().staged();
        let Some((heading, stage)) = staged.map(|staged| (staged.heading, staged.stage)) else {
            return self.begin_table(now);
        };
        if stage == Stage::Checked {
            if self.save_piece(heading) {
                return true;
            }
            // Its tiers may have other names.
            self.metrics.forget_tiers(|tier| self.gate.allocator().tier_name(tier).to_owned());
        }
        match self.gate.allocator_mut().install(SLICE_KEYS, now) {
            Progress::Installed(epoch) => self.installed(epoch, now),
            Progress::Refused(error) => self.refused(&error),
            Progress::Working | Progress::Idle => {}
        }
        true
    }

    /// Begins with the next table: first with what is missing from shared data, which those from the stream may build on.
    fn begin_table(&mut self, now: Timestamp) -> bool {
        self.take_crew();
        let (table, is_pushed) = match self.tables.live.next(&self.plugin, self.gate.allocator()) {
            Fetched::More => return true,
            Fetched::Table(table) => (table, false),
            Fetched::Nothing => match self.tables.arrived.pop() {
                Some(table) => (table, true),
                None => return false,
            },
        };
        if is_pushed {
            let epoch = Heading::read(&table).map_or(0, |heading| heading.epoch);
            let allocator = self.gate.allocator();
            if epoch > 0 && [allocator.epoch(), allocator.snapshot_epoch()].contains(&epoch) {
                // A forecaster tells what there is to every new stream.
                self.acknowledge(None);
                return true;
            }
            (self.tables.owed, self.tables.saving) = (Some(epoch), Some(0));
        }
        if let Err(error) = self.gate.allocator_mut().stage(table, now) {
            self.refused(&error);
        }
        true
    }

    /// Puts one piece of a good table into shared data, if it came from the stream; false when there is no more to put there.
    fn save_piece(&mut self, table: Heading) -> bool {
        let Some(position) = self.tables.saving.filter(|_| self.crew.is_leader()) else { return false };
        let Some(staged) = self.gate.allocator().staged() else { return false };
        if shared::save(&self.plugin, table, staged.bytes, position) {
            self.tables.saving = Some(position + 1);
            return true;
        }
        self.tables.saving = None;
        Notice::read(&self.plugin).with(table).post(&self.plugin);
        self.tell_all(&Note::Table);
        false
    }

    fn installed(&mut self, epoch: u64, now: Timestamp) {
        self.metrics.add("tidegate_tables_total.result.applied", 1);
        // Epochs are the forecaster's clock in ms when it made the table, unless tables come faster.
        // The first table was there before, and one that is applied again, for another part of the budget,
        // is no push.
        if self.newest_epoch > 0 && epoch > self.newest_epoch {
            self.metrics.observe("tidegate_push_to_effect_ms", now.millis().saturating_sub(epoch));
        }
        self.newest_epoch = self.newest_epoch.max(epoch);
        self.tables.saving = None;
        self.publish();
        // There may be a delta on it, and the policy on trial lacks it.
        self.tables.look();
        if self.tables.owed == Some(epoch) {
            self.tables.owed = None;
            self.acknowledge(None);
        }
    }

    fn refused(&mut self, error: &TableError) {
        self.metrics.add("tidegate_tables_total.result.rejected", 1);
        let epoch = self.gate.allocator().epoch();
        host::log(LogLevel::Error, &format!("table refused, epoch {epoch} stays in force: {error}"));
        self.tables.saving = None;
        if self.tables.owed.take().is_some() {
            self.acknowledge(Some(error.to_string()));
        } else {
            self.tables.live = Fetch::default();
        }
    }

    /// Tells the forecaster which table is in force, and what was wrong with another.
    pub(crate) fn acknowledge(&self, error: Option<String>) {
        let allocator = self.gate.allocator();
        let (epoch, snapshot_epoch) = (allocator.epoch(), allocator.snapshot_epoch());
        self.link.acknowledge(&TableAck { epoch, snapshot_epoch, error });
    }

    /// Gives the policy on trial the tables of the live one, as far as it lacks them. A refused one changes nothing there either.
    fn go_on_trial(&mut self, now: Timestamp) -> bool {
        if self.gate.trial().is_some_and(|trial| trial.staged().is_none()) {
            self.take_trial_share(now);
        }
        let Some(trial) = self.gate.trial_mut() else { return false };
        let tables = &mut self.tables;
        if trial.staged().is_none() {
            match tables.trial.next(&self.plugin, trial) {
                Fetched::Nothing => return false,
                Fetched::More => {}
                Fetched::Table(table) => {
                    if trial.stage(table, now).is_err() {
                        tables.trial = Fetch::default();
                    }
                }
            }
            return true;
        }
        match trial.install(SLICE_KEYS, now) {
            Progress::Installed(_) => tables.trial.looks = true,
            Progress::Refused(_) => tables.trial = Fetch::default(),
            Progress::Working | Progress::Idle => {}
        }
        true
    }
}
