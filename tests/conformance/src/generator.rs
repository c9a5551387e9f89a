//! Scripts: events that are likely to matter, chosen one by one.
//!
//! A script goes through moods (how fast requests come) and through tables (reservations that change by step, deltas,
//! bad ones), with a fresh allocator now and then. Everything that a proxy may meet is in it, the absurd too.

mod table;
mod world;

use alloc::{vec, vec::Vec};

use self::{table::Tables, world::World};
use crate::{
    choices::Choices,
    event::{Ask, Event, Part},
    text::Bytes,
    transcript::Recipe,
};

/// 2026-01-01, where the wall clock starts.
const START_NS: u64 = 1_767_225_600_000_000_000;
const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
/// The longest gaps between two events, by mood.
const MOODS: [u64; 7] = [0, 1_000, 100_000, MILLI, 5 * MILLI, 20 * MILLI, 300 * MILLI];
/// Most events of a script from bytes.
const MOST_EVENTS: u64 = 20_000;

/// An endless or finite sequence of events.
#[derive(Clone, Debug)]
pub struct Script<'a> {
    choices: Choices<'a>,
    requests_left: Option<u32>,
    events: u64,
    world: World,
    tables: Tables,
    wall_ns: u64,
    mood: u64,
    /// Set-up is due, since what was done cannot be undone.
    spoiled: bool,
    /// A table is on its way, for so many events at most.
    installing: u64,
    /// What comes next without a choice.
    queue: Vec<Event>,
}

impl<'a> Script<'a> {
    /// The script that a recipe makes.
    #[must_use]
    pub fn of(recipe: &'a Recipe) -> Self {
        match recipe {
            Recipe::Seed { seed, requests } => Self::new(Choices::seeded(*seed), Some(*requests)),
            Recipe::Bytes(bytes) => Self::new(Choices::of_bytes(bytes), None),
        }
    }

    fn new(choices: Choices<'a>, requests_left: Option<u32>) -> Self {
        Self {
            choices,
            requests_left,
            events: 0,
            world: World::default(),
            tables: Tables::default(),
            wall_ns: START_NS,
            mood: MILLI,
            spoiled: false,
            installing: 0,
            queue: vec![Event::SetClock(START_NS)],
        }
    }

    fn is_over(&self) -> bool {
        match self.requests_left {
            Some(left) => left == 0,
            None => self.choices.is_exhausted() || self.events >= MOST_EVENTS,
        }
    }

    /// A fresh allocator in a world of its own.
    fn begin(&mut self) -> Event {
        self.world = World::choose(&mut self.choices);
        self.tables = Tables::default();
        self.spoiled = false;
        let set_up = self.world.set_up(&mut self.choices);
        if self.wall_ns.abs_diff(START_NS) > 1_000_000 * SECOND {
            self.wall_ns = START_NS;
            self.queue.push(Event::SetUp(set_up));
            return Event::SetClock(START_NS);
        }
        Event::SetUp(set_up)
    }

    fn choose(&mut self) -> Event {
        if self.events <= 1 || self.choices.one_in(if self.spoiled { 40 } else { 3_000 }) {
            return self.begin();
        }
        let choices = &mut self.choices;
        if choices.one_in(60) {
            self.mood = choices.pick(&MOODS);
        }
        self.installing = self.installing.saturating_sub(1);
        if self.installing > 0 && choices.one_in(3) {
            return Event::Install(choices.pick(&[2, 1, 4, 8, 30, 100, 0, u32::MAX]));
        }
        match choices.below(1_000) {
            0..450 => self.request(),
            450..660 => {
                let nanos = choices.below(self.mood.saturating_mul(2).saturating_add(1));
                self.pass(nanos)
            }
            660..765 => self.settle(),
            765..805 => Event::Advance,
            805..835 => Event::Retry,
            835..885 => Event::Release,
            885..900 => Event::NextRelease,
            900..912 => Event::Cancel { back: choices.below(12) as u32 },
            912..920 => Event::Explain(self.world.anybody(choices)),
            920..935 => Event::Alternatives,
            935..948 => Event::Apply(self.table()),
            948..957 => self.stage(),
            957..968 => Event::Report,
            968..975 => Event::Count { ask: self.world.ask(choices), admitted: choices.one_in(2) },
            975..980 => {
                let nanos = choices.below(4 * SECOND);
                self.pass(nanos)
            }
            980..983 => self.shift_clock(),
            983..986 => {
                self.tables.forget();
                Event::Share { part: choices.between(1, 8), whole: choices.between(1, 8) }
            }
            986..988 => Event::ReportInterval(choices.below(5_000) as u32),
            988..989 => {
                self.tables.forget();
                Event::Succeed(self.world.set_up(choices))
            }
            989..992 => self.flood(),
            _ => self.request(),
        }
    }

