//! A witness of a script: watches events and outcomes, and knows what must never happen.
//!
//! *Conservation*: each resource has one bucket here, capacity and burst of the table in force, and nothing may be admitted
//! that this bucket does not hold. It has no shadows, tiers or floors: it is what they all have to fit into.
//! Who waits takes nothing until it is released. While a table comes into force by and by, reservations of the table
//! before may go on as well.
//! *Honest answers*: a request that comes again when it was told to, with nobody in between and within the same step,
//! passes, and so does what a refused one is told that it could have instead. Who leaves the queue was in it.
//!
//! Only what the core promises is used, none of its insides.

mod bucket;
mod plan;
mod receipts;

use std::collections::HashMap;

use tidegate_conformance::{Ask, Bytes, Event, Outcome, Part, Player, Recent, SetUp, Shortage, Stretch};
use tidegate_core::{Allocator, Share};

use self::{bucket::Bucket, plan::Plan, receipts::Receipts};

/// A century and more; keeps products within 128 bits.
const LONGEST_NS: u64 = 1 << 62;

/// Watches one player.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    buckets: Vec<Bucket>,
    plan: Option<Plan>,
    /// Epoch that the allocator told last.
    epoch: u64,
    /// The table on its way.
    staged: Option<Bytes>,
    /// The table in force is not wholly installed yet.
    is_changing: bool,
    share: Option<Share>,
    /// The wall clock as the allocator was told last.
    told_ns: u64,
    /// Time without backward jumps.
    clock_ns: u64,
    /// The clock was at its end: from there time cannot go on.
    time_is_up: bool,
    receipts: Receipts,
    tickets: Recent<u64>,
    waiting: HashMap<u64, Ask>,
    /// The step that every reservation has been brought to.
    swept: Option<u64>,
    /// What the event before this one was refused for.
    just_refused: Option<Shortage>,
}

/// How things stood before an event.
struct Before {
    wall_ns: u64,
    waited: bool,
    refused: Option<(Ask, Option<u64>)>,
    shortage: Option<Shortage>,
}

impl Witness {
    /// Plays an event and checks what comes of it.
    ///
    /// # Panics
    /// When it must not be.
    pub fn play(&mut self, player: &mut Player, event: &Event) -> Outcome {
        let before = Before {
            wall_ns: player.wall_ns(),
            waited: player.allocator().is_some_and(|allocator| allocator.waiting() > 0),
            refused: player.refused().map(|(ask, refusal)| (ask.clone(), refusal.retry_after_ns)),
            shortage: self.just_refused.take(),
        };
        let outcome = player.play(event);
        if let Event::SetUp(set_up) | Event::Succeed(set_up) = event {
            self.set_up(set_up, player.wall_ns());
            return outcome;
        }
        if tells(event, &outcome, before.waited) {
            self.tell(player.wall_ns());
        }
        self.follow_tables(event, &outcome, player);
        match event {
            Event::Decide(ask) => self.decide(ask, &outcome),
            Event::Retry if outcome != Outcome::Nothing => self.retry(&before, &outcome, player.wall_ns()),
            Event::Advance if !self.is_changing => self.swept = self.step(player.wall_ns()),
            Event::Settle { back, actual } if outcome == Outcome::Settled(true) => self.settle(*back, actual),
            Event::Share { part, whole } => self.take_share(Share::new(*part, *whole), player.wall_ns()),
            Event::Release => self.release(&outcome),
            Event::NextRelease => self.check_next_release(&outcome, player),
            Event::Cancel { back } => self.cancel(*back, &outcome),
            Event::Alternatives => self.check_alternatives(&before, &outcome, player),
            _ => {}
        }
        self.epoch = player.allocator().map_or(0, Allocator::epoch);
        outcome
    }

    fn set_up(&mut self, set_up: &SetUp, wall_ns: u64) {
        let time_is_up = wall_ns > u64::MAX / 2;
        let receipts = Receipts::new(set_up.max_receipts, set_up.receipt_ttl_ms);
        *self = Self { told_ns: wall_ns, time_is_up, receipts, ..Self::default() };
        for (name, safe) in &set_up.resources {
            self.buckets.push(Bucket::new(name, safe.map(|safe| (safe.capacity, safe.burst))));
        }
    }

    /// Time as the allocator sees it: backward jumps are no time at all.
    fn tell(&mut self, wall_ns: u64) {
        let elapsed = wall_ns.saturating_sub(self.told_ns).min(LONGEST_NS);
        self.told_ns = wall_ns;
        self.clock_ns = self.clock_ns.saturating_add(elapsed);
        self.time_is_up |= wall_ns > u64::MAX / 2;
        let before: Vec<u64> = self.buckets.iter().map(Bucket::capacity).collect();
        for bucket in &mut self.buckets {
            bucket.refill(bucket.capacity(), elapsed);
        }
        self.follow_plan(wall_ns);
        // Where capacity changed on the way, when exactly is not promised: the larger one counts for all of it.
        for (bucket, before) in self.buckets.iter_mut().zip(before) {
            if let Some(more) = bucket.capacity().checked_sub(before).filter(|more| *more > 0) {
                bucket.refill(more, elapsed);
            }
        }
    }

