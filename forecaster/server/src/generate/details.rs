//! `--details`: what reports are to tell beside counters, and which headers tell it.

use std::{collections::BTreeMap, str::FromStr};

use serde::Serialize;

/// One item of the list: `NAME=HEADER`, or the name alone where the plugin sees it by itself.
#[derive(Clone, Debug)]
pub(super) struct Detail {
    name: &'static str,
    source: Source,
}

/// Where the plugin has it from, as its configuration says that.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Source {
    Request { header: String },
    Response { response_header: String },
    Itself(bool),
}

/// How a name wants its header.
#[derive(Clone, Copy)]
enum Teller {
    Request,
    Response,
    Itself,
}

const NAMES: [(&str, Teller); 7] = [
    ("region", Teller::Request),
    ("account_type", Teller::Request),
    ("client_version", Teller::Request),
    ("cpu_us", Teller::Response),
    ("memory_bytes", Teller::Response),
    ("network_bytes", Teller::Itself),
    ("duration_ms", Teller::Itself),
];

impl FromStr for Detail {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, header) = match text.split_once('=') {
            Some((name, header)) => (name, Some(header.to_owned())),
            None => (text, None),
        };
        let Some((name, from)) = NAMES.into_iter().find(|(known, _)| *known == name) else {
            let names: Vec<&str> = NAMES.into_iter().map(|(name, _)| name).collect();
            return Err(format!("`{name}` is none of {}", names.join(", ")));
        };
        let source = match (from, header) {
            (Teller::Request, Some(header)) => Source::Request { header },
            (Teller::Response, Some(response_header)) => Source::Response { response_header },
            (Teller::Itself, None) => Source::Itself(true),
            (Teller::Itself, Some(_)) => {
                return Err(format!("`{name}` comes from no header: leave out `=..`"));
            }
            (_, None) => {
                return Err(format!("say which header tells it, as in {name}=x-{}", name.replace('_', "-")));
            }
        };
        Ok(Self { name, source })
    }
}

/// The plugin's `details`; nothing where none are asked for.
pub(super) fn of(details: &[Detail]) -> Option<impl Serialize + '_> {
    let named: BTreeMap<&str, &Source> = details.iter().map(|detail| (detail.name, &detail.source)).collect();
    (!named.is_empty()).then_some(named)
}
