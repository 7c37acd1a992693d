//! Documents that hold a sha256 of themselves.

use mjolnir::store::digest::sha256_hex;
use serde_json::Value;

/// Seals a document that was edited, so that its sha256 is right again.
pub fn seal(document: &mut Value) {
    document["sha256"] = Value::Null;
    let digest = sha256_hex(&serde_json::to_vec(document).unwrap());
    document["sha256"] = digest.into();
}
