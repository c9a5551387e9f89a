//! What a refused client sees: status, Retry-After and a problem document (RFC 9457).
//!
//! 429 when the customer's own contract refuses, 503 when the shared capacity is short, with the problem types of
//! draft-ietf-httpapi-ratelimit-headers-11. Retry-After (RFC 9110, section 10.2.3) is whole seconds, rounded up, so
//! that whoever obeys it is not early; it is left out when waiting would not help.

mod alternatives;
mod ratelimit;
mod warning;

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use alternatives::Offer;
pub(crate) use ratelimit::fields as ratelimit_fields;
use serde::Serialize;
pub(crate) use warning::field as warning_field;

use crate::allocator::{Allocator, Alternatives, Demand, Reason, Refusal};

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A complete answer to a refused request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Header names and values.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

/// What an answer tells beside the refusal itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'a> {
    /// The decision's id.
    pub(crate) id: &'a str,
    /// What the request could have instead, where the configuration wants that told.
    pub(crate) alternatives: Option<Alternatives>,
    /// What it asked for.
    pub(crate) demands: &'a [Demand],
}

/// The header with a decision's id.
pub(crate) const DECISION_ID: &str = "x-tidegate-decision-id";

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    decision: &'a str,
    tier: &'a str,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
    /// As the draft names it.
    #[serde(rename = "violated-policies", skip_serializing_if = "Option::is_none")]
    violated_policies: Option<[&'a str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alternatives: Option<Offer<'a>>,
}

const QUOTA: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
const SHORTAGE: &str = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";

/// The answer to a refusal.
pub(crate) fn refused(refusal: &Refusal, allocator: &Allocator, told: &Told<'_>) -> Response {
    let tier = allocator.tier_name(refusal.tier);
    let resource = allocator.resource_name(refusal.resource);
    let retry_after_s = refusal.retry_after_ns.map(|nanos| nanos.div_ceil(NANOS_PER_SECOND).max(1));
    let (status, r#type, title, reason) = match refusal.reason {
        Reason::Contract => (429, QUOTA, "Quota exceeded", "contract"),
        Reason::Pool => (503, SHORTAGE, "Capacity is short", "pool"),
        Reason::Malformed => (503, SHORTAGE, "Capacity is short", "malformed"),
    };
    let what = match (refusal.reason, retry_after_s) {
        (Reason::Contract, Some(_)) => format!("The {tier} contract for {resource} is used up for now."),
        (Reason::Contract, None) => {
            format!("The request asks for more {resource} than the {tier} contract ever allows at once.")
        }
        (Reason::Pool, Some(_)) => format!("The shared capacity of {resource} is used up for now."),
        (Reason::Pool, None) => {
            format!("The request asks for more {resource} than is ever available at once.")
        }
        (Reason::Malformed, _) => String::from("The request asks for a resource that does not exist."),
    };
    let resource = Some(resource).filter(|name| !name.is_empty());
    let violated_policies = resource.filter(|_| refusal.reason == Reason::Contract).map(|name| [name]);
    let detail = what;
    let offer = |instead| Offer::new(&instead, refusal, told.demands, allocator);
    render(&Problem {
        r#type,
        title,
        status,
        detail,
        decision: told.id,
        tier,
        reason,
        resource,
        retry_after_s,
        violated_policies,
        alternatives: told.alternatives.map(offer),
    })
}

/// What every response tells of its request's decision, where the configuration wants it: header names and values.
pub(crate) fn told(label: &str, tier: &str) -> [(&'static str, String); 2] {
    [("x-tidegate-decision", label.to_owned()), ("x-tidegate-tier", tier.to_owned())]
}

/// The answer when there is no valid table and the fail mode is closed.
pub(crate) fn no_table(tier: &str, id: &str) -> Response {
    render(&Problem {
        r#type: SHORTAGE,
        title: "Capacity is unknown",
        status: 503,
        detail: String::from(
            "No plan is in force at this proxy, and it is configured to refuse requests then.",
        ),
        decision: id,
        tier,
        reason: "no_table",
        resource: None,
        retry_after_s: Some(1),
        violated_policies: None,
        alternatives: None,
    })
}

fn render(problem: &Problem<'_>) -> Response {
    let mut headers = alloc::vec![("content-type", String::from("application/problem+json"))];
    headers.extend(problem.retry_after_s.map(|seconds| ("retry-after", format!("{seconds}"))));
    Response { status: problem.status, headers, body: serde_json::to_string(problem).unwrap_or_default() }
}
