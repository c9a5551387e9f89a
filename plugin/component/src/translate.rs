//! The core's words in the world's types, and the other way round.

use tidegate_core::{
    Admission, Alternatives, Class, Decision, Demand, Reason, Receipt, Refusal, ResourceSetup, SafeBudget,
    Setup, Source, TableState, Ticket, Waiting, gate::Label, outcome::Response, units::MicroRate,
};

use crate::bindings::exports::tidegate::admission::{allocation, http, types, upkeep};

impl From<types::Class> for Class {
    fn from(class: types::Class) -> Self {
        match class {
            types::Class::Critical => Self::Critical,
            types::Class::Standard => Self::Standard,
            types::Class::Deferrable => Self::Deferrable,
        }
    }
}

impl From<types::Demand> for Demand {
    fn from(demand: types::Demand) -> Self {
        Self { resource: demand.resource, cost: demand.cost, estimated: demand.estimated }
    }
}

impl From<Decision> for types::Decision {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Admit(admission) => Self::Admit(admission.into()),
            Decision::Wait(waiting) => Self::Wait(waiting.into()),
            Decision::Refuse(refusal) => Self::Refuse(refusal.into()),
        }
    }
}

impl From<Admission> for types::Admission {
    fn from(admission: Admission) -> Self {
        let source = match admission.source {
            Source::Guaranteed => types::Source::Guaranteed,
            Source::Opportunistic => types::Source::Opportunistic,
            Source::Emergency => types::Source::Emergency,
        };
        let receipt = admission.receipt.map(Receipt::to_u64);
        Self { tier: admission.tier, source, receipt, granted: admission.granted }
    }
}

impl From<Waiting> for types::Waiting {
    fn from(waiting: Waiting) -> Self {
        let ticket = Ticket::to_u64(waiting.ticket);
        Self { tier: waiting.tier, ticket, expected_ns: waiting.expected_ns }
    }
}

impl From<Refusal> for types::Refusal {
    fn from(refusal: Refusal) -> Self {
        let reason = match refusal.reason {
            Reason::Contract => types::Reason::Contract,
            Reason::Pool => types::Reason::Pool,
            Reason::Malformed => types::Reason::Malformed,
        };
        let Refusal { tier, resource, retry_after_ns, .. } = refusal;
        Self { tier, resource, reason, retry_after_ns }
    }
}

impl From<types::Refusal> for Refusal {
    fn from(refusal: types::Refusal) -> Self {
        let reason = match refusal.reason {
            types::Reason::Contract => Reason::Contract,
            types::Reason::Pool => Reason::Pool,
            types::Reason::Malformed => Reason::Malformed,
        };
        let types::Refusal { tier, resource, retry_after_ns, .. } = refusal;
        Self { tier, resource, reason, retry_after_ns }
    }
}

impl From<allocation::Setup> for Setup {
    fn from(setup: allocation::Setup) -> Self {
        let resource = |resource: allocation::ResourceSetup| ResourceSetup {
            name: resource.name,
            safe: resource
                .safe
                .map(|safe| SafeBudget { capacity: MicroRate(safe.micro_per_s), burst: safe.burst }),
        };
        Self {
            resources: setup.resources.into_iter().map(resource).collect(),
            max_unknown_keys: setup.max_unknown_keys,
            max_receipts: setup.max_receipts,
            max_waiting: setup.max_waiting,
            receipt_ttl_ms: setup.receipt_ttl_ms,
            report_interval_ms: setup.report_interval_ms,
        }
    }
}

impl From<Alternatives> for allocation::Alternatives {
    fn from(alternatives: Alternatives) -> Self {
        let Alternatives { smaller_permille, as_critical, next_step_ns } = alternatives;
        Self { smaller_permille, as_critical, next_step_ns }
    }
}

impl From<TableState> for upkeep::TableState {
    fn from(state: TableState) -> Self {
        match state {
            TableState::Absent => Self::Absent,
            TableState::Live => Self::Live,
            TableState::Stale => Self::Stale,
        }
    }
}

impl From<Label> for http::Label {
    fn from(label: Label) -> Self {
        match label {
            Label::Guaranteed => Self::Guaranteed,
            Label::Opportunistic => Self::Opportunistic,
            Label::Emergency => Self::Emergency,
            Label::Waiting => Self::Waiting,
            Label::Delayed => Self::Delayed,
            Label::Skipped => Self::Skipped,
            Label::FailOpen => Self::FailOpen,
            Label::RefusedContract => Self::RefusedContract,
            // A configuration that asks for the last three is refused here.
            Label::RefusedPool | Label::Tagged | Label::Downgraded | Label::Rerouted => Self::RefusedPool,
            Label::FailClosed => Self::FailClosed,
        }
    }
}

impl From<Response> for http::Response {
    fn from(response: Response) -> Self {
        let header = |(name, value): (&str, String)| http::Header { name: name.to_owned(), value };
        Self {
            status: response.status,
            headers: response.headers.into_iter().map(header).collect(),
            body: response.body,
        }
    }
}
