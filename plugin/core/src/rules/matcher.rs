//! Which requests a rule is for. Everything that is said must hold.

use alloc::{string::String, vec::Vec};

use super::template::Template;
use crate::attributes::Attributes;

/// The property that names the route; others that Envoy had for it before version 1.33 are gone.
pub const ROUTE_NAME: [&str; 2] = ["xds", "route_name"];

/// A test of one header, or of an attribute of the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderMatch {
    /// It is there, whatever it says.
    Present,
    /// It says exactly this.
    Exact(String),
    /// It begins with this.
    Prefix(String),
}

/// Which requests a rule is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matcher {
    /// The methods, any when there are none.
    pub methods: Vec<String>,
    /// The path begins with this.
    pub path_prefix: Option<String>,
    /// The path fits one of these, any when there are none.
    pub path_templates: Vec<Template>,
    /// The authority, any when there are none.
    pub authorities: Vec<String>,
    /// Tests of headers.
    pub headers: Vec<(String, HeaderMatch)>,
    /// Tests of attributes of the proxy, by their names from the outermost on.
    pub properties: Vec<(Vec<String>, HeaderMatch)>,
    /// The name of the route as the proxy knows it.
    pub route: Option<String>,
}

impl Matcher {
    /// Whether a request is meant.
    pub fn matches<A: Attributes + ?Sized>(&self, attributes: &A) -> bool {
        let one_of = |allowed: &[String], name: &str| {
            allowed.is_empty()
                || attributes.header(name).is_some_and(|value| {
                    allowed.iter().any(|allowed| value.eq_ignore_ascii_case(allowed.as_bytes()))
                })
        };
        let path = attributes.path().unwrap_or_default();
        one_of(&self.methods, ":method")
            && self.path_prefix.as_ref().is_none_or(|prefix| path.starts_with(prefix.as_bytes()))
            && (self.path_templates.is_empty()
                || self.path_templates.iter().any(|template| template.fits(path)))
            && one_of(&self.authorities, ":authority")
            && self.headers.iter().all(|(name, wanted)| wanted.holds(attributes.header(name)))
            && self.properties.iter().all(|(names, wanted)| {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                wanted.holds(attributes.property(&names).as_deref())
            })
            && self.route.as_ref().is_none_or(|route| {
                attributes.property(&ROUTE_NAME).is_some_and(|name| name == route.as_bytes())
            })
    }
}

impl HeaderMatch {
    fn holds(&self, value: Option<&[u8]>) -> bool {
        match (self, value) {
            (_, None) => false,
            (Self::Present, Some(_)) => true,
            (Self::Exact(text), Some(value)) => text.as_bytes() == value,
            (Self::Prefix(text), Some(value)) => value.starts_with(text.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec};

    use super::*;

    #[test]
    fn everything_that_is_said_must_hold() {
        let request: Vec<(String, Vec<u8>)> = [
            (":method", "POST"),
            (":path", "/v1/chat?a=1"),
            (":authority", "API.example"),
            ("x-model", "gpt-4o"),
        ]
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .to_vec();
        let matches = |matcher: &Matcher| matcher.matches(request.as_slice());
        let none = Matcher::default();
        assert!(matches(&none));
        let all = Matcher {
            methods: vec!["GET".into(), "POST".into()],
            path_prefix: Some("/v1/".into()),
            path_templates: vec![Template::parse("/v1/{what}").unwrap()],
            authorities: vec!["api.example".into()],
            headers: vec![
                ("x-model".into(), HeaderMatch::Prefix("gpt-".into())),
                ("x-model".into(), HeaderMatch::Present),
                ("x-model".into(), HeaderMatch::Exact("gpt-4o".into())),
            ],
            properties: Vec::new(),
            route: None,
        };
        assert!(matches(&all));
        for wrong in [
            Matcher { methods: vec!["GET".into()], ..all.clone() },
            Matcher { path_prefix: Some("/v2/".into()), ..all.clone() },
            Matcher { path_templates: vec![Template::parse("/v1").unwrap()], ..all.clone() },
            Matcher { authorities: vec!["other".into()], ..all.clone() },
            Matcher { headers: vec![("x-missing".into(), HeaderMatch::Present)], ..all.clone() },
            Matcher { route: Some("unknown here".into()), ..all.clone() },
            Matcher { properties: vec![(vec!["xds".into()], HeaderMatch::Present)], ..all.clone() },
        ] {
            assert!(!matches(&wrong), "{wrong:?}");
        }
    }

    #[test]
    fn routes_and_properties_are_asked_of_the_proxy() {
        /// A proxy that knows the route and one piece of its metadata.
        struct Proxy;
        impl Attributes for Proxy {
            fn header(&self, _: &str) -> Option<&[u8]> {
                None
            }

            fn property(&self, names: &[&str]) -> Option<Vec<u8>> {
                match names {
                    ["xds", "route_name"] => Some(b"chat".to_vec()),
                    ["xds", "route_metadata", "limit"] => Some(b"strict".to_vec()),
                    _ => None,
                }
            }
        }
        let route = |name: &str| Matcher { route: Some(name.into()), ..Matcher::default() };
        assert!(route("chat").matches(&Proxy) && !route("other").matches(&Proxy));
        let metadata = |last: &str, wanted| {
            let names = ["xds", "route_metadata", last].map(Into::into).to_vec();
            Matcher { properties: vec![(names, wanted)], ..Matcher::default() }.matches(&Proxy)
        };
        assert!(metadata("limit", HeaderMatch::Exact("strict".into())));
        assert!(metadata("limit", HeaderMatch::Prefix("str".into())));
        assert!(!metadata("limit", HeaderMatch::Exact("loose".into())));
        assert!(!metadata("other", HeaderMatch::Present));
    }
}
