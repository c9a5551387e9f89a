//! A witness of a script: watches events and outcomes, and knows what must never happen.
//!
//! *Conservation*: each resource has one bucket here, capacity and burst of the table in force, and nothing may be admitted
//! that this bucket does not hold. It has no shadows, tiers or floors: it is what they all have to fit into.
//! *Honest retries*: a request that comes again when it was told to, with nobody in between and within the same step, passes.
//!
//! Only what the core promises is used, none of its insides. Levels are integers in 10⁻¹⁵ tokens, the product of
//! micro-tokens per second and nanoseconds.

mod plan;

use tidegate_conformance::{Ask, Event, Outcome, Part, Player, Recent, SetUp, Shortage};
use tidegate_core::Share;

use self::plan::Plan;

/// A century and more; keeps products within 128 bits.
const LONGEST_NS: u64 = 1 << 62;
const TOKEN: i128 = 1_000_000_000_000_000;

/// Watches one player.
#[derive(Debug, Default)]
pub struct Witness {
    resources: Vec<Resource>,
    plan: Option<Plan>,
    share: Option<Share>,
    /// The wall clock as the allocator was told last.
    told_ns: u64,
    /// The clock was at its end: from there time cannot go on.
    time_is_up: bool,
    receipts: Recent<Vec<Part>>,
    /// The step that every reservation has been brought to.
    swept: Option<u64>,
    /// What the event before this one was refused for.
    just_refused: Option<Shortage>,
}

#[derive(Debug)]
struct Resource {
    name: String,
    /// Micro-tokens per second and tokens without a table, if it is limited then.
    safe: Option<(u64, u64)>,
    capacity: u64,
    burst: i128,
    level: i128,
    /// What settling charged beyond estimates, and what waits has taken, since the bucket was last full: debt that
    /// others' reservations do not have to pay.
    ahead: i128,
}

impl Witness {
    /// Plays an event and checks what comes of it.
    ///
    /// # Panics
    /// When it must not be.
    pub fn play(&mut self, player: &mut Player, event: &Event) -> Outcome {
        let before_ns = player.wall_ns();
        let again = player.refused().cloned();
        let outcome = player.play(event);
        let refused_before = std::mem::take(&mut self.just_refused);
        match event {
            Event::SetUp(set_up) | Event::Succeed(set_up) => self.set_up(set_up, player.wall_ns()),
            Event::Apply(table) if matches!(outcome, Outcome::Applied(Ok(_))) => {
                self.tell(player.wall_ns());
                self.plan = Plan::of(table, self.share.unwrap_or(Share::WHOLE));
                self.follow_plan(player.wall_ns());
                self.swept = self.step(player.wall_ns());
            }
            Event::Decide(ask) => self.decide(ask, &outcome, player.wall_ns()),
            Event::Retry => {
                if let Some((ask, retry_after_ns)) = again.filter(|_| outcome != Outcome::Nothing) {
                    let same_step = self.step(before_ns) == self.step(player.wall_ns());
                    // Reservations move to a new step by and by, which takes tokens from the pool. Of several
                    // resources each tells its own time: they may be short in turn.
                    let settled = same_step && self.step(before_ns) == self.swept;
                    let promised = settled && ask.parts.len() == 1 && !self.time_is_up;
                    self.decide(&ask, &outcome, player.wall_ns());
                    assert!(
                        !promised || refused_before.is_none_or(|first| is_over(first, &outcome)),
                        "{ask:?} came again after {retry_after_ns} ns, when it was told to, and: {outcome:?}"
                    );
                }
            }
            Event::Count { .. } => self.tell(player.wall_ns()),
            Event::Advance => {
                self.tell(player.wall_ns());
                self.swept = self.step(player.wall_ns());
            }
            Event::Settle { back, actual } => self.settle(*back, actual, &outcome, player.wall_ns()),
            Event::Share { part, whole } => self.take_share(Share::new(*part, *whole), player.wall_ns()),
            _ => {}
        }
        outcome
    }

    fn set_up(&mut self, set_up: &SetUp, wall_ns: u64) {
        let time_is_up = wall_ns > u64::MAX / 2;
        *self = Self { told_ns: wall_ns, time_is_up, ..Self::default() };
        for (name, safe) in &set_up.resources {
            let safe = safe.map(|safe| (safe.capacity, safe.burst));
            let mut resource =
                Resource { name: name.clone(), safe, capacity: 0, burst: 0, level: i128::MAX, ahead: 0 };
            resource.limit(safe);
            self.resources.push(resource);
        }
    }

