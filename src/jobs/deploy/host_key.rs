//! The key of a host: what `ssh-keyscan` printed, and its fingerprint.

use sha2::{Digest as _, Sha256};

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A key of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Such as `ssh-ed25519`.
    pub kind: String,
    base64: String,
    /// As `ssh-keygen -l` shows it.
    pub fingerprint: String,
}

impl Key {
    /// The line of a file of known hosts.
    pub fn known_as(&self, host: &str) -> String {
        format!("{host} {} {}\n", self.kind, self.base64)
    }
}

/// The keys that `ssh-keyscan` printed.
pub fn scanned(output: &[u8]) -> Vec<Key> {
    let text = String::from_utf8_lossy(output);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(key).collect()
}

fn key(line: &str) -> Option<Key> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (kind, base64) = (words.next()?.to_owned(), words.next()?.to_owned());
    let plain = |c: char| c.is_ascii_alphanumeric() || "-@.".contains(c);
    let fingerprint = format!("SHA256:{}", encoded(&Sha256::digest(decoded(&base64)?)));
    kind.chars().all(plain).then_some(Key { kind, base64, fingerprint })
}

/// Base 64, with padding or without.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let (mut out, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let value = LETTERS.iter().position(|letter| *letter == byte)?;
        bits = bits << 6 | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(out)
}

/// Base 64 without padding.
fn encoded(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let mut bits = [0_u8; 3];
        bits[..chunk.len()].copy_from_slice(chunk);
        let all = u32::from(bits[0]) << 16 | u32::from(bits[1]) << 8 | u32::from(bits[2]);
        for n in 0..=chunk.len() {
            out.push(char::from(LETTERS[(all >> (18 - 6 * n) & 63) as usize]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_the_known_one() {
        // Shown by ssh-keygen -lf for this key.
        let line = b"# h:22 SSH-2.0\n[127.0.0.1]:22433 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK7Ga9T/u0u7ZWHxfwL1SMA72YAfpvv5o1S6NT387jb7\nrubbish\n";
        let keys = scanned(line);
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].fingerprint, "SHA256:APNBiUIGoDunOJk1htv9cTskB2MUzWftowgrrGeGcFI");
        assert!(keys[0].known_as("x").starts_with("x ssh-ed25519 AAAAC3"));
        assert!(scanned(b"h ssh-ed25519 !!!\n").is_empty());
    }

    #[test]
    fn base_64_there_and_back() {
        for text in ["", "a", "ab", "abc", "abcd"] {
            assert_eq!(decoded(&encoded(text.as_bytes())).unwrap(), text.as_bytes());
        }
        assert_eq!(encoded(b"abc"), "YWJj");
    }
}
