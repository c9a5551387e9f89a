//! The product's allocators as a crew: tables, tiers, receipts and all, on the same books as `leased`.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use tidegate_core::{
    Allocator, Class, Crew as Told, CrewCells, Decision, Demand, KeyHash, Receipt, Request, ResourceSetup,
    SafeBudget, Setup, Source as Paid, Timestamp,
    lease::{AtomicCells, Birth},
    table::{DrawOrder, Forecast, Grant, Key, Reservation, Resource, Schedule, Table, Tier},
    units::MicroRate,
};

use super::{Admitted, Limiter, Operations, Settlement, Source};
use crate::{
    counted::Counted,
    scenario::{MILLI, Scenario},
    traffic::{Arrival, Fault},
};

/// How often a worker does what is due without a request.
const TICK: u64 = 50 * MILLI;
/// Cells for the books and for buckets.
const CELLS: u32 = 1 + 1_024;
/// A step's part of the peak is rounded down by less than this.
const ROUNDED: f64 = 1.023;

/// Allocators of one crew.
pub(super) struct Crew {
    cells: Arc<Counted<AtomicCells>>,
    workers: Vec<Option<Allocator>>,
    names: Vec<String>,
    table: Vec<u8>,
    told: Told,
    setup: Setup,
    /// By worker, customer and what was reserved.
    receipts: HashMap<(usize, usize, u64), VecDeque<Receipt>>,
    next_tick: u64,
}

impl Crew {
    pub(super) fn of(scenario: &Scenario) -> Self {
        let safe =
            SafeBudget { capacity: MicroRate::from_per_s(scenario.capacity), burst: scenario.burst as u64 };
        let mut crew = Self {
            cells: Arc::new(Counted::new(AtomicCells::new(CELLS))),
            workers: vec![None; scenario.workers],
            names: (0..scenario.customers.len()).map(|customer| format!("customer-{customer}")).collect(),
            table: Vec::new(),
            told: Told { workers: scenario.workers as u32, birth: Birth::First },
            setup: Setup {
                resources: vec![ResourceSetup { name: String::from("requests"), safe: Some(safe) }],
                max_unknown_keys: 16,
                max_receipts: 1 << 16,
                max_waiting: 0,
                receipt_ttl_ms: 600_000,
                report_interval_ms: 60_000,
            },
            receipts: HashMap::new(),
            next_tick: TICK,
        };
        crew.table = table(scenario, &crew.names).encode();
        (0..scenario.workers).for_each(|worker| crew.start(worker, 0));
        crew
    }

    fn start(&mut self, worker: usize, now: u64) {
        let now = Timestamp::from_nanos(now);
        let mut allocator = Allocator::new(self.setup.clone(), now);
        let cells: CrewCells = Arc::<Counted<AtomicCells>>::clone(&self.cells);
        allocator.join_crew(&cells, self.told, now);
        let installed = allocator.apply(&self.table, now);
        debug_assert!(installed.is_ok(), "{installed:?}");
        if let Some(slot) = self.workers.get_mut(worker) {
            *slot = Some(allocator);
        }
    }
}

impl Limiter for Crew {
    fn decide(&mut self, arrival: &Arrival) -> Option<Admitted> {
        let (worker, customer) = (usize::from(arrival.worker), usize::from(arrival.customer));
        let estimated = arrival.settles.is_some();
        let demands = [Demand { resource: 0, cost: arrival.cost, estimated }];
        let request = Request {
            key: self.names.get(customer)?.as_bytes(),
            class: Class::Standard,
            demands: &demands,
            may_wait: false,
            partial: false,
        };
        let allocator = self.workers.get_mut(worker)?.as_mut()?;
        let decision = allocator.decide(&request, Timestamp::from_nanos(arrival.clock));
        let Decision::Admit(admission) = decision else { return None };
        // Where both paid, it says that the reservation did.
        let reserved = if admission.source == Paid::Guaranteed { arrival.cost } else { 0 };
        if let Some(receipt) = admission.receipt {
            self.receipts.entry((worker, customer, reserved)).or_default().push_back(receipt);
        }
        let source = if reserved > 0 { Source::Reserved } else { Source::Pool };
        Some((source, reserved as f64))
    }

