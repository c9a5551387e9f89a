//! `tidegate gen`: the committed examples are what it writes, and they have what the schemas of those who read them ask for.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;
use tidegate_core::{
    config::{Config, Shell},
    rules::{CostRule, KeyPart},
};

pub(crate) const TARGETS: [&str; 5] = ["envoy", "istio", "istio-legacy", "envoy-gateway", "higress"];
pub(crate) const URL: &str = "https://plugins.example/tidegate.wasm";
/// The first public key of RFC 8032, section 7.1.
const PUBLIC_KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
/// The digest of a module without anything in it, which stands in the examples.
const EMPTY_SHA256: &str = "93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476";

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

fn tidegate(target: &str, extra: &[&str]) -> Output {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("tidegate.wasm"), b"\0asm\x01\0\0\0").unwrap();
    // As much of a plugin that reads bodies as can be seen from outside: a custom section of that name.
    let callback = "proxy_on_request_body";
    let bytes = [b"\0asm\x01\0\0\0\0\x16\x15".as_slice(), callback.as_bytes()].concat();
    fs::write(folder.path().join("tidegate-llm.wasm"), bytes).unwrap();
    let wasm: &[&str] = if extra.contains(&"--wasm") { &[] } else { &["--wasm", "tidegate.wasm"] };
    Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .current_dir(&folder)
        .env("TIDEGATE_TOKEN", "change-me")
        .args(["gen", target, "--public-key", PUBLIC_KEY, "--config"])
        .arg(examples().join("envoy/tidegate.yaml"))
        .args(wasm)
        .args(extra)
        .output()
        .unwrap()
}

