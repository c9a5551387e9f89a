//! What `tidegate gen` writes for Kubernetes against what the resources' published schemas say.
//!
//! `schemas/*.json` has these facts for the resources that we write, each with the place that it was read at: members, types,
//! enumerations, limits and patterns, and as JSON Schema has them the rules that go over several members. A level that is closed there (an
//! API server drops unknown members or refuses them) has `additionalProperties: false` here. Members that we do not write may be missing.

use jsonschema::Validator;
use serde_json::Value;

use crate::generate::{TARGETS, URL, documents, generated, of};

const SOURCES: [&str; 4] = [
    include_str!("schemas/envoy-gateway.json"),
    include_str!("schemas/higress.json"),
    include_str!("schemas/istio.json"),
    include_str!("schemas/kubernetes.json"),
];

/// The schema of a resource, by the version and the kind that it names.
fn schema_of(document: &Value) -> Value {
    for source in SOURCES {
        let source: Value = serde_json::from_str(source).unwrap();
        let kinds = source["kinds"].as_array().unwrap().iter();
        let is_its = |schema: &&Value| {
            ["apiVersion", "kind"]
                .iter()
                .all(|member| schema["properties"][member]["const"] == document[member])
        };
        if let Some(schema) = kinds.clone().find(is_its) {
            return schema.clone();
        }
    }
    panic!("no schema for {} {}", document["apiVersion"], document["kind"])
}

fn check(document: &Value) {
    let validator = jsonschema::validator_for(&schema_of(document)).unwrap();
    let faults: Vec<String> =
        validator.iter_errors(document).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{}: {faults:#?}", document["kind"]);
}

/// Every resource that is written, with every switch that changes one.
fn resources() -> Vec<Value> {
    let mut all = Vec::new();
    for target in TARGETS.into_iter().filter(|target| *target != "envoy") {
        all.extend(documents(&of(target)));
        let more = ["--url", URL, "--wasm", "tidegate-llm.wasm", "--llm", "requests", "--access-log"];
        all.extend(documents(&generated(target, &more)));
        let digest = format!("oci://registry.example/tidegate@sha256:{}", "0".repeat(64));
        all.extend(documents(&generated(target, &["--url", &digest, "--namespace", "n", "--gateway", "g"])));
    }
    all
}

/// Where a schema is closed, the places of members that are written there.
fn closed_members(document: &Value, schema: &Value, at: &str, found: &mut Vec<String>) {
    match document {
        Value::Object(members) if schema["additionalProperties"] == false => {
            for (name, value) in members {
                let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                closed_members(value, &schema["properties"][name], &place, found);
                found.push(place);
            }
        }
        Value::Array(items) if schema["items"].is_object() => {
            for (index, item) in items.iter().enumerate() {
                closed_members(item, &schema["items"], &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// The document with another name for the member at a place.
fn misspelled(document: &Value, place: &str) -> Value {
    let mut document = document.clone();
    let (parent, name) = place.rsplit_once('/').unwrap();
    let members = document.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    let value = members.remove(name).unwrap();
    members.insert(format!("{name}s"), value);
    document
}

#[test]
fn every_resource_is_what_its_published_schema_asks_for() {
    let resources = resources();
    assert_eq!(resources.len(), 36, "three documents of four targets, three times over");
    resources.iter().for_each(check);
}

#[test]
fn a_misspelled_member_anywhere_is_no_longer_what_the_schema_asks_for() {
    for document in resources() {
        let schema = schema_of(&document);
        let validator: Validator = jsonschema::validator_for(&schema).unwrap();
        let mut places = Vec::new();
        closed_members(&document, &schema, "", &mut places);
        assert!(places.len() >= 6, "{}: only {places:?} are closed", document["kind"]);
        for place in places {
            assert!(!validator.is_valid(&misspelled(&document, &place)), "{}: {place}", document["kind"]);
        }
    }
}

#[test]
fn a_digest_beside_its_source_is_no_member_of_a_policy_of_envoy_gateway() {
    let mut policy = documents(&of("envoy-gateway")).swap_remove(0);
    let code = &mut policy["spec"]["wasm"][0]["code"];
    let digest = code["http"].as_object_mut().unwrap().remove("sha256").unwrap();
    code["sha256"] = digest;
    assert!(!jsonschema::is_valid(&schema_of(&policy), &policy));
}
