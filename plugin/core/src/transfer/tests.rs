use alloc::vec;

use ed25519_dalek::{Signer, SigningKey};
use proptest::prelude::*;

use super::*;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn table(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at % 251) as u8).collect()
}

fn signed(bytes: usize) -> (Announcement, Vec<Chunk>) {
    split(7, &table(bytes), |message| key(1).sign(message).to_bytes().to_vec())
}

fn assembly() -> Assembly {
    Assembly::new(Some(key(1).verifying_key()))
}

fn receive(
    assembly: &mut Assembly,
    sent: &(Announcement, Vec<Chunk>),
) -> Result<Option<Vec<u8>>, TransferError> {
    assembly.announce(&Announcement::decode(&sent.0.encode())?)?;
    let mut whole = None;
    for chunk in &sent.1 {
        whole = assembly.add(&Chunk::decode(&chunk.encode())?)?;
    }
    Ok(whole)
}

#[test]
fn a_signed_table_arrives_whole_whatever_its_size() {
    for bytes in [1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 5] {
        assert_eq!(receive(&mut assembly(), &signed(bytes)), Ok(Some(table(bytes))));
    }
}

#[test]
fn without_a_key_an_unsigned_table_arrives_and_with_one_it_does_not() {
    let sent = split(7, &table(10), |_| Vec::new());
    assert_eq!(receive(&mut Assembly::new(None), &sent), Ok(Some(table(10))));
    assert_eq!(receive(&mut assembly(), &sent), Err(TransferError::Unsigned));
}

#[test]
fn another_key_or_a_changed_manifest_is_refused() {
    let foreign = split(7, &table(10), |message| key(2).sign(message).to_bytes().to_vec());
    assert_eq!(receive(&mut assembly(), &foreign), Err(TransferError::BadSignature));
    let (mut announcement, chunks) = signed(10);
    announcement.manifest[4] ^= 1;
    assert_eq!(receive(&mut assembly(), &(announcement, chunks)), Err(TransferError::BadSignature));
    let (mut announcement, chunks) = signed(10);
    announcement.signature.truncate(10);
    assert_eq!(receive(&mut assembly(), &(announcement, chunks)), Err(TransferError::BadSignature));
}

#[test]
fn a_changed_missing_repeated_or_foreign_chunk_is_refused() {
    let (announcement, chunks) = signed(2 * CHUNK_BYTES);
    let mut changed = chunks.clone();
    changed[1].bytes[0] ^= 1;
    assert_eq!(receive(&mut assembly(), &(announcement.clone(), changed)), Err(TransferError::BadChunk(1)));
    let unexpected = |index| Err(TransferError::UnexpectedChunk { epoch: 7, index });
    let last_only = vec![chunks[1].clone()];
    assert_eq!(receive(&mut assembly(), &(announcement.clone(), last_only)), unexpected(1));
    let twice = vec![chunks[0].clone(), chunks[0].clone()];
    assert_eq!(receive(&mut assembly(), &(announcement, twice)), unexpected(0));
    let unannounced = assembly().add(&chunks[0]);
    assert_eq!(unannounced, unexpected(0));
}

#[test]
fn one_refusal_says_enough_and_the_next_transfer_is_taken() {
    let mut assembly = assembly();
    let (unsigned, chunks) = split(7, &table(3 * CHUNK_BYTES), |_| Vec::new());
    assert_eq!(assembly.announce(&unsigned), Err(TransferError::Unsigned));
    assert!(chunks.iter().all(|chunk| assembly.add(chunk) == Ok(None)));
    assert_eq!(receive(&mut assembly, &signed(10)), Ok(Some(table(10))));
}

#[test]
fn a_manifest_that_contradicts_itself_or_is_too_large_is_refused() {
    let announce = |manifest: Manifest| {
        let manifest = manifest.encode();
        let signature = key(1).sign(&signed_bytes(&manifest)).to_bytes().to_vec();
        assembly().announce(&Announcement { manifest, signature })
    };
    let manifest = |bytes, chunks| Manifest { epoch: 1, bytes, chunks: vec![[0; 32]; chunks] };
    assert_eq!(announce(manifest(0, 0)), Err(TransferError::BadManifest { chunks: 0, bytes: 0 }));
    assert_eq!(announce(manifest(10, 2)), Err(TransferError::BadManifest { chunks: 2, bytes: 10 }));
    assert_eq!(announce(manifest(u32::MAX, 1)), Err(TransferError::TooLarge(u32::MAX as usize)));
    // Right in number, but the only chunk is shorter than the manifest says.
    let (_, chunks) = signed(5);
    let short = Manifest { epoch: 7, bytes: 6, chunks: vec![hash(&chunks[0].bytes)] }.encode();
    let signature = key(1).sign(&signed_bytes(&short)).to_bytes().to_vec();
    let sent = (Announcement { manifest: short, signature }, chunks);
    assert_eq!(receive(&mut assembly(), &sent), Err(TransferError::BadManifest { chunks: 1, bytes: 6 }));
}

#[test]
fn a_new_announcement_gives_up_the_transfer_under_way() {
    let mut assembly = assembly();
    let (announcement, chunks) = signed(2 * CHUNK_BYTES);
    assembly.announce(&announcement).unwrap();
    assert_eq!(assembly.add(&chunks[0]), Ok(None));
    assert_eq!(receive(&mut assembly, &signed(10)), Ok(Some(table(10))));
    assert!(assembly.add(&chunks[1]).is_err());
}

proptest! {
    #[test]
    fn no_bytes_whatever_panic(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Announcement::decode(&noise);
        let _ = Manifest::decode(&noise);
        let _ = Chunk::decode(&noise);
        let _ = assembly().announce(&Announcement { manifest: noise.clone(), signature: noise.clone() });
        let _ = Assembly::new(None).announce(&Announcement { manifest: noise, signature: Vec::new() });
    }
}