pub(crate) fn generated(target: &str, extra: &[&str]) -> String {
    let output = tidegate(target, extra);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn of(target: &str) -> String {
    generated(target, if target == "envoy" { &[] } else { &["--url", URL] })
}

/// The resources in a file.
pub(crate) fn documents(yaml: &str) -> Vec<Value> {
    yaml.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

/// What every resource of Kubernetes has.
fn resource(document: &Value, version: &str, kind: &str) -> Value {
    assert_eq!((&document["apiVersion"], &document["kind"]), (&version.into(), &kind.into()));
    for member in ["name", "namespace"] {
        assert!(document["metadata"][member].as_str().is_some_and(|text| !text.is_empty()), "{document}");
    }
    document["spec"].clone()
}

/// The plugin reads its part.
fn is_plugin_configuration(value: &Value) -> Config {
    let shell = Shell { is_proxy: true, reads_bodies: true };
    let config = Config::parse_for(value.to_string().as_bytes(), shell).unwrap();
    let forecaster = config.forecaster.as_ref().unwrap();
    assert_eq!((forecaster.cluster.as_str(), forecaster.token.as_str()), ("tidegate", "change-me"));
    assert_eq!(hex::encode(forecaster.public_key.as_ref().unwrap().as_bytes()), PUBLIC_KEY);
    assert_eq!(config.resources[0].name, "requests");
    config
}

/// A cluster that can carry gRPC.
fn is_cluster(value: &Value) {
    let options = &value["typed_extension_protocol_options"];
    let http = &options["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];
    assert!(http["explicit_http_config"]["http2_protocol_options"].is_object(), "{value}");
    assert_eq!(value["name"], value["load_assignment"]["cluster_name"]);
    let address =
        &value["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"];
    assert_eq!(address["address"], "tidegate.tidegate.svc.cluster.local");
    assert_eq!(address["port_value"], 7080);
}

fn is_cluster_filter(document: &Value, label: &str) {
    let spec = resource(document, "networking.istio.io/v1alpha3", "EnvoyFilter");
    assert!(spec["workloadSelector"]["labels"][label].is_string());
    let patch = &spec["configPatches"][0];
    assert_eq!((&patch["applyTo"], &patch["match"]["context"]), (&"CLUSTER".into(), &"GATEWAY".into()));
    assert_eq!(patch["patch"]["operation"], "ADD");
    is_cluster(&patch["patch"]["value"]);
}

#[test]
fn the_examples_are_what_is_generated() {
    for target in TARGETS {
        let path = examples().join(format!("gen/{target}.yaml"));
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(of(target), committed, "{} is old: write it anew as its README says", path.display());
    }
}

#[test]
fn istio_takes_a_traffic_extension() {
    let documents = documents(&of("istio"));
    let spec = resource(&documents[0], "extensions.istio.io/v1alpha1", "TrafficExtension");
    assert!(spec["wasm"].is_object() && spec.get("lua").is_none(), "exactly one of both");
    assert!(spec.get("selector").is_some() != spec.get("targetRefs").is_some());
    assert_eq!((&spec["wasm"]["url"], &spec["wasm"]["sha256"]), (&URL.into(), &EMPTY_SHA256.into()));
    assert_eq!((&spec["phase"], &spec["wasm"]["failStrategy"]), (&"AUTHZ".into(), &"FAIL_RELOAD".into()));
    is_plugin_configuration(&spec["wasm"]["pluginConfig"]);
    is_cluster_filter(&documents[1], "istio");
}

#[test]
fn older_istio_and_higress_take_plugins_of_their_own() {
    for (target, version, config, label) in [
        ("istio-legacy", "extensions.istio.io/v1alpha1", "pluginConfig", "istio"),
        ("higress", "extensions.higress.io/v1alpha1", "defaultConfig", "higress"),
    ] {
        let documents = documents(&of(target));
        let spec = resource(&documents[0], version, "WasmPlugin");
        assert_eq!((&spec["url"], &spec["sha256"]), (&URL.into(), &EMPTY_SHA256.into()));
        assert_eq!((&spec["phase"], &spec["failStrategy"]), (&"AUTHZ".into(), &"FAIL_OPEN".into()));
        is_plugin_configuration(&spec[config]);
        is_cluster_filter(&documents[1], label);
    }
}

#[test]
fn envoy_gateway_takes_an_extension_policy_and_a_patch() {
    let both = documents(&of("envoy-gateway"));
    let spec = resource(&both[0], "gateway.envoyproxy.io/v1alpha1", "EnvoyExtensionPolicy");
    let gateway =
        serde_json::json!({ "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "eg" });
    assert_eq!(spec["targetRefs"], serde_json::json!([gateway]));
    let wasm = &spec["wasm"][0];
    assert_eq!((&wasm["name"], &wasm["rootID"]), (&"tidegate".into(), &"tidegate".into()));
    let code = serde_json::json!({ "type": "HTTP", "http": { "url": URL, "sha256": EMPTY_SHA256 } });
    assert_eq!(wasm["code"], code);
    is_plugin_configuration(&wasm["config"]);
    let spec = resource(&both[1], "gateway.envoyproxy.io/v1alpha1", "EnvoyPatchPolicy");
    assert_eq!((&spec["targetRef"], &spec["type"]), (&gateway, &"JSONPatch".into()));
    let patch = &spec["jsonPatches"][0];
    assert_eq!(patch["type"], "type.googleapis.com/envoy.config.cluster.v3.Cluster");
    assert_eq!((&patch["operation"]["op"], &patch["operation"]["path"]), (&"add".into(), &"".into()));
    assert_eq!(patch["name"], patch["operation"]["value"]["name"]);
    is_cluster(&patch["operation"]["value"]);

    let image = generated("envoy-gateway", &["--url", "oci://registry.example/tidegate@sha256:00"]);
    let image = documents(&image)[0]["spec"]["wasm"][0]["code"].clone();
    assert_eq!(
        image,
        serde_json::json!({ "type": "Image", "image": { "url": "registry.example/tidegate@sha256:00" } })
    );
}

#[test]
fn every_target_says_how_labels_get_out_of_the_names_of_metrics() {
    let rules = documents(&of("envoy"))[0]["stats_config"].clone();
    assert!(rules["stats_tags"].as_array().is_some_and(|rules| rules.len() > 5), "{rules}");
    for target in ["istio", "istio-legacy", "envoy-gateway", "higress"] {
        let last = documents(&of(target)).pop().unwrap();
        let part = match target {
            "envoy-gateway" => {
                let spec = resource(&last, "gateway.envoyproxy.io/v1alpha1", "EnvoyProxy");
                assert_eq!(spec["bootstrap"]["type"], "Merge", "what Envoy Gateway starts Envoy with stays");
                spec["bootstrap"]["value"].clone()
            }
            _ => last["data"]["custom_bootstrap.json"].clone(),
        };
        let part: Value = serde_saphyr::from_str(part.as_str().unwrap()).unwrap();
        // Envoy takes these, as the end-to-end tests of its own configuration show.
        assert_eq!(part, serde_json::json!({ "stats_config": rules }), "{target}");
    }
}

#[test]
fn every_target_can_read_bodies_tell_the_access_log_and_report_details() {
    let asked = [
        "--wasm",
        "tidegate-llm.wasm",
        "--llm",
        "requests",
        "--access-log",
        "--details",
        "region=x-region,cpu_us=x-total-cpu,network_bytes",
    ];
    for target in TARGETS {
        let more: &[&str] = if target == "envoy" { &[] } else { &["--url", URL] };
        let yaml = generated(target, &[&asked[..], more].concat());
        let document = documents(&yaml).swap_remove(0);
        let spec = &document["spec"];
        let config = match target {
            "envoy" => {
                let manager = &document["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0];
                let wasm = &manager["typed_config"]["http_filters"][0]["typed_config"]["config"];
                assert_eq!(wasm["allow_on_headers_stop_iteration"], true);
                serde_json::from_str(wasm["configuration"]["value"].as_str().unwrap()).unwrap()
            }
            "istio" => spec["wasm"]["pluginConfig"].clone(),
            "istio-legacy" => spec["pluginConfig"].clone(),
            "envoy-gateway" => spec["wasm"][0]["config"].clone(),
            _ => spec["defaultConfig"].clone(),
        };
        let read = is_plugin_configuration(&config);
        assert!(matches!(read.resources[0].cost, CostRule::Llm(_)) && read.access_log, "{config}");
        let details = read.details.unwrap();
        assert_eq!(details.region, Some(KeyPart::Header("x-region".to_owned())));
        assert_eq!((details.cpu_us.as_deref(), details.network_bytes), (Some("x-total-cpu"), true));
        assert!(details.account_type.is_none() && !details.duration_ms);
        // Where no field tells Envoy to show bodies, the file says what follows.
        assert_eq!(yaml.contains("by their content-length"), target != "envoy", "{yaml}");
    }
    let plain = documents(&of("envoy")).swap_remove(0);
    assert!(!plain.to_string().contains("allow_on_headers_stop_iteration"), "only who reads bodies needs it");
}

#[test]
fn what_cannot_work_is_refused_with_what_to_do() {
    for (target, arguments, told) in [
        ("istio", &[][..], "give --url"),
        ("istio", &["--url", "oci://registry.example/tidegate:1"], "by its digest"),
        ("istio", &["--url", "plugins.example"], "does not begin with"),
        ("envoy", &["--url", "oci://a@sha256:0"], "fetches no images"),
        ("envoy", &["--forecaster", "tidegate"], "no host and port"),
        ("envoy", &["--key", "x customer"], "is not the name of a header"),
        ("envoy", &["--wasm", "absent.wasm"], "cargo xtask wasm"),
        ("envoy", &["--llm", "requests"], "reads no bodies"),
        ("envoy", &["--llm", "tokens", "--wasm", "tidegate-llm.wasm"], "which has requests"),
        ("envoy", &["--details", "continent=x-continent"], "is none of region,"),
        ("envoy", &["--details", "network_bytes,region"], "region=x-region"),
        ("envoy", &["--details", "duration_ms=x-duration"], "comes from no header"),
        ("envoy", &["--details", "region=x region"], "is not the name of a header"),
        ("nginx", &[], "possible values"),
    ] {
        let output = tidegate(target, arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(told), "{told}: {error}");
    }
}
