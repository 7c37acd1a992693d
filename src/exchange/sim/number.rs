//! Numbers as venues print them: decimals, never an exponent, and never less than what the bar holds.

/// With eight decimals, or more where eight would change the value.
pub fn eight(x: f64) -> String {
    let text = format!("{x:.8}");
    if text.parse() == Ok(x) { text } else { x.to_string() }
}

/// As short as it can be, with at least one decimal.
pub fn short(x: f64) -> String {
    let text = x.to_string();
    if text.contains('.') { text } else { text + ".0" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_being_printed() {
        for (x, with_eight, shortest) in [
            (20_000.0, "20000.00000000", "20000.0"),
            (0.1, "0.10000000", "0.1"),
            (1e-8, "0.00000001", "0.00000001"),
            (1e12, "1000000000000.00000000", "1000000000000.0"),
            (0.0, "0.00000000", "0.0"),
            (1.0 / 3.0, "0.3333333333333333", "0.3333333333333333"),
        ] {
            assert_eq!((eight(x).as_str(), short(x).as_str()), (with_eight, shortest));
            assert_eq!((with_eight.parse(), shortest.parse()), (Ok(x), Ok(x)));
        }
    }
}
