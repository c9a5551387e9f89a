//! Both ways to call an instance lead to the same answers.

use std::{
    env,
    fmt::Debug,
    fs,
    sync::{Arc, OnceLock},
};

use wasmtime::Store;

use super::Policy;
use crate::{
    Budget, Component, Limits, Timestamp,
    bindings::exports::tidegate::admission::{
        allocation::{ResourceSetup, SafeBudget, Setup},
        types::{Ask, Class, Cost, Decision, Demand, Refusal, Request},
    },
    books::Books,
    instance::{Crew, Instance, Purpose, Start},
    limits::Meter,
};

const START_NS: u64 = 1_767_225_600_000_000_000;
const CONFIGURATION: &str = r#"{"mode": "enforce", "key": [{"header": "x-customer"}, {"property": ["xds", "route_name"]}],
    "resources": {"requests": {"safe_capacity_per_s": 20, "safe_burst": 30, "settle": {"response_header": "x-cost"}},
    "tokens": {"safe_capacity_per_s": 500, "cost": {"header": "x-size", "default": 3}}},
    "rules": [{"name": "health", "match": {"path_prefix": "/health"}, "skip": true}],
    "response_headers": true, "ratelimit_headers": true, "forecaster": {"cluster": "tidegate", "public_key":
    "0000000000000000000000000000000000000000000000000000000000000000", "token": "t"}}"#;

/// The component that users get, compiled for either way.
fn components() -> &'static (Component, Component) {
    static COMPILED: OnceLock<(Component, Component)> = OnceLock::new();
    COMPILED.get_or_init(|| {
        let built = || concat!(env!("CARGO_MANIFEST_DIR"), "/../target/wasm/tidegate.component.wasm").into();
        let bytes = fs::read(env::var("TIDEGATE_COMPONENT").unwrap_or_else(|_| built())).unwrap();
        (Component::from_bytes(&bytes).unwrap(), Component::canonical_from_bytes(&bytes).unwrap())
    })
}

/// An instance called directly, and one called by the component model, of a crew each.
struct Pair {
    direct: Instance,
    canonical: Instance,
    random: u64,
}

impl Pair {
    fn new(start: &Start) -> Self {
        let (direct, canonical) = components();
        let instance = |component: &Component| {
            let crew = Crew { workers: 2, books: Arc::new(Books::new()) };
            let now = Timestamp::from_nanos(START_NS);
            Instance::new(component, &Limits::default(), start, Some(&crew), now).unwrap()
        };
        let (direct, canonical) = (instance(direct), instance(canonical));
        assert!(matches!(direct.policy(), Policy::Direct(_)));
        assert!(matches!(canonical.policy(), Policy::Canonical(_)));
        Self { direct, canonical, random: 1 }
    }

    /// Asks both the same and returns the one answer.
    fn both<T: PartialEq + Debug>(
        &mut self,
        act: impl Fn(&mut Policy, &mut Store<Meter>) -> wasmtime::Result<T>,
    ) -> T {
        let direct = self.direct.call(Purpose::Upkeep, &act).unwrap();
        let canonical = self.canonical.call(Purpose::Upkeep, &act).unwrap();
        assert_eq!(direct, canonical);
        direct
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % bound
    }

    fn demand(&mut self) -> Demand {
        let cost = [1, 2, 40, u64::MAX][self.below(4) as usize];
        Demand { resource: self.below(3) as u8, cost, estimated: self.below(2) == 0 }
    }

    fn class(&mut self) -> Class {
        [Class::Critical, Class::Standard, Class::Deferrable][self.below(3) as usize]
    }

    fn request(&mut self) -> Request {
        let demands = (0..self.below(3)).map(|_| self.demand()).collect();
        let key = format!("customer-{}", self.below(20)).into_bytes();
        let (class, may_wait, partial) = (self.class(), self.below(2) == 0, self.below(4) == 0);
        Request { key, class, demands, may_wait, partial }
    }

    fn ask(&mut self) -> Ask {
        let (class, demand) = (self.class(), self.demand());
        Ask {
            key: self.below(12) as u32,
            class,
            demand,
            may_wait: self.below(2) == 0,
            partial: self.below(4) == 0,
        }
    }
}

/// What is remembered between calls.
#[derive(Default)]
struct Memory {
    numbers: Vec<u64>,
    refused: Option<Refusal>,
}

impl Memory {
    fn keep(&mut self, decision: &Decision) {
        match decision {
            Decision::Admit(admission) => self.numbers.extend(admission.receipt),
            Decision::Wait(waiting) => self.numbers.push(waiting.ticket),
            Decision::Refuse(refusal) => self.refused = Some(*refusal),
        }
    }
}

