//! The plugin in a filter chain.

use std::{net::SocketAddr, path::PathBuf};

use serde_json::Value;

/// The plugin as a listener's limiter.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// Its name in Envoy; plugins with different names share nothing.
    pub name: String,
    /// The WebAssembly module.
    pub module: PathBuf,
    /// The plugin's own configuration.
    pub configuration: Value,
    /// The name of the cluster that its configuration calls the forecaster's.
    pub cluster: String,
    /// Where that cluster is.
    pub forecaster: SocketAddr,
    /// Whether Envoy shows it the bodies of requests that it holds.
    pub sees_bodies: bool,
}

impl Plugin {
    pub(super) fn to_yaml(&self) -> String {
        let mut json = String::new();
        let pretty = serde_json::to_string_pretty(&self.configuration).unwrap_or_default();
        for line in pretty.lines() {
            json += &format!("                    {line}\n");
        }
        let module = quoted(&self.module.to_string_lossy());
        FILTER
            .replace("NAME", &self.name)
            .replace("BODIES", if self.sees_bodies { "true" } else { "false" })
            .replace("MODULE", &module)
            .replace("JSON", json.trim_end())
    }
}

/// JSON strings are YAML strings.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

const FILTER: &str = "          - name: NAME
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: NAME
                root_id: tidegate
                failure_policy: FAIL_RELOAD
                allow_on_headers_stop_iteration: BODIES
                vm_config:
                  vm_id: tidegate
                  runtime: envoy.wasm.runtime.v8
                  code: { local: { filename: MODULE } }
                configuration:
                  '@type': type.googleapis.com/google.protobuf.StringValue
                  value: |
JSON
";
