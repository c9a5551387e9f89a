//! One Envoy: a whole configuration, to begin with.

use std::net::SocketAddr;

use anyhow::{Context, bail};

use super::{Endpoint, Module, indented, labels, quoted, shown};

/// The configuration of an Envoy with the plugin in front of one upstream.
pub(super) fn yaml(
    json: &str,
    module: &Module,
    forecaster: &Endpoint,
    upstream: SocketAddr,
) -> anyhow::Result<String> {
    let (code, origin) = code(module)?;
    let sha256 = module.sha256();
    let mut yaml = format!("# Made by `tidegate gen envoy`. The plugin's sha256 is {sha256}.\n");
    yaml += HEAD;
    yaml += &labels::yaml(0);
    yaml += LISTENER;
    if module.reads_bodies() {
        yaml += SHOWS_BODIES;
    }
    yaml += VM;
    yaml += &indented(&code, 26);
    yaml += "                        configuration:
                          \"@type\": type.googleapis.com/google.protobuf.StringValue
                          value: |
";
    yaml += &indented(json, 28);
    yaml += ROUTER;
    yaml += &format!(
        "    - name: upstream
      type: STATIC
      connect_timeout: 1s
      load_assignment:
        cluster_name: upstream
        endpoints:
          - lb_endpoints:
              - endpoint:
                  address:
                    socket_address:
                      address: {}
                      port_value: {}
",
        quoted(&upstream.ip().to_string()),
        upstream.port()
    );
    yaml += "    # The forecaster. It speaks gRPC, so the cluster has to speak HTTP/2.\n";
    yaml += &item(&forecaster.cluster(6));
    yaml += &origin;
    Ok(yaml)
}

/// Where the code comes from, and the cluster that it comes from when it is fetched.
fn code(module: &Module) -> anyhow::Result<(String, String)> {
    let Some(url) = module.url() else {
        let file = quoted(&shown(module.path()));
        return Ok((format!("code:\n  local:\n    filename: {file}\n"), String::new()));
    };
    if let Some(path) = url.strip_prefix("file://") {
        return Ok((format!("code:\n  local:\n    filename: {}\n", quoted(path)), String::new()));
    }
    let (scheme, rest) = url.split_once("://").context("a URL without a scheme")?;
    let port = match scheme {
        "https" => 443,
        "http" => 80,
        _ => bail!(
            "Envoy by itself fetches no images: give --url https://.., or leave it out for a local file"
        ),
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let origin = match authority.rsplit_once(':') {
        Some(_) => Endpoint::parse(authority)?,
        None => Endpoint { host: authority.to_owned(), port },
    };
    let code = format!(
        "code:
  remote:
    sha256: {}
    http_uri:
      uri: {}
      cluster: tidegate-plugin
      timeout: 30s
",
        module.sha256(),
        quoted(url)
    );
    let host = quoted(&origin.host);
    let mut cluster = format!(
        "    - name: tidegate-plugin
      type: STRICT_DNS
      connect_timeout: 5s
      load_assignment:
        cluster_name: tidegate-plugin
        endpoints:
          - lb_endpoints:
              - endpoint:
                  address:
                    socket_address:
                      address: {host}
                      port_value: {}
",
        origin.port
    );
    if scheme == "https" {
        cluster += &format!(
            "      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
          sni: {host}
"
        );
    }
    Ok((code, cluster))
}

/// Indented lines as an item of a list.
fn item(lines: &str) -> String {
    lines.replacen("      name:", "    - name:", 1)
}

const HEAD: &str = r#"admin:
  address:
    socket_address: { address: 127.0.0.1, port_value: 9901 }

# Turns `tidegate_decisions_total.decision.D.tier.T.mode.M` into labels in /stats/prometheus.
"#;

const LISTENER: &str = r#"
static_resources:
  listeners:
    - name: ingress
      address:
        socket_address: { address: 127.0.0.1, port_value: 10000 }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: ingress
                # Rules and keys see paths as the upstream resolves them: nobody is let off as /health/../v1.
                normalize_path: true
                merge_slashes: true
                path_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT
                access_log:
                  - name: envoy.access_loggers.stdout
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
                      log_format:
                        text_format_source:
                          inline_string: "%START_TIME% %RESPONSE_CODE% %FILTER_STATE(wasm.tidegate.decision:PLAIN)% %FILTER_STATE(wasm.tidegate.tier:PLAIN)% %FILTER_STATE(wasm.tidegate.decision_id:PLAIN)%\n"
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match: { prefix: "/" }
                          route: { cluster: upstream }
                http_filters:
                  - name: tidegate
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
                      config:
                        name: tidegate
                        root_id: tidegate
                        failure_policy: FAIL_RELOAD
"#;

/// Prompts are estimated by their bodies (Envoy 1.35 and later).
const SHOWS_BODIES: &str = "                        allow_on_headers_stop_iteration: true\n";

const VM: &str = r#"                        vm_config:
                          vm_id: tidegate
                          runtime: envoy.wasm.runtime.v8
"#;

const ROUTER: &str = r#"                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
"#;
