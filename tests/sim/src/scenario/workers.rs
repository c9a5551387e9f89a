//! Workers of one proxy: the broker is memory that they share.

use super::{Cost, Customer, EXACT, Faults, Goals, Scenario};

const GOLD: f64 = 0.0;
const SILVER: f64 = 0.15;
const BRONZE: f64 = 0.3;

pub(super) fn all() -> Vec<Scenario> {
    [loads(), limits(), reservations(), troubles()].concat()
}

/// What a limit meets on a good day.
fn loads() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "abundance",
            about: "50,000 requests/s of 60,000 allowed",
            ..world(60_000.0, 60_000.0, 8.0, mixed(50_000.0))
        },
        Scenario {
            name: "scarcity",
            about: "75,000 requests/s of 50,000 allowed",
            ..world(50_000.0, 50_000.0, 8.0, mixed(75_000.0))
        },
        Scenario {
            name: "flood",
            about: "bronze asks ten times the limit, gold a tenth of it",
            ..world(
                500.0,
                500.0,
                60.0,
                vec![
                    Customer::new(GOLD, 50.0).on(4),
                    Customer::new(SILVER, 100.0),
                    Customer::new(BRONZE, 5_000.0),
                ],
            )
        },
        Scenario {
            name: "moving",
            about: "95 % load on few connections that come and go, each heavy while it lasts",
            connection_s: 1.5,
            ..world(
                1_000.0,
                1_000.0,
                60.0,
                vec![
                    Customer::new(GOLD, 300.0).on(2).bursty(0.5),
                    Customer::new(SILVER, 300.0).on(2).bursty(0.5),
                    Customer::new(BRONZE, 350.0).on(3).bursty(0.25),
                ],
            )
        },
        Scenario {
            name: "settled",
            about: "costs known at the end: 100 tokens estimated, 20 to 180 used",
            ..world(
                50_000.0,
                50_000.0,
                60.0,
                vec![
                    Customer::new(GOLD, 15_000.0).costing(LLM).reserving(&[(20_000.0, 4_000.0)]),
                    Customer::new(BRONZE, 50_000.0).costing(LLM).bursty(0.3),
                ],
            )
        },
    ]
}

/// From one token at a time to many workers on a small limit.
fn limits() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "low-5",
            about: "twice a limit of 5/s",
            ..world(5.0, 5.0, 600.0, vec![Customer::new(GOLD, 10.0).on(3)])
        },
        Scenario {
            name: "low-20",
            about: "twice a limit of 20/s, bursts",
            ..world(
                20.0,
                20.0,
                600.0,
                vec![Customer::new(GOLD, 10.0).on(3), Customer::new(BRONZE, 30.0).on(5).bursty(0.2)],
            )
        },
        Scenario {
            name: "limit-100",
            about: "twice a limit of 100/s",
            ..world(100.0, 100.0, 300.0, mixed(200.0))
        },
        Scenario {
            name: "tight",
            about: "90 % of 5,000/s with a burst of 10 ms",
            ..world(5_000.0, 50.0, 30.0, vec![Customer::new(GOLD, 1_500.0), Customer::new(BRONZE, 3_000.0)])
        },
        Scenario {
            name: "tightest",
            about: "90 % of 100/s with a burst of one token",
            ..world(100.0, 1.0, 300.0, vec![Customer::new(GOLD, 90.0)])
        },
        Scenario {
            name: "many-workers",
            about: "32 workers at 150 % of 200/s",
            workers: 32,
            ..world(200.0, 200.0, 120.0, mixed(300.0))
        },
    ]
}

/// Demand within its reservation beside a flood.
fn reservations() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "reserved",
            about: "six customers within their reservations beside a flood, on few moving connections",
            connection_s: 3.0,
            ..world(1_000.0, 1_000.0, 60.0, reserving(1.0))
        },
        Scenario {
            name: "reserved-50k",
            about: "the same at 50,000/s",
            connection_s: 3.0,
            ..world(50_000.0, 50_000.0, 6.0, reserving(50.0))
        },
        Scenario {
            name: "steps",
            about: "reservations that change every second; workers hear of it 0.1 to 5 ms apart",
            connection_s: 3.0,
            faults: Faults { step_s: Some(1.0), stall_every_s: Some(0.2), ..Faults::default() },
            // Ten milliseconds of the largest rate, by which it may have grown unheard of.
            goals: Goals { broken_in_a_row: 4.0, ..EXACT },
            ..world(1_000.0, 1_000.0, 60.0, stepping())
        },
    ]
}

