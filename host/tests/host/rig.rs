//! Components, compiled once for all tests, and gates of them.

#![allow(clippy::expect_used, reason = "a test without its component cannot go on")]

use std::{
    env,
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tidegate_host::{Budget, Builder, Component, Gate, Timestamp};

/// 2026-01-01.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// The component that users get.
pub(crate) fn component() -> &'static Component {
    static COMPILED: OnceLock<Component> = OnceLock::new();
    COMPILED.get_or_init(|| compiled("TIDEGATE_COMPONENT", "tidegate.component.wasm"))
}

/// The one that can be made to fail.
pub(crate) fn crashing() -> &'static Component {
    static COMPILED: OnceLock<Component> = OnceLock::new();
    COMPILED.get_or_init(|| compiled("TIDEGATE_COMPONENT_CRASHING", "tidegate-crashing.component.wasm"))
}

fn compiled(variable: &str, file: &str) -> Component {
    let built = || Path::new(env!("CARGO_TARGET_TMPDIR")).join("../wasm").join(file);
    let path = env::var_os(variable).map_or_else(built, PathBuf::from);
    Component::from_file(path).expect("`cargo xtask test` builds the components")
}

/// A resource of so many tokens a second, and a burst.
pub(crate) fn limited(per_s: f64, burst: u64) -> Builder {
    Gate::builder().resource("requests", Budget { per_s, burst })
}

/// At so many nanoseconds after the start.
pub(crate) fn at(nanos: u64) -> Timestamp {
    START.plus(Duration::from_nanos(nanos))
}

/// Waits until something holds, for a while.
pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(60), "still not: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Tells threads to end when it goes, also because a test has failed: a scope waits for its threads.
pub(crate) struct Ends<'d>(pub(crate) &'d AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
