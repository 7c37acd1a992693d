//! SHA-256 in hex, for run records, proofs and checkpoints.

use std::{fmt::Write, path::Path};

use sha2::{
    Digest, Sha256,
    digest::common::hazmat::{SerializableState, SerializedState},
};

use super::{disk::Disk, error::StoreError};

/// SHA-256 of some bytes, 64 hex digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
    }
    text
}

/// Bytes read at once where a file is digested.
const READ: u64 = 1 << 20;

/// SHA-256 of the first `len` bytes of a file, and how many there were.
pub fn sha256_of<D: Disk>(disk: &D, path: &Path, len: u64) -> Result<(u64, String), StoreError> {
    let (mut at, mut running) = (0, Running::default());
    while at < len {
        let bytes = disk.read_at(path, at, READ.min(len - at) as usize)?;
        if bytes.is_empty() {
            break;
        }
        running.add(&bytes);
        at += bytes.len() as u64;
    }
    Ok((at, running.digest()))
}

/// A SHA-256 that is not finished: of a file that grows.
#[derive(Debug, Clone, Default)]
pub struct Running(Sha256);

impl Running {
    /// Of a ledger that has its header and no row.
    pub fn of_header(header: &str) -> Self {
        let mut running = Self::default();
        running.add(header.as_bytes());
        running.add(b"\n");
        running
    }

    /// Takes in what follows.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all so far, 64 hex digits.
    pub fn digest(&self) -> String {
        hex(&self.0.clone().finalize())
    }

    /// Where it is, as text, for [`Running::resume`].
    pub fn save(&self) -> String {
        hex(&self.0.serialize())
    }

    /// The one that [`Running::save`] wrote.
    pub fn resume(text: &str) -> Option<Self> {
        let mut state = SerializedState::<Sha256>::default();
        if text.len() != state.len() * 2 || !text.is_ascii() {
            return None;
        }
        for (n, byte) in state.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * n..2 * n + 2], 16).ok()?;
        }
        Sha256::deserialize(&state).ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_the_known_one() {
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_hex(b"abc"), known);
    }

    #[test]
    fn a_running_digest_goes_on_from_anywhere() {
        let bytes: Vec<u8> = (0..1_000_u32).map(|n| (n % 251) as u8).collect();
        for cut in [0, 1, 63, 64, 65, 500, 1_000] {
            let mut first = Running::default();
            first.add(&bytes[..cut]);
            let mut rest = Running::resume(&first.save()).unwrap();
            rest.add(&bytes[cut..]);
            assert_eq!(rest.digest(), sha256_hex(&bytes), "{cut}");
        }
        let text = Running::default().save();
        assert!(Running::resume(&text[1..]).is_none() && Running::resume("").is_none());
    }
}
