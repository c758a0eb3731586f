use std::{sync::Arc, time::Duration};

use dashpot_wire::dialect::Dialect;

use crate::Summary;

/// Told about each stream as it passes.
///
/// Called from the task that polls the body, under no lock, before the frame in question goes out; the last call
/// may come from `drop`. So it must neither block nor panic. Times are counted from the call.
pub trait Observer {
    /// A stream begins: its head is there.
    fn on_headers(&self, dialect: Option<Dialect>, after: Duration) {
        let _ = (dialect, after);
    }

    /// Its first byte is there.
    fn on_first_byte(&self, dialect: Option<Dialect>, after: Duration) {
        let _ = (dialect, after);
    }

    /// Its first content is there.
    fn on_first_content(&self, dialect: Option<Dialect>, after: Duration) {
        let _ = (dialect, after);
    }

    /// It is over. Called exactly once for each stream that began.
    fn on_end(&self, summary: &Summary) {
        let _ = summary;
    }
}

/// Does not look.
impl Observer for () {}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn on_headers(&self, dialect: Option<Dialect>, after: Duration) {
        (**self).on_headers(dialect, after);
    }

    fn on_first_byte(&self, dialect: Option<Dialect>, after: Duration) {
        (**self).on_first_byte(dialect, after);
    }

    fn on_first_content(&self, dialect: Option<Dialect>, after: Duration) {
        (**self).on_first_content(dialect, after);
    }

    fn on_end(&self, summary: &Summary) {
        (**self).on_end(summary);
    }
}
