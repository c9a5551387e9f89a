//! Paths with placeholders: `/users/{id}/orders` fits any value in the place of `{id}`, `/files/{rest...}` any rest.

use alloc::{
    borrow::ToOwned,
    string::{String, ToString},
    vec::Vec,
};

/// A path with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Text(String),
    /// One segment that is not empty.
    Any,
    /// Whatever is left, nothing included.
    Rest,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let path = text.strip_prefix('/').ok_or("must begin with a slash")?;
        let mut segments = Vec::new();
        for segment in path.split('/') {
            if segments.last() == Some(&Segment::Rest) {
                return Err("nothing can follow a placeholder for the rest");
            }
            let placeholder = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
            segments.push(match placeholder {
                Some("" | "...") => return Err("has a placeholder without a name"),
                Some(name) if name.ends_with("...") => Segment::Rest,
                Some(_) => Segment::Any,
                None if segment.contains(['{', '}']) => {
                    return Err("has a placeholder that is only a part of a segment");
                }
                None => Segment::Text(segment.to_owned()),
            });
        }
        Ok(Self { text: text.to_string(), segments })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a path without its query fits.
    #[must_use]
    pub fn fits(&self, path: &[u8]) -> bool {
        let Some(path) = path.strip_prefix(b"/") else { return false };
        let mut given = path.split(|byte| *byte == b'/');
        for segment in &self.segments {
            let fits = match (segment, given.next()) {
                (Segment::Rest, _) => return true,
                (_, None) => false,
                (Segment::Any, Some(value)) => !value.is_empty(),
                (Segment::Text(text), Some(value)) => text.as_bytes() == value,
            };
            if !fits {
                return false;
            }
        }
        given.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_stand_for_one_segment_or_the_rest() {
        let fits = |template: &str, path: &str| Template::parse(template).unwrap().fits(path.as_bytes());
        assert!(fits("/users/{id}/orders", "/users/7/orders"));
        for path in
            ["/users//orders", "/users/7", "/users/7/orders/1", "/users/7/orders/", "users/7/orders", ""]
        {
            assert!(!fits("/users/{id}/orders", path), "{path}");
        }
        assert!(fits("/files/{rest...}", "/files/a/b") && fits("/files/{rest...}", "/files/"));
        assert!(fits("/files/{rest...}", "/files") && !fits("/files/{rest...}", "/file"));
        assert!(fits("/", "/") && !fits("/", "/a"));
    }

    #[test]
    fn mistakes_are_told() {
        for (template, told) in [
            ("users", "slash"),
            ("/a/{}", "without a name"),
            ("/a/{b...}/c", "nothing can follow"),
            ("/a/b{c}", "only a part"),
        ] {
            assert!(Template::parse(template).unwrap_err().contains(told), "{template}");
        }
    }
}
