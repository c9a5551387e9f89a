//! A proxy-wasm plugin: its configuration is a JSON list of questions in hexadecimal digits, its answers go to the log.

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
            let answer = hex::encode(answer(&hex::decode(question).unwrap_or_default()));
            let line = format!("conformance answer {number} {answer}");
            let _ = hostcalls::log(LogLevel::Info, &line);
        }
        true
    }
}
