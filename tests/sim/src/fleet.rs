//! Proxies that share a budget over a network: the forecaster is the broker, and its answers take 1 to 100 ms.

mod leased;
mod parts;
mod post;
mod shares;

use crate::limiter::Candidate;

/// What is compared for fleets.
pub(crate) const CANDIDATES: [Candidate; 5] = [
    Candidate {
        name: "fixed",
        about: "every proxy has its part",
        is_ours: false,
        build: |scenario, _| Box::new(parts::Parts::of(scenario)),
    },
    Candidate {
        name: "shares",
        about: "parts of the rate follow the load; one shrinks before another grows",
        is_ours: false,
        build: |scenario, seed| Box::new(shares::Shares::of(scenario, seed)),
    },
    Candidate {
        name: "shares-wall",
        about: "as shares, on clocks that jump",
        is_ours: false,
        build: |scenario, seed| Box::new(shares::Shares::on_wall_clocks(scenario, seed)),
    },
    Candidate {
        name: "leased-wall",
        about: "as leased, on clocks that jump",
        is_ours: false,
        build: |scenario, seed| Box::new(leased::Leased::on_wall_clocks(scenario, seed)),
    },
    Candidate {
        name: "leased",
        about: "tokens leased ahead of need, void after two seconds without word",
        is_ours: true,
        build: |scenario, seed| Box::new(leased::Leased::of(scenario, seed)),
    },
];
