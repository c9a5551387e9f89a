//! What a request costs the filter, in instructions and calls into the host: the same on every machine, unlike its time.
//!
//! The module that Envoy loads runs in wasmtime, whose fuel counts instructions. What Envoy does with its calls is not in it:
//! `cargo xtask bench envoy` measures the whole.

mod exports;
mod host;
mod memory;

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use tidegate_conformance::plenty;
use tidegate_core::{
    sync::{Kind, PROTOCOL, Welcome},
    table::{Contract, Table},
    transfer,
    units::MicroRate,
};
use tidegate_e2e::binaries::Binaries;
use wasmtime::{Config, Engine, Instance, Module, Store, WasmParams, WasmResults};

use self::host::Host;

const ROOT: u32 = 1;
const CONTEXT: u32 = 2;
/// The first stream of a host that numbers none.
const STREAM: u32 = 0;
const STREAM_BUFFER: u32 = 5;
const CONFIGURATION_BUFFER: u32 = 7;
const START_MS: u64 = 1_767_225_600_000;
const CUSTOMERS: usize = 100;
const PLENTY_PER_S: f64 = 1e9;
const PLENTY: u64 = 1_000_000_000;
/// More than anything here burns.
const FUEL: u64 = u64::MAX / 2;

/// The filter, with a table in force that gives every customer a contract and a reservation.
struct Filter {
    store: Store<Host>,
    instance: Instance,
}

/// What requests cost on average.
#[derive(Debug)]
struct Cost {
    instructions: u64,
    calls: BTreeMap<String, f64>,
}

impl Filter {
    fn start(ratelimit_headers: bool) -> Result<Self> {
        let mut filter = Self::configured(&serde_json::json!({
            "mode": "enforce",
            "proxy": "counted",
            "key": [{ "header": "x-customer" }],
            "resources": { "requests": { "cost": 1, "safe_capacity_per_s": PLENTY, "safe_burst": PLENTY } },
            "forecaster": { "cluster": "tidegate", "token": "secret" },
            "ratelimit_headers": ratelimit_headers,
        }))?;
        filter.hear_table(&table())?;
        filter.tick()?;
        ensure!(
            filter.store.data().log == ["tidegate: connected to the forecaster"],
            "{:?}",
            filter.store.data().log
        );
        Ok(filter)
    }

    /// The filter with a configuration, connected to the forecaster; its instructions are counted.
    fn configured(configuration: &serde_json::Value) -> Result<Self> {
        let mut filter = Self::new(Config::new().consume_fuel(true))?;
        filter.store.set_fuel(FUEL)?;
        filter.configure(configuration)?;
        Ok(filter)
    }

    fn new(config: &Config) -> Result<Self> {
        let engine = Engine::new(config)?;
        let module = Module::from_file(&engine, Binaries::find_plugin()?)?;
        let mut store = Store::new(&engine, Host::at(START_MS * 1_000_000));
        store.limiter(|host| &mut host.limits);
        let instance = host::provide(&module, &mut store)?.instantiate(&mut store, &module)?;
        Ok(Self { store, instance })
    }

    /// Starts it with a configuration and connects it to the forecaster.
    fn configure(&mut self, configuration: &serde_json::Value) -> Result<()> {
        self.call::<(), ()>("_initialize", ())?;
        self.call::<_, ()>("proxy_on_context_create", (ROOT, 0_u32))?;
        let size = self.store.data_mut().show(CONFIGURATION_BUFFER, configuration.to_string().into());
        ensure!(self.call::<_, u32>("proxy_on_configure", (ROOT, size))? == 1);
        // Only who serves connects.
        self.serve(0)?;
        self.tick()?;
        self.hear(Kind::Welcome, Welcome { protocol: PROTOCOL, report_interval_ms: 10_000 }.encode())
    }

    /// The forecaster pushes a table.
    fn hear_table(&mut self, table: &Table) -> Result<()> {
        let (announcement, chunks) = transfer::split(table.epoch, &table.encode(), |_| Vec::new());
        self.hear(Kind::Announcement, announcement.encode())?;
        chunks.iter().try_for_each(|chunk| self.hear(Kind::Chunk, chunk.encode()))
    }

