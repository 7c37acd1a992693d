//! SHA-256 of files, in hex, for run records and proofs.

use std::{fmt::Write, path::Path};

use sha2::{Digest, Sha256};

use super::{disk::Disk, error::StoreError};

/// SHA-256 of some bytes, 64 hex digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
    }
    text
}

/// SHA-256 of a file that must exist.
pub fn sha256_file<D: Disk>(disk: &D, path: &Path) -> Result<String, StoreError> {
    let missing = || StoreError::Missing { path: path.to_owned(), what: "the file to hash".into() };
    disk.read(path)?.map(|bytes| sha256_hex(&bytes)).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_the_known_one() {
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_hex(b"abc"), known);
    }
}
