//! Random requests, tables, deaths and losses in a crew, and what must hold whatever they are.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

const BURST: u64 = 100;
const NAMES: [&str; 4] = ["a", "b", "c", "unknown"];

#[derive(Clone, Debug)]
enum Event {
    Wait(u64),
    Ask {
        worker: usize,
        key: usize,
        cost: u64,
        class: u8,
        estimated: bool,
    },
    /// Settles the oldest open receipt with at most its estimate.
    Settle(u64),
    /// A new table, which some workers install now and the others at their next tick.
    Push {
        parts: [(u8, u8); 3],
        now: u8,
    },
    Tick(usize),
    /// A worker is gone with what it holds, and another one comes in its place.
    Vanish(usize),
    Lose,
}

fn events(lose: bool) -> impl Strategy<Value = Vec<Event>> {
    let parts = prop::array::uniform3((0_u8..30, 0_u8..30));
    let event = prop_oneof![
        6 => (0_u64..30_000_000).prop_map(Event::Wait),
        2 => (0_u64..800_000_000).prop_map(Event::Wait),
        24 => (0_usize..8, 0_usize..4, 0_u64..12, 0_u8..3, any::<bool>())
            .prop_map(|(worker, key, cost, class, estimated)| Event::Ask { worker, key, cost, class, estimated }),
        4 => (0_u64..12).prop_map(Event::Settle),
        2 => (parts, any::<u8>()).prop_map(|(parts, now)| Event::Push { parts, now }),
        3 => (0_usize..8).prop_map(Event::Tick),
        1 => (0_usize..8).prop_map(Event::Vanish),
        1 => Just(if lose { Event::Lose } else { Event::Tick(0) }),
    ];
    prop::collection::vec(event, 1..250)
}

/// A crew and the one bucket that everything must fit into.
struct World {
    cells: Arc<Losable>,
    birth: Birth,
    crew: Vec<Allocator>,
    /// Receipts by worker, with their estimates.
    open: alloc::collections::VecDeque<(usize, Receipt, u64)>,
    table: Option<Vec<u8>>,
    epoch: u64,
    per_s: f64,
    level: f64,
    now: Timestamp,
}

impl World {
    fn new(per_s: f64, workers: usize) -> Self {
        let cells = Losable::new();
        let birth = Birth::First;
        let make = |_| worker(per_s, BURST, workers as u32, birth, &cells, start());
        let crew = (0..workers).map(make).collect();
        let open = alloc::collections::VecDeque::new();
        Self { cells, birth, crew, open, table: None, epoch: 0, per_s, level: BURST as f64, now: start() }
    }

    fn table(&self, parts: &[(u8, u8); 3]) -> Vec<u8> {
        let mut table = table(self.per_s, BURST, 3);
        table.epoch = self.epoch;
        table.starts_at_ms = self.now.millis();
        table.valid_until_ms = self.now.millis() + 3_500;
        table.draw_order =
            if self.epoch.is_multiple_of(3) { DrawOrder::ShadowFirst } else { DrawOrder::PoolFirst };
        table.resources[0].emergency = Schedule::constant(reservation(self.per_s * 0.05, BURST / 20), 3);
        table.tiers[0].emergency = true;
        for (name, (rate, depth)) in NAMES.iter().zip(parts) {
            let own =
                |part: f64| reservation(self.per_s * f64::from(*rate) / 100.0 * part, u64::from(*depth));
            let mut key = key(name, u8::from(*rate > 12), contract(self.per_s / 4.0, 20), own(1.0), 3);
            key.grants[0].reservations = Schedule::from_steps(&[own(1.0), own(0.3), own(0.8)]);
            table.keys.push(key);
        }
        table.encode()
    }

    fn install(&mut self, worker: usize) {
        if let Some((table, worker)) = self.table.clone().zip(self.crew.get_mut(worker)) {
            let _ = worker.apply(&table, self.now);
        }
    }

