//! A policy, compiled once, to be instantiated any number of times.

use std::{
    fmt, fs,
    path::Path,
    sync::{Arc, Weak},
    thread,
};

use wasmtime::{
    Config, Engine, InstancePre, Store,
    component::{Component as Compiled, HasSelf, Linker},
};

use crate::{
    bindings::{self, PolicyPre},
    direct::{self, Direct},
    error::Error,
    limits::{Meter, TICK},
    memory,
    policy::Policy,
};

/// A compiled policy. Compiling takes a moment and a core: do it off the request path. Clones share the code.
#[derive(Clone)]
pub struct Component {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    code: Code,
    /// Ends the engine's clock with the last clone.
    _clock: Arc<()>,
}

/// What instances are made of.
enum Code {
    Canonical(Box<PolicyPre<Meter>>),
    Direct(InstancePre<Meter>),
}

impl Component {
    /// Compiles the component in a file.
    ///
    /// # Errors
    /// When there is none, or it is no policy.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::from_bytes(&bytes)
    }

    /// Compiles a component. All that it is given are the books that instances keep in common: one that imports anything else is
    /// refused.
    ///
    /// Where the core module inside offers the world's functions directly, as that of `tidegate.component.wasm` does, that module is
    /// compiled and called, because it costs less; any other component is called by the component model.
    ///
    /// # Errors
    /// When the bytes are no policy.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::compile(bytes, direct::find(bytes))
    }

    /// Compiles a component to be called by the component model, whatever it offers: it decides the same, and more slowly.
    ///
    /// # Errors
    /// When the bytes are no policy.
    pub fn canonical_from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::compile(bytes, None)
    }

    fn compile(component: &[u8], module: Option<&[u8]>) -> Result<Self, Error> {
        let mut config = Config::new();
        config.epoch_interruption(true);
        if let Some(creator) = memory::huge_pages() {
            // Images of fresh memories are mapped only over wasmtime's own.
            config.with_host_memory(creator).memory_init_cow(false);
        }
        let engine = Engine::new(&config).map_err(Error::Component)?;
        let code = match module {
            Some(module) => direct::compile(&engine, module).map(Code::Direct),
            None => canonical(&engine, component).map(|policy| Code::Canonical(Box::new(policy))),
        };
        let code = code.map_err(Error::Component)?;
        let clock = Arc::new(());
        tick(&engine, Arc::downgrade(&clock))?;
        Ok(Self { inner: Arc::new(Inner { engine, code, _clock: clock }) })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(crate) fn instantiate(&self, store: &mut Store<Meter>) -> wasmtime::Result<Policy> {
        Ok(match &self.inner.code {
            Code::Canonical(policy) => Policy::Canonical(Box::new(policy.instantiate(store)?)),
            Code::Direct(module) => Policy::Direct(Direct::new(store, module)?),
        })
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component").finish_non_exhaustive()
    }
}

fn canonical(engine: &Engine, component: &[u8]) -> wasmtime::Result<PolicyPre<Meter>> {
    let component = Compiled::from_binary(engine, component)?;
    let mut linker = Linker::new(engine);
    bindings::Policy::add_to_linker::<_, HasSelf<_>>(&mut linker, |meter| meter)?;
    linker.instantiate_pre(&component).and_then(PolicyPre::new)
}

/// Lets the engine look at what runs, every [`TICK`], as long as somebody holds the clock.
fn tick(engine: &Engine, clock: Weak<()>) -> Result<(), Error> {
    let engine = engine.weak();
    let run = move || {
        while clock.strong_count() > 0 {
            thread::sleep(TICK);
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => break,
            }
        }
    };
    thread::Builder::new().name("tidegate-clock".into()).spawn(run).map(drop).map_err(Error::Thread)
}