#[test]
fn decisions_are_the_same_by_either_way() {
    let resource = |name: &str, budget: Budget| {
        let micro_per_s = (budget.per_s * 1e6) as u64;
        ResourceSetup { name: name.into(), safe: Some(SafeBudget { micro_per_s, burst: budget.burst }) }
    };
    let start = Start::Setup(Setup {
        resources: vec![
            resource("requests", Budget { per_s: 100.0, burst: 50 }),
            resource("tokens", Budget { per_s: 1e4, burst: 1_000 }),
        ],
        max_unknown_keys: 10,
        max_receipts: 20,
        max_waiting: 5,
        receipt_ttl_ms: 1_000,
        report_interval_ms: 1_000,
    });
    let mut pair = Pair::new(&start);
    let keys: Vec<Vec<u8>> = (0..10).map(|number| format!("customer-{number}").into_bytes()).collect();
    assert_eq!(pair.both(|policy, store| policy.allocation().intern(store, &keys)), 0);
    let (mut memory, mut now, mut passed, mut refused) = (Memory::default(), START_NS, 0, 0);
    for _ in 0..5_000 {
        now += pair.below(20_000_000);
        let number = pair.below(memory.numbers.len() as u64 + 1) as usize;
        let number = memory.numbers.get(number).copied().unwrap_or(7);
        match pair.below(13) {
            0..4 => {
                let ask = pair.ask();
                let decision = pair.both(|policy, store| policy.allocation().decide(store, ask, now));
                match decision {
                    Decision::Admit(_) => passed += 1,
                    // No tier of a set-up may wait.
                    Decision::Wait(_) => panic!("waits"),
                    Decision::Refuse(_) => refused += 1,
                }
                memory.keep(&decision);
            }
            4 => {
                let asks: Vec<Ask> = (0..pair.below(300)).map(|_| pair.ask()).collect();
                let all = pair.both(|policy, store| policy.allocation().decide_batch(store, &asks, now));
                assert_eq!(all.len(), asks.len());
                all.iter().for_each(|decision| memory.keep(decision));
            }
            5 => {
                let request = pair.request();
                let decision =
                    pair.both(|policy, store| policy.allocation().decide_request(store, &request, now));
                memory.keep(&decision);
                if let Some(refusal) = memory.refused {
                    pair.both(|policy, store| policy.allocation().instead(store, &request, refusal, now));
                }
            }
            6 => {
                let actual = [Cost { resource: 0, tokens: pair.below(9) }];
                pair.both(|policy, store| policy.allocation().settle(store, number, &actual, now));
            }
            7 => {
                let released = pair.both(|policy, store| policy.allocation().release(store, now));
                released.iter().for_each(|released| memory.keep(&released.decision));
            }
            8 => drop(pair.both(|policy, store| policy.allocation().next_release(store, now))),
            9 => drop(pair.both(|policy, store| policy.allocation().cancel(store, number))),
            10 => drop(pair.both(|policy, store| policy.allocation().explain(store, b"customer-3", now))),
            11 => upkeep(&mut pair, now),
            _ => memory.numbers.truncate(50),
        }
    }
    assert!(passed > 100 && refused > 100, "{passed} and {refused}");
}

fn upkeep(pair: &mut Pair, now: u64) {
    let bytes = vec![7; [0, 3, 5_000, 200_000][pair.below(4) as usize]];
    assert!(pair.both(|policy, store| policy.upkeep().stage(store, &bytes, now)).is_err());
    pair.both(|policy, store| policy.upkeep().install(store, 10, now));
    pair.both(|policy, store| policy.upkeep().advance(store, now));
    pair.both(|policy, store| policy.upkeep().set_report_interval(store, 500));
    pair.both(|policy, store| policy.upkeep().report(store, 4));
    pair.both(|policy, store| policy.upkeep().describe(store));
    pair.both(|policy, store| policy.upkeep().fullness(store, now));
    pair.both(|policy, store| policy.upkeep().give_back(store, now));
    pair.both(|policy, store| policy.upkeep().tiers(store));
    if pair.below(8) == 0 {
        pair.both(|policy, store| policy.upkeep().set_share(store, 1, 2, now));
        pair.both(|policy, store| policy.upkeep().drain(store, now));
    }
}

#[test]
fn http_requests_and_frames_are_the_same_by_either_way() {
    let mut pair = Pair::new(&Start::Configuration(CONFIGURATION.into()));
    let attributes = pair.both(|policy, store| policy.http().attributes(store));
    assert!(attributes.iter().any(|attribute| attribute.name == "x-customer" && attribute.in_key));
    assert_eq!(pair.both(|policy, store| policy.http().rules(store)), ["health"]);
    assert_eq!(pair.both(|policy, store| policy.http().response_headers(store)), ["x-cost"]);
    let problems =
        pair.both(|policy, store| policy.http().configure(store, br#"{"mode": 3, "x": 1}"#, START_NS));
    assert!(problems.unwrap_err().len() >= 2);
    pair.both(|policy, store| policy.upkeep().identify(store, 9));
    let (mut now, mut answered) = (START_NS, 0);
    for _ in 0..2_000 {
        now += pair.below(20_000_000);
        let value = |pair: &mut Pair| match pair.below(4) {
            0 => None,
            1 => Some(vec![0xff; pair.below(200) as usize]),
            _ => Some(format!("{}", pair.below(6)).into_bytes()),
        };
        let values: Vec<Option<Vec<u8>>> = attributes.iter().map(|_| value(&mut pair)).collect();
        let verdict = pair.both(|policy, store| policy.http().admit(store, &values, true, now));
        answered += u32::from(verdict.response.is_some());
        if let Some(receipt) = verdict.receipt {
            let values = [value(&mut pair)];
            pair.both(|policy, store| policy.http().settle(store, receipt, &values, now));
        }
        pair.both(|policy, store| policy.http().release(store, now));
    }
    assert!(answered > 50, "{answered} refusals");
    assert_eq!(pair.both(|policy, store| policy.sync().address(store)), Some("tidegate".into()));
    assert!(pair.both(|policy, store| policy.sync().hello(store, 1, 2, 3)).is_some());
    for kind in -1..8 {
        pair.both(|policy, store| policy.sync().receive(store, kind, &[1, 2, 3]));
    }
    pair.both(|policy, store| policy.sync().acknowledge_table(store, 4, 3, Some("because")));
}
