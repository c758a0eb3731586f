use std::time::Duration;

use http::{HeaderMap, HeaderName};

/// How much time the client gives: a header with a decimal number, of milliseconds if its name ends in `-ms`, else of
/// seconds. Anything else is no wish, and so is zero.
pub(crate) fn wish(headers: &HeaderMap, name: &HeaderName) -> Option<Duration> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    // Rust's own parser also takes "inf", "nan" and exponents.
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let unit = if is_in_millis(name) { 1e-3 } else { 1.0 };
    let wish = Duration::try_from_secs_f64(value.parse::<f64>().ok()? * unit).ok()?;
    (!wish.is_zero()).then_some(wish)
}

/// What is left, as [`wish`] reads it: rounded up, since less would make the next one give up before us.
pub(crate) fn written(left: Duration, name: &HeaderName) -> String {
    let millis = left.as_nanos().div_ceil(1_000_000).max(1);
    if is_in_millis(name) { millis.to_string() } else { format!("{}.{:03}", millis / 1000, millis % 1000) }
}

/// What is left, as `grpc-timeout` has it: at most eight digits and a unit.
pub(crate) fn written_for_grpc(left: Duration) -> String {
    const MOST: u128 = 99_999_999;
    let nanos = left.as_nanos().max(1);
    let units = [('n', 1), ('u', 1_000), ('m', 1_000_000), ('S', 1_000_000_000), ('M', 60_000_000_000)];
    for (unit, size) in units {
        let count = nanos.div_ceil(size);
        if count <= MOST {
            return format!("{count}{unit}");
        }
    }
    format!("{}H", nanos.div_ceil(3_600_000_000_000).min(MOST))
}

fn is_in_millis(name: &HeaderName) -> bool {
    name.as_str().ends_with("-ms")
}

#[cfg(test)]
mod tests {
    use dashpot_core::grpc_timeout;
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const SECONDS: HeaderName = HeaderName::from_static("x-timeout");
    const MILLIS: HeaderName = HeaderName::from_static("x-timeout-ms");

    fn read(name: &HeaderName, value: &[u8]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_bytes(value).ok()?);
        wish(&headers, name)
    }

    #[test]
    fn a_decimal_number_is_a_wish_and_nothing_else_is() {
        assert_eq!(read(&SECONDS, b"2.5"), Some(Duration::from_millis(2500)));
        assert_eq!(read(&SECONDS, b" 600 "), Some(Duration::from_secs(600)));
        assert_eq!(read(&MILLIS, b"250"), Some(Duration::from_millis(250)));
        for odd in ["", "0", "-1", "1e3", "inf", "NaN", "1s", ".", "1.2.3", "99999999999999999999999"] {
            assert_eq!(read(&SECONDS, odd.as_bytes()), None, "{odd:?}");
        }
        assert_eq!(wish(&HeaderMap::new(), &SECONDS), None);
    }

    proptest! {
        #[test]
        fn no_value_panics(value in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = (read(&SECONDS, &value), read(&MILLIS, &value));
        }

        #[test]
        fn what_is_passed_on_is_read_as_no_less_and_hardly_more(nanos in 1_u64..10_u64.pow(18)) {
            let left = Duration::from_nanos(nanos);
            for name in [SECONDS, MILLIS] {
                let back = read(&name, written(left, &name).as_bytes()).unwrap();
                // Within what a float of so many seconds can say.
                let float = left.mul_f64(1e-12);
                prop_assert!(back + float >= left && back <= left + float + Duration::from_millis(1), "{back:?}");
            }
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", HeaderValue::try_from(written_for_grpc(left)).unwrap());
            let back = grpc_timeout(&headers).unwrap();
            // Just above eight digits of one unit, the next says a hundred thousandth more.
            prop_assert!(back >= left && back.as_secs_f64() <= left.as_secs_f64() * 1.000_011 + 1e-9, "{back:?}");
        }
    }
}
