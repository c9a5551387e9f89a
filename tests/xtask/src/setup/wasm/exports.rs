//! The SDK exports every callback of the proxy-wasm ABI, and Envoy calls each that is there: also those that do nothing, such as
//! the one for every piece of a body. What the plugin does not implement is taken out of the module, and whatever only that used.
//! And the module says how much memory it takes at most.

use anyhow::{Context, Result, anyhow};
use walrus::{Module, passes};

/// Callbacks that no build implements.
const UNUSED: [&str; 11] = [
    "proxy_on_done",
    "proxy_on_downstream_connection_close",
    "proxy_on_downstream_data",
    "proxy_on_foreign_function",
    "proxy_on_grpc_receive_initial_metadata",
    "proxy_on_grpc_receive_trailing_metadata",
    "proxy_on_http_call_response",
    "proxy_on_log",
    "proxy_on_new_connection",
    "proxy_on_upstream_connection_close",
    "proxy_on_upstream_data",
];

/// Those that only the build which reads bodies has a use for.
const BODIES: [&str; 3] = ["proxy_on_request_body", "proxy_on_request_trailers", "proxy_on_response_body"];

/// Pages of memory that a plugin may ever take, 1 GiB: what the most keys and the largest tables take, and a tenth more.
const MOST_PAGES: u64 = 16_384;

/// The module without the callbacks that have nothing to do, and with a bound to its memory.
pub(super) fn strip(module: &[u8], reads_bodies: bool) -> Result<Vec<u8>> {
    let mut module = Module::from_buffer(module).map_err(|error| anyhow!("no module: {error:#}"))?;
    let bodies = BODIES.iter().filter(|_| !reads_bodies);
    for name in UNUSED.iter().chain(bodies) {
        module
            .exports
            .remove(*name)
            .map(drop)
            .map_err(|error| anyhow!("{error:#}"))
            .context("the SDK has changed")?;
    }
    for memory in module.memories.iter_mut() {
        memory.maximum = Some(MOST_PAGES);
    }
    passes::gc::run(&mut module);
    Ok(module.emit_wasm())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// A module with these exports, all of them the same function.
    fn module(names: &[&str]) -> Vec<u8> {
        let mut module = Module::default();
        let builder = walrus::FunctionBuilder::new(&mut module.types, &[], &[]);
        let function = builder.finish(Vec::new(), &mut module.funcs);
        for name in names {
            module.exports.add(name, function);
        }
        module.emit_wasm()
    }

    fn exports(module: &[u8]) -> Vec<String> {
        Module::from_buffer(module).unwrap().exports.iter().map(|export| export.name.clone()).collect()
    }

    #[test]
    fn what_has_nothing_to_do_is_gone_and_all_else_stays() {
        let all: Vec<&str> =
            UNUSED.into_iter().chain(BODIES).chain(["proxy_on_tick", "_initialize"]).collect();
        assert_eq!(exports(&strip(&module(&all), false).unwrap()), ["proxy_on_tick", "_initialize"]);
        assert_eq!(exports(&strip(&module(&all), true).unwrap()).len(), 5);
        assert!(strip(&module(&["proxy_on_tick"]), true).is_err(), "an SDK without them is another SDK");
    }

    #[test]
    fn no_callback_of_the_plugin_is_taken_out() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugin/envoy/src");
        let mut read = String::new();
        let mut left = vec![sources];
        while let Some(path) = left.pop() {
            match fs::read_dir(&path) {
                Ok(folder) => left.extend(folder.map(|entry| entry.unwrap().path())),
                Err(_) => read += &fs::read_to_string(path).unwrap(),
            }
        }
        assert!(read.contains("fn on_http_request_headers("), "the plugin is elsewhere");
        for name in UNUSED {
            let name = name.trim_start_matches("proxy_");
            let methods = [name.to_owned(), name.replace("grpc_receive", "grpc_stream")];
            for method in methods {
                assert!(!read.contains(&format!("fn {method}(")), "{method} is implemented");
            }
        }
    }
}
