//! Envoy's bootstrap configuration: listeners with a limiter each, one upstream, and the forecasters.
//!
//! Written as a person would write it, since the demo's file is meant to be read and copied.

use std::net::SocketAddr;

use super::{
    extra::Extra,
    listener::{Limiter, Listener},
};

/// What differs from one run to the next.
#[derive(Clone, Debug)]
pub struct EnvoyConfig {
    /// The administration port.
    pub admin: SocketAddr,
    /// Where admitted requests go.
    pub upstream: SocketAddr,
    /// Where requests come in.
    pub listeners: Vec<Listener>,
    /// What is added.
    pub extra: Extra,
}

impl EnvoyConfig {
    /// The configuration file.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut yaml = format!("admin:\n  address: {}\n", address(self.admin));
        yaml += STATS_TAGS;
        yaml += "static_resources:\n  listeners:\n";
        let nothing = Extra::default();
        for (place, listener) in self.listeners.iter().enumerate() {
            yaml += &listener.to_yaml(if place == 0 { &self.extra } else { &nothing });
        }
        yaml += "  clusters:\n";
        yaml += &self.extra.clusters;
        yaml += &cluster("upstream", self.upstream, false);
        for listener in &self.listeners {
            if let Limiter::Tidegate(plugin) = &listener.limiter {
                yaml += &cluster(&plugin.cluster, plugin.forecaster, true);
            }
        }
        yaml
    }
}

pub(super) fn address(socket: SocketAddr) -> String {
    format!("{{ socket_address: {{ address: {}, port_value: {} }} }}", socket.ip(), socket.port())
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
    - { tag_name: live, regex: '^wasmcustom\\.tidegate_.*?(\\.live\\.([^.]+))' }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::{INGRESS, LocalLimit, TokenBucket};

    #[test]
    fn additions_are_the_first_listeners_and_not_its_limiters() {
        let others = TokenBucket { rate_per_s: 10, burst: 20 };
        let address: SocketAddr = ([127, 0, 0, 1], 1).into();
        let listener = |name: &str| Listener {
            name: name.into(),
            listen: address,
            limiter: Limiter::Local(LocalLimit { others, customers: Vec::new() }),
            access_log: None,
        };
        let extra = Extra {
            options: "          merge_slashes: true\n".into(),
            routes: "              - match: { prefix: /before }\n".into(),
            filters: "          - name: before\n".into(),
            clusters: "  - name: beside\n".into(),
        };
        let listeners = vec![listener(INGRESS), listener("second")];
        let yaml = EnvoyConfig { admin: address, upstream: address, listeners, extra }.to_yaml();
        let at = |text: &str| yaml.find(text).unwrap();
        for text in ["merge_slashes", "prefix: /before", "name: before", "name: beside"] {
            assert_eq!(yaml.matches(text).count(), 1, "{text} in {yaml}");
        }
        assert!(at("merge_slashes") < at("route_config"), "{yaml}");
        assert!(at("prefix: /before") < at("prefix: / }"), "{yaml}");
        assert!(
            at("http_filters") < at("name: before") && at("name: before") < at("local_ratelimit"),
            "{yaml}"
        );
        assert!(at("name: second") < at("name: beside"), "{yaml}");
    }
}
