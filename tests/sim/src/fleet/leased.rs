//! Proxies lease tokens from the forecaster as workers do from their proxy, but ask ahead of need, since an answer takes
//! a while.
//!
//! A proxy tells with everything it asks what it has in hand, and the forecaster counts that and all it has granted since
//! inside B. What a proxy was granted is void two seconds after it last asked and was answered; then it lives on its safe share,
//! which the forecaster has set aside a little earlier.

use super::{
    parts::{Bucket, EPOCH},
    post::Post,
};
use crate::{
    limiter::{Admitted, Limiter, Settlement, Source},
    scenario::{MILLI, SECOND, Scenario},
    traffic::{Arrival, Fault},
};

const BEAT: u64 = 20 * MILLI;
const TERM: u64 = 2 * SECOND;
/// How much of its rate a proxy likes to have in hand, and in all with what is asked for, in seconds.
const IN_HAND_S: f64 = 0.2;
const IN_ALL_S: f64 = 0.4;
/// The safe shares together, as a part of the capacity.
const SAFE: f64 = 1.0;

#[derive(Clone, Copy, Debug)]
struct Ask {
    /// How much of its rate it would like to hold in all.
    wants: f64,
    returns: f64,
    /// What it has left of the grants up to this number.
    in_hand: f64,
    number: u64,
    /// When the proxy sent it: its lease counts from there.
    sent_at: u64,
}

#[derive(Clone, Copy, Debug)]
struct Grant {
    number: u64,
    tokens: f64,
    level: f64,
    sent_at: u64,
}

/// Proxies and forecaster.
#[derive(Debug)]
pub(super) struct Leased {
    scenario: Scenario,
    proxies: Vec<Proxy>,
    /// The forecaster's bucket, leases by when they are void, and who waits for how much.
    tokens: f64,
    at: u64,
    accounts: Vec<Account>,
    waiting: Vec<(usize, Ask)>,
    up: Post<Ask>,
    down: Post<Grant>,
    next_beat: u64,
    uses_wall_clock: bool,
}

/// What the forecaster knows of a proxy.
#[derive(Clone, Debug, Default)]
struct Account {
    heard_at: u64,
    /// What it had in hand when it last told.
    in_hand: f64,
    /// Number, end and tokens of grants that it has not told of.
    grants: Vec<(u64, u64, f64)>,
    number: u64,
}

#[derive(Clone, Debug)]
struct Proxy {
    number: u64,
    /// Tokens and until when they are good.
    leases: Vec<(u64, f64)>,
    level: f64,
    asked_at: Option<u64>,
    heard_at: u64,
    safe: Bucket,
    offered: f64,
    per_s: f64,
    wall_offset: i64,
    is_alive: bool,
}

impl Leased {
    pub(super) fn of(scenario: &Scenario, seed: u64) -> Self {
        let proxies = scenario.workers as f64;
        let safe = Bucket::empty(scenario.capacity * SAFE / proxies, scenario.burst * SAFE / proxies);
        let proxy = Proxy {
            number: 0,
            leases: Vec::new(),
            level: scenario.burst,
            asked_at: None,
            heard_at: EPOCH,
            safe,
            offered: 0.0,
            per_s: scenario.capacity / proxies,
            wall_offset: 0,
            is_alive: true,
        };
        Self {
            scenario: scenario.clone(),
            proxies: vec![proxy; scenario.workers],
            tokens: scenario.burst,
            at: 0,
            accounts: vec![Account::default(); scenario.workers],
            waiting: Vec::new(),
            up: Post::new(scenario, seed, 22),
            down: Post::new(scenario, seed, 23),
            next_beat: BEAT,
            uses_wall_clock: false,
        }
    }

    pub(super) fn on_wall_clocks(scenario: &Scenario, seed: u64) -> Self {
        Self { uses_wall_clock: true, ..Self::of(scenario, seed) }
    }

    /// What a proxy's clock shows.
    fn clock(&self, proxy: usize, now: u64) -> u64 {
        let offset = self.proxies.get(proxy).map_or(0, |proxy| proxy.wall_offset);
        if self.uses_wall_clock { (EPOCH + now).saturating_add_signed(offset) } else { EPOCH + now }
    }