    fn play(&mut self, event: &Event) -> Result<(), TestCaseError> {
        let workers = self.crew.len();
        match event {
            Event::Wait(nanos) => {
                self.now = self.now.plus(*nanos);
                let gained = self.per_s * *nanos as f64 / SECOND as f64;
                self.level = (self.level + gained).min(BURST as f64);
            }
            Event::Ask { worker, key, cost, class, estimated } => {
                let class = [Class::Critical, Class::Standard, Class::Deferrable][usize::from(*class)];
                let demands = [Demand { resource: 0, cost: *cost, estimated: *estimated }];
                let name = NAMES[*key].as_bytes();
                let request =
                    Request { key: name, class, demands: &demands, may_wait: false, partial: false };
                if let Decision::Admit(admission) = self.crew[worker % workers].decide(&request, self.now) {
                    self.level -= *cost as f64;
                    prop_assert!(self.level > -1e-3, "{} tokens over after {event:?}", -self.level);
                    self.open.extend(admission.receipt.map(|receipt| (worker % workers, receipt, *cost)));
                }
            }
            Event::Settle(actual) => {
                let Some((worker, receipt, cost)) = self.open.pop_front() else { return Ok(()) };
                let actual = *actual.min(&cost);
                prop_assert!(self.crew[worker].settle(receipt, &[(0, actual)], self.now));
                self.level = (self.level + (cost - actual) as f64).min(BURST as f64);
            }
            Event::Push { parts, now } => {
                self.epoch += 1;
                self.table = Some(self.table(parts));
                (0..workers).filter(|worker| now >> worker & 1 == 1).for_each(|worker| self.install(worker));
            }
            Event::Tick(worker) => {
                self.install(worker % workers);
                self.crew[worker % workers].advance(self.now);
            }
            Event::Vanish(gone) => {
                let gone = gone % workers;
                self.crew[gone] =
                    worker(self.per_s, BURST, workers as u32, self.birth, &self.cells, self.now);
                self.open.retain(|(worker, ..)| *worker != gone);
            }
            Event::Lose => {
                self.birth = Birth::Lost;
                let crew = Crew { workers: workers as u32, birth: Birth::Lost };
                self.crew.iter_mut().for_each(|worker| worker.set_crew(crew));
                self.cells.lose();
            }
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn conservation_across_workers(
        events in events(false),
        per_s in 0.5..400.0_f64,
        workers in 1_usize..9,
    ) {
        let mut world = World::new(per_s, workers);
        events.iter().try_for_each(|event| world.play(event))?;
    }

    #[test]
    fn conservation_across_workers_when_books_are_lost(
        events in events(true),
        per_s in 0.5..400.0_f64,
        workers in 1_usize..9,
    ) {
        let mut world = World::new(per_s, workers);
        events.iter().try_for_each(|event| world.play(event))?;
    }

    /// Whichever worker it meets, and whatever the others are asked.
    #[test]
    fn guarantee_conforming_demand_is_never_refused_by_any_worker(
        others in prop::collection::vec((0_usize..8, 0_usize..4, 1_u64..20, 0_u8..3, 0_u64..30_000_000), 50..300),
        workers in 1_usize..9,
        rate in 5.0..40.0_f64,
        depth in 5_u64..40,
        cost in 1_u64..5,
        shadow_first in any::<bool>(),
        died in 0_usize..300,
    ) {
        let (mut crew, cells, table) = crew(workers as u32, |table| {
            table.draw_order = if shadow_first { DrawOrder::ShadowFirst } else { DrawOrder::PoolFirst };
            table.tiers[0].floor_permille = 900;
            table.keys.push(key("a", 0, contract(1.0, 1), reservation(rate, depth), 60));
            table.keys.push(key("b", 1, None, reservation(100.0 - rate - 10.0, 55), 60));
        });
        // Empty at first, it fills by its own rate. A bucket of our own says what conforms.
        let (mut now, mut level) = (start(), 0.0_f64);
        for (turn, (at, who, other, number, wait)) in others.into_iter().enumerate() {
            now = now.plus(wait);
            level = (level + rate * wait as f64 / SECOND as f64).min(depth as f64);
            if turn == died {
                crew[0] = worker(100.0, 100, workers as u32, Birth::First, &cells, now);
                crew[0].apply(&table.encode(), now).unwrap();
            }
            let worker = &mut crew[at % workers];
            if who > 0 {
                let class = [Class::Critical, Class::Standard, Class::Deferrable][usize::from(number)];
                ask_as(worker, NAMES[who], other, class, now);
            } else if level >= cost as f64 + 1e-3 {
                prop_assert!(admitted(&ask(worker, "a", cost, now)), "{level} reserved, {cost} refused");
                level -= cost as f64;
            }
        }
    }

    /// A worker alone, with nothing to lease to others, is the bucket (C, B), decision by decision.
    #[test]
    fn fallback_of_a_crew_of_one_without_leases_equals_one_bucket(
        per_s in 0.1..500.0_f64,
        burst in 1_u64..100,
        requests in prop::collection::vec((0_usize..4, 0_u64..20, 0_u64..SECOND / 4), 1..300),
    ) {
        let mut worker = worker(per_s, burst, u32::MAX, Birth::First, &Losable::new(), start());
        let rate = Rate::from_micro_per_s(MicroRate::from_per_s(per_s));
        let full = i128::from(burst) << 52;
        let (mut level, mut now) = (full, start());
        for (key, cost, wait) in requests {
            // Far enough apart that no refusal is from memory.
            let wait = wait + 1_000_000;
            now = now.plus(wait);
            level = (level + i128::from(rate.0) * i128::from(wait)).min(full);
            let fits = level >= i128::from(cost) << 52;
            prop_assert_eq!(admitted(&ask(&mut worker, NAMES[key], cost, now)), fits);
            if fits {
                level -= i128::from(cost) << 52;
            }
        }
    }
}

/// Requests of three tiers at one and a half times the capacity, over connections that stay with a worker.
#[test]
fn a_crew_admits_what_one_allocator_does() {
    for (per_s, workers) in [(200.0, 2), (2_000.0, 4), (2_000.0, 8), (20_000.0, 4)] {
        let burst = per_s as u64 / 2;
        let mut pushed = table(per_s, burst, 60);
        (pushed.step_ms, pushed.valid_until_ms) = (1_000_000, START_MS + 60_000_000);
        pushed.tiers[1].floor_permille = 100;
        pushed.keys.push(key("a", 0, None, reservation(per_s / 5.0, burst / 5), 60));
        let cells = Losable::new();
        let make = |_| worker(per_s, burst, workers, Birth::First, &cells, start());
        let mut crew: Vec<Allocator> = (0..workers).map(make).collect();
        let mut alone = allocator(per_s, burst);
        crew.iter_mut().chain([&mut alone]).for_each(|worker| {
            worker.apply(&pushed.encode(), start()).unwrap();
        });
        let (mut now, mut seed) = (start(), 7_u64);
        let (mut by_crew, mut by_one) = (0_u64, 0_u64);
        let mut ticked = now;
        for _ in 0..(per_s * 1.5 * 10.0) as u64 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let draw = seed >> 33;
            now = now.plus((draw % 2_000) * (SECOND as f64 / per_s / 1.5 / 1_000.0) as u64);
            let name = NAMES[(draw / 2_048 % 4) as usize];
            // Who is served by whom changes from time to time.
            let spell = now.since(start()) / SECOND;
            let at = (draw / 8_192 % 4 * 5 + spell) as usize % crew.len();
            if now.since(ticked) > SECOND / 20 {
                ticked = now;
                crew.iter_mut().for_each(|worker| worker.advance(now));
            }
            by_crew += u64::from(admitted(&ask(&mut crew[at], name, 1, now)));
            by_one += u64::from(admitted(&ask(&mut alone, name, 1, now)));
        }
        let part = by_crew as f64 / by_one as f64;
        std::println!("{workers} workers, {per_s}/s: {by_crew} of {by_one}, {part:.4}");
        assert!(part >= 0.995, "{workers} workers at {per_s}/s admitted {part:.4} of what one does");
    }
}
