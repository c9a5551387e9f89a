//! What is measured, against which budget, beside which peer.

/// One line of the table.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) source: Source,
    pub(crate) unit: &'static str,
    /// Units per nanosecond.
    pub(crate) per_ns: f64,
    pub(crate) budget: f64,
    /// Criterion's folder of the peer's bench.
    pub(crate) peer: Option<&'static str>,
}

/// Where a figure comes from.
pub(crate) enum Source {
    /// Criterion's folder of the bench.
    Criterion(&'static str),
    /// The number that the memory test prints before these words.
    Memory(&'static str),
}

const fn ns(what: &'static str, id: &'static str, budget: f64, peer: Option<&'static str>) -> Row {
    Row { what, source: Source::Criterion(id), unit: "ns", per_ns: 1.0, budget, peer }
}

const fn ms(what: &'static str, id: &'static str, budget: f64) -> Row {
    Row { what, source: Source::Criterion(id), unit: "ms", per_ns: 1e-6, budget, peer: None }
}

const HOT: Option<&str> = Some("governor keyed/1000 hot keys");
const RANDOM: Option<&str> = Some("governor keyed/1000000 random keys");

/// The suite `core`.
pub(crate) const CORE: &[Row] = &[
    ns("decide, pool first, 1,000 hot keys", "decide pool-first/1000 hot keys", 40.0, HOT),
    ns("decide, shadow first, 1,000 hot keys", "decide shadow-first/1000 hot keys", 40.0, HOT),
    ns("decide, pool first, 1 M random keys", "decide pool-first/1000000 random keys", 120.0, RANDOM),
    ns("decide, shadow first, 1 M random keys", "decide shadow-first/1000000 random keys", 120.0, RANDOM),
    ns("refuse with the time to come again, 1,000 hot keys", "refuse/1000 hot keys", 1000.0, None),
    ns("decide and settle, 1,000 hot keys", "decide and settle/1000 hot keys", 120.0, None),
    ms("apply a first table of 100,000 keys", "apply/100000 keys, first table", 100.0),
    ms("apply the next table of 100,000 keys", "apply/100000 keys, next table", 100.0),
    ms("longest slice of it", "apply/100000 keys, longest slice", 1.0),
    ms("plan 100,000 customers, everything fits", "plan/100000 customers, 15 steps, everything fits", 200.0),
    ms(
        "plan 100,000 customers, short in every step",
        "plan/100000 customers, 15 steps, short in every step",
        200.0,
    ),
    Row {
        what: "memory a key: buckets and plan of 15 steps",
        source: Source::Memory("bytes for buckets and plan"),
        unit: "B",
        per_ns: 1.0,
        budget: 128.0,
        peer: None,
    },
];
