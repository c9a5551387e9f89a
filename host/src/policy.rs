//! What an instance can be asked, whichever way it is called: by the component model, as anybody's component of the world is, or
//! directly, where the core module inside offers the same functions as plain exports.

use wasmtime::Store;

use crate::{
    bindings::{
        self,
        exports::tidegate::admission::{
            allocation::{Alternatives, Released, Setup},
            http::{Attribute, LetGo, Verdict},
            sync::Message,
            types::{Ask, Cost, Decision, Refusal, Request},
            upkeep::{Progress, Standing, UsageReport},
        },
    },
    direct::Direct,
    limits::Meter,
};

type Values = [Option<Vec<u8>>];

/// An instance's functions.
pub(crate) enum Policy {
    /// By the component model.
    Canonical(Box<bindings::Policy>),
    /// Without it.
    Direct(Direct),
}

/// One interface of the world: a type whose methods are its functions, and their names for [`Direct`].
macro_rules! interface {
    ($number:literal $part:ident $Interface:ident $whole:ident {
        $($function:ident $original:ident($($argument:ident: $type:ty),*) -> $result:ty;)*
    }) => {
        #[doc = concat!("The interface `", stringify!($part), "`.")]
        pub(crate) struct $Interface<'p>(&'p mut Policy);

        impl Policy {
            pub(crate) const fn $part(&mut self) -> $Interface<'_> {
                $Interface(self)
            }
        }

        impl $Interface<'_> {
            $(pub(crate) fn $function(
                self,
                store: &mut Store<Meter>,
                $($argument: $type),*
            ) -> wasmtime::Result<$result> {
                match self.0 {
                    Policy::Canonical(policy) => policy.$whole().$original(store, $($argument),*),
                    Policy::Direct(direct) => {
                        let function = ($number, $part::Function::$function as usize);
                        direct.call(store, function, &($($argument,)*))
                    }
                }
            })*
        }

        mod $part {
            /// Numbered in their order.
            #[allow(non_camel_case_types, reason = "named as they are")]
            pub(super) enum Function {
                $($function),*
            }

            pub(super) const NAMES: &[&str] =
                &[$(concat!("direct:", stringify!($part), "#", stringify!($function))),*];
        }
    };
}

interface!(0 allocation Allocation tidegate_admission_allocation {
    start call_start(setup: &Setup, now: u64) -> ();
    intern call_intern(keys: &[Vec<u8>]) -> u32;
    decide call_decide(ask: Ask, now: u64) -> Decision;
    decide_batch call_decide_batch(asks: &[Ask], now: u64) -> Vec<Decision>;
    decide_request call_decide_request(request: &Request, now: u64) -> Decision;
    settle call_settle(receipt: u64, actual: &[Cost], now: u64) -> bool;
    release call_release(now: u64) -> Vec<Released>;
    next_release call_next_release(now: u64) -> Option<u64>;
    cancel call_cancel(ticket: u64) -> bool;
    explain call_explain(key: &[u8], now: u64) -> String;
    instead call_instead(request: &Request, refusal: Refusal, now: u64) -> Alternatives;
});

interface!(1 upkeep Upkeep tidegate_admission_upkeep {
    stage call_stage(table: &[u8], now: u64) -> Result<(), String>;
    install call_install(keys: u32, now: u64) -> Progress;
    join_crew call_join_crew(workers: u32, cells: u32, now: u64) -> ();
    give_back call_give_back(now: u64) -> ();
    set_share call_set_share(part: u64, whole: u64, now: u64) -> ();
    fullness call_fullness(now: u64) -> u32;
    drain call_drain(now: u64) -> ();
    advance call_advance(now: u64) -> ();
    set_report_interval call_set_report_interval(interval_ms: u32) -> ();
    identify call_identify(boot: u64) -> ();
    report call_report(boot: u64) -> Option<UsageReport>;
    describe call_describe() -> Standing;
    tiers call_tiers() -> Vec<String>;
});

interface!(2 http Http tidegate_admission_http {
    configure call_configure(config: &[u8], now: u64) -> Result<(), Vec<String>>;
    attributes call_attributes() -> Vec<Attribute>;
    response_headers call_response_headers() -> Vec<String>;
    admit call_admit(values: &Values, holds: bool, now: u64) -> Verdict;
    release call_release(now: u64) -> Vec<LetGo>;
    rules call_rules() -> Vec<String>;
    settle call_settle(receipt: u64, values: &Values, now: u64) -> ();
});

interface!(3 sync Sync tidegate_admission_sync {
    address call_address() -> Option<String>;
    hello call_hello(boot: u64, epoch: u64, snapshot_epoch: u64) -> Option<Vec<u8>>;
    receive call_receive(kind: i32, payload: &[u8]) -> Message;
    acknowledge_table call_acknowledge_table(epoch: u64, snapshot_epoch: u64, error: Option<&str>) -> Vec<u8>;
});

/// Names of the plain exports, by interface.
pub(crate) const DIRECT: [&[&str]; 4] = [allocation::NAMES, upkeep::NAMES, http::NAMES, sync::NAMES];

#[cfg(test)]
mod tests;
