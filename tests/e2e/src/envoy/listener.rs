//! One listener: an address, a limiter, the router. What it counts stands under its name.

use std::net::SocketAddr;

use super::{config::address, extra::Extra, local_limit::LocalLimit, plugin::Plugin};

/// A listener.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its name, and the prefix of its statistics.
    pub name: String,
    /// Where requests come in.
    pub listen: SocketAddr,
    /// Who decides which of them go on.
    pub limiter: Limiter,
    /// Where each request leaves a line with its decision, if anywhere.
    pub access_log: Option<String>,
}

/// Who decides which requests go on to the upstream.
#[derive(Clone, Debug)]
pub enum Limiter {
    /// Nobody: Envoy is a plain proxy.
    Nobody,
    /// The plugin.
    Tidegate(Plugin),
    /// Envoy's own filter `local_ratelimit`.
    Local(LocalLimit),
}

impl Listener {
    pub(super) fn to_yaml(&self, extra: &Extra) -> String {
        let mut yaml = LISTENER.replace("NAME", &self.name).replace("ADDRESS", &address(self.listen));
        yaml = yaml + &extra.options + ROUTES + &extra.routes + UPSTREAM;
        if let Some(file) = &self.access_log {
            yaml += &ACCESS_LOG.replace("FILE", file);
        }
        yaml += "          http_filters:\n";
        yaml += &extra.filters;
        match &self.limiter {
            Limiter::Nobody => {}
            Limiter::Tidegate(plugin) => yaml += &plugin.to_yaml(),
            Limiter::Local(limit) => yaml += &limit.to_yaml(&self.name),
        }
        yaml + ROUTER
    }
}

const LISTENER: &str = "  - name: NAME
    address: ADDRESS
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: NAME
";

const ROUTES: &str = "          route_config:
            virtual_hosts:
            - name: all
              domains: ['*']
              routes:
";

const UPSTREAM: &str = "              - match: { prefix: / }
                route: { cluster: upstream }
";

const ACCESS_LOG: &str = "          access_log:
          - name: envoy.access_loggers.file
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: FILE
              log_format:
                text_format_source:
                  inline_string: >
                    %RESPONSE_CODE% %REQ(X-CUSTOMER)% %FILTER_STATE(wasm.tidegate.decision:PLAIN)%
                    %FILTER_STATE(wasm.tidegate.tier:PLAIN)% %FILTER_STATE(wasm.tidegate.decision_id:PLAIN)%
";

const ROUTER: &str = "          - name: envoy.filters.http.router
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
";
