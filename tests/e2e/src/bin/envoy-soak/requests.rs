//! Requests as bytes, many to a buffer: plain ones, and at the end of each buffer one that no good client would send.
//!
//! Envoy may answer the last with an error and close; since nothing stands behind it, nothing is lost with it.

use tidegate_e2e::load::Random;

use crate::place;

/// Requests of one buffer; the last is a hostile one.
pub(crate) const A_BATCH: u64 = 50;

/// Who asks: customers of the table, and keys that it does not know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    /// Distinct keys beside the customers.
    pub(crate) unknown: u64,
}

/// What a lane sends at once.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
    /// Where each request ends in them.
    pub(crate) ends: Vec<usize>,
    /// What is wrong with the last of them.
    pub(crate) hostile: Option<Hostile>,
}

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hostile {
    /// Bytes from 0x80 to 0xff as the key.
    BytesInKey,
    /// The same as cost and class.
    BytesInCost,
    /// A key of no characters.
    EmptyKey,
    /// Two keys.
    TwoKeys,
    /// A key of 8 KiB.
    LongKey,
    /// A path of 20 KiB.
    LongPath,
    /// A path beyond what Envoy takes.
    EndlessPath,
    /// A hundred and fifty headers.
    ManyHeaders,
    /// No host.
    NoHost,
    /// A method that nobody knows.
    OddMethod,
    /// A tunnel.
    Connect,
    /// No body in the answer.
    Head,
    /// A body in chunks.
    Chunks,
    /// Chunks that are none.
    BadChunks,
    /// Two lengths.
    TwoLengths,
    /// A control character in a value.
    Control,
    /// A cost that is no number.
    OddCost,
    /// A cost that no integer holds.
    HugeCost,
    /// Headers that are the plugin's own.
    OwnHeaders,
    /// An old client.
    OldVersion,
}

impl Hostile {
    pub(crate) const ALL: [Self; 20] = [
        Self::BytesInKey,
        Self::BytesInCost,
        Self::EmptyKey,
        Self::TwoKeys,
        Self::LongKey,
        Self::LongPath,
        Self::EndlessPath,
        Self::ManyHeaders,
        Self::NoHost,
        Self::OddMethod,
        Self::Connect,
        Self::Head,
        Self::Chunks,
        Self::BadChunks,
        Self::TwoLengths,
        Self::Control,
        Self::OddCost,
        Self::HugeCost,
        Self::OwnHeaders,
        Self::OldVersion,
    ];

