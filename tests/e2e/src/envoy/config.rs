//! Envoy's bootstrap configuration: one listener, the plugin, the router, the upstream and the forecaster.
//!
//! Written as a person would write it, since the demo's file is meant to be read and copied.

use std::{net::SocketAddr, path::PathBuf};

use serde_json::Value;

/// What differs from one run to the next.
#[derive(Clone, Debug)]
pub struct EnvoyConfig {
    /// Where requests come in.
    pub listen: SocketAddr,
    /// The administration port.
    pub admin: SocketAddr,
    /// Where admitted requests go.
    pub upstream: SocketAddr,
    /// The plugin; without it Envoy is a plain proxy.
    pub filter: Option<Filter>,
    /// Whether each request leaves a line with its decision in `access.log`.
    pub access_log: bool,
}

/// The plugin in the filter chain.
#[derive(Clone, Debug)]
pub struct Filter {
    /// The WebAssembly module.
    pub plugin: PathBuf,
    /// The plugin's own configuration.
    pub configuration: Value,
    /// The forecaster's address: the cluster `tidegate`.
    pub forecaster: SocketAddr,
}

impl EnvoyConfig {
    /// The configuration file.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut yaml = format!("admin:\n  address: {}\n", address(self.admin));
        yaml += STATS_TAGS;
        yaml += &self.listener();
        yaml += "  clusters:\n";
        yaml += &cluster("upstream", self.upstream, false);
        if let Some(filter) = &self.filter {
            yaml += &cluster("tidegate", filter.forecaster, true);
        }
        yaml
    }

    fn listener(&self) -> String {
        let mut yaml = LISTENER.replace("ADDRESS", &address(self.listen));
        if self.access_log {
            yaml += ACCESS_LOG;
        }
        yaml += "          http_filters:\n";
        if let Some(filter) = &self.filter {
            yaml += &filter.to_yaml();
        }
        yaml + ROUTER
    }
}

impl Filter {
    fn to_yaml(&self) -> String {
        let mut json = String::new();
        let pretty = serde_json::to_string_pretty(&self.configuration).unwrap_or_default();
        for line in pretty.lines() {
            json += &format!("                    {line}\n");
        }
        FILTER.replace("MODULE", &quoted(&self.plugin.to_string_lossy())).replace("JSON", json.trim_end())
    }
}

fn address(socket: SocketAddr) -> String {
    format!("{{ socket_address: {{ address: {}, port_value: {} }} }}", socket.ip(), socket.port())
}

/// JSON strings are YAML strings.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn cluster(name: &str, socket: SocketAddr, http2: bool) -> String {
    let mut yaml = CLUSTER.replace("NAME", name).replace("ADDRESS", &address(socket));
    if http2 {
        yaml += HTTP2;
    }
    yaml
}

/// Turns the dotted tags of the plugin's metrics into labels at `/stats/prometheus`.
const STATS_TAGS: &str = "stats_config:
  stats_tags:
    - { tag_name: decision, regex: '^wasmcustom\\.tidegate_.*?(\\.decision\\.([^.]+))' }
    - { tag_name: tier, regex: '^wasmcustom\\.tidegate_.*?(\\.tier\\.([^.]+))' }
    - { tag_name: mode, regex: '^wasmcustom\\.tidegate_.*?(\\.mode\\.([^.]+))' }
    - { tag_name: result, regex: '^wasmcustom\\.tidegate_.*?(\\.result\\.([^.]+))' }
";

const LISTENER: &str = "static_resources:
  listeners:
  - name: ingress
    address: ADDRESS
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          route_config:
            virtual_hosts:
            - name: all
              domains: ['*']
              routes:
              - match: { prefix: / }
                route: { cluster: upstream }
";

const ACCESS_LOG: &str = "          access_log:
          - name: envoy.access_loggers.file
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: access.log
              log_format:
                text_format_source:
                  inline_string: >
                    %RESPONSE_CODE% %REQ(X-CUSTOMER)% %FILTER_STATE(wasm.tidegate.decision:PLAIN)%
                    %FILTER_STATE(wasm.tidegate.tier:PLAIN)%
";

const FILTER: &str = "          - name: tidegate
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: tidegate
                root_id: tidegate
                failure_policy: FAIL_RELOAD
                vm_config:
                  vm_id: tidegate
                  runtime: envoy.wasm.runtime.v8
                  code: { local: { filename: MODULE } }
                configuration:
                  '@type': type.googleapis.com/google.protobuf.StringValue
                  value: |
JSON
";

const ROUTER: &str = "          - name: envoy.filters.http.router
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
";

const CLUSTER: &str = "  - name: NAME
    type: STATIC
    connect_timeout: 1s
    load_assignment:
      cluster_name: NAME
      endpoints:
      - lb_endpoints:
        - endpoint: { address: ADDRESS }
";

const HTTP2: &str = "    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http2_protocol_options: {} }
";
