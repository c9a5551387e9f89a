//! `debug`: where the plugin itself answers questions, and to whom.

use alloc::string::String;

use super::json::{Node, Reader};

/// Shorter tokens can be guessed.
const LEAST_TOKEN: usize = 16;

/// Where the plugin itself answers questions, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debug {
    /// What its paths begin with; it ends with a slash.
    pub path: String,
    /// What has to be told as a bearer token.
    pub token: String,
}

pub(super) fn debug<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> Option<Debug> {
    reader.proxy_only(node);
    let mut object = reader.object(node)?;
    let token = object.required(reader, "token").and_then(|node| {
        let token = reader.text(&node)?;
        if token.len() < LEAST_TOKEN {
            reader.problem(&node, "can be guessed; give at least 16 characters");
        }
        Some(token)
    });
    let path = match object.take("path") {
        Some(node) => {
            let path = reader.text(&node)?;
            if !path.starts_with('/') || !path.ends_with('/') || path.len() < 2 {
                reader.problem(&node, "must begin and end with a slash, such as `/tidegate/`");
            }
            path
        }
        None => String::from("/tidegate/"),
    };
    object.finish(reader);
    Some(Debug { path, token: token? })
}