    /// Limits every resource as the plan says at this time.
    fn follow_plan(&mut self, wall_ns: u64) {
        let share = self.share.unwrap_or(Share::WHOLE);
        for (resource, bucket) in (0..).zip(&mut self.buckets) {
            let planned = self.plan.as_ref().and_then(|plan| plan.budget(&bucket.name, wall_ns));
            let safe = bucket.safe.map(|(capacity, burst)| plan::part(capacity, burst, share));
            let is_held = self.plan.as_ref().is_some_and(|plan| plan.is_held(&bucket.name));
            // What was held by receipts that have been given up may have come back before.
            if bucket.is_held && !is_held {
                bucket.charge(-i128::from(self.receipts.all_given_up(resource, self.clock_ns)));
            }
            if bucket.hold(is_held) {
                self.receipts.forget(resource);
            }
            bucket.limit(planned.or(safe));
        }
    }

    /// Which table is in force, and how far.
    fn follow_tables(&mut self, event: &Event, outcome: &Outcome, player: &Player) {
        let epoch = player.allocator().map_or(0, Allocator::epoch);
        match (event, outcome) {
            (Event::Apply(table), Outcome::Applied(Ok(_))) => {
                self.begin_table(table, player.wall_ns());
                self.end_table();
                (self.staged, self.swept) = (None, self.step(player.wall_ns()));
            }
            (Event::Stage(table), Outcome::Staged(Ok(()))) => {
                self.end_table();
                self.staged = Some(table.clone());
            }
            // One whose keys are bad has taken the place of the one on its way.
            (Event::Apply(_), Outcome::Applied(Err(_))) => {
                let next = player.clone().play(&Event::Install(0));
                if next == Outcome::Installing(Stretch::Idle) {
                    self.end_table();
                    self.staged = None;
                }
            }
            (_, Outcome::Installing(Stretch::Idle | Stretch::Refused(_))) => self.end_table(),
            (_, Outcome::Installing(progress)) => {
                if epoch != self.epoch
                    && let Some(table) = self.staged.take()
                {
                    self.begin_table(&table, player.wall_ns());
                }
                if matches!(progress, Stretch::Installed(_)) {
                    self.end_table();
                }
            }
            _ => {}
        }
    }

    fn begin_table(&mut self, table: &[u8], wall_ns: u64) {
        self.plan = Plan::of(table, self.share.unwrap_or(Share::WHOLE));
        (self.is_changing, self.swept) = (true, None);
        self.buckets.iter_mut().for_each(Bucket::begin_change);
        self.follow_plan(wall_ns);
    }

    fn end_table(&mut self) {
        self.is_changing = false;
        self.buckets.iter_mut().for_each(Bucket::end_change);
    }

    /// A table on its way is finished if it is in force in part, and else dropped.
    fn take_share(&mut self, share: Share, wall_ns: u64) {
        if share == self.share.unwrap_or(Share::WHOLE) {
            return;
        }
        self.tell(wall_ns);
        self.staged = None;
        self.end_table();
        self.share = Some(share);
        self.swept = None;
        self.follow_plan(wall_ns);
    }

    fn step(&self, wall_ns: u64) -> Option<u64> {
        self.plan.as_ref().map(|plan| plan.step(wall_ns))
    }

    fn decide(&mut self, ask: &Ask, outcome: &Outcome) {
        match outcome {
            Outcome::Refused { shortage, .. } => self.just_refused = Some(*shortage),
            Outcome::Waiting { ticket, .. } => {
                assert!(ask.may_wait, "{ask:?} is to wait and did not say that it may");
                self.tickets.keep(*ticket);
                let other = self.waiting.insert(*ticket, ask.clone());
                assert_eq!(other, None, "two requests wait with the ticket {ticket}");
            }
            _ => self.admit(ask, outcome),
        }
    }

    fn admit(&mut self, ask: &Ask, outcome: &Outcome) {
        let Outcome::Admitted { receipt, granted, .. } = outcome else { return };
        let asked = ask.parts.first().map_or(0, |part| part.cost);
        assert!(*granted == asked || (ask.partial && (1..asked).contains(granted)), "{ask:?} got {granted}");
        let mut parts = ask.parts.clone();
        if let Some(part) = parts.first_mut() {
            part.cost = *granted;
        }
        let mut open = Vec::new();
        for part in parts {
            let Some(bucket) = self.buckets.get_mut(usize::from(part.resource)) else { continue };
            bucket.take(part.cost);
            while part.cost > 0 && !bucket.is_covered() {
                // What is held comes back with a receipt that is given up.
                let back = self.receipts.given_up(part.resource, self.clock_ns).filter(|_| bucket.is_held);
                assert!(back.is_some(), "{ask:?} was admitted, and not left over by {bucket:?}");
                bucket.charge(-i128::from(back.unwrap_or(0)));
            }
            if part.estimated || bucket.is_held {
                open.push(part);
            }
        }
        let is_held = |resource: u8| {
            self.buckets.get(usize::from(resource)).is_some_and(|bucket| bucket.is_held || bucket.was_held)
        };
        let has_room = !self.receipts.may_be_full(is_held);
        assert!(*receipt != open.is_empty() || !(*receipt || has_room), "{ask:?} has a receipt: {receipt}");
        if *receipt {
            self.receipts.keep(open, self.clock_ns);
        }
    }

