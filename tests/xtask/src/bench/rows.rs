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

const NATIVE_HOT: Option<&str> = Some("native decide/1000 hot keys");
const NATIVE_RANDOM: Option<&str> = Some("native decide/1000000 random keys");
const HOST_GOVERNOR_HOT: Option<&str> = Some("host governor/1000 hot keys");
const HOST_GOVERNOR_RANDOM: Option<&str> = Some("host governor/1000000 random keys");

const GATE_CALL: Option<&str> = Some("gate call without work");
const GATE_HOT: Option<&str> = Some("gate decide/1000 hot keys");
const GATE_BATCH: Option<&str> = Some("gate batch of 64/1000 hot keys");
const GATE_ADMIT: Option<&str> = Some("gate admit/1000 hot keys");
const NATIVE_2: Option<&str> = Some("native threads/2 threads");
const NATIVE_4: Option<&str> = Some("native threads/4 threads");
const GOVERNOR_2: Option<&str> = Some("governor threads/2 threads");

/// The suite `host`.
pub(crate) const HOST: &[Row] = &[
    ns("gate, single, 1,000 hot keys; native core", "gate decide/1000 hot keys", 90.0, NATIVE_HOT),
    ns("gate, single, 1,000 hot keys; governor", "gate decide/1000 hot keys", 90.0, HOST_GOVERNOR_HOT),
    ns("gate, single, 1,000 hot keys; a call without work", "gate decide/1000 hot keys", 90.0, GATE_CALL),
    ns("gate, batch of 64, 1,000 hot keys; native core", "gate batch of 64/1000 hot keys", 60.0, NATIVE_HOT),
    ns("gate, single, 1 M random keys; native core", "gate decide/1000000 random keys", 500.0, NATIVE_RANDOM),
    ns(
        "gate, single, 1 M random keys; governor",
        "gate decide/1000000 random keys",
        500.0,
        HOST_GOVERNOR_RANDOM,
    ),
    ns(
        "gate, batch of 64, 1 M random keys; native core",
        "gate batch of 64/1000000 random keys",
        300.0,
        NATIVE_RANDOM,
    ),
    ns("gate, HTTP request by its attributes", "gate admit/1000 hot keys", 2_000.0, None),
    ns("component model, single; gate", "component model decide/1000 hot keys", 200.0, GATE_HOT),
    ns("component model, batch of 64; gate", "component model batch of 64/1000 hot keys", 60.0, GATE_BATCH),
    ns("component model, HTTP request; gate", "component model admit/1000 hot keys", 2_000.0, GATE_ADMIT),
    ns("component model, call without work; gate", "component model call without work", 200.0, GATE_CALL),
    ns(
        "a decision of one of 2 threads, 1 shard; native, locked",
        "gate threads/2 threads, 1 shards",
        1_000.0,
        NATIVE_2,
    ),
    ns(
        "a decision of one of 2 threads, 2 shards; native, locked",
        "gate threads/2 threads, 2 shards",
        400.0,
        NATIVE_2,
    ),
    ns(
        "a decision of one of 2 threads, 8 shards; governor",
        "gate threads/2 threads, 8 shards",
        400.0,
        GOVERNOR_2,
    ),
    ns(
        "a decision of one of 4 threads, 1 shard; native, locked",
        "gate threads/4 threads, 1 shards",
        2_000.0,
        NATIVE_4,
    ),
    ns(
        "a decision of one of 4 threads, 4 shards; native, locked",
        "gate threads/4 threads, 4 shards",
        800.0,
        NATIVE_4,
    ),
    Row {
        what: "build a gate of one shard from a compiled component",
        source: Source::Criterion("gate build"),
        unit: "us",
        per_ns: 1e-3,
        budget: 500.0,
        peer: None,
    },
    ms("apply a first table of 100,000 keys", "gate table/100000 keys, first table", 200.0),
    Row {
        what: "linear memory of an empty shard",
        source: Source::Memory("KiB for an empty shard"),
        unit: "KiB",
        per_ns: 1.0,
        budget: 4_096.0,
        peer: None,
    },
    Row {
        what: "linear memory a key, the table on its way included",
        source: Source::Memory("bytes a key"),
        unit: "B",
        per_ns: 1.0,
        budget: 384.0,
        peer: None,
    },
];
