//! Numbers as text: never a locale, never an exponent, no trailing zeros, and the shortest form that reads back to the same bits.

use std::io::Write;

use rust_decimal::Decimal;

/// Appends an integer.
pub fn push_int(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a finite float: shortest round-trip digits, no exponent, whole numbers without a point.
pub fn push_float(out: &mut Vec<u8>, value: f64) {
    if let Some((digits, places)) = short(value) {
        return push_digits(out, false, itoa::Buffer::new().format(digits), places);
    }
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format(value);
    let plain = value.is_finite() && !text.bytes().any(|byte| byte == b'e');
    if plain {
        out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
    } else {
        write!(out, "{value}").expect("writing to a vector does not fail");
    }
}

/// The digits and places of a positive float that is the nearest to a decimal of few places, as prices are. A decimal of up to fifteen
/// digits is the only one that short for its float, so the one with the fewest places is the shortest form.
fn short(value: f64) -> Option<(u64, usize)> {
    const DIGITS_END: f64 = 1e15;
    const POWERS: [f64; 9] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];
    if value.is_nan() || value <= 0.0 {
        return None;
    }
    for (places, power) in POWERS.into_iter().enumerate() {
        let scaled = value * power;
        if scaled >= DIGITS_END {
            return None;
        }
        let digits = (scaled + 0.5) as u64;
        let rounded = digits as f64;
        // What is further from a whole number than two roundings is not one: that spares a division for most.
        if (scaled - rounded).abs() <= scaled * (2.0 * f64::EPSILON) && rounded / power == value {
            return Some((digits, places));
        }
    }
    None
}

/// Appends a decimal without trailing zeros.
pub fn push_decimal(out: &mut Vec<u8>, value: Decimal) {
    let mut digits = value.mantissa().unsigned_abs();
    let mut places = value.scale() as usize;
    let Ok(mut small) = u64::try_from(digits) else {
        while places > 0 && digits.is_multiple_of(10) {
            digits /= 10;
            places -= 1;
        }
        return push_digits(
            out,
            value.is_sign_negative(),
            itoa::Buffer::new().format(digits),
            places,
        );
    };
    while places > 0 && small.is_multiple_of(10) {
        small /= 10;
        places -= 1;
    }
    let is_negative = value.is_sign_negative() && small != 0;
    push_digits(out, is_negative, itoa::Buffer::new().format(small), places);
}

fn push_digits(out: &mut Vec<u8>, is_negative: bool, digits: &str, places: usize) {
    if is_negative {
        out.push(b'-');
    }
    if places == 0 {
        out.extend_from_slice(digits.as_bytes());
    } else if digits.len() > places {
        let (whole, part) = digits.as_bytes().split_at(digits.len() - places);
        out.extend_from_slice(whole);
        out.push(b'.');
        out.extend_from_slice(part);
    } else {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + places - digits.len(), b'0');
        out.extend_from_slice(digits.as_bytes());
    }
}

/// Appends 16 hex digits.
pub fn push_hash(out: &mut Vec<u8>, hash: u64) {
    let mut text = [0_u8; 16];
    text[..8].copy_from_slice(&hex_digits(hash >> 32));
    text[8..].copy_from_slice(&hex_digits(hash & 0xffff_ffff));
    out.extend_from_slice(&text);
}

/// The eight digits of 32 bits, all at once: every row has three hashes.
const fn hex_digits(bits: u64) -> [u8; 8] {
    // Each nibble moves into a byte of its own.
    let mut nibbles = (bits | bits << 16) & 0x0000_ffff_0000_ffff;
    nibbles = (nibbles | nibbles << 8) & 0x00ff_00ff_00ff_00ff;
    nibbles = (nibbles | nibbles << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // 1 in each byte above 9, where the letters begin.
    let letters = ((nibbles + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    let gap = (b'a' - b'0' - 10) as u64;
    (nibbles + 0x3030_3030_3030_3030 + letters * gap).to_be_bytes()
}

/// Reads back 16 hex digits, in exactly the form they are written.
pub fn parse_hash(text: &str) -> Option<u64> {
    let written = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == 16 && text.bytes().all(written))
        .then(|| u64::from_str_radix(text, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn floats_are_short_and_have_no_exponent() {
        for (value, expected) in [
            (27_344.11, "27344.11"),
            (5.0, "5"),
            (0.1, "0.1"),
            (1e-7, "0.0000001"),
            (1e21, "1000000000000000000000"),
            (0.0, "0"),
            (1e15, "1000000000000000"),
            (f64::from_bits(0x4304_D250_FD1F_7612), "732593102515906.2"),
        ] {
            assert_eq!(text(|out| push_float(out, value)), expected);
        }
    }

    proptest! {
        #[test]
        fn floats_come_back_in_the_shortest_form(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let written = text(|out| push_float(out, value));
            // Of two forms equally short and equally near, `{}` may choose the other one.
            prop_assert_eq!(written.len(), format!("{value}").len());
            prop_assert!(!written.contains(['e', 'E']));
            prop_assert_eq!(written.parse::<f64>().unwrap().to_bits(), bits);
        }

        #[test]
        fn decimals_print_as_their_normal_form(mantissa in -(1_i128 << 90)..(1_i128 << 90), small: i64, scale in 0_u32..=28) {
            for mantissa in [mantissa, i128::from(small), i128::from(small % 1000), 0] {
                let value = Decimal::from_i128_with_scale(mantissa, scale);
                prop_assert_eq!(text(|out| push_decimal(out, value)), value.normalize().to_string());
            }
        }

        #[test]
        fn hashes_come_back(hash: u64) {
            let written = text(|out| push_hash(out, hash));
            prop_assert_eq!(&written, &format!("{hash:016x}"));
            prop_assert_eq!(parse_hash(&written), Some(hash));
        }
    }
}