    fn settle(&mut self, settlement: &Settlement, now: u64) {
        let Settlement { worker, customer, actual, reserved, .. } = *settlement;
        let Some(receipts) = self.receipts.get_mut(&(worker, customer, reserved as u64)) else { return };
        if let (Some(receipt), Some(Some(allocator))) = (receipts.pop_front(), self.workers.get_mut(worker)) {
            allocator.settle(receipt, &[(0, actual)], Timestamp::from_nanos(now));
        }
    }

    fn suffer(&mut self, fault: Fault, now: u64) {
        match fault {
            Fault::Crash(index) => {
                if let Some(worker) = self.workers.get_mut(index) {
                    *worker = None;
                }
                self.receipts.retain(|(worker, ..), _| *worker != index);
            }
            Fault::Restart(index) => self.start(index, now),
            Fault::Reset => {
                // That there were books is remembered elsewhere.
                self.told.birth = Birth::Lost;
                self.workers.iter_mut().flatten().for_each(|worker| worker.set_crew(self.told));
                self.cells.lose(AtomicCells::new(CELLS));
            }
            Fault::Jump(..) => {}
        }
    }

    fn due(&self) -> u64 {
        self.next_tick
    }

    fn act(&mut self, now: u64) {
        self.next_tick = now + TICK;
        let now = Timestamp::from_nanos(now);
        self.workers.iter_mut().flatten().for_each(|worker| worker.advance(now));
    }

    fn operations(&self) -> Operations {
        let (reads, writes) = self.cells.counts();
        Operations { reads, writes }
    }
}

/// The scenario as the forecaster would push it: a tier for each floor, a key for each customer.
fn table(scenario: &Scenario, names: &[String]) -> Table {
    let mut floors: Vec<u16> = scenario.customers.iter().map(|customer| permille(customer.floor)).collect();
    floors.sort_unstable();
    floors.dedup();
    let step_ms = scenario.faults.step_s.map_or(1_000_000_000, |step_s| (step_s * 1e3) as u32);
    let steps =
        scenario.faults.step_s.map_or(1, |step_s| ((scenario.seconds / step_s).ceil() as u16).min(64));
    let key = |(name, customer): (&String, &crate::scenario::Customer)| {
        let margin = if customer.reserved.len() > 1 { ROUNDED } else { 1.0 };
        let own = |step: u16| {
            let (rate, depth) = customer.reserved_at(usize::from(step));
            Reservation { rate: MicroRate::from_per_s(rate * margin), depth: (depth * margin).ceil() as u64 }
        };
        let reserved: Vec<Reservation> = (0..steps).map(own).collect();
        let reservations =
            if customer.reserved.is_empty() { Schedule::default() } else { Schedule::from_steps(&reserved) };
        let floor = permille(customer.floor);
        Key {
            hash: KeyHash::of(name.as_bytes()),
            tier: floors.iter().position(|found| *found == floor).unwrap_or(0) as u8,
            grants: vec![Grant { resource: 0, contract: None, reservations, forecast: Forecast::default() }],
        }
    };
    let tier = |(number, floor): (usize, &u16)| Tier {
        name: format!("tier-{number}"),
        priority: number as u8,
        floor_permille: *floor,
        contracts: vec![None],
        ..Tier::default()
    };
    Table {
        epoch: 1,
        base_epoch: 0,
        removed: Vec::new(),
        starts_at_ms: 0,
        step_ms,
        steps,
        valid_until_ms: (scenario.seconds * 1e3) as u64 + u64::from(step_ms),
        draw_order: DrawOrder::PoolFirst,
        tiers: floors.iter().enumerate().map(tier).collect(),
        default_tier: 0,
        resources: vec![Resource {
            name: String::from("requests"),
            capacity: MicroRate::from_per_s(scenario.capacity),
            burst: scenario.burst as u64,
            safe_capacity: MicroRate::from_per_s(scenario.capacity),
            tier_reservations: vec![Schedule::default(); floors.len()],
            ..Resource::default()
        }],
        keys: names.iter().zip(&scenario.customers).map(key).collect(),
    }
}

const fn permille(floor: f64) -> u16 {
    (floor * 1e3) as u16
}
