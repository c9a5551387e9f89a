//! Shares: every proxy has a part of capacity and burst for a term, renewed as it reports what it is asked for.
//!
//! A share is a lease of rate instead of tokens. The forecaster counts against a proxy whatever it may still
//! believe to have: a smaller share is sent first, and only when the proxy has said that it follows may others grow. Levels
//! never travel, so nothing is minted by moving shares. Once a term is over without word, the proxy falls back
//! to its safe share; the forecaster has set it aside shortly before.

use super::{
    parts::{Bucket, EPOCH},
    post::Post,
};
use crate::{
    limiter::{Admitted, Limiter, Settlement},
    scenario::{MILLI, SECOND, Scenario},
    traffic::{Arrival, Fault},
};

/// How often a proxy reports and the forecaster divides.
const BEAT: u64 = 100 * MILLI;
/// How long a share holds without word.
const TERM: u64 = 10 * SECOND;
/// How long before its end the forecaster sets the safe share aside.
const AHEAD: u64 = 2 * SECOND;
/// A new proxy waits this long for its first share.
const PATIENCE: u64 = SECOND;
/// What a proxy gets beyond what it is asked for, so that it can grow.
const HEADROOM: f64 = 1.25;
/// The safe shares together, as a part of the capacity.
const SAFE: f64 = 1.0;
/// No share is smaller than this part of an equal one.
const LEAST: f64 = 1.0 / 16.0;

/// What a proxy tells.
#[derive(Clone, Copy, Debug)]
struct Report {
    per_s: f64,
    /// The share that it follows.
    number: u64,
    capacity: f64,
}

/// What the forecaster grants.
#[derive(Clone, Copy, Debug)]
struct Grant {
    number: u64,
    capacity: f64,
}

/// Proxies and forecaster.
#[derive(Debug)]
pub(super) struct Shares {
    scenario: Scenario,
    proxies: Vec<Proxy>,
    ledger: Vec<Account>,
    up: Post<Report>,
    down: Post<Grant>,
    next_beat: u64,
    uses_wall_clock: bool,
    /// Since when the forecaster has its memory.
    remembers_from: u64,
}

#[derive(Clone, Copy, Debug)]
struct Proxy {
    bucket: Bucket,
    number: u64,
    /// On the proxy's own clock.
    until: u64,
    offered: f64,
    per_s: f64,
    wall_offset: i64,
    is_alive: bool,
}

/// What the forecaster knows of a proxy.
#[derive(Clone, Copy, Debug)]
struct Account {
    per_s: f64,
    number: u64,
    granted: f64,
    /// The largest share that the proxy may still believe to have.
    held: f64,
    heard_at: u64,
}

impl Shares {
    pub(super) fn of(scenario: &Scenario, seed: u64) -> Self {
        let equal = scenario.capacity / scenario.workers as f64;
        let bucket = Bucket::full(equal, scenario.burst / scenario.workers as f64);
        let proxy = Proxy {
            bucket,
            number: 1,
            until: EPOCH + TERM,
            offered: 0.0,
            per_s: equal,
            wall_offset: 0,
            is_alive: true,
        };
        let account = Account { per_s: equal, number: 1, granted: equal, held: equal, heard_at: 0 };
        Self {
            scenario: scenario.clone(),
            proxies: vec![proxy; scenario.workers],
            ledger: vec![account; scenario.workers],
            up: Post::new(scenario, seed, 20),
            down: Post::new(scenario, seed, 21),
            next_beat: BEAT,
            uses_wall_clock: false,
            remembers_from: 0,
        }
    }

    pub(super) fn on_wall_clocks(scenario: &Scenario, seed: u64) -> Self {
        Self { uses_wall_clock: true, ..Self::of(scenario, seed) }
    }

    fn clock(&self, proxy: usize, now: u64) -> u64 {
        let offset = self.proxies.get(proxy).map_or(0, |proxy| proxy.wall_offset);
        if self.uses_wall_clock { (EPOCH + now).saturating_add_signed(offset) } else { EPOCH + now }
    }

