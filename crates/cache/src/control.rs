use std::time::Duration;

use http::{HeaderMap, header};

/// What `Cache-Control` says, of those directives that matter here (RFC 9111, section 5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Control {
    /// Nothing that is stored will do.
    pub(crate) no_cache: bool,
    /// Nothing is to be stored.
    pub(crate) no_store: bool,
    /// Only what is stored will do.
    pub(crate) only_if_cached: bool,
    /// No older than this.
    pub(crate) max_age: Option<Duration>,
    /// At least so long fresh yet.
    pub(crate) min_fresh: Option<Duration>,
    /// It may be stale for so long.
    pub(crate) max_stale: Option<Duration>,
}

impl Control {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut control = Self::default();
        let lines = headers.get_all(header::CACHE_CONTROL).into_iter();
        for directive in lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b',')) {
            let mut parts = directive.splitn(2, |&byte| byte == b'=').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            let value = parts.next();
            let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
            // What cannot be read is taken for the strictest.
            let seconds = || Some(value.and_then(seconds).unwrap_or(Duration::ZERO));
            if is(b"no-cache") {
                control.no_cache = true;
            } else if is(b"no-store") {
                control.no_store = true;
            } else if is(b"only-if-cached") {
                control.only_if_cached = true;
            } else if is(b"max-age") {
                // Said twice, the less counts.
                control.max_age = control.max_age.or(Some(Duration::MAX)).min(seconds());
            } else if is(b"min-fresh") {
                control.min_fresh = Some(value.and_then(self::seconds).unwrap_or(Duration::MAX));
            } else if is(b"max-stale") {
                // Without a value it may be as stale as it likes.
                control.max_stale = if value.is_none() { Some(Duration::MAX) } else { seconds() };
            }
        }
        control
    }

    /// Whether an entry of this age will do, which is fresh for so long in all; and whether it is stale then.
    ///
    /// `stale` is how long it may be stale by the cache's own rules.
    pub(crate) fn accepts(&self, age: Duration, fresh: Duration, stale: Duration) -> Option<bool> {
        let is_young = self.max_age.is_none_or(|max| age <= max);
        let is_fresh_enough = age.saturating_add(self.min_fresh.unwrap_or_default()) < fresh;
        if self.no_cache || !is_young {
            return None;
        }
        if is_fresh_enough {
            return Some(false);
        }
        let stale = self.max_stale.unwrap_or(stale);
        let may_be_stale = self.min_fresh.is_none() && age < fresh.saturating_add(stale);
        may_be_stale.then_some(true)
    }
}

/// A whole number of seconds, which may be in quotes.
fn seconds(value: &[u8]) -> Option<Duration> {
    let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    // More than can be counted is more than anything.
    let number = |value: &[u8]| str::from_utf8(value).ok()?.parse().ok();
    is_number.then(|| Duration::from_secs(number(value).unwrap_or(u64::from(u32::MAX))))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn control(lines: &[&'static str]) -> Control {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::CACHE_CONTROL, HeaderValue::from_static(line));
        }
        Control::of(&headers)
    }

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn directives_are_read_over_all_lines_whatever_stands_between_them() {
        assert_eq!(control(&[]), Control::default());
        assert_eq!(
            control(&["No-Cache, x=\"y\",, no-store", "only-if-cached;, max-age = 5"]),
            Control { no_cache: true, no_store: true, max_age: Some(secs(5)), ..Control::default() }
        );
        assert!(control(&["only-if-cached"]).only_if_cached);
        assert_eq!(control(&["max-age=0, max-age=9"]).max_age, Some(Duration::ZERO));
        assert_eq!(control(&["max-age=9", "max-age=8"]).max_age, Some(secs(8)));
        assert_eq!(control(&["max-age=\"7\""]).max_age, Some(secs(7)));
        assert_eq!(control(&["max-age=99999999999999999999"]).max_age, Some(secs(u32::MAX.into())));
        assert_eq!(control(&["max-age=x"]).max_age, Some(Duration::ZERO));
        assert_eq!(control(&["max-age"]).max_age, Some(Duration::ZERO));
        assert_eq!(control(&["min-fresh=x"]).min_fresh, Some(Duration::MAX));
        assert_eq!(control(&["max-stale"]).max_stale, Some(Duration::MAX));
        assert_eq!(control(&["max-stale=3"]).max_stale, Some(secs(3)));
    }

    #[test]
    fn an_entry_will_do_while_it_is_young_and_fresh_enough() {
        let accepts = |line, age| control(&[line]).accepts(secs(age), secs(10), secs(5));
        for (line, age, will_do) in [
            ("", 0, Some(false)),
            ("", 9, Some(false)),
            ("", 10, Some(true)),
            ("", 14, Some(true)),
            ("", 15, None),
            ("no-cache", 0, None),
            ("max-age=3", 3, Some(false)),
            ("max-age=3", 4, None),
            ("max-age=100", 12, Some(true)),
            ("min-fresh=4", 5, Some(false)),
            ("min-fresh=4", 6, None),
            ("max-stale=2", 11, Some(true)),
            ("max-stale=2", 12, None),
            ("max-stale", 1000, Some(true)),
            ("max-stale=0", 10, None),
        ] {
            assert_eq!(accepts(line, age), will_do, "{line}, {age} s");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics(value in prop::collection::vec(any::<u8>(), 0..40), age: u64, fresh: u64) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.insert(header::CACHE_CONTROL, value);
            }
            Control::of(&headers).accepts(secs(age), secs(fresh), Duration::MAX);
        }
    }
}
