//! Gateways in Kubernetes: resources that their control planes turn into Envoy's configuration.

use anyhow::bail;

use super::{Endpoint, Module, indented, labels, quoted};

/// No resource here has a field for `allow_on_headers_stop_iteration`.
const BLIND: &str = "\
# The plugin cannot ask here for the bodies of requests that it holds: it finds that out by the first request, which it holds up
# for two seconds, and then estimates prompts by their content-length. Answers settle by their usage all the same.
";

/// How Istio's agent is told of a part of Envoy's bootstrap; it has passed on no EnvoyFilters for it since Istio 1.21.
const ISTIO_LABELS: &str = "\
# Optional: makes labels of what stands in the names of the plugin's metrics. It takes effect in gateways whose pods have the annotation
# sidecar.istio.io/bootstrapOverride: tidegate-bootstrap, from their next start on. Where gateways are not injected, mount it at
# /etc/istio/custom-bootstrap and set ISTIO_BOOTSTRAP_OVERRIDE=/etc/istio/custom-bootstrap/custom_bootstrap.json instead.
";

/// Higress' gateways are not injected.
const HIGRESS_LABELS: &str = "\
# Optional: makes labels of what stands in the names of the plugin's metrics. It takes effect in gateways, from their next start on, whose
# container has it mounted at /etc/istio/custom-bootstrap and ISTIO_BOOTSTRAP_OVERRIDE=/etc/istio/custom-bootstrap/custom_bootstrap.json
# in its environment. Higress' chart mounts higress-custom-bootstrap there where SkyWalking is on: add the rules to that then.
";

/// What is written, and for whom.
pub(super) struct Place<'a> {
    pub(super) namespace: &'a str,
    /// A label's value or a Gateway's name.
    pub(super) gateway: &'a str,
    pub(super) url: &'a str,
    pub(super) module: &'a Module,
    /// The plugin's configuration.
    pub(super) json: &'a str,
    pub(super) forecaster: &'a Endpoint,
}