    fn write(self, key: &str, random: &mut Random, to: &mut Vec<u8>) {
        let odd =
            |random: &mut Random| -> Vec<u8> { (0..24).map(|_| 0x80 + below(random, 128) as u8).collect() };
        let get = |path: &[u8], headers: &[&[u8]]| {
            let host: &[u8] = b"host: soak\r\n";
            let parts = [b"GET ", path, b" HTTP/1.1\r\n", host].into_iter().chain(headers.iter().copied());
            [&parts.collect::<Vec<_>>().concat(), b"\r\n".as_slice()].concat()
        };
        let keyed = format!("x-customer: {key}\r\n");
        let keyed = keyed.as_bytes();
        let post =
            |more: &str| format!("POST / HTTP/1.1\r\nhost: soak\r\nx-customer: {key}\r\n{more}").into_bytes();
        let bytes = match self {
            Self::BytesInKey => get(b"/", &[b"x-customer: ", &odd(random), b"\r\n"]),
            Self::BytesInCost => {
                let (cost, class) = (odd(random), odd(random));
                get(b"/", &[keyed, b"x-cost: ", &cost, b"\r\nx-priority: ", &class, b"\r\n"])
            }
            Self::EmptyKey => get(b"/", &[b"x-customer:\r\n"]),
            Self::TwoKeys => get(b"/", &[keyed, b"x-customer: customer-001\r\n", keyed]),
            Self::LongKey => get(b"/", &[b"x-customer: ", key.as_bytes(), &[b'k'; 8 << 10], b"\r\n"]),
            Self::LongPath => get(&[b"/".as_slice(), &[b'p'; 20 << 10]].concat(), &[keyed]),
            Self::EndlessPath => get(&[b"/".as_slice(), &[b'p'; 70 << 10]].concat(), &[keyed]),
            Self::ManyHeaders => get(b"/", &[keyed, b"x-more: of the same\r\n".repeat(150).as_slice()]),
            Self::NoHost => [b"GET / HTTP/1.1\r\n", keyed, b"\r\n"].concat(),
            Self::OddMethod => [b"BREW / HTTP/1.1\r\nhost: soak\r\n", keyed, b"\r\n"].concat(),
            Self::Connect => [b"CONNECT soak:80 HTTP/1.1\r\nhost: soak:80\r\n", keyed, b"\r\n"].concat(),
            Self::Head => [b"HEAD / HTTP/1.1\r\nhost: soak\r\n", keyed, b"\r\n"].concat(),
            Self::Chunks => post("transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
            Self::BadChunks => post("transfer-encoding: chunked\r\n\r\nzzz\r\nhello\r\n"),
            Self::TwoLengths => post("content-length: 3\r\ncontent-length: 5\r\n\r\nhello"),
            Self::Control => get(b"/", &[keyed, b"x-cost: 1\x01\r\n"]),
            Self::OddCost => {
                let costs = ["", "-1", "+2", "1.5", "0x10", " 3 ", "1e9", "NaN", "0"];
                let cost = costs.get(below(random, costs.len() as u64) as usize).copied().unwrap_or_default();
                get(b"/", &[keyed, b"x-cost: ", cost.as_bytes(), b"\r\n"])
            }
            Self::HugeCost => get(b"/", &[keyed, b"x-cost: 99999999999999999999\r\n"]),
            Self::OwnHeaders => {
                get(b"/", &[keyed, b"x-tidegate-decision: guaranteed\r\nx-tidegate-tier: gold\r\n"])
            }
            Self::OldVersion => [b"GET / HTTP/1.0\r\nhost: soak\r\n", keyed, b"\r\n"].concat(),
        };
        to.extend_from_slice(&bytes);
    }
}

impl Batch {
    /// Writes so many requests, at least one, over what was there.
    pub(crate) fn refill(&mut self, requests: u64, crowd: Crowd, random: &mut Random) {
        self.bytes.clear();
        self.ends.clear();
        for _ in 1..requests {
            plain(crowd, random, &mut self.bytes);
            self.ends.push(self.bytes.len());
        }
        let kind = Hostile::ALL.get(below(random, Hostile::ALL.len() as u64) as usize).copied();
        if let Some(kind) = kind {
            kind.write(&format!("key-{}", below(random, crowd.unknown)), random, &mut self.bytes);
        }
        self.ends.push(self.bytes.len());
        self.hostile = kind;
    }
}

fn plain(crowd: Crowd, random: &mut Random, to: &mut Vec<u8>) {
    // One in a hundred is not limited at all.
    let path: &[u8] = if below(random, 100) == 0 { b"GET /health" } else { b"GET /direct" };
    to.extend_from_slice(path);
    to.extend_from_slice(b" HTTP/1.1\r\nhost: soak\r\nx-customer: ");
    let key = match below(random, 4) {
        0 => place::customer(below(random, place::CUSTOMERS)),
        _ => format!("key-{}", below(random, crowd.unknown)),
    };
    to.extend_from_slice(key.as_bytes());
    if below(random, 8) == 0 {
        to.extend_from_slice(b"\r\nx-cost: 3");
    }
    to.extend_from_slice(b"\r\n\r\n");
}

/// A whole number below a bound.
fn below(random: &mut Random, bound: u64) -> u64 {
    (random.unit() * bound as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_one_hostile_request_and_that_is_its_last() {
        let (mut batch, mut random, mut seen) = (Batch::default(), Random::new(3), Vec::new());
        for _ in 0..500 {
            batch.refill(10, Crowd { unknown: 1_000 }, &mut random);
            let text = String::from_utf8_lossy(&batch.bytes).into_owned();
            let begun: Vec<_> =
                text.match_indices("GET /direct ").chain(text.match_indices("GET /health ")).collect();
            assert_eq!((begun.len(), batch.ends.len()), (9, 10), "{text}");
            assert_eq!(batch.ends.last(), Some(&batch.bytes.len()));
            seen.extend(batch.hostile);
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, Hostile::ALL);
    }
}
