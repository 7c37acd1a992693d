//! Numbers as venues write them, read strictly: what is not plainly a number is none.

use serde_json::Value;

/// A JSON number in any form, or a text of digits with at most one point between them: no exponent, sign of plus or blank.
pub fn decimal(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
            (is_digits(whole) && is_digits(part)).then(|| text.parse().ok())?
        }
        _ => None,
    }
}

/// A whole number that is not negative, as a number or as a text of digits.
pub fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().filter(|number| *number >= 0),
        Value::String(text) if is_digits(text) => text.parse().ok(),
        _ => None,
    }
}

/// Whole seconds, as milliseconds.
pub fn seconds(value: &Value) -> Option<i64> {
    whole(value)?.checked_mul(1000)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_digits_with_at_most_one_point() {
        for (text, number) in [
            ("1", 1.0),
            ("0", 0.0),
            ("-0.0", 0.0),
            ("-1.5", -1.5),
            ("007.250", 7.25),
            ("0.00000001", 1e-8),
            ("0.1000000000000000055511151231257827", 0.1),
            ("9007199254740993", 9_007_199_254_740_992.0),
        ] {
            assert_eq!(decimal(&json!(text)), Some(number), "{text}");
        }
        for text in [
            "", ".", "-", "-.5", ".5", "5.", "+1", "1e5", "1E5", "inf", "-inf", "NaN", "nan",
            "0x1", " 1", "1 ", "1\n", "1,5", "1.2.3", "1_000", "--1", "١",
        ] {
            assert_eq!(decimal(&json!(text)), None, "{text:?}");
        }
        assert_eq!(decimal(&json!(1.5e3)), Some(1500.0));
        for foreign in [json!(null), json!(true), json!([1]), json!({"a": 1})] {
            assert_eq!(decimal(&foreign), None, "{foreign}");
        }
    }

    #[test]
    fn stamps_are_whole_numbers_that_are_not_negative() {
        assert_eq!(whole(&json!(1_762_819_200)), Some(1_762_819_200));
        assert_eq!(whole(&json!("1762819200")), Some(1_762_819_200));
        assert_eq!(seconds(&json!("1762819200")), Some(1_762_819_200_000));
        for foreign in
            [json!(-1), json!(1.0), json!("-1"), json!("1.0"), json!(" 1"), json!(""), json!(null)]
        {
            assert_eq!(whole(&foreign), None, "{foreign}");
        }
        assert_eq!(seconds(&json!(i64::MAX)), None);
        assert_eq!(whole(&json!(u64::MAX)), None);
    }
}
