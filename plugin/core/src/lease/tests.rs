//! Properties of leases: random draws, returns, charges, deaths and losses by several workers whose rounds of read,
//! change and replace interleave.

mod fallback;

use alloc::{collections::VecDeque, rc::Rc, vec::Vec};
use core::cell::{Cell, RefCell};

use proptest::prelude::*;

use super::*;
use crate::units::{Amount, MicroRate, Rate, Timestamp};

const WORKERS: usize = 3;
const CUSTOMERS: usize = 3;
const SECOND: u64 = 1_000_000_000;
const BURST: u64 = 100;
const START: u64 = 1_000 * SECOND;
/// Length of a step of the plan.
const STEP_NS: u64 = 150_000_000;

/// What a worker does.
#[derive(Clone, Debug)]
enum Act {
    /// A customer's request of a cost, at a floor in percent of the pool's cap: from the pool, or else reserved.
    Ask { customer: usize, cost: u64, floor: u8 },
    /// The same again and again until it is refused.
    Flood { cost: u64 },
    /// Returns part of the last admission's cost, or charges beyond it.
    Settle(i64),
    /// Looks whether its lease is idle.
    Tick,
    /// Dies with what it holds and is there again.
    Die,
}

#[derive(Clone, Debug)]
enum Event {
    Wait(u64),
    /// By a clock that was read a while ago.
    Act {
        worker: usize,
        late_ns: u64,
        act: Act,
    },
    /// What others do between the next read and the write that follows it.
    Meddle {
        worker: usize,
        act: Act,
    },
    Lose,
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => (1_u64..6).prop_map(|cost| Act::Flood { cost }),
        12 => (0..CUSTOMERS, 0_u64..12, 0_u8..60).prop_map(|(customer, cost, floor)| Act::Ask { customer, cost, floor }),
        2 => (-12_i64..12).prop_map(Act::Settle),
        1 => Just(Act::Tick),
        1 => Just(Act::Die),
    ]
}

fn events(loses: bool) -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (0_u64..8_000_000).prop_map(Event::Wait),
        2 => (0_u64..400_000_000).prop_map(Event::Wait),
        16 => (0..WORKERS, acts()).prop_map(|(worker, act)| Event::Act { worker, late_ns: 0, act }),
        2 => (0..WORKERS, 0_u64..19_000_000, acts())
            .prop_map(|(worker, late_ns, act)| Event::Act { worker, late_ns, act }),
        6 => (0..WORKERS, acts()).prop_map(|(worker, act)| Event::Meddle { worker, act }),
        1 => Just(if loses { Event::Lose } else { Event::Wait(1_000) }),
    ];
    prop::collection::vec(event, 1..160)
}

/// Books that others change between a worker's read and its write.
struct Meddled {
    cells: RefCell<AtomicCells>,
    /// Run at the next read, once.
    meddling: RefCell<VecDeque<(usize, Act)>>,
    world: RefCell<Option<Rc<World>>>,
}

impl Cells for Meddled {
    fn count(&self) -> u32 {
        self.cells.borrow().count()
    }

    fn load(&self, cell: u32) -> (Record, Version) {
        let loaded = self.cells.borrow().load(cell);
        let next = self.meddling.borrow_mut().pop_front();
        let world = self.world.borrow().clone();
        if let (Some((worker, act)), Some(world)) = (next, world) {
            world.act(worker, &act, 0);
        }
        loaded
    }

    fn store(&self, cell: u32, record: &Record, loaded: Version) -> bool {
        self.cells.borrow().store(cell, record, loaded)
    }
}

/// Workers, the books, and an exact account of what was admitted.
struct World {
    broker: Broker<Meddled>,
    leases: [RefCell<Lease>; WORKERS],
    /// The worker is in the middle of something.
    busy: [Cell<bool>; WORKERS],
    last: [Cell<Option<(usize, u64, bool)>>; WORKERS],
    now: Cell<Timestamp>,
    rate: Rate,
    /// The one bucket that everything must fit into, in 2⁻²⁰ tokens, and charges that may not have been made good.
    level: Cell<i128>,
    charged: Cell<i128>,
    worst: Cell<i128>,
    reborn: Cell<bool>,
    /// By customer: what conforms to its reservation, and whether some of it was refused.
    conforming: [Cell<i128>; CUSTOMERS],
    broken: Cell<u32>,
}

