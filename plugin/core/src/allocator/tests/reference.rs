//! The allocator against a slow and obvious one.
//!
//! The reference keeps every bucket as a number, moves all of them forward from one filling to the next, and reads the
//! rules off the table. It is told what the allocator decided, so that both stay in the same state; what is compared is
//! whether each decision was right. The allocator notices a full reservation up to two milliseconds late and rounds down, so a
//! decision on the edge may go either way.

use proptest::prelude::*;

use super::{order::tiered, *};

/// How late it may be noticed that a reservation is full, in seconds.
const NOTICED_S: f64 = 0.0022;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: f64,
    rate: f64,
    depth: f64,
}

impl Bucket {
    fn time_to_full(&self) -> f64 {
        if self.level >= self.depth || self.rate <= 0.0 {
            f64::INFINITY
        } else {
            (self.depth - self.level) / self.rate
        }
    }
}

/// Three keys with their reservations, contracts and floors, an emergency pool, and a pool.
struct Reference {
    capacity: f64,
    burst: f64,
    pool: f64,
    own: [Bucket; 3],
    emergency: Bucket,
    emergency_used: [f64; 3],
    contracts: [Option<Bucket>; 3],
    floors: [f64; 3],
    borrows: [bool; 3],
}

impl Reference {
    fn cap(&self) -> f64 {
        self.burst - self.own.iter().map(|own| own.depth).sum::<f64>() - self.emergency.depth
    }

    fn buckets(&mut self) -> impl Iterator<Item = &mut Bucket> {
        self.own.iter_mut().chain([&mut self.emergency])
    }

    fn wait(&mut self, seconds: f64) {
        let mut left = seconds;
        while left > 0.0 {
            let next = self.buckets().map(|bucket| bucket.time_to_full()).fold(left, f64::min).max(1e-12);
            let refilling: f64 =
                self.buckets().filter(|bucket| bucket.level < bucket.depth).map(|bucket| bucket.rate).sum();
            for bucket in self.buckets() {
                bucket.level = (bucket.level + bucket.rate * next).min(bucket.depth);
            }
            self.pool = (self.pool + (self.capacity - refilling) * next).min(self.cap());
            left -= next;
        }
        for contract in self.contracts.iter_mut().flatten() {
            contract.level = (contract.level + contract.rate * seconds).min(contract.depth);
        }
    }

    /// How far each way of being admitted is from being open, in tokens; the largest counts, above zero is open.
    fn slack(&self, key: usize, cost: f64, class: Class) -> f64 {
        let highest = self.floors.iter().copied().fold(0.0, f64::max) * self.cap().max(0.0);
        let floor = match class {
            Class::Critical => 0.0,
            Class::Standard => self.floors[key] * self.cap().max(0.0),
            Class::Deferrable => highest,
        };
        let own = self.own[key].level.clamp(0.0, cost);
        let left = self.contracts[key].map_or(f64::INFINITY, |contract| contract.level);
        let plenty =
            |taken: f64| if self.borrows[key] { self.pool - taken - highest } else { f64::NEG_INFINITY };
        let rest = cost - own;
        let guaranteed = self.own[key].level - cost;
        let mixed = (self.pool - rest - floor).min((left - rest).max(plenty(rest))).min(own - 1e-9);
        let opportunistic = (self.pool - cost - floor).min((left - cost).max(plenty(cost)));
        let emergency = if class == Class::Critical {
            let most = self.emergency.depth * 0.25 - self.emergency_used[key];
            (self.emergency.level - rest).min(most - rest)
        } else {
            f64::NEG_INFINITY
        };
        guaranteed.max(mixed).max(opportunistic).max(emergency)
    }

    fn take(&mut self, key: usize, cost: f64, resource: &ResourceExplanation, emergency: f64) {
        // What the buckets hold now says who has paid.
        let shadow = self.own[key].level - resource.reserved_left;
        self.own[key].level = resource.reserved_left;
        self.emergency.level -= emergency;
        self.emergency_used[key] += emergency;
        self.pool -= (cost - shadow - emergency).max(0.0);
        if let Some(contract) = &mut self.contracts[key] {
            contract.level = (contract.level - cost).max(-contract.depth);
        }
    }
}

#[derive(Clone, Debug)]
struct Case {
    per_s: f64,
    parts: Vec<(u64, u64)>,
    contracts: Vec<Option<(f64, u64)>>,
    floors: [u16; 3],
    borrow: [bool; 3],
    shadow_first: bool,
}

