use std::sync::Arc;

use dashpot_core::Keyed;
use http::Request;
use http_body::Body;

use crate::{Head, budgets::Claim, limiter::Limiter, permit::now, rules::Rules};

/// All limiters of a layer.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) rules: Rules,
    /// Of all requests without one of their own.
    pub(crate) default: Arc<Limiter>,
    pub(crate) keyed: Option<Keyed<Limiter>>,
}

/// Where a request belongs.
pub(crate) struct Place<'a> {
    default: &'a Arc<Limiter>,
    own: Option<Arc<Limiter>>,
    pub(crate) claim: Claim,
}

impl Limits {
    pub(crate) fn new(rules: Rules) -> Self {
        let keyed = rules.keyed.as_ref().map(|&(capacity, _)| Keyed::new(capacity));
        Self { default: rules.limiter(now()), rules, keyed }
    }

    pub(crate) fn place<B: Body>(&self, request: &Request<B>) -> Place<'_> {
        let default = &self.default;
        if self.rules.read_nothing() {
            return Place { default, own: None, claim: Claim::default() };
        }
        let head = Head::of(request);
        let own = self.keyed.as_ref().and_then(|keyed| {
            let key = self.rules.key(&head)?;
            keyed.get_or_make(&key, || self.rules.limiter(now()))
        });
        Place { default, own, claim: self.rules.claim(&head) }
    }
}

impl Place<'_> {
    pub(crate) fn limiter(&self) -> &Arc<Limiter> {
        self.own.as_ref().unwrap_or(self.default)
    }
}