impl World {
    fn new(per_s: f64) -> Rc<Self> {
        let cells = Meddled {
            cells: RefCell::new(AtomicCells::new(1 + 16)),
            meddling: RefCell::default(),
            world: RefCell::new(None),
        };
        let world = Rc::new(Self {
            broker: Broker::new(cells, 1),
            leases: Default::default(),
            busy: Default::default(),
            last: Default::default(),
            now: Cell::new(Timestamp::from_nanos(START)),
            rate: Rate::from_micro_per_s(MicroRate::from_per_s(per_s)),
            level: Cell::new(i128::from(BURST) << 20),
            charged: Cell::new(0),
            worst: Cell::new(0),
            reborn: Cell::new(false),
            conforming: Default::default(),
            broken: Cell::new(0),
        });
        *world.broker.cells().world.borrow_mut() = Some(Rc::clone(&world));
        world
    }

    /// Rate and depth of a customer's bucket: a tenth of everything, a fifth, or nothing, in turn, and every other
    /// step half of it.
    fn reserved(&self, customer: usize, step: u64) -> (Rate, Amount) {
        let part = match (customer as u64 + step) % 3 {
            0 => 10,
            1 => 5,
            _ => return (Rate::ZERO, Amount::ZERO),
        } * (1 + step % 2);
        (Rate(self.rate.0 / part), Amount::from_tokens(BURST / part))
    }

    fn step(&self) -> u64 {
        self.now.get().since(Timestamp::from_nanos(START)) / STEP_NS
    }

    fn terms(&self) -> Terms {
        let all = (0..CUSTOMERS).map(|customer| self.reserved(customer, self.step()));
        let (rate, depth) = all.fold((0, 0), |(rate, depth), own| (rate + own.0.0, depth + own.1.0));
        Terms {
            epoch: 1,
            step: self.step() as u32,
            since: Timestamp::from_nanos(START + self.step() * STEP_NS),
            capacity: self.rate,
            burst: Amount::from_tokens(BURST),
            reserved_rate: Rate(rate),
            reserved_depth: Amount(depth),
            workers: WORKERS as u32,
            birth: if self.reborn.get() { Birth::Lost } else { Birth::First },
        }
    }

    /// Lets time go on, step by step.
    fn pass(&self, mut nanos: u64) {
        while nanos > 0 {
            let into_step = self.now.get().since(Timestamp::from_nanos(START)) % STEP_NS;
            let part = nanos.min(STEP_NS - into_step);
            nanos -= part;
            let step = self.step();
            self.now.set(self.now.get().plus(part));
            let gained = i128::from(self.rate.over(part).0) + 1;
            self.level.set((self.level.get() + gained).min(i128::from(BURST) << 20));
            for (customer, conforming) in self.conforming.iter().enumerate() {
                let (rate, depth) = self.reserved(customer, step);
                let level = (conforming.get() + i128::from(rate.over(part).0)).min(i128::from(depth.0));
                conforming.set(level.min(i128::from(self.reserved(customer, self.step()).1.0)));
            }
        }
        // With this much there, no bucket and no lease can hide that the pool is in debt.
        let terms = self.terms();
        let plenty = terms.reserved_depth.0 + terms.pool_cap().0 / 4;
        if self.level.get() >= i128::from(plenty) {
            self.charged.set(0);
        }
    }

    fn admit(&self, cost: u64) {
        self.level.set(self.level.get() - (i128::from(cost) << 20));
        let beyond = -self.level.get() - self.charged.get();
        self.worst.set(self.worst.get().max(beyond));
    }

    fn act(&self, worker: usize, act: &Act, late_ns: u64) {
        if self.busy[worker].replace(true) {
            return;
        }
        let mut lease = self.leases[worker].borrow_mut();
        let now = Timestamp::from_nanos(self.now.get().nanos() - late_ns);
        let terms = self.terms();
        match *act {
            Act::Ask { customer, cost, floor } => {
                self.ask(worker, customer, cost, floor, &mut lease, now);
            }
            Act::Flood { cost } => while cost > 0 && self.ask(worker, 0, cost, 0, &mut lease, now) {},
            Act::Settle(difference) => {
                let Some((customer, cost, reserved)) = self.last[worker].take() else {
                    return self.busy[worker].set(false);
                };
                self.settle(customer, cost, reserved, difference, &mut lease, &terms);
            }
            Act::Tick if lease.is_idle(now) => self.broker.give_back(0, &mut lease, &terms, now),
            Act::Tick => {}
            Act::Die => *lease = Lease::default(),
        }
        self.busy[worker].set(false);
    }

