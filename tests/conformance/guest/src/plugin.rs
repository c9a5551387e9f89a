//! A proxy-wasm plugin: its configuration is a JSON list of questions in hexadecimal digits, its answers go to the log.

use std::fmt::Write;

use proxy_wasm::{
    hostcalls,
    traits::{Context, RootContext},
    types::{BufferType, LogLevel},
};
use tidegate_conformance::answer;

/// The root context; there is no other.
pub(crate) struct Plugin;

impl Context for Plugin {}

impl RootContext for Plugin {
    fn on_configure(&mut self, size: usize) -> bool {
        let configuration = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size);
        let bytes = configuration.ok().flatten().unwrap_or_default();
        let questions: Vec<String> = serde_json::from_slice(&bytes).unwrap_or_default();
        for (number, question) in questions.iter().enumerate() {
            let mut line = format!("conformance answer {number} ");
            for byte in answer(&unhex(question)) {
                // Writing to a String cannot fail.
                let _ = write!(line, "{byte:02x}");
            }
            let _ = hostcalls::log(LogLevel::Info, &line);
        }
        true
    }
}

/// The bytes of hexadecimal digits, up to the first pair that is none.
fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks_exact(2);
    pairs.map_while(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()).collect()
}