impl Place<'_> {
    /// A TrafficExtension (Istio 1.30 and later).
    pub(super) fn istio(&self) -> String {
        let Self { gateway, url, .. } = self;
        let mut yaml = self.head("istio", "extensions.istio.io/v1alpha1", "TrafficExtension");
        yaml += &format!("  selector:\n    matchLabels:\n      istio: {}\n", quoted(gateway));
        // After authentication, whose claims may be the key.
        yaml += "  phase: AUTHZ\n  wasm:\n";
        yaml += &format!("    url: {}\n{}", quoted(url), self.sha256(4));
        yaml += "    pluginName: tidegate\n    failStrategy: FAIL_RELOAD\n    pluginConfig:\n";
        yaml += &indented(self.json, 6);
        yaml + &self.cluster_filter("istio") + &self.bootstrap_part(ISTIO_LABELS)
    }

    /// A WasmPlugin, for Istio before 1.30.
    pub(super) fn istio_legacy(&self) -> String {
        let Self { gateway, url, .. } = self;
        let mut yaml = self.head("istio-legacy", "extensions.istio.io/v1alpha1", "WasmPlugin");
        yaml += &format!("  selector:\n    matchLabels:\n      istio: {}\n", quoted(gateway));
        yaml += &format!("  url: {}\n{}", quoted(url), self.sha256(2));
        // FAIL_RELOAD came with Istio 1.27.
        yaml += "  pluginName: tidegate\n  phase: AUTHZ\n  failStrategy: FAIL_OPEN\n  pluginConfig:\n";
        yaml += &indented(self.json, 4);
        yaml + &self.cluster_filter("istio") + &self.bootstrap_part(ISTIO_LABELS)
    }

    /// A WasmPlugin of Higress.
    pub(super) fn higress(&self) -> String {
        let mut yaml = self.head("higress", "extensions.higress.io/v1alpha1", "WasmPlugin");
        yaml += &format!("  url: {}\n{}", quoted(self.url), self.sha256(2));
        yaml += "  pluginName: tidegate\n  phase: AUTHZ\n  priority: 100\n  failStrategy: FAIL_OPEN\n  defaultConfig:\n";
        yaml += &indented(self.json, 4);
        yaml + &self.cluster_filter("higress") + &self.bootstrap_part(HIGRESS_LABELS)
    }

    /// An EnvoyExtensionPolicy of Envoy Gateway, and the EnvoyPatchPolicy that it needs for the cluster.
    pub(super) fn envoy_gateway(&self) -> anyhow::Result<String> {
        let Self { namespace, gateway, url, .. } = self;
        let target = format!(
            "group: gateway.networking.k8s.io\n      kind: Gateway\n      name: {}\n",
            quoted(gateway)
        );
        let (kind, member, place) = match url.split_once("://") {
            Some(("oci", image)) => ("Image", "image", image),
            Some(("http" | "https", _)) => ("HTTP", "http", *url),
            _ => bail!("Envoy Gateway fetches plugins by https:// or from an oci:// image"),
        };
        let mut yaml = self.head("envoy-gateway", "gateway.envoyproxy.io/v1alpha1", "EnvoyExtensionPolicy");
        yaml += &format!("  targetRefs:\n    - {target}");
        yaml += "  wasm:\n    - name: tidegate\n      rootID: tidegate\n      failOpen: true\n";
        yaml += &format!(
            "      code:\n        type: {kind}\n        {member}:\n          url: {}\n",
            quoted(place)
        );
        yaml += &self.sha256(10);
        yaml += "      config:\n";
        yaml += &indented(self.json, 8);
        let target = target.replace("      ", "    ");
        yaml += &format!(
            "---
# Adds the forecaster's cluster. Enable it in Envoy Gateway's own configuration: extensionApis.enableEnvoyPatchPolicy.
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyPatchPolicy
metadata:
  name: tidegate-forecaster
  namespace: {}
spec:
  targetRef:
    {target}  type: JSONPatch
  jsonPatches:
    - type: type.googleapis.com/envoy.config.cluster.v3.Cluster
      name: tidegate
      operation:
        op: add
        path: \"\"
        value:
",
            quoted(namespace)
        );
        yaml += &self.forecaster.cluster(10);
        yaml += &format!(
            "---
# Optional: makes labels of what stands in the names of the plugin's metrics. It takes effect in Gateways whose
# spec.infrastructure.parametersRef names it (group gateway.envoyproxy.io); where one is named already, add the rules to that.
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata:
  name: tidegate-labels
  namespace: {}
spec:
  bootstrap:
    type: Merge
    value: |
{}",
            quoted(namespace),
            labels::yaml(6)
        );
        Ok(yaml)
    }

    fn head(&self, target: &str, version: &str, kind: &str) -> String {
        let blind = if self.module.reads_bodies() { BLIND } else { "" };
        format!(
            "# Made by `tidegate gen {target}`. It holds the forecaster's token if there is one: keep it as you keep secrets.
{blind}apiVersion: {version}
kind: {kind}
metadata:
  name: tidegate
  namespace: {}
spec:
",
            quoted(self.namespace)
        )
    }

    fn sha256(&self, indent: usize) -> String {
        self.module
            .fetched_sha256()
            .map_or_else(String::new, |sha256| format!("{:indent$}sha256: {}\n", "", quoted(sha256)))
    }

    /// A part of the bootstrap that Istio's agent starts Envoy with.
    fn bootstrap_part(&self, comment: &str) -> String {
        format!(
            "---
{comment}apiVersion: v1
kind: ConfigMap
metadata:
  name: tidegate-bootstrap
  namespace: {}
data:
  custom_bootstrap.json: |
{}",
            quoted(self.namespace),
            labels::json(4)
        )
    }

    /// Adds the forecaster's cluster to the gateways with this label.
    fn cluster_filter(&self, label: &str) -> String {
        format!(
            "---
# Adds the forecaster's cluster: plain HTTP/2, outside of the mesh's own TLS.
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata:
  name: tidegate-forecaster
  namespace: {}
spec:
  workloadSelector:
    labels:
      {label}: {}
  configPatches:
    - applyTo: CLUSTER
      match:
        context: GATEWAY
      patch:
        operation: ADD
        value:
{}",
            quoted(self.namespace),
            quoted(self.gateway),
            self.forecaster.cluster(10)
        )
    }
}