    fn safe(&self) -> f64 {
        self.scenario.capacity * SAFE / self.scenario.workers as f64
    }

    /// Bursts do not follow the load: what is clipped when they shrink would be lost.
    fn burst_of(&self, _capacity: f64) -> f64 {
        self.scenario.burst / self.scenario.workers as f64
    }

    /// A proxy whose term is over falls back to its safe share.
    fn expire(&mut self, index: usize, clock: u64) {
        let (safe, burst) = (self.safe(), self.burst_of(self.safe()));
        let Some(proxy) = self.proxies.get_mut(index) else { return };
        if clock >= proxy.until {
            proxy.bucket.resize(safe, burst, clock);
            proxy.until = u64::MAX;
        }
    }

    fn report_all(&mut self, now: u64) {
        for index in 0..self.proxies.len() {
            let Some(proxy) = self.proxies.get_mut(index).filter(|proxy| proxy.is_alive) else { continue };
            proxy.per_s = 0.5 * proxy.per_s + 0.5 * proxy.offered / (BEAT as f64 / SECOND as f64);
            proxy.offered = 0.0;
            let report = Report { per_s: proxy.per_s, number: proxy.number, capacity: proxy.bucket.capacity };
            self.up.send(index, report, now);
        }
    }

    fn hear(&mut self, index: usize, report: Report, now: u64) {
        let learning = now < self.remembers_from + TERM;
        let Some(account) = self.ledger.get_mut(index) else { return };
        (account.per_s, account.heard_at) = (report.per_s, now);
        if learning && account.number == 0 {
            // Whoever has lost the books believes the proxies.
            *account = Account {
                number: report.number,
                granted: report.capacity,
                held: report.capacity,
                ..*account
            };
        }
        if report.number == account.number {
            account.held = account.granted;
        } else if report.number == 0 {
            // It has started anew and follows nothing: what it had died with it.
            account.held = account.granted;
        }
    }

    /// Divides the capacity: first what must shrink, then, of what is free, what may grow.
    fn divide(&mut self, now: u64) {
        if !self.up.reaches(usize::MAX, now) {
            return;
        }
        let (capacity, safe) = (self.scenario.capacity, self.safe());
        let is_learning = self.ledger.iter().any(|account| account.number == 0);
        if is_learning && now < self.remembers_from + TERM {
            return self.send_all(now);
        }
        for account in &mut self.ledger {
            if now.saturating_sub(account.heard_at) > TERM - AHEAD {
                // Until its term is over it may use what it has, and then its safe share.
                let gone = now.saturating_sub(account.heard_at) > TERM + AHEAD;
                account.granted = safe;
                account.held = if gone { safe } else { account.held.max(safe) };
            }
        }
        let silent = |account: &Account| now.saturating_sub(account.heard_at) > TERM - AHEAD;
        let set_aside: f64 =
            self.ledger.iter().filter(|account| silent(account)).map(|account| account.held).sum();
        let wants: Vec<f64> = self
            .ledger
            .iter()
            .map(|account| if silent(account) { 0.0 } else { (account.per_s * HEADROOM).max(1e-6) })
            .collect();
        let targets =
            fill(&wants, (capacity - set_aside).max(0.0), capacity * LEAST / self.ledger.len() as f64);
        for (account, target) in self.ledger.iter_mut().zip(&targets) {
            if !silent(account) && *target < account.granted {
                account.granted = *target;
                account.number += 1;
            }
        }
        for index in 0..self.ledger.len() {
            let free = capacity - self.ledger.iter().map(|account| account.held).sum::<f64>();
            let Some(account) = self.ledger.get_mut(index) else { continue };
            let target = targets.get(index).copied().unwrap_or(0.0);
            let growth = (target - account.granted).min(account.held - account.granted + free);
            if !silent(account) && growth > 0.0 {
                account.granted += growth;
                account.held = account.held.max(account.granted);
                account.number += 1;
            }
        }
        self.send_all(now);
    }

    fn send_all(&mut self, now: u64) {
        for index in 0..self.ledger.len() {
            if let Some(account) = self.ledger.get(index).filter(|account| account.number > 0) {
                self.down.send(index, Grant { number: account.number, capacity: account.granted }, now);
            }
        }
    }

