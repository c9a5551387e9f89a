//! What a simulated world consists of: a budget, customers, workers, and what goes wrong.

mod fleets;
mod workers;

/// Nanoseconds in a second.
pub(crate) const SECOND: u64 = 1_000_000_000;
/// Nanoseconds in a millisecond.
pub(crate) const MILLI: u64 = 1_000_000;

/// A named world.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What `--scenario` calls it.
    pub name: &'static str,
    /// What it shows, in a sentence.
    pub about: &'static str,
    /// Tokens per second.
    pub(crate) capacity: f64,
    /// Most tokens at once.
    pub(crate) burst: f64,
    /// How long it runs.
    pub(crate) seconds: f64,
    /// Workers; in a fleet, proxies.
    pub(crate) workers: usize,
    /// Whether the workers are proxies with a network between them and the broker.
    pub(crate) fleet: bool,
    pub(crate) customers: Vec<Customer>,
    /// How long a connection lasts on average, in seconds.
    pub(crate) connection_s: f64,
    pub(crate) faults: Faults,
    pub(crate) goals: Goals,
}

/// What ours must reach. Beyond the budget it may admit nothing, in any scenario.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goals {
    /// Least part of what the reference admits. The reference knows no faults and no network, so where tokens are lost with
    /// whoever held them, or wait elsewhere, less is due.
    pub(crate) of_central: f64,
    /// Most conforming tokens of one customer that may be refused in a row: none, but for what a plan that is heard of
    /// late, or books that were lost, make of it.
    pub(crate) broken_in_a_row: f64,
}

/// The goals where nothing goes wrong.
const EXACT: Goals = Goals { of_central: 0.99, broken_in_a_row: 0.0 };

/// A customer and its load.
#[derive(Clone, Debug)]
pub(crate) struct Customer {
    /// Part of the pool's cap that its tier leaves to better ones; the lower the better.
    pub(crate) floor: f64,
    /// Tokens per second that it asks for on average.
    pub(crate) rate: f64,
    /// Connections that it keeps open.
    pub(crate) connections: usize,
    /// Part of the time in which a connection sends; the shorter, the faster it sends then.
    pub(crate) duty: f64,
    /// Rate and depth of its reserved bucket; one for each step of the plan, in turn.
    pub(crate) reserved: Vec<(f64, f64)>,
    pub(crate) cost: Cost,
}

/// What a request costs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cost {
    /// One token.
    One,
    /// An estimate, and an actual cost that is known when the response ends: uniform between these parts of it.
    Settled { estimate: u64, least: f64, most: f64 },
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// Mean time between crashes of a worker, in seconds; it is back after half a second.
    pub(crate) crash_every_s: Option<f64>,
    /// Mean time between stalls of a worker, in seconds: for 0.1 to 5 ms it stands still between reading the clock
    /// and deciding.
    pub(crate) stall_every_s: Option<f64>,
    /// The broker forgets everything, every so many seconds.
    pub(crate) reset_every_s: Option<f64>,
    /// The plan moves to its next step every so many seconds, and workers hear of it 0.1 to 5 ms later.
    pub(crate) step_s: Option<f64>,
    /// The forecaster is away from and until, in seconds.
    pub(crate) away: Option<(f64, f64)>,
    /// It comes back without its memory.
    pub(crate) amnesia: bool,
    /// The first proxy and the forecaster do not reach each other from and until, in seconds.
    pub(crate) partition: Option<(f64, f64)>,
    /// Mean time between jumps of a proxy's wall clock, in seconds; up to 10 s either way.
    pub(crate) jump_every_s: Option<f64>,
}

impl Scenario {
    /// All scenarios there are.
    #[must_use]
    pub fn all() -> Vec<Self> {
        workers::all().into_iter().chain(fleets::all()).collect()
    }

    /// The same for another time.
    #[must_use]
    pub const fn lasting(mut self, seconds: f64) -> Self {
        self.seconds = seconds;
        self
    }

    /// Tokens that reserved buckets can hold at most, over the steps of the plan.
    pub(crate) fn reserved_depth(&self, step: usize) -> f64 {
        self.customers.iter().map(|customer| customer.reserved_at(step).1).sum()
    }

    pub(crate) fn reserved_rate(&self, step: usize) -> f64 {
        self.customers.iter().map(|customer| customer.reserved_at(step).0).sum()
    }

    /// The step of the plan at a time.
    pub(crate) fn step(&self, now: u64) -> usize {
        self.faults.step_s.map_or(0, |step_s| (now / (step_s * SECOND as f64) as u64) as usize)
    }

    /// When a step of the plan begins.
    pub(crate) fn began(&self, step: usize) -> u64 {
        self.faults.step_s.map_or(0, |step_s| step as u64 * (step_s * SECOND as f64) as u64)
    }

    pub(crate) fn end(&self) -> u64 {
        (self.seconds * SECOND as f64) as u64
    }
}

impl Customer {
    /// A customer without a reservation, on ten connections, sending evenly.
    pub(crate) const fn new(floor: f64, rate: f64) -> Self {
        Self { floor, rate, connections: 10, duty: 1.0, reserved: Vec::new(), cost: Cost::One }
    }

    pub(crate) const fn on(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    pub(crate) const fn bursty(mut self, duty: f64) -> Self {
        self.duty = duty;
        self
    }

    pub(crate) fn reserving(mut self, steps: &[(f64, f64)]) -> Self {
        self.reserved = steps.to_vec();
        self
    }

    pub(crate) const fn costing(mut self, cost: Cost) -> Self {
        self.cost = cost;
        self
    }

    /// Rate and depth of its reservation in a step.
    pub(crate) fn reserved_at(&self, step: usize) -> (f64, f64) {
        let steps = self.reserved.len().max(1);
        self.reserved.get(step % steps).copied().unwrap_or((0.0, 0.0))
    }
}

impl Cost {
    pub(crate) const fn estimate(self) -> u64 {
        match self {
            Self::One => 1,
            Self::Settled { estimate, .. } => estimate,
        }
    }
}
