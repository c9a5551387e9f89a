//! What runs in WebAssembly, built for `wasm32-unknown-unknown` by whichever toolchain can.
//!
//! rustup's target is the way any user goes. Where rustup is missing or cannot fetch it, Debian's web toolchain
//! builds the same sources together with its own standard library. The two never share a target directory.

mod component;
mod debian;
mod exports;
mod rustup;

use std::{env, fmt, fs, path::Path, path::PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::layout::Layout;

/// The only target triple of all of it.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
const CHOICE: &str = "TIDEGATE_WASM_TOOLCHAIN";

/// Who compiles it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// rustup's target where it can be had, else Debian's toolchain.
    Any,
    /// The toolchain that runs this command, with rustup's target.
    Rustup,
    /// Debian's `rustc-web`.
    Debian,
}

/// What is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// The plugin that users load.
    Plugin,
    /// The same, which reads bodies too.
    Llm,
    /// The plugin again, but a certain request header ends its VM: for tests of what happens then.
    Crashing,
    /// The guest that plays the scripts of the conformance tests.
    Conformance,
    /// The component that gateways embed.
    Component,
    /// The same, but requests under certain keys make it fail: for tests of what a host does then.
    CrashingComponent,
}

impl Variant {
    /// The crate that it is made of.
    pub(crate) fn package(self) -> &'static str {
        match self {
            Self::Plugin | Self::Llm | Self::Crashing => "tidegate-envoy",
            Self::Conformance => "tidegate-conformance-guest",
            Self::Component | Self::CrashingComponent => "tidegate-component",
        }
    }
}

/// A module that was built.
pub(crate) struct Built {
    path: PathBuf,
    bytes: usize,
    sha256: String,
}

impl Toolchain {
    /// The choice of the environment variable `TIDEGATE_WASM_TOOLCHAIN`.
    pub(crate) fn from_env() -> Result<Self> {
        match env::var(CHOICE).as_deref() {
            Err(_) | Ok("") => Ok(Self::Any),
            Ok("rustup") => Ok(Self::Rustup),
            Ok("debian") => Ok(Self::Debian),
            Ok(other) => bail!("{CHOICE}={other}: must be rustup or debian"),
        }
    }
}

impl fmt::Display for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {} bytes  sha256 {}", self.path.display(), self.bytes, self.sha256)
    }
}

/// Builds a module and copies it to `to`.
pub(crate) fn build(layout: &Layout, toolchain: Toolchain, variant: Variant, to: &Path) -> Result<Built> {
    let debian = match toolchain {
        Toolchain::Debian => true,
        Toolchain::Rustup => {
            rustup::ensure_target(layout)?;
            false
        }
        Toolchain::Any => match rustup::ensure_target(layout) {
            Ok(()) => false,
            Err(reason) => {
                eprintln!("no {TARGET} from rustup ({reason:#}); falling back to Debian's toolchain");
                true
            }
        },
    };
    let made = if debian { debian::build(layout, variant)? } else { rustup::build(layout, variant)? };
    let bytes = fs::read(&made).with_context(|| format!("the build left no {}", made.display()))?;
    match variant {
        Variant::Component | Variant::CrashingComponent => install(&component::encode(&bytes)?, to),
        Variant::Plugin | Variant::Crashing => install(&exports::strip(&bytes, false)?, to),
        Variant::Llm => install(&exports::strip(&bytes, true)?, to),
        Variant::Conformance => install(&bytes, to),
    }
}

/// Builds what users load, and what only tests load if wanted.
pub(crate) fn build_all(layout: &Layout, with_tests: bool) -> Result<Vec<Built>> {
    let toolchain = Toolchain::from_env()?;
    let users = [
        (Variant::Plugin, layout.plugin()),
        (Variant::Llm, layout.llm_plugin()),
        (Variant::Component, layout.component()),
    ];
    let tests = [
        (Variant::Crashing, layout.crashing_plugin()),
        (Variant::CrashingComponent, layout.crashing_component()),
        (Variant::Conformance, layout.conformance_guest()),
    ];
    let wanted = users.iter().chain(tests.iter().filter(|_| with_tests));
    wanted.map(|(variant, to)| build(layout, toolchain, *variant, to)).collect()
}

/// Whether the toolchain that runs this command can compile for the target right now.
pub(crate) fn native_toolchain_has_target(layout: &Layout) -> bool {
    rustup::has_target(layout).unwrap_or(false)
}

fn install(bytes: &[u8], to: &Path) -> Result<Built> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    // Written beside and renamed: an Envoy that starts meanwhile never reads half a module.
    let beside = to.with_extension("wasm.new");
    fs::write(&beside, bytes).with_context(|| format!("cannot write {}", beside.display()))?;
    fs::rename(&beside, to).with_context(|| format!("cannot write {}", to.display()))?;
    let sha256 = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Built { path: to.to_path_buf(), bytes: bytes.len(), sha256 })
}

/// Where cargo leaves the module below a target directory.
fn artifact(target_dir: &Path, variant: Variant) -> PathBuf {
    let module = format!("{}.wasm", variant.package().replace('-', "_"));
    target_dir.join(TARGET).join("wasm").join(module)
}

/// What both toolchains are asked to build.
fn arguments(variant: Variant) -> Vec<&'static str> {
    let mut arguments = vec!["-p", variant.package(), "--profile", "wasm", "--target", TARGET];
    match variant {
        Variant::Crashing | Variant::CrashingComponent => arguments.extend(["--features", "crash-test"]),
        Variant::Llm => arguments.extend(["--features", "llm"]),
        Variant::Plugin | Variant::Conformance | Variant::Component => {}
    }
    arguments
}
