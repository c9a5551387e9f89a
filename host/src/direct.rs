//! The core module inside a component, called without the component model: one plain function each, arguments and results as
//! postcard in the module's memory. What it costs to get into wasm and out again is a sixth of what the component model takes.
//!
//! Whatever the module does with its memory, a call answers with a value of the world's types or fails, as a trap does.

use std::collections::BTreeSet;

use serde::{Serialize, de::DeserializeOwned};
use wasmparser::{Parser, Payload};
use wasmtime::{Caller, Engine, Extern, InstancePre, Linker, Memory, Module, Store, TypedFunc};

use crate::{
    bindings::tidegate::admission::broker::{Host, Record},
    limits::Meter,
    policy::DIRECT,
};

const ROOM: &str = "direct-room@0.1.0";
const BROKER: &str = "tidegate:admission/broker@0.1.0";
/// Bytes of a record and of the write it came from.
const CELL_BYTES: usize = 13 * 8;
/// Arguments that are longer, such as tables, give their memory back.
const KEPT_BYTES: usize = 64 << 10;

/// The module of a component, if it offers the world's functions directly.
pub(crate) fn find(component: &[u8]) -> Option<&[u8]> {
    let mut modules = Parser::new(0).parse_all(component).filter_map(|payload| match payload {
        Ok(Payload::ModuleSection { unchecked_range, .. }) => component.get(unchecked_range),
        _ => None,
    });
    modules.find(|module| is_direct(module))
}

/// Whether all of them are there.
fn is_direct(module: &[u8]) -> bool {
    let sections = Parser::new(0).parse_all(module).filter_map(|payload| match payload {
        Ok(Payload::ExportSection(exports)) => Some(exports),
        _ => None,
    });
    let names: BTreeSet<&str> = sections.flatten().filter_map(|export| Some(export.ok()?.name)).collect();
    std::iter::once(&ROOM).chain(DIRECT.into_iter().flatten()).all(|name| names.contains(name))
}

/// Compiles it. All that it is given are the books.
pub(crate) fn compile(engine: &Engine, module: &[u8]) -> wasmtime::Result<InstancePre<Meter>> {
    let mut linker = Linker::new(engine);
    linker.func_wrap(BROKER, "load", load)?;
    linker.func_wrap(BROKER, "store", store)?;
    linker.instantiate_pre(&Module::from_binary(engine, module)?)
}

/// An instance of the module.
pub(crate) struct Direct {
    memory: Memory,
    room: TypedFunc<u32, u64>,
    functions: Vec<Vec<TypedFunc<u32, u64>>>,
    /// Where the arguments of most calls go, and how many have room there.
    usual: Range,
    arguments: Vec<u8>,
}

/// Bytes of the memory.
#[derive(Clone, Copy)]
struct Range {
    at: usize,
    length: usize,
}

impl Range {
    const fn of(packed: u64) -> Self {
        Self { at: (packed >> 32) as usize, length: (packed & 0xffff_ffff) as usize }
    }
}

impl Direct {
    pub(crate) fn new(store: &mut Store<Meter>, module: &InstancePre<Meter>) -> wasmtime::Result<Self> {
        let instance = module.instantiate(&mut *store)?;
        let memory = instance
            .get_memory(&mut *store, "memory")
            .ok_or_else(|| wasmtime::Error::msg("the module has no memory"))?;
        let room = instance.get_typed_func(&mut *store, ROOM)?;
        let functions = DIRECT
            .iter()
            .map(|names| names.iter().map(|name| instance.get_typed_func(&mut *store, name)).collect())
            .collect::<wasmtime::Result<Vec<Vec<_>>>>()?;
        let usual = Range::of(room.call(&mut *store, 0)?);
        Ok(Self { memory, room, functions, usual, arguments: Vec::new() })
    }

    /// Calls a function by the numbers of its interface and its own.
    pub(crate) fn call<A: Serialize, R: DeserializeOwned>(
        &mut self,
        store: &mut Store<Meter>,
        (interface, function): (usize, usize),
        arguments: &A,
    ) -> wasmtime::Result<R> {
        let mut bytes = std::mem::take(&mut self.arguments);
        bytes.clear();
        let bytes =
            postcard::to_extend(arguments, bytes).map_err(|_| wasmtime::Error::msg("out of memory"))?;
        let length = u32::try_from(bytes.len())?;
        let room = if bytes.len() > self.usual.length {
            Range::of(self.room.call(&mut *store, length)?)
        } else {
            self.usual
        };
        self.memory.write(&mut *store, room.at, &bytes)?;
        let function = self
            .functions
            .get(interface)
            .and_then(|functions| functions.get(function))
            .ok_or_else(|| wasmtime::Error::msg("no such function"))?;
        let result = Range::of(function.call(&mut *store, length)?);
        if bytes.len() <= KEPT_BYTES {
            self.arguments = bytes;
        }
        let result = result
            .at
            .checked_add(result.length)
            .and_then(|end| self.memory.data(&*store).get(result.at..end));
        let result = result.ok_or_else(|| wasmtime::Error::msg("an answer outside of its memory"))?;
        postcard::from_bytes(result).map_err(|_| wasmtime::Error::msg("an answer that is none"))
    }
}

/// `load` of the broker as the canonical ABI has it: the record goes where the caller says.
fn load(mut caller: Caller<'_, Meter>, cell: u32, at: u32) -> wasmtime::Result<()> {
    let ((a, b, c, d, e, f, g, h, i, j, k, l), write) = caller.data_mut().load(cell);
    let mut bytes = [0; CELL_BYTES];
    let words = [a, b, c, d, e, f, g, h, i, j, k, l, write];
    for (bytes, word) in bytes.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
        return Err(wasmtime::Error::msg("the module has no memory"));
    };
    Ok(memory.write(&mut caller, at as usize, &bytes)?)
}

/// `store` of the broker.
#[allow(clippy::too_many_arguments, reason = "a record is passed flat")]
fn store(
    mut caller: Caller<'_, Meter>,
    cell: u32,
    a: u64,
    b: u64,
    c: u64,
    d: u64,
    e: u64,
    f: u64,
    g: u64,
    h: u64,
    i: u64,
    j: u64,
    k: u64,
    l: u64,
    loaded: u64,
) -> u32 {
    let record: Record = (a, b, c, d, e, f, g, h, i, j, k, l);
    u32::from(caller.data_mut().store(cell, record, loaded))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module of which nothing but the names of its exports is there.
    fn exporting(names: &[&str]) -> Vec<u8> {
        let mut section = vec![names.len() as u8];
        for name in names {
            section.push(name.len() as u8);
            section.extend_from_slice(name.as_bytes());
            section.extend([0, 0]);
        }
        let length = section.len();
        let mut module = b"\0asm\x01\0\0\0\x07".to_vec();
        module.extend([0x80 | (length & 0x7f) as u8, (length >> 7) as u8]);
        module.extend(section);
        module
    }

    #[test]
    fn a_module_is_called_directly_only_if_all_functions_are_there() {
        let all: Vec<&str> = std::iter::once(ROOM).chain(DIRECT.into_iter().flatten().copied()).collect();
        assert!(is_direct(&exporting(&all)));
        assert!(!is_direct(&exporting(&all[1..])), "without room for arguments");
        assert!(!is_direct(&exporting(&all[..all.len() - 1])), "of an older world");
    }

    #[test]
    fn what_is_no_component_has_no_module() {
        for bytes in [&[][..], b"\0asm", b"no component at all", &exporting(&[ROOM])] {
            assert_eq!(find(bytes), None);
        }
    }
}