    fn retry(&mut self, before: &Before, outcome: &Outcome, wall_ns: u64) {
        let Some((ask, retry_after_ns)) = &before.refused else { return };
        let step = self.step(before.wall_ns);
        // Reservations move to a new step by and by, which takes tokens from the pool. Of several resources each tells its
        // own time: they may be short in turn. Who waits asks too: it may draw on a reservation, which then takes from the
        // pool's refill, or have a worse priority than who comes again later.
        let settled = step == self.step(wall_ns) && step == self.swept && !self.is_changing;
        let promised = settled && ask.parts.len() == 1 && !self.time_is_up && !before.waited;
        self.decide(ask, outcome);
        assert!(
            !promised || before.shortage.is_none_or(|first| is_over(first, outcome)),
            "{ask:?} came again after {retry_after_ns:?} ns, when it was told to, and: {outcome:?}"
        );
    }

    fn settle(&mut self, back: u32, actual: &[(u8, u64)]) {
        for part in self.receipts.settle(back) {
            let Some(bucket) = self.buckets.get_mut(usize::from(part.resource)) else { continue };
            let told = actual.iter().find(|(index, _)| *index == part.resource);
            let cost = match told {
                _ if bucket.is_held => 0,
                Some((_, cost)) => *cost,
                None => part.cost,
            };
            bucket.charge(i128::from(cost) - i128::from(part.cost));
        }
    }

    fn release(&mut self, outcome: &Outcome) {
        let Outcome::Released(released) = outcome else { return };
        for (ticket, outcome) in released {
            let ask = self.waiting.remove(ticket);
            assert!(ask.is_some(), "{ticket} was released and did not wait");
            let full = Ask { partial: false, ..ask.unwrap_or_default() };
            self.admit(&full, outcome);
        }
    }

    fn cancel(&mut self, back: u32, outcome: &Outcome) {
        let Some(ticket) = self.tickets.pick(back) else { return };
        let waited = self.waiting.remove(ticket).is_some();
        assert_eq!(*outcome, Outcome::Cancelled(waited), "{ticket} waited: {waited}");
    }

    /// Somebody can leave the queue at once if and only if that is what is told.
    fn check_next_release(&self, outcome: &Outcome, player: &Player) {
        let Outcome::NextRelease(next) = outcome else { return };
        assert_eq!(next.is_some(), !self.waiting.is_empty(), "{} wait", self.waiting.len());
        let left = player.clone().play(&Event::Release);
        assert_eq!(*next == Some(0), left != Outcome::Released(Vec::new()), "{next:?}, and then {left:?}");
    }

    /// What is offered instead of a refusal can be had.
    fn check_alternatives(&self, before: &Before, outcome: &Outcome, player: &Player) {
        let (Some((ask, _)), Some(shortage)) = (&before.refused, before.shortage) else { return };
        let Outcome::Instead { smaller_permille, as_critical, .. } = outcome else { return };
        let wall_ns = player.wall_ns();
        if self.step(wall_ns) != self.swept || shortage == Shortage::Malformed {
            return;
        }
        let passes = |ask: Ask| matches!(player.clone().play(&Event::Decide(ask)), Outcome::Admitted { .. });
        let plain = Ask { may_wait: false, partial: false, ..ask.clone() };
        if let Some(permille) = smaller_permille {
            let part = |part: &Part| {
                let cost = (u128::from(part.cost) * u128::from(*permille) / 1_000).max(1) as u64;
                Part { cost, ..*part }
            };
            let smaller = Ask { parts: plain.parts.iter().map(part).collect(), ..plain.clone() };
            assert!(passes(smaller), "{permille} thousandths of {ask:?} do not pass");
        }
        assert!(!as_critical || passes(Ask { class: 0, ..plain }), "{ask:?} does not pass as critical");
    }
}

/// Whether an event with this outcome tells the allocator the time.
fn tells(event: &Event, outcome: &Outcome, waited: bool) -> bool {
    match event {
        Event::Release | Event::NextRelease => waited,
        Event::Install(_) => *outcome != Outcome::Installing(Stretch::Idle),
        Event::Cancel { .. } | Event::Report => false,
        // A new share tells it when it is one.
        _ => *outcome != Outcome::Nothing,
    }
}

/// Whether a shortage is over. That of a contract is told for itself: then the pool may be short.
const fn is_over(first: Shortage, now: &Outcome) -> bool {
    match now {
        Outcome::Refused { shortage: Shortage::Pool, .. } | Outcome::Waiting { .. } => {
            matches!(first, Shortage::Contract)
        }
        Outcome::Refused { .. } => false,
        _ => true,
    }
}
