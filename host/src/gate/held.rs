//! Requests held back: a future each, and the thread that lets them go when the policy says.
//!
//! The order in which they go is the policy's. The thread sleeps until the next one may go, and for good while nobody waits.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use super::{Gate, Inner, Verdict};
use crate::{decision::Ticket, error::Error, instance::Purpose, time::Timestamp};

/// Tokens that come back are noticed after this at the latest.
const LONGEST_SLEEP: Duration = Duration::from_millis(20);
/// As exactly as it pays to sleep.
const SHORTEST_SLEEP: Duration = Duration::from_micros(200);

/// A request that is held back. It ends with what has become of it, or with nothing when the policy has lost its queue, since it was
/// replaced or failed: then ask again. Dropping it takes the request out of the queue.
#[derive(Debug)]
#[must_use = "a request that nobody waits for has left the queue"]
pub struct Held {
    gate: Gate,
    ticket: Ticket,
    has_ended: bool,
}

/// Who waits.
#[derive(Debug, Default)]
pub(super) struct Room {
    seats: Mutex<Seats>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct Seats {
    by_ticket: HashMap<Ticket, Seat>,
    is_rung: bool,
    is_closed: bool,
}

#[derive(Debug)]
struct Seat {
    since: Instant,
    waker: Option<Waker>,
    end: Option<End>,
}

/// What becomes of who waits.
#[derive(Debug)]
enum End {
    Decided(Box<Verdict>),
    /// The queue is no more.
    Lost,
}

impl Room {
    /// To be called before anybody can let the request go: under the lock of its shard.
    pub(super) fn seat(&self, ticket: Ticket) {
        let seat = Seat { since: Instant::now(), waker: None, end: None };
        self.seats().by_ticket.insert(ticket, seat);
    }

    /// There is something new to wait for.
    pub(super) fn ring(&self) {
        self.seats().is_rung = true;
        self.bell.notify_one();
    }

    /// The queue of a shard's instance is no more.
    pub(super) fn lose(&self, shard: u16) {
        let mut seats = self.seats();
        let lost = seats.by_ticket.iter_mut().filter(|(ticket, _)| ticket.0.shard == shard);
        let wakers: Vec<Waker> = lost.filter_map(|(_, seat)| seat.end(End::Lost)).collect();
        drop(seats);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The gate is no more.
    pub(super) fn close(&self) {
        self.seats().is_closed = true;
        self.bell.notify_one();
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until there is something new, or for so long. False when the gate is no more.
    fn sleep(&self, at_most: Option<Duration>) -> bool {
        let mut seats = self.seats();
        while !seats.is_rung && !seats.is_closed {
            seats = match at_most {
                Some(time) => {
                    let woken = self.bell.wait_timeout(seats, time).unwrap_or_else(PoisonError::into_inner);
                    if woken.1.timed_out() {
                        return !woken.0.is_closed;
                    }
                    woken.0
                }
                None => self.bell.wait(seats).unwrap_or_else(PoisonError::into_inner),
            };
        }
        seats.is_rung = false;
        !seats.is_closed
    }
}

impl Seat {
    /// Returns whom to wake, once the seats are free for others.
    fn end(&mut self, end: End) -> Option<Waker> {
        self.end.get_or_insert(end);
        self.waker.take()
    }
}

impl Gate {
    /// A request waits under this ticket; without one it only would, if anything were enforced.
    pub(super) fn wait(&self, ticket: Option<Ticket>) -> Option<Held> {
        self.inner.room.ring();
        ticket.map(|ticket| Held { gate: self.clone(), ticket, has_ended: false })
    }

    /// Lets those go whose time has come, and tells when to come again.
    fn let_go(&self, now: Timestamp) -> Option<Duration> {
        for shard in &self.inner.shards {
            let released = self.on(shard, |state| {
                let place = state.place(shard.index);
                let released = state.timed(now, |instance, now| {
                    instance.call(Purpose::Decision, |policy, store| policy.http().release(store, now))
                })?;
                Ok((place, released))
            });
            let Ok((place, released)) = released else { continue };
            for let_go in released {
                let verdict = Verdict::new(place, let_go.verdict);
                self.tell(Ticket(place.with(let_go.ticket)), verdict, now);
            }
        }
        self.next_release(now).map(|nanos| Duration::from_nanos(nanos).clamp(SHORTEST_SLEEP, LONGEST_SLEEP))
    }

    fn tell(&self, ticket: Ticket, verdict: Verdict, now: Timestamp) {
        let mut seats = self.inner.room.seats();
        if let Some(seat) = seats.by_ticket.get_mut(&ticket) {
            self.inner.counters.count(&verdict);
            self.inner.counters.count_delay(seat.since.elapsed());
            let waker = seat.end(End::Decided(Box::new(verdict)));
            drop(seats);
            waker.into_iter().for_each(Waker::wake);
            return;
        }
        drop(seats);
        // It was never held back, or its client has just gone: what it holds comes back.
        if let Some(receipt) = verdict.receipt {
            self.settle_response(receipt, |_| None, now);
        }
    }
}

/// Lets requests go until the gate is gone.
pub(super) fn watch(gate: Weak<Inner>, room: Arc<Room>) -> Result<(), Error> {
    let run = move || {
        loop {
            let Some(inner) = gate.upgrade() else { return };
            let next = Gate { inner }.let_go(Timestamp::now());
            if !room.sleep(next) {
                return;
            }
        }
    };
    thread::Builder::new().name("tidegate-release".into()).spawn(run).map(drop).map_err(Error::Thread)
}

impl Future for Held {
    type Output = Option<Verdict>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Verdict>> {
        let this = self.get_mut();
        let mut seats = this.gate.inner.room.seats();
        let ended = match seats.by_ticket.get_mut(&this.ticket) {
            Some(Seat { end: None, waker, .. }) => {
                *waker = Some(context.waker().clone());
                return Poll::Pending;
            }
            Some(_) => seats.by_ticket.remove(&this.ticket),
            None => None,
        };
        drop(seats);
        this.has_ended = true;
        Poll::Ready(match ended.and_then(|seat| seat.end) {
            Some(End::Decided(verdict)) => Some(*verdict),
            Some(End::Lost) | None => None,
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let seat = self.gate.inner.room.seats().by_ticket.remove(&self.ticket);
        match seat.and_then(|seat| seat.end) {
            // Let go, and gone.
            Some(End::Decided(verdict)) => {
                if let Some(receipt) = verdict.receipt {
                    self.gate.settle_response(receipt, |_| None, Timestamp::now());
                }
            }
            Some(End::Lost) => {}
            None => {
                self.gate.cancel(self.ticket);
            }
        }
    }
}