    fn call<In: WasmParams, Out: WasmResults>(&mut self, name: &str, with: In) -> Result<Out> {
        let function = self.instance.get_typed_func::<In, Out>(&mut self.store, name)?;
        Ok(function.call(&mut self.store, with)?)
    }

    /// A message of the forecaster comes, in the frame of `sync.proto`.
    fn hear(&mut self, kind: Kind, payload: Vec<u8>) -> Result<()> {
        let mut frame = vec![0x08, kind as u8, 0x12];
        let mut length = payload.len();
        while length >= 0x80 {
            frame.push(length as u8 | 0x80);
            length >>= 7;
        }
        frame.push(length as u8);
        frame.extend(payload);
        let size = self.store.data_mut().show(STREAM_BUFFER, frame);
        self.call("proxy_on_grpc_receive", (ROOT, STREAM, size))
    }

    fn tick(&mut self) -> Result<()> {
        self.store.data_mut().now_ns += 50_000_000;
        self.call("proxy_on_tick", ROOT)
    }

    /// One request of a customer, from its headers to its end.
    fn serve(&mut self, customer: usize) -> Result<()> {
        let host = self.store.data_mut();
        host.now_ns += 80_000;
        host.header = name(customer);
        self.call::<_, ()>("proxy_on_context_create", (CONTEXT, ROOT))?;
        let action: u32 = self.call("proxy_on_request_headers", (CONTEXT, 5_u32, 1_u32))?;
        ensure!(action == 0, "{} is held up", name(customer));
        let _: u32 = self.call("proxy_on_response_headers", (CONTEXT, 3_u32, 1_u32))?;
        self.call("proxy_on_delete", CONTEXT)
    }

    fn measure(&mut self) -> Result<Cost> {
        const WARM: usize = 1_000;
        const COUNTED: usize = 10_000;
        for turn in 0..WARM {
            self.serve(turn % CUSTOMERS)?;
        }
        let before = self.store.get_fuel()?;
        self.store.data_mut().calls.clear();
        for turn in 0..COUNTED {
            self.serve(turn % CUSTOMERS)?;
        }
        let burned = before - self.store.get_fuel()?;
        let calls = self.store.data().calls.iter();
        let calls = calls.map(|(name, count)| (name.clone(), f64::from(*count) / COUNTED as f64)).collect();
        Ok(Cost { instructions: burned / COUNTED as u64, calls })
    }
}

impl Cost {
    /// What is called in every twentieth request at least; budgets shared with other workers are looked at now and then.
    fn usual_calls(&self) -> BTreeMap<&str, f64> {
        let usual = self.calls.iter().filter(|(_, per_request)| **per_request > 0.05);
        usual.map(|(name, per_request)| (name.as_str(), *per_request)).collect()
    }
}

fn name(customer: usize) -> String {
    format!("customer-{customer:03}")
}

fn table() -> Table {
    let all = Contract { rate: MicroRate::from_per_s(PLENTY_PER_S), burst: PLENTY };
    let names: Vec<String> = (0..CUSTOMERS).map(name).collect();
    plenty(&names, START_MS, all, Some(all))
}

#[test]
fn a_request_that_passes_costs_two_calls_and_a_few_thousand_instructions() -> Result<()> {
    let cost = Filter::start(false)?.measure()?;
    println!("a request that passes: {} instructions, {:?}", cost.instructions, cost.calls);
    // Its time, and its key: the only call that returns data.
    let expected = BTreeMap::from([("clock_time_get", 1.0), ("proxy_get_header_map_value", 1.0)]);
    assert_eq!(cost.usual_calls(), expected);
    assert!(cost.instructions < 7_500, "{}", cost.instructions);
    Ok(())
}

#[test]
fn ratelimit_fields_cost_a_call_each_and_no_look_at_what_others_used() -> Result<()> {
    let cost = Filter::start(true)?.measure()?;
    println!("with RateLimit fields: {} instructions, {:?}", cost.instructions, cost.calls);
    let expected = BTreeMap::from([
        ("clock_time_get", 1.0),
        ("proxy_add_header_map_value", 2.0),
        ("proxy_get_header_map_value", 1.0),
    ]);
    assert_eq!(cost.usual_calls(), expected);
    assert!(cost.instructions < 13_000, "{}", cost.instructions);
    Ok(())
}
