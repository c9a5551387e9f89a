//! Proxies of one fleet: the broker is the forecaster, 1 to 100 ms away.

use super::{Customer, EXACT, Faults, Goals, Scenario};

const GOLD: f64 = 0.0;
const BRONZE: f64 = 0.3;

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario { name: "fleet-steady", about: "120 % of the limit, spread evenly", ..fleet(even(1_200.0)) },
        Scenario {
            name: "fleet-abundance",
            about: "80 % of the limit, bursts on few connections",
            connection_s: 20.0,
            goals: Goals { of_central: 0.95, ..EXACT },
            ..fleet(moving(800.0))
        },
        Scenario {
            name: "fleet-moving",
            about: "120 % of the limit on few connections that move between proxies",
            connection_s: 10.0,
            goals: Goals { of_central: 0.93, ..EXACT },
            ..fleet(moving(1_200.0))
        },
        Scenario {
            name: "fleet-away",
            about: "the forecaster is away for a minute of three",
            faults: Faults { away: Some((60.0, 120.0)), ..Faults::default() },
            goals: Goals { of_central: 0.95, ..EXACT },
            ..fleet(even(1_200.0))
        },
        Scenario {
            name: "fleet-amnesia",
            about: "the forecaster restarts without memory after two seconds",
            connection_s: 10.0,
            faults: Faults { away: Some((60.0, 62.0)), amnesia: true, ..Faults::default() },
            goals: Goals { of_central: 0.91, ..EXACT },
            ..fleet(moving(1_200.0))
        },
        Scenario {
            name: "fleet-partition",
            about: "one proxy is cut off for a minute of three",
            faults: Faults { partition: Some((60.0, 120.0)), ..Faults::default() },
            goals: Goals { of_central: 0.97, ..EXACT },
            ..fleet(even(1_200.0))
        },
        Scenario {
            name: "fleet-churn",
            about: "a proxy dies every five seconds and comes back",
            faults: Faults { crash_every_s: Some(5.0), ..Faults::default() },
            goals: Goals { of_central: 0.95, ..EXACT },
            ..fleet(even(1_200.0))
        },
        Scenario {
            name: "fleet-clocks",
            about: "wall clocks of single proxies jump up to 10 s either way, every 5 s",
            faults: Faults { jump_every_s: Some(5.0), ..Faults::default() },
            ..fleet(even(1_200.0))
        },
    ]
}

fn fleet(customers: Vec<Customer>) -> Scenario {
    Scenario {
        name: "",
        about: "",
        capacity: 1_000.0,
        burst: 1_000.0,
        seconds: 180.0,
        workers: 4,
        fleet: true,
        customers,
        connection_s: 60.0,
        faults: Faults::default(),
        goals: EXACT,
    }
}

fn even(rate: f64) -> Vec<Customer> {
    vec![Customer::new(GOLD, rate * 0.3).on(40), Customer::new(BRONZE, rate * 0.7).on(80)]
}

fn moving(rate: f64) -> Vec<Customer> {
    vec![
        Customer::new(GOLD, rate * 0.3).on(3).bursty(0.5),
        Customer::new(BRONZE, rate * 0.7).on(5).bursty(0.5),
    ]
}
