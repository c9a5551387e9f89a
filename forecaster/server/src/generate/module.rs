//! The plugin's file: its digest, and where proxies fetch it.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use sha2::{Digest, Sha256};

/// What a WebAssembly module begins with.
const MAGIC: &[u8] = b"\0asm";
/// What a plugin exports that reads bodies.
const BODY_CALLBACK: &[u8] = b"proxy_on_request_body";

/// The plugin as proxies find it.
#[derive(Debug)]
pub(super) struct Module {
    path: PathBuf,
    sha256: String,
    url: Option<String>,
    reads_bodies: bool,
}

impl Module {
    pub(super) fn new(path: &Path, url: Option<&str>, reads_bodies: bool) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path).with_context(|| {
            format!("cannot read the plugin {}; `cargo xtask wasm` builds it", path.display())
        })?;
        ensure!(bytes.starts_with(MAGIC), "{} is no WebAssembly module", path.display());
        let is_able = || bytes.windows(BODY_CALLBACK.len()).any(|window| window == BODY_CALLBACK);
        ensure!(
            !reads_bodies || is_able(),
            "{} reads no bodies, as --llm needs it: give tidegate-llm.wasm, which `cargo xtask wasm` builds",
            path.display()
        );
        let sha256 = hex::encode(Sha256::digest(&bytes));
        if let Some(url) = url {
            let is_known =
                ["https://", "http://", "file://", "oci://"].iter().any(|scheme| url.starts_with(scheme));
            ensure!(is_known, "`{url}` does not begin with https://, http://, file:// or oci://");
            if url.starts_with("oci://") && !url.contains("@sha256:") {
                bail!("name the image by its digest, as in oci://registry/tidegate@sha256:..: tags move");
            }
        }
        Ok(Self { path: path.to_owned(), sha256, url: url.map(str::to_owned), reads_bodies })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is to be shown the bodies of requests that it holds.
    pub(super) const fn reads_bodies(&self) -> bool {
        self.reads_bodies
    }

    /// The digest of the module itself.
    pub(super) fn sha256(&self) -> &str {
        &self.sha256
    }

    pub(super) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// The digest that a proxy compares with what it fetches; an image has its own in its name.
    pub(super) fn fetched_sha256(&self) -> Option<&str> {
        let is_image = self.url.as_deref().is_some_and(|url| url.starts_with("oci://"));
        (!is_image).then_some(&self.sha256)
    }
}
