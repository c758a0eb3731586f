//! How an upstream is started, asked, primed and stopped.

mod functions;
mod http;
#[cfg(feature = "process")]
mod process;
mod servers;

use std::{error::Error, fmt, pin::Pin, sync::Arc};

pub use self::http::{Ask, Http};
pub use functions::Functions;
#[cfg(feature = "process")]
pub use process::Process;

/// What a step takes to be done.
pub type Step<'a> = Pin<Box<dyn Future<Output = Result<(), StartError>> + Send + 'a>>;

/// Starts, asks, primes and stops the upstream of a key; of a layer without keys, that of the key "".
///
/// A layer runs one step at a time for each key. A step that is not wanted any more is dropped, and
/// [`stop`](Self::stop) follows.
pub trait Starter: Send + Sync {
    /// Brings it up, or makes sure that it is: after a loss it may still be. Need not wait until it can be asked.
    fn start<'a>(&'a self, key: &'a str) -> Step<'a>;

    /// Asks it once whether it is up. Default: it is once it was started.
    fn probe<'a>(&'a self, key: &'a str) -> Step<'a> {
        let _ = key;
        done()
    }

    /// Lets it do a first real inference, since loaded is not warm. Default: nothing.
    fn prime<'a>(&'a self, key: &'a str) -> Step<'a> {
        let _ = key;
        done()
    }

    /// Lets it put its model away, so that [`wake`](Self::wake) is quick. Only asked of layers with a
    /// [`sleep`](crate::WarmLayer::sleep). Default: it cannot, and is stopped.
    fn sleep<'a>(&'a self, key: &'a str) -> Step<'a> {
        let _ = key;
        Box::pin(async { Err("it does not sleep".into()) })
    }

    /// Wakes it up. Default: as [`start`](Self::start).
    fn wake<'a>(&'a self, key: &'a str) -> Step<'a> {
        self.start(key)
    }

    /// Ends it, in whatever state it is. Default: nothing, for what runs on.
    fn stop<'a>(&'a self, key: &'a str) -> Step<'a> {
        let _ = key;
        done()
    }

    /// Waits until it has ended by itself; it is then started again when it is wanted. Default: for ever.
    fn ended<'a>(&'a self, key: &'a str) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        let _ = key;
        Box::pin(std::future::pending())
    }
}

impl<S: Starter + ?Sized> Starter for Arc<S> {
    fn start<'a>(&'a self, key: &'a str) -> Step<'a> {
        (**self).start(key)
    }

    fn probe<'a>(&'a self, key: &'a str) -> Step<'a> {
        (**self).probe(key)
    }

    fn prime<'a>(&'a self, key: &'a str) -> Step<'a> {
        (**self).prime(key)
    }

    fn sleep<'a>(&'a self, key: &'a str) -> Step<'a> {
        (**self).sleep(key)
    }

    fn wake<'a>(&'a self, key: &'a str) -> Step<'a> {
        (**self).wake(key)
    }

    fn stop<'a>(&'a self, key: &'a str) -> Step<'a> {
        (**self).stop(key)
    }

    fn ended<'a>(&'a self, key: &'a str) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        (**self).ended(key)
    }
}

fn done<'a>() -> Step<'a> {
    Box::pin(std::future::ready(Ok(())))
}

/// Why a step did not work.
#[derive(Debug)]
pub struct StartError(Box<dyn Error + Send + Sync>);

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for StartError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

// Not an `Error` itself, or else any error could not be made into it.
impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
