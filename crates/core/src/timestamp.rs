use std::time::{Duration, UNIX_EPOCH};

/// An HTTP-date (RFC 9110, section 5.6.7), as the time since the Unix epoch.
pub(crate) fn http_date(value: &str) -> Option<Duration> {
    httpdate::parse_http_date(value).ok()?.duration_since(UNIX_EPOCH).ok()
}

/// A timestamp of RFC 3339, to the second, as the time since the Unix epoch; none before it.
pub(crate) fn rfc3339(value: &str) -> Option<Duration> {
    let bytes = value.as_bytes();
    let number = |from: usize, to: usize| {
        let digits = value.get(from..to)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<i64>().ok())?
    };
    let shape = [(4, b"-"), (7, b"-"), (13, b":"), (16, b":")];
    if shape.iter().any(|&(at, sign)| bytes.get(at) != Some(&sign[0]))
        || !matches!(bytes.get(10), Some(b'T' | b't' | b' '))
    {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let zone = value.get(19..)?;
    let zone = match zone.strip_prefix('.') {
        Some(fraction) if fraction.starts_with(|c: char| c.is_ascii_digit()) => {
            fraction.trim_start_matches(|c: char| c.is_ascii_digit())
        }
        _ => zone,
    };
    let offset = match zone.as_bytes() {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), a, b, b':', c, d] if [a, b, c, d].iter().all(|x| x.is_ascii_digit()) => {
            let two = |tens: &u8, ones: &u8| i64::from(tens - b'0') * 10 + i64::from(ones - b'0');
            (two(a, b) * 60 + two(c, d)) * if *sign == b'+' { 60 } else { -60 }
        }
        _ => return None,
    };
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, after Howard Hinnant's `days_from_civil`.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // The year begins in March, so that the leap day is its last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rfc3339_is_read_in_any_zone() {
        let second = Duration::from_secs;
        assert_eq!(rfc3339("1970-01-01T00:00:00Z"), Some(second(0)));
        assert_eq!(rfc3339("2024-02-29T12:00:00Z"), Some(second(1_709_208_000)));
        assert_eq!(rfc3339("2024-02-29T12:00:00.123456Z"), Some(second(1_709_208_000)));
        assert_eq!(rfc3339("2024-02-29T14:30:00+02:30"), Some(second(1_709_208_000)));
        for bad in [
            "",
            "2024",
            "2024-13-01T00:00:00Z",
            "2024-01-01T00:00:00",
            "1969-12-31T23:59:59Z",
            "2024-01-01T00:00:00+2:0",
            "2024-01-01T00:00:00.Z",
        ] {
            assert_eq!(rfc3339(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn rfc3339_agrees_with_the_http_date_of_the_same_second(at in 0_u64..253_402_300_800) {
            let http = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(at));
            // "Thu, 29 Feb 2024 12:00:00 GMT" holds the same fields in another order.
            let month = "JanFebMarAprMayJunJulAugSepOctNovDec".find(&http[8..11]).unwrap() / 3 + 1;
            let same = format!("{}-{month:02}-{}T{}Z", &http[12..16], &http[5..7], &http[17..25]);
            prop_assert_eq!(rfc3339(&same), Some(Duration::from_secs(at)));
            prop_assert_eq!(http_date(&http), Some(Duration::from_secs(at)));
        }

        #[test]
        fn no_text_panics(value in "\\PC{0,40}", near in "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}.{0,7}") {
            let _ = (rfc3339(&value), http_date(&value), rfc3339(&near));
        }
    }
}
