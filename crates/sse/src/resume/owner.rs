use dashpot_core::Tenant;
use http::{HeaderName, HeaderValue, Request, Uri};

/// Where clients put their credentials, by the APIs' own names.
const CREDENTIALS: [HeaderName; 4] = [
    http::header::AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
];

/// Who asks, and for what. Cheap to take from a request: nothing is copied.
#[derive(Debug)]
pub(super) struct Owner {
    uri: Uri,
    who: Who,
}

#[derive(Debug)]
enum Who {
    Tenant(Tenant),
    Credentials([Option<HeaderValue>; 4]),
}

impl Owner {
    /// Who sends this request; `None` if it has two credentials of one kind, so that nobody knows which one counts.
    pub(super) fn of<B>(request: &Request<B>) -> Option<Self> {
        let uri = request.uri().clone();
        if let Some(tenant) = request.extensions().get() {
            return Some(Self { uri, who: Who::Tenant(Tenant::clone(tenant)) });
        }
        let mut found = [const { None }; 4];
        for (name, place) in CREDENTIALS.iter().zip(&mut found) {
            let mut values = request.headers().get_all(name).iter();
            *place = values.next().cloned();
            if values.next().is_some() {
                return None;
            }
        }
        Some(Self { uri, who: Who::Credentials(found) })
    }

    /// The same as bytes to keep and to compare: equal only if all is equal, since each part has its length before it.
    pub(super) fn to_key(&self) -> Box<[u8]> {
        let mut key = Vec::new();
        let mut put = |part: Option<&[u8]>| {
            key.extend(part.map_or(u64::MAX, |part| part.len() as u64).to_le_bytes());
            key.extend_from_slice(part.unwrap_or_default());
        };
        put(self.uri.path_and_query().map(|path| path.as_str().as_bytes()));
        match &self.who {
            Who::Tenant(tenant) => put(Some(tenant.as_str().as_bytes())),
            Who::Credentials(values) => {
                values.iter().for_each(|value| put(value.as_ref().map(HeaderValue::as_bytes)));
            }
        }
        key.into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn key(path: &str, headers: &[(&str, &str)], tenant: Option<&str>) -> Option<Box<[u8]>> {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(()).unwrap();
        if let Some(tenant) = tenant {
            request.extensions_mut().insert(Tenant::new(tenant).unwrap());
        }
        Owner::of(&request).map(|owner| owner.to_key())
    }

    #[test]
    fn no_two_owners_have_the_same_key() {
        let (a, b) = ("authorization", "x-api-key");
        let all = [
            key("/", &[], None),
            key("/", &[(a, "")], None),
            key("/", &[(b, "")], None),
            key("/", &[(a, "x")], None),
            key("/", &[(a, "X")], None),
            key("/", &[(b, "x")], None),
            key("/", &[("api-key", "x")], None),
            key("/", &[("x-goog-api-key", "x")], None),
            key("/", &[(a, "x"), (b, "x")], None),
            key("/", &[(a, "xx")], None),
            key("/", &[], Some("x")),
            key("/", &[], Some("authorization")),
            key("/x", &[(a, "x")], None),
            key("/?x", &[(a, "x")], None),
        ];
        let kinds: HashSet<_> = all.iter().flatten().collect();
        assert_eq!(kinds.len(), all.len());
    }

    #[test]
    fn a_tenant_counts_alone_and_other_headers_do_not_count() {
        let with = |value| key("/", &[("authorization", value)], Some("acme"));
        assert_eq!(with("old token"), with("new token"));
        assert_eq!(key("/", &[("accept", "x")], None), key("/", &[("accept", "y")], None));
    }

    #[test]
    fn who_has_two_credentials_of_a_kind_is_nobody() {
        assert_eq!(key("/", &[("x-api-key", "x"), ("x-api-key", "x")], None), None);
        assert!(key("/", &[("x-api-key", "x"), ("x-api-key", "x")], Some("acme")).is_some());
    }
}