    fn ask(
        &self,
        worker: usize,
        customer: usize,
        cost: u64,
        floor: u8,
        lease: &mut Lease,
        now: Timestamp,
    ) -> bool {
        let terms = self.terms();
        let keep = Amount(terms.pool_cap().0 / 100 * i64::from(floor));
        let ask = Ask { cost: Amount::from_tokens(cost), keep };
        let pooled = self.broker.draw(0, lease, ask, &terms, now);
        let admitted = pooled || self.draw_reserved(customer, lease, ask.cost, &terms, now);
        let own = &self.conforming[customer];
        if admitted {
            self.admit(cost);
            self.last[worker].set(Some((customer, cost, !pooled)));
        } else if own.get() >= i128::from(ask.cost.0) + 64 {
            self.broken.set(self.broken.get() + 1);
        }
        own.set((own.get() - if admitted { i128::from(ask.cost.0) } else { 0 }).max(0));
        admitted
    }

    fn settle(
        &self,
        customer: usize,
        cost: u64,
        reserved: bool,
        difference: i64,
        lease: &mut Lease,
        terms: &Terms,
    ) {
        let now = self.now.get();
        if difference >= 0 {
            let charge = i128::from(difference) << 20;
            self.level.set(self.level.get() - charge);
            self.charged.set(self.charged.get() + charge);
            return self.broker.charge(0, lease, Amount::from_tokens(difference as u64), terms, now);
        }
        let refund = difference.unsigned_abs().min(cost);
        let amount = Amount::from_tokens(refund);
        let steps = self.steps(customer);
        let bucket = self.bucket(customer, &steps);
        let paid = reserved.then_some((&bucket, amount));
        self.broker.refund(0, lease, amount, paid, terms, now);
        // Booked last of all: others may have drained everything in between.
        self.level.set((self.level.get() + (i128::from(refund) << 20)).min(i128::from(BURST) << 20));
    }

    fn draw_reserved(
        &self,
        customer: usize,
        lease: &mut Lease,
        cost: Amount,
        terms: &Terms,
        now: Timestamp,
    ) -> bool {
        let steps = self.steps(customer);
        let bucket = self.bucket(customer, &steps);
        self.broker.draw_reserved(0, lease, &bucket, cost, terms, now).is_ok()
    }

    fn steps(&self, customer: usize) -> Vec<(Rate, Amount)> {
        (0..=self.step()).map(|step| self.reserved(customer, step)).collect()
    }

    fn bucket<'a>(&self, customer: usize, steps: &'a [(Rate, Amount)]) -> SharedBucket<'a> {
        let start = Timestamp::from_nanos(START);
        let course = Course { reserved_since: start, starts_at: start, step_ns: STEP_NS, steps };
        SharedBucket { name: 1 + customer as u64, course }
    }

    fn play(&self, events: &[Event]) -> Result<(), TestCaseError> {
        let mut latest_ns = 0;
        for event in events {
            match event {
                Event::Wait(nanos) => self.pass(*nanos),
                Event::Act { worker, late_ns, act } => self.act(*worker, act, *late_ns),
                Event::Meddle { worker, act } => {
                    self.broker.cells().meddling.borrow_mut().push_back((*worker, act.clone()));
                }
                Event::Lose => {
                    // The mark that there were books is kept elsewhere.
                    self.reborn.set(true);
                    *self.broker.cells().cells.borrow_mut() = AtomicCells::new(1 + 16);
                }
            }
            if let Event::Act { late_ns, .. } = event {
                latest_ns = latest_ns.max(*late_ns);
            }
            // Time is what the clocks said: who decides by an old reading leaves later refill to others.
            let allowed = i128::from(self.rate.over(latest_ns).0) + 4_096;
            prop_assert!(self.worst.get() <= allowed, "{} too many after {event:?}", self.worst.get());
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn conservation_whatever_workers_do_and_however_they_interleave(events in events(false), per_s in 1.0..500.0_f64) {
        World::new(per_s).play(&events)?;
    }

    #[test]
    fn conservation_when_the_books_are_lost(events in events(true), per_s in 1.0..500.0_f64) {
        World::new(per_s).play(&events)?;
    }

    #[test]
    fn guarantee_conforming_demand_is_never_refused(
        events in events(false),
        per_s in 1.0..500.0_f64,
    ) {
        // Refunds fill what conforms in other places than they were paid from, and others' acts in the middle of one have
        // no order: both are left out.
        let events: Vec<Event> = events
            .into_iter()
            .filter(|event| match event {
                Event::Act { act, late_ns, .. } => !matches!(act, Act::Settle(_)) && *late_ns == 0,
                Event::Meddle { .. } => false,
                _ => true,
            })
            .collect();
        let world = World::new(per_s);
        world.play(&events)?;
        prop_assert_eq!(world.broken.get(), 0);
    }
}