/// What goes wrong.
fn troubles() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "crashes",
            about: "a worker dies every second with whatever it has leased",
            faults: Faults { crash_every_s: Some(1.0), ..Faults::default() },
            // A lease, a hundredth of the second's tokens, is lost with each.
            goals: Goals { of_central: 0.985, ..EXACT },
            ..world(5_000.0, 2_000.0, 60.0, mixed(6_000.0))
        },
        Scenario {
            name: "stalls",
            about: "workers stand still between clock and decision, 20 times a second each",
            faults: Faults { stall_every_s: Some(0.05), ..Faults::default() },
            ..world(5_000.0, 500.0, 60.0, mixed(6_000.0))
        },
        Scenario {
            name: "resets",
            about: "the broker loses its books every two seconds, under bursts",
            faults: Faults { reset_every_s: Some(2.0), ..Faults::default() },
            // Up to a burst, half a second's tokens, is lost with each.
            goals: Goals { of_central: 0.8, ..EXACT },
            ..world(2_000.0, 1_000.0, 60.0, bursts(1_900.0))
        },
        Scenario {
            name: "everything",
            about: "bursts, steps, stalls, crashes and resets at once",
            connection_s: 3.0,
            faults: Faults {
                crash_every_s: Some(3.0),
                stall_every_s: Some(0.1),
                reset_every_s: Some(10.0),
                step_s: Some(2.0),
                ..Faults::default()
            },
            goals: Goals { of_central: 0.95, broken_in_a_row: 20.0 },
            ..world(1_000.0, 1_000.0, 60.0, stepping())
        },
    ]
}

const LLM: Cost = Cost::Settled { estimate: 100, least: 0.2, most: 1.8 };

fn world(capacity: f64, burst: f64, seconds: f64, customers: Vec<Customer>) -> Scenario {
    Scenario {
        name: "",
        about: "",
        capacity,
        burst,
        seconds,
        workers: 4,
        fleet: false,
        customers,
        connection_s: 10.0,
        faults: Faults::default(),
        goals: EXACT,
    }
}

/// A third of the load each, bronze in bursts.
fn mixed(rate: f64) -> Vec<Customer> {
    vec![
        Customer::new(GOLD, rate * 0.3).on(8),
        Customer::new(SILVER, rate * 0.3).on(8).bursty(0.5),
        Customer::new(BRONZE, rate * 0.4).on(12).bursty(0.3),
    ]
}

fn bursts(rate: f64) -> Vec<Customer> {
    vec![
        Customer::new(GOLD, rate * 0.5).on(4).bursty(0.1),
        Customer::new(BRONZE, rate * 0.5).on(4).bursty(0.1),
    ]
}

/// Six customers of different sizes with reservations that cover them, and a flood on top.
fn reserving(scale: f64) -> Vec<Customer> {
    let sizes = [4.0, 10.0, 30.0, 60.0, 120.0, 250.0];
    let own = |size: &f64| {
        let (rate, depth) = (size * scale * 1.3, 1.0 + 3.0 * (size * scale * 1.3).sqrt());
        Customer::new(BRONZE, size * scale).on(2).reserving(&[(rate, depth)])
    };
    sizes.iter().map(own).chain([Customer::new(SILVER, 3_000.0 * scale).on(12).bursty(0.5)]).collect()
}

/// The same with a plan of three steps.
fn stepping() -> Vec<Customer> {
    let mut customers = reserving(1.0);
    for (index, customer) in customers.iter_mut().enumerate() {
        let Some(&(rate, depth)) = customer.reserved.first() else { continue };
        let mut steps = vec![(rate, depth), (rate * 0.5, depth * 0.5), (rate * 1.2, depth * 1.5)];
        steps.rotate_left(index % 3);
        customer.reserved = steps;
    }
    customers
}
