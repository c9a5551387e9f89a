//! What the shipped modules export: every callback that is there is called by Envoy, and costs each request that it is called for.

use std::{collections::BTreeSet, path::Path};

use anyhow::Result;
use tidegate_e2e::binaries::Binaries;
use wasmtime::{Engine, ExternType, Module};

/// Callbacks that Envoy calls for every request.
const BY_REQUEST: [&str; 5] = [
    "proxy_on_context_create",
    "proxy_on_request_headers",
    "proxy_on_response_headers",
    "proxy_on_response_trailers",
    "proxy_on_delete",
];
/// Callbacks of the plugin as a whole, and what a host needs to run it.
const OTHERS: [&str; 9] = [
    "_initialize",
    "malloc",
    "proxy_abi_version_0_2_1",
    "proxy_on_configure",
    "proxy_on_grpc_close",
    "proxy_on_grpc_receive",
    "proxy_on_queue_ready",
    "proxy_on_tick",
    "proxy_on_vm_start",
];
/// What the build has more that reads bodies: pieces of them, and trailers, which end a body too.
const BODIES: [&str; 3] = ["proxy_on_request_body", "proxy_on_request_trailers", "proxy_on_response_body"];

fn functions(module: &Path) -> Result<BTreeSet<String>> {
    let module = Module::from_file(&Engine::default(), module)?;
    let functions = module.exports().filter(|export| matches!(export.ty(), ExternType::Func(_)));
    Ok(functions.map(|export| export.name().to_owned()).collect())
}

fn names(lists: &[&[&str]]) -> BTreeSet<String> {
    lists.concat().into_iter().map(str::to_owned).collect()
}

#[test]
fn the_shipped_plugin_exports_these_callbacks_and_no_others() -> Result<()> {
    assert_eq!(functions(&Binaries::find_plugin()?)?, names(&[&BY_REQUEST, &OTHERS]));
    Ok(())
}

#[test]
fn the_plugin_that_reads_bodies_exports_the_callbacks_for_them_more() -> Result<()> {
    assert_eq!(functions(&Binaries::find_llm_plugin()?)?, names(&[&BY_REQUEST, &OTHERS, &BODIES]));
    Ok(())
}