    fn pass(&mut self, now: u64) {
        let part = SAFE / self.scenario.workers as f64;
        let (mut capacity, mut cap) = (self.scenario.capacity, self.scenario.burst);
        for account in &mut self.accounts {
            // What a proxy does not tell of in time is void.
            if now.saturating_sub(account.heard_at) > TERM {
                account.in_hand = 0.0;
            }
            account.grants.retain(|(_, until, _)| *until > now);
            cap -= account.outstanding();
            // A silent proxy is about to live on its safe share.
            if now.saturating_sub(account.heard_at) > TERM * 4 / 5 {
                capacity -= self.scenario.capacity * part;
                cap -= self.scenario.burst * part;
            }
        }
        let elapsed_s = now.saturating_sub(self.at) as f64 / SECOND as f64;
        self.at = self.at.max(now);
        self.tokens = (self.tokens + capacity.max(0.0) * elapsed_s).min(cap).max(self.tokens.min(0.0));
    }

    fn hear(&mut self, index: usize, ask: Ask, now: u64) {
        let Some(account) = self.accounts.get_mut(index) else { return };
        account.heard_at = now;
        account.in_hand = ask.in_hand;
        account.number = account.number.max(ask.number);
        account.grants.retain(|(number, ..)| *number > ask.number);
        self.tokens += ask.returns;
        self.waiting.retain(|(waiting, _)| *waiting != index);
        self.waiting.push((index, ask));
        self.serve(now);
    }

    /// Gives everybody who waits a part of what is there: what it needs, and a stock when there is plenty.
    fn serve(&mut self, now: u64) {
        self.pass(now);
        if !self.up.reaches(usize::MAX, now) {
            return;
        }
        for (index, ask) in std::mem::take(&mut self.waiting) {
            let stock = self.tokens / self.scenario.workers as f64 / 2.0;
            let wants = ask.wants.max(stock) - ask.in_hand;
            let tokens = wants.min((self.tokens / 2.0).max(1.0)).min(self.tokens).floor().max(0.0);
            let heard_at = self.accounts.get(index).map_or(now, |account| account.heard_at);
            if tokens < 1.0 && wants >= 1.0 && now - heard_at < SECOND / 2 {
                self.waiting.push((index, ask));
                continue;
            }
            self.grant(index, &ask, tokens, now);
        }
    }

    fn grant(&mut self, index: usize, ask: &Ask, tokens: f64, now: u64) {
        let others = self.accounts.iter().enumerate().filter(|(other, _)| *other != index);
        let elsewhere: f64 = others.map(|(_, account)| account.outstanding()).sum();
        let Some(account) = self.accounts.get_mut(index) else { return };
        self.tokens -= tokens;
        account.number += 1;
        account.grants.push((account.number, now + TERM, tokens));
        // Half of what others have in hand counts: all of it, and better tiers find nothing in an emergency; none of
        // it, and it lies idle.
        let level = self.tokens + elsewhere / 2.0;
        self.down.send(index, Grant { number: account.number, tokens, level, sent_at: ask.sent_at }, now);
    }

    fn beat(&mut self, now: u64) {
        for index in 0..self.proxies.len() {
            let clock = self.clock(index, now);
            let workers = self.scenario.workers as f64;
            let asks = self.proxies.get_mut(index).and_then(|proxy| proxy.ask(clock, workers));
            if let Some(ask) = asks {
                self.up.send(index, ask, now);
            }
        }
    }

    /// The forecaster comes back and knows nothing: whatever there can be is in hand until it has been told.
    fn forget(&mut self, now: u64) {
        let unknown = Account { heard_at: now, in_hand: self.scenario.burst, ..Account::default() };
        self.accounts.fill(unknown);
        self.waiting.clear();
        self.tokens = 0.0;
    }
}

impl Account {
    /// What a proxy may have in hand at most.
    fn outstanding(&self) -> f64 {
        self.in_hand + self.grants.iter().map(|(.., tokens)| tokens).sum::<f64>()
    }
}