    fn table(&mut self) -> Bytes {
        Bytes(self.tables.next(&mut self.world, self.wall_ns / MILLI, &mut self.choices))
    }

    /// A table is to come into force by and by, while life goes on.
    fn stage(&mut self) -> Event {
        self.installing = self.choices.between(5, 80);
        Event::Stage(self.table())
    }

    fn request(&mut self) -> Event {
        Event::Decide(self.world.ask(&mut self.choices))
    }

    fn pass(&mut self, nanos: u64) -> Event {
        self.wall_ns = self.wall_ns.saturating_add(nanos);
        Event::Until(self.wall_ns)
    }

    /// One customer asks the same again and again, faster than anything refills.
    fn flood(&mut self) -> Event {
        let ask = Ask { may_wait: false, ..self.world.ask(&mut self.choices) };
        let times = self.choices.between(2, 30) as usize;
        self.queue.extend(vec![Event::Decide(ask.clone()); times]);
        Event::Decide(ask)
    }

    fn settle(&mut self) -> Event {
        let choices = &mut self.choices;
        let back = if choices.one_in(10) { choices.below(64) } else { choices.below(6) } as u32;
        let mut actual = Vec::new();
        for resource in 0..self.world.resource_count() {
            if choices.one_in(8) {
                continue;
            }
            let tokens = match choices.below(400) {
                0 => choices.below(1 << 30),
                1..40 => choices.below(200),
                _ => choices.below(25),
            };
            actual.push((resource, tokens));
        }
        if choices.one_in(5_000) {
            self.spoiled = true;
            actual.insert(0, (0, u64::MAX));
        }
        Event::Settle { back, actual }
    }

    /// The clock jumps: a little, by hours, or to the ends of time.
    fn shift_clock(&mut self) -> Event {
        let choices = &mut self.choices;
        self.wall_ns = match choices.below(40) {
            0 => {
                self.spoiled = true;
                choices.pick(&[0, 1, u64::MAX, u64::MAX - 1])
            }
            1..20 => self.wall_ns.saturating_sub(choices.below(8 * SECOND)),
            20..30 => self.wall_ns.saturating_add(choices.below(8 * SECOND)),
            30..34 => self.wall_ns.saturating_add(choices.below(7_200 * SECOND)),
            _ => self.wall_ns.saturating_sub(choices.below(7_200 * SECOND)),
        };
        Event::SetClock(self.wall_ns)
    }
}

impl Iterator for Script<'_> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if self.is_over() {
            return None;
        }
        let event = match self.queue.pop() {
            Some(event) => event,
            None => self.choose(),
        };
        self.events += 1;
        if let (Event::Decide(_), Some(left)) = (&event, &mut self.requests_left) {
            *left -= 1;
        }
        Some(event)
    }
}

/// What a request asks for: some of the resources, seldom one twice or one that does not exist.
fn parts(choices: &mut Choices<'_>, resources: u8, largest: u64) -> Vec<Part> {
    let mut parts = Vec::new();
    for resource in 0..resources {
        if resources > 1 && choices.one_in(3) {
            continue;
        }
        let cost = match choices.below(200) {
            0 => choices.pick(&[u64::MAX, 1 << 40, (1 << 43) + 1, largest]),
            1..6 => choices.below(largest.saturating_mul(2)),
            6..12 => 0,
            12..120 => 1,
            _ => choices.between(1, 12),
        };
        parts.push(Part { resource, cost, estimated: choices.one_in(3) });
    }
    if choices.one_in(300) {
        parts.push(Part { resource: choices.below(10) as u8, cost: 1, estimated: false });
    }
    parts
}
