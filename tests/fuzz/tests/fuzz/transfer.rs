//! Tables on their way: whatever is lost, repeated, swapped or forged, only what was signed is put together, and a good
//! table still gets through.

use std::cell::Cell;

use anyhow::Result;
use ed25519_dalek::{Signer, SigningKey};
use tidegate_conformance::Choices;
use tidegate_core::transfer::{self, Announcement, Assembly, CHUNK_BYTES, Chunk};
use tidegate_fuzz::{Fuzz, Notes};

/// Messages as they travel.
#[derive(Clone)]
enum Message {
    Announcement(Vec<u8>),
    Chunk(Vec<u8>),
}

/// What arrived in whole.
type Received = Option<Vec<u8>>;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn messages(epoch: u64, table: &[u8], key: &SigningKey) -> Vec<Message> {
    let (announcement, chunks) =
        transfer::split(epoch, table, |message| key.sign(message).to_bytes().to_vec());
    let chunks = chunks.iter().map(|chunk| Message::Chunk(chunk.encode()));
    std::iter::once(Message::Announcement(announcement.encode())).chain(chunks).collect()
}

/// Hands a message to the assembly, as the plugin does. The text of the error is for notes.
fn deliver(assembly: &mut Assembly, message: &Message) -> Result<Received, String> {
    match message {
        Message::Announcement(bytes) => {
            let announcement = Announcement::decode(bytes).map_err(|error| error.to_string())?;
            assembly.announce(&announcement).map(|()| None).map_err(|error| error.to_string())
        }
        Message::Chunk(bytes) => {
            let chunk = Chunk::decode(bytes).map_err(|error| error.to_string())?;
            assembly.add(&chunk).map_err(|error| error.to_string())
        }
    }
}

/// Does something to messages on their way.
fn disturb(messages: &mut Vec<Message>, choices: &mut Choices<'_>) {
    let at = choices.below(messages.len() as u64) as usize;
    let Some(message) = messages.get(at).cloned() else { return };
    match choices.below(6) {
        0 => drop(messages.remove(at)),
        1 => messages.insert(at, message),
        2 => {
            let other = choices.below(messages.len() as u64) as usize;
            messages.swap(at, other);
        }
        3 => messages.truncate(at),
        _ => {
            if let Some(Message::Announcement(bytes) | Message::Chunk(bytes)) = messages.get_mut(at) {
                let place = choices.below(bytes.len().min(400) as u64) as usize;
                if let Some(byte) = bytes.get_mut(place) {
                    *byte = choices.below(256) as u8;
                }
                if choices.one_in(4) {
                    bytes.truncate(place);
                }
            }
        }
    }
}

/// A table and the messages that carry it, made once: hashing and signing take long.
struct Parcel {
    table: Vec<u8>,
    signed: Vec<Message>,
    forged: Vec<Message>,
}

impl Parcel {
    fn new(epoch: u8, bytes: usize) -> Self {
        let table = vec![epoch; bytes];
        let forger = SigningKey::from_bytes(&[8; 32]);
        let messages = |key| messages(u64::from(epoch), &table, key);
        Self { signed: messages(&key()), forged: messages(&forger), table }
    }
}

/// Two tables travel, the second perhaps forged; both disturbed. Then a third one comes as it should.
fn travel(input: &[u8], notes: &mut Notes, firsts: &[Parcel], seconds: &[Parcel], third: &Parcel) {
    let mut choices = Choices::of_bytes(input);
    let mut assembly = Assembly::new(Some(key().verifying_key()));
    let first = &firsts[choices.below(firsts.len() as u64) as usize];
    let second = &seconds[choices.below(seconds.len() as u64) as usize];
    let forged = choices.one_in(4);
    let mut all = first.signed.clone();
    all.extend_from_slice(if forged { &second.forged } else { &second.signed });
    for _ in 0..choices.below(5) {
        disturb(&mut all, &mut choices);
    }
    for message in &all {
        match deliver(&mut assembly, message) {
            Ok(None) => {}
            Ok(Some(bytes)) => {
                let signed = bytes == first.table || (bytes == second.table && !forged);
                assert!(signed, "{} bytes that nobody signed", bytes.len());
                notes.add("received");
            }
            Err(error) => notes.add(error),
        }
    }
    let received: Vec<Received> =
        third.signed.iter().map(|message| deliver(&mut assembly, message).unwrap()).collect();
    assert_eq!(received, [None, Some(third.table.clone())], "a good table gets through after all that");
}

#[test]
fn only_what_was_signed_is_put_together() -> Result<()> {
    let seeds = (0..24).map(|seed| {
        let mut choices = Choices::seeded(seed);
        (0..24).map(|_| choices.below(256) as u8).collect()
    });
    // What is in a table is nobody's concern here.
    let parcels = |epoch| [1, 100, CHUNK_BYTES, CHUNK_BYTES + 1].map(|bytes| Parcel::new(epoch, bytes));
    let (firsts, seconds, third) = (parcels(1), parcels(2), Parcel::new(3, 200));
    Fuzz::target("transfer", 100)
        .seeds(seeds)
        .run(|input, notes| travel(input, notes, &firsts, &seconds, &third))
}

/// Without a key anything that fits its own manifest is taken; announcements and chunks are any bytes.
#[test]
fn an_assembly_survives_any_messages() -> Result<()> {
    let most = Cell::new(0);
    let check = |input: &[u8], notes: &mut Notes| {
        let mut assembly = Assembly::new(None);
        let mut rest = input;
        while let [kind, length, more @ ..] = rest {
            let (bytes, after) = more.split_at((*length as usize).min(more.len()));
            let message = if kind % 2 == 0 {
                Message::Announcement(bytes.to_vec())
            } else {
                Message::Chunk(bytes.to_vec())
            };
            match deliver(&mut assembly, &message) {
                Ok(None) => {}
                Ok(Some(table)) => {
                    most.set(most.get().max(table.len()));
                    notes.add("received");
                }
                Err(error) => notes.add(error),
            }
            rest = after;
        }
    };
    let seed = |tables: &[&[u8]]| -> Vec<u8> {
        let mut input = Vec::new();
        for (epoch, table) in (1..).zip(tables) {
            for message in messages(epoch, table, &key()) {
                let (kind, bytes) = match &message {
                    Message::Announcement(bytes) => (0, bytes),
                    Message::Chunk(bytes) => (1, bytes),
                };
                input.extend([kind, bytes.len() as u8]);
                input.extend(bytes);
            }
        }
        input
    };
    let seeds = [seed(&[b"one"]), seed(&[b"one", b"another"]), seed(&[&[7; 90], b"", b"x"])];
    Fuzz::target("assembly", 10_000).seeds(seeds).run(check)?;
    assert!(most.get() >= 90, "no table of the seeds was put together");
    Ok(())
}