    /// Time as the allocator sees it: backward jumps are no time at all.
    fn tell(&mut self, wall_ns: u64) {
        let elapsed = wall_ns.saturating_sub(self.told_ns).min(LONGEST_NS);
        let before: Vec<u64> = self.resources.iter().map(|resource| resource.capacity).collect();
        let levels: Vec<i128> =
            self.resources.iter().map(|resource| resource.refilled(elapsed, resource.capacity)).collect();
        self.told_ns = wall_ns;
        self.time_is_up |= wall_ns > u64::MAX / 2;
        for (resource, level) in self.resources.iter_mut().zip(&levels) {
            resource.level = *level;
        }
        self.follow_plan(wall_ns);
        // Where capacity changed on the way, when exactly is not promised: the larger one counts for all of it.
        for ((resource, before), level) in self.resources.iter_mut().zip(before).zip(levels) {
            if resource.capacity > before {
                let more = i128::from(resource.capacity - before) * i128::from(elapsed);
                resource.level = (level + more).min(resource.burst);
            }
            if resource.level >= resource.burst {
                resource.ahead = 0;
            }
        }
    }

    /// Limits every resource as the plan says at this time.
    fn follow_plan(&mut self, wall_ns: u64) {
        let share = self.share.unwrap_or(Share::WHOLE);
        for resource in &mut self.resources {
            let planned = self.plan.as_ref().and_then(|plan| plan.budget(&resource.name, wall_ns));
            let safe = resource.safe.map(|(capacity, burst)| plan::part(capacity, burst, share));
            resource.limit(planned.or(safe));
        }
    }

    fn take_share(&mut self, share: Share, wall_ns: u64) {
        if share != self.share.unwrap_or(Share::WHOLE) {
            self.tell(wall_ns);
            self.share = Some(share);
            self.follow_plan(wall_ns);
        }
    }

    fn step(&self, wall_ns: u64) -> Option<u64> {
        self.plan.as_ref().map(|plan| plan.step(wall_ns))
    }

    fn decide(&mut self, ask: &Ask, outcome: &Outcome, wall_ns: u64) {
        self.tell(wall_ns);
        if let Outcome::Refused { shortage, .. } = outcome {
            self.just_refused = Some(*shortage);
        }
        let Outcome::Admitted { receipt, wait_ns, .. } = outcome else { return };
        for part in &ask.parts {
            let Some(resource) = self.resources.get_mut(usize::from(part.resource)) else { continue };
            let cost = i128::from(part.cost) * TOKEN;
            resource.level -= cost;
            // A request that waits takes future refill, and is held back until it is there.
            resource.ahead += cost.min(i128::from(resource.capacity) * i128::from(*wait_ns));
            let left = resource.level + resource.ahead;
            // Rates are quantised: a token in a year or so.
            let enough = part.cost == 0 || left >= -TOKEN / 1_000_000;
            assert!(enough, "{ask:?} was admitted with {left}e-15 tokens left of {resource:?}");
        }
        if *receipt {
            self.receipts.keep(ask.parts.iter().filter(|part| part.estimated).copied().collect());
        }
    }

    fn settle(&mut self, back: u32, actual: &[(u8, u64)], outcome: &Outcome, wall_ns: u64) {
        let Outcome::Settled(open) = outcome else { return };
        self.tell(wall_ns);
        let Some(parts) = self.receipts.pick(back).filter(|_| *open) else { return };
        for part in parts {
            let Some(resource) = self.resources.get_mut(usize::from(part.resource)) else { continue };
            let cost =
                actual.iter().find(|(index, _)| *index == part.resource).map_or(part.cost, |(_, cost)| *cost);
            let charge = (i128::from(cost) - i128::from(part.cost)) * TOKEN;
            resource.level = (resource.level - charge).min(resource.burst);
            resource.ahead += charge.max(0);
        }
    }
}

/// Whether a shortage is over. That of a contract is told for itself: then the pool may be short.
const fn is_over(first: Shortage, now: &Outcome) -> bool {
    match now {
        Outcome::Refused { shortage: Shortage::Pool, .. } => matches!(first, Shortage::Contract),
        Outcome::Refused { .. } => false,
        _ => true,
    }
}

impl Resource {
    /// A limit that is not there is a bucket that never empties.
    fn limit(&mut self, limit: Option<(u64, u64)>) {
        let (capacity, burst) = limit.unwrap_or((1 << 60, 1 << 60));
        self.capacity = capacity;
        self.burst = i128::from(burst) * TOKEN;
        self.level = self.level.min(self.burst);
    }

    fn refilled(&self, elapsed_ns: u64, capacity: u64) -> i128 {
        // One unit more for every nanosecond: rates are rounded to nearest.
        let refill = (i128::from(capacity) + 1) * i128::from(elapsed_ns);
        (self.level + refill).min(self.burst)
    }
}
