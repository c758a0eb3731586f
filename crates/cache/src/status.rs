use std::{fmt, time::Instant};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::Entry;

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// How a request was answered, as `Cache-Status` says it (RFC 9211).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Status<'a> {
    /// From an entry, at this moment; how far its question is from being refused, if it is another.
    Hit(&'a Entry, Instant, Option<f32>),
    /// By the upstream: the request or the rules would have no entry.
    Bypass,
    /// By the upstream: the request wanted a new answer.
    Request,
    /// By the upstream: there was none.
    Miss,
    /// By the call that another had begun.
    Collapsed,
    /// Not at all: there was none, and no other would do.
    OnlyIfCached,
}

impl Status<'_> {
    /// Says so, behind what caches further in have said.
    pub(crate) fn say(self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::try_from(self.to_string()) {
            headers.append(CACHE_STATUS, value);
        }
        if let Self::Hit(entry, now, _) = self {
            headers.insert(header::AGE, entry.age(now).into());
        }
    }
}

impl fmt::Display for Status<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dashpot; ")?;
        match self {
            Self::Hit(entry, now, score) => {
                let fresh = i64::try_from(entry.fresh_ms / 1000).unwrap_or(i64::MAX);
                let ttl = fresh.saturating_sub_unsigned(entry.age(*now));
                write!(f, "hit; ttl={ttl}; key=\"{}\"; detail=", entry.key)?;
                match score {
                    Some(score) => write!(f, "\"semantic; score={score:.3}\""),
                    None => f.write_str("exact"),
                }
            }
            Self::Bypass => f.write_str("fwd=bypass"),
            Self::Request => f.write_str("fwd=request"),
            Self::Miss => f.write_str("fwd=miss"),
            Self::Collapsed => f.write_str("fwd=miss; collapsed"),
            Self::OnlyIfCached => f.write_str("detail=only-if-cached"),
        }
    }
}
