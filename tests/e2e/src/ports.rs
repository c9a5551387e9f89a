//! Free loopback ports, from below the range that the kernel hands to outgoing connections.
//!
//! A server of the rig may be killed and started again on its port: nobody else may take it meanwhile, least of all
//! a client that keeps trying to connect to it (which can even end up connected to itself).

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::atomic::{AtomicU16, Ordering},
};

use anyhow::{Result, bail};

const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A loopback address that nobody listens on and that this process has not handed out before.
///
/// # Errors
/// When every port of the range is taken.
pub fn free() -> Result<SocketAddr> {
    // Processes that run at the same time begin at different places.
    let offset = (u64::from(std::process::id()) * 97 % u64::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST + (offset + step) % COUNT));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no free port between {FIRST} and {}", FIRST + COUNT)
}
