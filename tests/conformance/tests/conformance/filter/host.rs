//! What the filter asks of its host, and how often: headers, shared data, buffers and time are there, all else says yes.
//!
//! Signatures: proxy-wasm ABI v0.2.1, WASI preview 1.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result};
use wasmtime::{Caller, Extern, Linker, Memory, Module, Store, StoreLimits, Val};

const OK: i32 = 0;
const NOT_FOUND: i32 = 1;
const CAS_MISMATCH: i32 = 8;
/// The filter's allocator, by which the host puts data into its memory.
const ALLOCATE: &str = "malloc";

/// What the host has.
#[derive(Default)]
pub(super) struct Host {
    pub(super) now_ns: u64,
    /// The value of every header.
    pub(super) header: String,
    buffers: HashMap<u32, Vec<u8>>,
    pub(super) shared: HashMap<Vec<u8>, (Vec<u8>, u32)>,
    /// Calls by name.
    pub(super) calls: BTreeMap<String, u32>,
    /// What the filter logged.
    pub(super) log: Vec<String>,
    /// Names of metrics; the number of each is its place.
    metrics: Vec<String>,
    /// Metrics by name.
    pub(super) values: BTreeMap<String, i64>,
    /// What the store gives, beside what the module declares.
    pub(super) limits: StoreLimits,
}

impl Host {
    /// A host with nothing yet, at this time.
    pub(super) fn at(now_ns: u64) -> Self {
        Self { now_ns, ..Self::default() }
    }

    /// Fills a buffer; returns its size.
    pub(super) fn show(&mut self, buffer: u32, bytes: Vec<u8>) -> u32 {
        let size = bytes.len() as u32;
        self.buffers.insert(buffer, bytes);
        size
    }
}

/// Gives a module everything it imports.
pub(super) fn provide(module: &Module, store: &mut Store<Host>) -> Result<Linker<Host>> {
    let mut linker = Linker::new(module.engine());
    for import in module.imports() {
        let ty = import.ty().func().context("only functions are imported")?.clone();
        let name = import.name().to_owned();
        linker.func_new(import.module(), import.name(), ty, move |caller, with, says| {
            let mut call = Call { caller, with };
            *call.caller.data_mut().calls.entry(name.clone()).or_default() += 1;
            let status = call.answer(&name)?;
            says.iter_mut().for_each(|says| *says = Val::I32(status));
            Ok(())
        })?;
    }
    // Nothing else is there, so that a forgotten import is found here.
    let _ = linker.instantiate_pre(module)?;
    store.data_mut().calls.clear();
    Ok(linker)
}

/// Headers in one buffer, all of this value, as proxy-wasm has them: their number, the lengths of each, then names and values, each
/// with a zero after it.
fn pairs(value: &str) -> Vec<u8> {
    let names = ["x-customer", "x-region", "x-account", "x-version"];
    let mut bytes = (names.len() as u32).to_le_bytes().to_vec();
    for name in names {
        bytes.extend((name.len() as u32).to_le_bytes());
        bytes.extend((value.len() as u32).to_le_bytes());
    }
    for text in names.into_iter().flat_map(|name| [name, value]) {
        bytes.extend(text.as_bytes());
        bytes.push(0);
    }
    bytes
}

/// One call into the host.
struct Call<'a> {
    caller: Caller<'a, Host>,
    with: &'a [Val],
}

