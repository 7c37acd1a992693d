//! One message of the protocol: JSON-RPC 2.0, one on each line.

use serde_json::{Value, json};

/// What a client sent.
pub enum Incoming {
    Request {
        id: Value,
        method: String,
        params: Value,
    },
    Notification {
        method: String,
        params: Value,
    },
    /// An answer, of which none is awaited, or an empty line.
    Nothing,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    NotJson,
    InvalidRequest,
    UnknownMethod,
    InvalidParams,
    Busy,
}

impl Code {
    const fn number(self) -> i32 {
        match self {
            Self::NotJson => -32_700,
            Self::InvalidRequest => -32_600,
            Self::UnknownMethod => -32_601,
            Self::InvalidParams => -32_602,
            Self::Busy => -32_000,
        }
    }
}

/// The answer to a request that is refused.
pub fn failure(id: &Value, code: Code, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code.number(), "message": message } })
}

/// Reads a message; the error is what is to be answered.
pub fn read(line: &[u8]) -> Result<Incoming, Value> {
    if line.trim_ascii().is_empty() {
        return Ok(Incoming::Nothing);
    }
    let message: Value = serde_json::from_slice(line)
        .map_err(|error| failure(&Value::Null, Code::NotJson, &format!("not JSON: {error}")))?;
    let refused = |id: &Value, why: &str| Err(failure(id, Code::InvalidRequest, why));
    let Value::Object(message) = message else {
        return refused(&Value::Null, "a message is one object: batches are not read");
    };
    let id = message.get("id").cloned();
    let is_id = |id: &Value| id.is_string() || id.is_i64() || id.is_u64();
    let shown = id.clone().filter(is_id).unwrap_or(Value::Null);
    if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return refused(&shown, "`jsonrpc` is not \"2.0\"");
    }
    let params = message.get("params").cloned().unwrap_or_else(|| json!({}));
    match (message.get("method"), id) {
        (Some(Value::String(method)), None) => {
            Ok(Incoming::Notification { method: method.clone(), params })
        }
        (Some(Value::String(method)), Some(id)) if is_id(&id) => {
            if !params.is_object() {
                return Err(failure(&id, Code::InvalidParams, "`params` is not an object"));
            }
            Ok(Incoming::Request { id, method: method.clone(), params })
        }
        (Some(Value::String(_)), Some(_)) => {
            refused(&Value::Null, "`id` is neither a text nor a whole number")
        }
        (Some(_), _) => refused(&shown, "`method` is not a text"),
        (None, _) if message.contains_key("result") || message.contains_key("error") => {
            Ok(Incoming::Nothing)
        }
        (None, _) => refused(&shown, "`method` is missing"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_request_is_refused_with_its_code() {
        for (line, code, id) in [
            ("{", -32_700, "null"),
            ("\u{0}", -32_700, "null"),
            ("[]", -32_600, "null"),
            ("1", -32_600, "null"),
            ("{\"id\":1}", -32_600, "1"),
            ("{\"jsonrpc\":\"2.0\",\"id\":1}", -32_600, "1"),
            ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}", -32_600, "1"),
            ("{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}", -32_600, "null"),
            ("{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}", -32_600, "null"),
            (
                "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"ping\",\"params\":[1]}",
                -32_602,
                "\"a\"",
            ),
        ] {
            let Err(refused) = read(line.as_bytes()) else { panic!("{line} is read") };
            assert_eq!(refused["error"]["code"], code, "{line}");
            assert_eq!(refused["id"].to_string(), id, "{line}");
        }
        let deep = "[".repeat(100_000);
        assert!(read(deep.as_bytes()).is_err(), "and the stack holds");
        for nothing in ["", "  ", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"] {
            assert!(matches!(read(nothing.as_bytes()), Ok(Incoming::Nothing)), "{nothing}");
        }
    }
}
