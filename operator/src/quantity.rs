//! Kubernetes quantities, as far as sizes need them.

/// Whether `left` is less than `right`. False where either is no quantity: then nothing is grown.
pub fn is_less(left: &str, right: &str) -> bool {
    match (milli_units(left), milli_units(right)) {
        (Some(left), Some(right)) => left < right,
        _ => false,
    }
}

/// The quantity in bytes, rounded down. None where it is none, or more than a volume has.
pub fn bytes(text: &str) -> Option<u64> {
    u64::try_from(milli_units(text)? / 1_000).ok()
}

/// The quantity in units, such as cores. None where it is none.
pub fn units(text: &str) -> Option<f64> {
    let milli = i64::try_from(milli_units(text)?).ok()?;
    // Fewer than 2^53 thousandths are exact in a float, and more need not be.
    Some(milli as f64 / 1_000.0)
}

/// The quantity in thousandths: decimal and binary suffixes, a decimal point and an exponent.
fn milli_units(text: &str) -> Option<i128> {
    let suffix_at = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(suffix_at);
    let multiplier: i128 = match suffix {
        "m" => 1,
        "" => 1_000,
        "k" => 1_000 * 1_000,
        "M" => 1_000 * 1_000_i128.pow(2),
        "G" => 1_000 * 1_000_i128.pow(3),
        "T" => 1_000 * 1_000_i128.pow(4),
        "P" => 1_000 * 1_000_i128.pow(5),
        "E" => 1_000 * 1_000_i128.pow(6),
        "Ki" => 1_000 * 1_024,
        "Mi" => 1_000 * 1_024_i128.pow(2),
        "Gi" => 1_000 * 1_024_i128.pow(3),
        "Ti" => 1_000 * 1_024_i128.pow(4),
        "Pi" => 1_000 * 1_024_i128.pow(5),
        "Ei" => 1_000 * 1_024_i128.pow(6),
        exponent => {
            let exponent: u32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            1_000 * 10_i128.checked_pow(exponent.min(20))?
        }
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    // Nine digits after the point are finer than any volume.
    let fraction = &fraction[..fraction.len().min(9)];
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    digits
        .checked_mul(multiplier)
        .map(|product| product / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_compare_across_suffixes() {
        for (less, more) in [
            ("1Gi", "2Gi"),
            ("1G", "1Gi"),
            ("1.5Gi", "1600Mi"),
            ("1e3", "1Ki"),
        ] {
            assert!(is_less(less, more), "{less} < {more}");
            assert!(!is_less(more, less), "{more} < {less}");
        }
        assert!(!is_less("1024Mi", "1Gi"));
    }

    #[test]
    fn what_is_no_quantity_is_never_less() {
        assert!(!is_less("", "1Gi"));
        assert!(!is_less("1Gi", "many"));
        assert!(!is_less("-1", "1"));
    }
}