impl Call<'_> {
    fn answer(&mut self, name: &str) -> wasmtime::Result<i32> {
        match name {
            "proxy_get_current_time_nanoseconds" => self.tell_time(0),
            "clock_time_get" => self.tell_time(2),
            "proxy_get_header_map_value" => {
                let value = self.caller.data().header.clone();
                self.give(value.as_bytes(), 3, 4)
            }
            "proxy_get_header_map_pairs" => {
                let pairs = pairs(&self.caller.data().header);
                self.give(&pairs, 1, 2)
            }
            "proxy_get_buffer_bytes" => {
                let kind = self.number(0);
                let bytes = self.caller.data().buffers.get(&kind).cloned().unwrap_or_default();
                self.give(&bytes, 3, 4)
            }
            "proxy_get_shared_data" => {
                let name = self.bytes(0)?;
                let Some((bytes, version)) = self.caller.data().shared.get(&name).cloned() else {
                    return Ok(NOT_FOUND);
                };
                self.write(self.number(4), &version.to_le_bytes())?;
                self.give(&bytes, 2, 3)
            }
            "proxy_set_shared_data" => {
                let (name, data, read) = (self.bytes(0)?, self.bytes(2)?, self.number(4));
                let shared = &mut self.caller.data_mut().shared;
                let version = shared.get(&name).map_or(0, |(_, version)| *version);
                if version != 0 && read != 0 && read != version {
                    return Ok(CAS_MISMATCH);
                }
                shared.insert(name, (data, version + 1));
                Ok(OK)
            }
            "proxy_define_metric" => {
                let name = String::from_utf8_lossy(&self.bytes(1)?).into_owned();
                let metrics = &mut self.caller.data_mut().metrics;
                let id = metrics.iter().position(|known| *known == name).unwrap_or(metrics.len());
                if id == metrics.len() {
                    metrics.push(name);
                }
                self.write(self.number(3), &(id as u32).to_le_bytes())?;
                Ok(OK)
            }
            "proxy_increment_metric" => Ok(self.count(|value, amount| value + amount)),
            "proxy_record_metric" => Ok(self.count(|_, amount| amount)),
            "proxy_log" => {
                let text = String::from_utf8_lossy(&self.bytes(1)?).into_owned();
                self.caller.data_mut().log.push(text);
                Ok(OK)
            }
            _ => Ok(OK),
        }
    }

    fn count(&mut self, next: impl FnOnce(i64, i64) -> i64) -> i32 {
        let (id, amount) = (self.number(0) as usize, self.with.get(1).and_then(Val::i64).unwrap_or_default());
        let host = self.caller.data_mut();
        let Some(name) = host.metrics.get(id) else { return NOT_FOUND };
        let value = host.values.entry(name.clone()).or_default();
        *value = next(*value, amount);
        OK
    }

    fn tell_time(&mut self, at: usize) -> wasmtime::Result<i32> {
        let now_ns = self.caller.data().now_ns;
        self.write(self.number(at), &now_ns.to_le_bytes())?;
        Ok(OK)
    }

    /// Gives bytes in memory that the filter allocates, telling address and length where these two arguments say.
    fn give(&mut self, bytes: &[u8], data: usize, size: usize) -> wasmtime::Result<i32> {
        let length = bytes.len() as u32;
        let allocate = self.caller.get_export(ALLOCATE).and_then(Extern::into_func);
        let allocate = allocate.ok_or_else(|| wasmtime::format_err!("no {ALLOCATE} is exported"))?;
        let at = allocate.typed::<u32, u32>(&self.caller)?.call(&mut self.caller, length)?;
        self.write(at, bytes)?;
        self.write(self.number(data), &at.to_le_bytes())?;
        self.write(self.number(size), &length.to_le_bytes())?;
        Ok(OK)
    }

    fn number(&self, argument: usize) -> u32 {
        self.with.get(argument).and_then(Val::i32).unwrap_or_default().cast_unsigned()
    }

    /// The bytes whose address is this argument, and whose length the next.
    fn bytes(&mut self, argument: usize) -> wasmtime::Result<Vec<u8>> {
        let mut bytes = vec![0; self.number(argument + 1) as usize];
        self.memory()?.read(&self.caller, self.number(argument) as usize, &mut bytes)?;
        Ok(bytes)
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> wasmtime::Result<()> {
        Ok(self.memory()?.write(&mut self.caller, at as usize, bytes)?)
    }

    fn memory(&mut self) -> wasmtime::Result<Memory> {
        let memory = self.caller.get_export("memory").and_then(Extern::into_memory);
        memory.ok_or_else(|| wasmtime::format_err!("no memory is exported"))
    }
}
