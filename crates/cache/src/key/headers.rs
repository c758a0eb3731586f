//! What the headers of a request and of an answer say about who may have the answer.

use http::{HeaderMap, HeaderName, header, request::Parts};
use sha2::{Digest, Sha256};

use super::json::hash_bytes;

/// The headers that change what an API answers.
pub(super) const HEADERS: [HeaderName; 6] = [
    header::HOST,
    HeaderName::from_static("anthropic-beta"),
    HeaderName::from_static("anthropic-version"),
    HeaderName::from_static("openai-beta"),
    HeaderName::from_static("openai-organization"),
    HeaderName::from_static("openai-project"),
];

/// The headers by which a call is its sender's own, or its answer: who has other credentials, or cannot read the same
/// codings, does not share it. What is kept is another matter: it is the tenant's, and plain.
pub(super) const OF_THE_SENDER: [HeaderName; 7] = [
    header::ACCEPT_ENCODING,
    header::AUTHORIZATION,
    header::COOKIE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-goog-api-key"),
];

/// The headers beside those that an answer may vary by and be kept all the same: browsers are told by them whether a page
/// may have it, and it is the body that says in which mode it comes.
const HARMLESS: [HeaderName; 4] = [
    header::ACCEPT,
    header::ACCESS_CONTROL_REQUEST_HEADERS,
    header::ACCESS_CONTROL_REQUEST_METHOD,
    header::ORIGIN,
];

/// Whether an answer varies by what no key holds.
pub(crate) fn varies(answer: &HeaderMap) -> bool {
    let lines = answer.get_all(header::VARY).into_iter();
    let mut names =
        lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b',')).map(<[u8]>::trim_ascii);
    names.any(|name| {
        let is = |known: &HeaderName| name.eq_ignore_ascii_case(known.as_str().as_bytes());
        !name.is_empty()
            && ![&HEADERS[..], &OF_THE_SENDER, &HARMLESS].iter().any(|known| known.iter().any(is))
    })
}

/// Feeds what these headers say to a hash, each line with its length before it.
pub(super) fn hash_headers(hash: &mut Sha256, head: &Parts, names: &[HeaderName]) {
    for name in names {
        let lines = head.headers.get_all(name);
        hash.update((lines.iter().count() as u64).to_be_bytes());
        lines.iter().for_each(|line| hash_bytes(hash, line.as_bytes()));
    }
}
