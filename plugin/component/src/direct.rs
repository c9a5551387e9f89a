//! The world's functions once more, as plain exports of the core module: for a host that calls the module inside the component
//! itself, because a call through the component model costs it more than a decision.
//!
//! A host writes the arguments, a [postcard](https://postcard.jamesmunns.com/wire-format) tuple of the world's types, where
//! `direct-room` says, and calls with their length; it gets the address (upper half) and the length (lower half) of the result, written the
//! same way. The instance's state is the same whichever way it is called, but a host has to stay with one.

#![allow(unsafe_code, reason = "an export keeps its name only by an attribute that counts as unsafe")]

use std::cell::RefCell;

use serde::{Deserialize, Deserializer, Serialize};

use crate::bindings::Policy;

/// Room for the arguments of most calls; it stays where it is.
const ROOM_BYTES: usize = 4 << 10;
/// A longer result gives its memory back.
const KEPT_BYTES: usize = 64 << 10;
/// The arguments are no tuple of the function's types.
const MISUNDERSTOOD: u64 = u64::MAX;

struct Rooms {
    usual: Vec<u8>,
    /// For arguments that are longer, once.
    large: Vec<u8>,
    result: Vec<u8>,
}

thread_local! {
    static ROOMS: RefCell<Rooms> =
        const { RefCell::new(Rooms { usual: Vec::new(), large: Vec::new(), result: Vec::new() }) };
}

/// Where to write the arguments of the next call if they are of `length` bytes, in the upper half, and how many have room there, in
/// the lower half. What `room(0)` returns stays true.
#[unsafe(export_name = "direct-room@0.1.0")]
extern "C" fn room(length: u32) -> u64 {
    ROOMS.with_borrow_mut(|rooms| {
        rooms.usual.resize(ROOM_BYTES, 0);
        let room = if length as usize > ROOM_BYTES { &mut rooms.large } else { &mut rooms.usual };
        room.resize(ROOM_BYTES.max(length as usize), 0);
        place(room)
    })
}

/// Runs `act` on the arguments.
fn call<A: for<'de> Deserialize<'de>, R: Serialize>(length: u32, act: impl FnOnce(A) -> R) -> u64 {
    ROOMS.with_borrow_mut(|rooms| {
        let large = std::mem::take(&mut rooms.large);
        let room = if length as usize > ROOM_BYTES { &large } else { &rooms.usual };
        let arguments = room.get(..length as usize).map(postcard::from_bytes::<A>);
        let Some(Ok(arguments)) = arguments else { return MISUNDERSTOOD };
        drop(large);
        let mut result = std::mem::take(&mut rooms.result);
        if result.capacity() > KEPT_BYTES {
            result = Vec::new();
        }
        result.clear();
        let Ok(result) = postcard::to_extend(&act(arguments), result) else { return MISUNDERSTOOD };
        rooms.result = result;
        place(&rooms.result)
    })
}

/// A list of bytes that may be long: copied once, as it is.
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&[u8]>::deserialize(deserializer).map(|bytes| Self(bytes.to_vec()))
    }
}

fn place(bytes: &[u8]) -> u64 {
    (bytes.as_ptr() as u64) << 32 | bytes.len() as u64
}

macro_rules! direct {
    ($interface:ident { $($name:literal $function:ident = $call:expr;)* }) => {
        mod $interface {
            #[allow(unused_imports, reason = "not every interface takes long bytes")]
            use super::{Bytes, Policy, call};
            use crate::bindings::exports::tidegate::admission::$interface::Guest;

            $(#[unsafe(export_name = $name)]
            extern "C" fn $function(length: u32) -> u64 {
                call(length, $call)
            })*
        }
    };
}

direct!(allocation {
    "direct:allocation#start" start = |(setup, now)| Policy::start(setup, now);
    "direct:allocation#intern" intern = |(keys,)| Policy::intern(keys);
    "direct:allocation#decide" decide = |(ask, now)| Policy::decide(ask, now);
    "direct:allocation#decide_batch" decide_batch = |(asks, now)| Policy::decide_batch(asks, now);
    "direct:allocation#decide_request" decide_request = |(request, now)| Policy::decide_request(request, now);
    "direct:allocation#settle" settle = |(receipt, actual, now)| Policy::settle(receipt, actual, now);
    "direct:allocation#release" release = |(now,)| Policy::release(now);
    "direct:allocation#next_release" next_release = |(now,)| Policy::next_release(now);
    "direct:allocation#cancel" cancel = |(ticket,)| Policy::cancel(ticket);
    "direct:allocation#explain" explain = |(key, now)| Policy::explain(key, now);
    "direct:allocation#instead" instead = |(request, refusal, now)| Policy::instead(request, refusal, now);
});

direct!(upkeep {
    "direct:upkeep#stage" stage = |(Bytes(table), now)| Policy::stage(table, now);
    "direct:upkeep#install" install = |(keys, now)| Policy::install(keys, now);
    "direct:upkeep#join_crew" join_crew = |(workers, cells, now)| Policy::join_crew(workers, cells, now);
    "direct:upkeep#give_back" give_back = |(now,)| Policy::give_back(now);
    "direct:upkeep#set_share" set_share = |(part, whole, now)| Policy::set_share(part, whole, now);
    "direct:upkeep#fullness" fullness = |(now,)| Policy::fullness(now);
    "direct:upkeep#drain" drain = |(now,)| Policy::drain(now);
    "direct:upkeep#advance" advance = |(now,)| Policy::advance(now);
    "direct:upkeep#set_report_interval" set_report_interval = |(interval_ms,)| Policy::set_report_interval(interval_ms);
    "direct:upkeep#identify" identify = |(boot,)| Policy::identify(boot);
    "direct:upkeep#report" report = |(boot,)| Policy::report(boot);
    "direct:upkeep#describe" describe = |()| Policy::describe();
    "direct:upkeep#tiers" tiers = |()| Policy::tiers();
});

direct!(http {
    "direct:http#configure" configure = |(config, now)| Policy::configure(config, now);
    "direct:http#attributes" attributes = |()| Policy::attributes();
    "direct:http#response_headers" response_headers = |()| Policy::response_headers();
    "direct:http#admit" admit = |(values, holds, now)| Policy::admit(values, holds, now);
    "direct:http#release" release = |(now,)| Policy::release(now);
    "direct:http#rules" rules = |()| Policy::rules();
    "direct:http#settle" settle = |(receipt, values, now)| Policy::settle(receipt, values, now);
});

direct!(sync {
    "direct:sync#address" address = |()| Policy::address();
    "direct:sync#hello" hello = |(boot, epoch, snapshot_epoch)| Policy::hello(boot, epoch, snapshot_epoch);
    "direct:sync#receive" receive = |(kind, payload)| Policy::receive(kind, payload);
    "direct:sync#acknowledge_table" acknowledge_table = |(epoch, snapshot_epoch, error)| Policy::acknowledge_table(epoch, snapshot_epoch, error);
});