impl Proxy {
    /// What it asks for, if it is time to.
    fn ask(&mut self, clock: u64, workers: f64) -> Option<Ask> {
        if !self.is_alive {
            return None;
        }
        self.per_s = 0.9 * self.per_s + 0.1 * self.offered / (BEAT as f64 / SECOND as f64);
        self.offered = 0.0;
        let in_hand = self.in_hand(clock);
        let wants = (IN_ALL_S * self.per_s + 1.0).ceil();
        // In hand it likes to have half of that, or a quarter of its part of the fleet's stock.
        let stock = self.level / workers;
        let least = (IN_HAND_S * self.per_s + 1.0).max(stock / 4.0);
        let excess = (in_hand - wants.max(stock)).floor().max(0.0);
        let waits = self.asked_at.is_some_and(|asked| clock.saturating_sub(asked) <= SECOND / 2);
        let is_quiet = clock.saturating_sub(self.heard_at) > SECOND / 2;
        if waits || (in_hand > least && excess < 1.0 && !is_quiet) {
            return None;
        }
        let returns = self.take_back(excess);
        self.asked_at = Some(clock);
        Some(Ask { wants, returns, in_hand: in_hand - returns, number: self.number, sent_at: clock })
    }

    /// What is left of leases that are good.
    fn in_hand(&mut self, clock: u64) -> f64 {
        self.leases.retain(|(until, _)| *until > clock);
        self.leases.iter().map(|(_, tokens)| tokens).sum()
    }

    fn take_back(&mut self, mut excess: f64) -> f64 {
        let before = excess;
        for (_, tokens) in &mut self.leases {
            let part = excess.min(*tokens);
            *tokens -= part;
            excess -= part;
        }
        before - excess
    }

    const fn is_on_its_own(&self, clock: u64) -> bool {
        clock.saturating_sub(self.heard_at) >= TERM
    }
}

impl Limiter for Leased {
    fn decide(&mut self, arrival: &Arrival) -> Option<Admitted> {
        let cost = arrival.cost as f64;
        let floor = self.scenario.customers.get(usize::from(arrival.customer))?.floor;
        let keep = floor * self.scenario.burst;
        let clock = self.clock(usize::from(arrival.worker), arrival.at);
        let proxy = self.proxies.get_mut(usize::from(arrival.worker))?;
        proxy.offered += cost;
        if proxy.is_on_its_own(clock) {
            return proxy.safe.take(cost, floor, clock);
        }
        // The safe bucket starts empty when it is needed.
        proxy.safe.pass(clock);
        proxy.safe.level = 0.0;
        let in_hand = proxy.in_hand(clock);
        if in_hand < cost || proxy.level + in_hand - cost < keep {
            return None;
        }
        proxy.take_back(cost);
        Some((Source::Pool, 0.0))
    }

    fn settle(&mut self, _: &Settlement, _: u64) {}

    fn suffer(&mut self, fault: Fault, now: u64) {
        if let Fault::Jump(index, by) = fault
            && let Some(proxy) = self.proxies.get_mut(index)
        {
            proxy.wall_offset += by;
        }
        let (Fault::Crash(index) | Fault::Restart(index)) = fault else { return };
        self.up.hang_up(index);
        self.down.hang_up(index);
        let clock = self.clock(index, now);
        if let Some(proxy) = self.proxies.get_mut(index) {
            proxy.leases.clear();
            (proxy.asked_at, proxy.heard_at) = (None, clock);
            proxy.is_alive = matches!(fault, Fault::Restart(_));
        }
    }

    fn due(&self) -> u64 {
        self.next_beat.min(self.up.due()).min(self.down.due())
    }

    fn act(&mut self, now: u64) {
        while let Some((index, ask)) = self.up.receive(now) {
            self.hear(index, ask, now);
        }
        while let Some((index, grant)) = self.down.receive(now) {
            let Some(proxy) = self.proxies.get_mut(index).filter(|proxy| proxy.is_alive) else { continue };
            (proxy.level, proxy.heard_at, proxy.asked_at) =
                (grant.level, grant.sent_at.max(proxy.heard_at), None);
            proxy.number = grant.number;
            proxy.leases.push((grant.sent_at + TERM, grant.tokens));
        }
        if self.next_beat > now {
            return;
        }
        let returns = self.scenario.faults.away.map(|(_, until)| (until * SECOND as f64) as u64);
        if self.scenario.faults.amnesia
            && returns.is_some_and(|at| (self.next_beat - BEAT..self.next_beat).contains(&at))
        {
            self.forget(now);
        }
        self.next_beat += BEAT;
        self.serve(now);
        self.beat(now);
    }
}