fn case() -> impl Strategy<Value = Case> {
    (
        5.0..300.0_f64,
        prop::collection::vec((0_u64..25, 0_u64..25), 3),
        prop::collection::vec(prop::option::of((1.0..100.0_f64, 5_u64..80)), 3),
        [0_u16..300, 0_u16..500, 0_u16..900],
        any::<[bool; 3]>(),
        any::<bool>(),
    )
        .prop_map(|(per_s, parts, contracts, floors, borrow, shadow_first)| Case {
            per_s,
            parts,
            contracts,
            floors,
            borrow,
            shadow_first,
        })
}

fn both(case: &Case) -> (Allocator, Reference) {
    let allocator = tiered(case.per_s, 100, |table| {
        // One step, so that the emergency share is one.
        (table.step_ms, table.valid_until_ms) = (1_000_000, START_MS + 60_000_000);
        table.draw_order = if case.shadow_first { DrawOrder::ShadowFirst } else { DrawOrder::PoolFirst };
        table.resources[0].emergency = Schedule::constant(reservation(case.per_s * 0.05, 20), 60);
        table.resources[0].emergency_key_permille = 250;
        for (index, key) in table.keys.iter_mut().enumerate() {
            let (rate, depth) = case.parts[index];
            key.grants[0].reservations =
                Schedule::constant(reservation(case.per_s * rate as f64 / 100.0, depth), 60);
            key.grants[0].contract = case.contracts[index].and_then(|(rate, burst)| contract(rate, burst));
            table.tiers[index].floor_permille = case.floors[index];
            table.tiers[index].borrow = case.borrow[index];
        }
    });
    let own = |index: usize| {
        let (rate, depth) = case.parts[index];
        Bucket { level: depth as f64, rate: case.per_s * rate as f64 / 100.0, depth: depth as f64 }
    };
    let contract = |index: usize| {
        case.contracts[index].map(|(rate, burst)| Bucket { level: burst as f64, rate, depth: burst as f64 })
    };
    let own = [own(0), own(1), own(2)];
    let emergency = Bucket { level: 20.0, rate: case.per_s * 0.05, depth: 20.0 };
    let reference = Reference {
        capacity: case.per_s,
        burst: 100.0,
        pool: 80.0 - own.iter().map(|own| own.depth).sum::<f64>(),
        own,
        emergency,
        emergency_used: [0.0; 3],
        contracts: [contract(0), contract(1), contract(2)],
        floors: case.floors.map(|floor| f64::from(floor) / 1000.0),
        borrows: case.borrow,
    };
    (allocator, reference)
}

proptest! {
    #[test]
    fn decisions_are_those_of_a_slow_and_obvious_allocator(
        case in case(),
        asked in prop::collection::vec((0_usize..3, 0_u64..40, 0_u8..3, 0_u64..300_000_000), 1..120),
    ) {
        let (mut allocator, mut reference) = both(&case);
        let names = ["gold", "silver", "bronze"];
        let mut now = start();
        // What may be noticed late, and what rounding has lost so far.
        let edge = case.per_s * NOTICED_S + 0.01;
        for (key, cost, number, wait) in asked {
            now = now.plus(wait);
            reference.wait(wait as f64 / 1e9);
            let class = [Class::Critical, Class::Standard, Class::Deferrable][usize::from(number)];
            let slack = reference.slack(key, cost as f64, class);
            let emergency_before = allocator.explain_emergency(now);
            let decision = ask_as(&mut allocator, names[key], cost, class, now);
            let is_admitted = admitted(&decision);
            prop_assert!(!is_admitted || slack > -edge, "{cost} for {} admitted, {slack} short", names[key]);
            prop_assert!(is_admitted || slack < edge, "{cost} for {} refused, {slack} to spare", names[key]);
            if is_admitted {
                let emergency = emergency_before - allocator.explain_emergency(now);
                let after = allocator.explain(names[key].as_bytes(), now);
                reference.take(key, cost as f64, &after.resources[0], emergency);
            }
            // Both have the same tokens, but for what is on its way.
            let resource = &allocator.explain(b"gold", now).resources[0];
            let drift = (resource.pool.0 - reference.pool).abs();
            prop_assert!(drift < edge * 3.0 + 0.05, "pool {} instead of {}", resource.pool.0, reference.pool);
            reference.pool = resource.pool.0;
        }
    }
}

impl Allocator {
    fn explain_emergency(&mut self, now: Timestamp) -> f64 {
        let now = self.begin(now, 64);
        self.resources[0].budget.shadow(budget::EMERGENCY, now).as_f64()
    }
}