    fn follow(&mut self, index: usize, grant: Grant, now: u64) {
        let clock = self.clock(index, now);
        let burst = self.burst_of(grant.capacity);
        self.expire(index, clock);
        let Some(proxy) = self.proxies.get_mut(index).filter(|proxy| proxy.is_alive) else { return };
        proxy.bucket.resize(grant.capacity, burst, clock);
        proxy.number = grant.number;
        proxy.until = clock + TERM;
    }
}

/// Fills what everybody wants evenly (max-min), and shares out what is left.
fn fill(wants: &[f64], capacity: f64, least: f64) -> Vec<f64> {
    let active = wants.iter().filter(|want| **want > 0.0).count().max(1) as f64;
    let mut order: Vec<usize> = (0..wants.len()).collect();
    order.sort_by(|a, b| wants.get(*a).partial_cmp(&wants.get(*b)).unwrap_or(std::cmp::Ordering::Equal));
    let mut shares = vec![0.0; wants.len()];
    let (mut left, mut count) = (capacity, active);
    for index in order {
        let want = wants.get(index).copied().unwrap_or(0.0);
        if want <= 0.0 {
            continue;
        }
        let share = want.max(least).min(left / count);
        if let Some(slot) = shares.get_mut(index) {
            *slot = share;
        }
        left -= share;
        count -= 1.0;
    }
    let extra = left.max(0.0) / active;
    shares.iter().zip(wants).map(|(share, want)| if *want > 0.0 { share + extra } else { 0.0 }).collect()
}

impl Limiter for Shares {
    fn decide(&mut self, arrival: &Arrival) -> Option<Admitted> {
        let index = usize::from(arrival.worker);
        let clock = self.clock(index, arrival.at);
        self.expire(index, clock);
        let floor = self.scenario.customers.get(usize::from(arrival.customer))?.floor;
        let proxy = self.proxies.get_mut(index)?;
        proxy.offered += arrival.cost as f64;
        proxy.bucket.take(arrival.cost as f64, floor, clock)
    }

    fn settle(&mut self, _: &Settlement, _: u64) {}

    fn suffer(&mut self, fault: Fault, now: u64) {
        match fault {
            Fault::Crash(index) => {
                self.up.hang_up(index);
                self.down.hang_up(index);
                if let Some(proxy) = self.proxies.get_mut(index) {
                    proxy.is_alive = false;
                }
            }
            Fault::Restart(index) => {
                let clock = self.clock(index, now);
                if let Some(proxy) = self.proxies.get_mut(index) {
                    // Empty and at a standstill until it hears, or has waited in vain.
                    let mut bucket = Bucket::default();
                    bucket.pass(clock);
                    *proxy = Proxy { bucket, number: 0, until: clock + PATIENCE, is_alive: true, ..*proxy };
                }
            }
            Fault::Jump(index, by) => {
                if let Some(proxy) = self.proxies.get_mut(index) {
                    proxy.wall_offset += by;
                }
            }
            Fault::Reset => {}
        }
    }

    fn due(&self) -> u64 {
        self.next_beat.min(self.up.due()).min(self.down.due())
    }

    fn act(&mut self, now: u64) {
        while let Some((index, report)) = self.up.receive(now) {
            self.hear(index, report, now);
        }
        while let Some((index, grant)) = self.down.receive(now) {
            self.follow(index, grant, now);
        }
        if self.next_beat > now {
            return;
        }
        self.next_beat += BEAT;
        let returns = self.scenario.faults.away.is_some_and(|(_, until)| {
            let until = (until * SECOND as f64) as u64;
            (now - BEAT..now).contains(&until)
        });
        if returns && self.scenario.faults.amnesia {
            let nothing = Account { per_s: 0.0, number: 0, granted: 0.0, held: 0.0, heard_at: now };
            self.ledger.fill(nothing);
            self.remembers_from = now;
        }
        self.report_all(now);
        self.divide(now);
    }
}
