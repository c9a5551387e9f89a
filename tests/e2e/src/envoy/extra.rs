//! What is added to the usual configuration: YAML as it stands at its place, indentation included.

use std::{fs, path::Path};

use anyhow::{Context, Result};

/// Additions, to the first listener where they are one's; nothing by default.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    /// Routes that are tried before the one to the upstream.
    pub routes: String,
    /// HTTP filters before the limiter.
    pub filters: String,
    /// More clusters.
    pub clusters: String,
    /// More options of the connection manager.
    pub options: String,
}

impl Extra {
    /// Puts a filter in WebAssembly, written by hand, before the limiter; its module goes to `folder`.
    ///
    /// # Errors
    /// When the text is no module, or nothing can be written there.
    pub fn filtering(mut self, name: &str, text: &str, folder: &Path) -> Result<Self> {
        let module = folder.join(format!("{name}.wasm"));
        let bytes = wat::parse_str(text).with_context(|| format!("the filter {name}"))?;
        fs::write(&module, bytes).with_context(|| format!("cannot write {}", module.display()))?;
        self.filters += &FILTER.replace("NAME", name).replace("MODULE", &module.to_string_lossy());
        Ok(self)
    }
}

const FILTER: &str = "          - name: NAME
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: NAME
                vm_config:
                  vm_id: NAME
                  runtime: envoy.wasm.runtime.v8
                  code: { local: { filename: 'MODULE' } }
";
