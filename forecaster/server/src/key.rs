//! The key that signs tables, and `tidegate key` that makes and shows it.
//!
//! A key file holds the 32 secret bytes of an Ed25519 key (RFC 8032) as 64 hexadecimal digits; only its owner may read it.

use std::{
    fs::OpenOptions,
    io::{Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use anyhow::{Context, bail};
use ed25519_dalek::SigningKey;

/// Prints the public key of a key file; makes the file first when `new`.
pub(crate) fn run(path: &Path, new: bool) -> anyhow::Result<()> {
    let key = if new { create(path)? } else { read(path)? };
    writeln!(std::io::stdout(), "{}", hex::encode(key.verifying_key().as_bytes()))
        .context("printing the public key")
}

/// Reads a key file.
///
/// # Errors
/// When there is none, others may read it, or it does not hold a key.
pub(crate) fn read(path: &Path) -> anyhow::Result<SigningKey> {
    let shown = path.display();
    let metadata = path.metadata().with_context(|| {
        format!("cannot read the signing key; make one with `tidegate key --new {shown}`")
    })?;
    if metadata.permissions().mode() & 0o077 != 0 {
        bail!("others may read the signing key {shown}: run `chmod 600 {shown}`");
    }
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read the signing key {shown}"))?;
    let mut bytes = [0; 32];
    hex::decode_to_slice(text.trim(), &mut bytes)
        .with_context(|| format!("{shown} does not hold 64 hexadecimal digits"))?;
    Ok(SigningKey::from_bytes(&bytes))
}

/// Makes a key file; an existing one is never overwritten.
fn create(path: &Path) -> anyhow::Result<SigningKey> {
    let shown = path.display();
    let mut secret = [0; 32];
    let mut random = std::fs::File::open("/dev/urandom").context("cannot open the source of randomness")?;
    random.read_exact(&mut secret).context("cannot read the source of randomness")?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot make the key file {shown}"))?;
    writeln!(file, "{}", hex::encode(secret))
        .with_context(|| format!("cannot write the key file {shown}"))?;
    file.sync_all().with_context(|| format!("cannot write the key file {shown}"))?;
    Ok(SigningKey::from_bytes(&secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_read_back_and_kept_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tidegate.key");
        assert!(read(&path).unwrap_err().to_string().contains("tidegate key --new"));
        let made = create(&path).unwrap();
        assert_eq!(read(&path).unwrap().to_bytes(), made.to_bytes());
        assert!(create(&path).is_err(), "an existing key is never overwritten");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tidegate.key");
        for text in ["00", &"zz".repeat(32), &"+f".repeat(32)] {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            assert!(read(&path).unwrap_err().to_string().contains("64 hexadecimal digits"), "{text}");
        }
        std::fs::write(&path, "0a".repeat(32) + "\n").unwrap();
        assert_eq!(read(&path).unwrap().to_bytes(), [10; 32]);
    }
}
