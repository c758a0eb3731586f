use std::{fmt, time::Instant};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{Entry, find::Likeness};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// How a request was answered, as `Cache-Status` says it (RFC 9211).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Status<'a> {
    /// From an entry, at this moment; how alike its question is, if it is another.
    Hit(&'a Entry, Instant, Option<Likeness>),
    /// By the upstream: the request or the rules would have no entry.
    Bypass,
    /// By the upstream: the request wanted a new answer.
    Request,
    /// By the upstream: there was none.
    Miss,
    /// By the upstream: there was one that may do, and whether it would have is compared.
    Explored,
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
            Self::Hit(entry, now, likeness) => {
                let fresh = i64::try_from(entry.fresh_ms / 1000).unwrap_or(i64::MAX);
                let ttl = fresh.saturating_sub_unsigned(entry.age(*now));
                write!(f, "hit; ttl={ttl}; key=\"{}\"; detail=", entry.key)?;
                let Some(Likeness { score, is_proven }) = likeness else { return f.write_str("exact") };
                let proof = match is_proven {
                    Some(true) => "; proven",
                    Some(false) => "; unproven",
                    None => "",
                };
                write!(f, "\"semantic; score={score:.3}{proof}\"")
            }
            Self::Bypass => f.write_str("fwd=bypass"),
            Self::Request => f.write_str("fwd=request"),
            Self::Miss => f.write_str("fwd=miss"),
            Self::Explored => f.write_str("fwd=miss; detail=explored"),
            Self::Collapsed => f.write_str("fwd=miss; collapsed"),
            Self::OnlyIfCached => f.write_str("detail=only-if-cached"),
        }
    }
}
