use std::{
    collections::HashSet,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::Preconnect;
use crate::starter::{Starter, Step};

/// A starter whose upstream has connections open before it is ready.
///
/// With several keys they are kept for as long as one of their models is up.
#[derive(Debug)]
pub struct Preconnected<A> {
    preconnect: Preconnect,
    starter: A,
    /// The keys that are up.
    up: Mutex<HashSet<Box<str>>>,
}

impl<A> Preconnected<A> {
    pub(super) fn new(preconnect: Preconnect, starter: A) -> Self {
        Self { preconnect, starter, up: Mutex::default() }
    }

    fn up(&self) -> MutexGuard<'_, HashSet<Box<str>>> {
        self.up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn goes_down(&self, key: &str) {
        let mut up = self.up();
        if up.remove(key) && up.is_empty() {
            self.preconnect.rest();
        }
    }
}

impl<A: Starter> Starter for Preconnected<A> {
    fn start<'a>(&'a self, key: &'a str) -> Step<'a> {
        self.starter.start(key)
    }

    fn probe<'a>(&'a self, key: &'a str) -> Step<'a> {
        self.starter.probe(key)
    }

    fn prime<'a>(&'a self, key: &'a str) -> Step<'a> {
        Box::pin(async move {
            self.starter.prime(key).await?;
            self.up().insert(key.into());
            self.preconnect.open().await.map(drop)
        })
    }

    fn sleep<'a>(&'a self, key: &'a str) -> Step<'a> {
        self.goes_down(key);
        self.starter.sleep(key)
    }

    fn wake<'a>(&'a self, key: &'a str) -> Step<'a> {
        self.starter.wake(key)
    }

    fn stop<'a>(&'a self, key: &'a str) -> Step<'a> {
        self.goes_down(key);
        self.starter.stop(key)
    }

    fn ended<'a>(&'a self, key: &'a str) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            self.starter.ended(key).await;
            self.goes_down(key);
        })
    }
}
