use std::{fmt, pin::Pin, sync::Arc};

use super::{StartError, Starter, Step, done};

type Run = Arc<dyn Fn(&str) -> Pin<Box<dyn Future<Output = Result<(), StartError>> + Send>> + Send + Sync>;

/// Functions that do the steps; each is told the key. What is not given needs nothing to be done.
///
/// # Examples
///
/// ```
/// use dashpot_warm::starter::{Functions, StartError};
///
/// let starter = Functions::new(|key| {
///     let key = key.to_owned();
///     async move {
///         println!("{key} is to start");
///         Ok::<_, StartError>(())
///     }
/// })
/// .prime(|_| async { Err("no word came back".into()) });
/// ```
#[derive(Clone)]
pub struct Functions {
    start: Run,
    probe: Option<Run>,
    prime: Option<Run>,
    sleep: Option<Run>,
    wake: Option<Run>,
    stop: Option<Run>,
}

impl Functions {
    /// Starts it so.
    pub fn new<F>(start: impl Fn(&str) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), StartError>> + Send + 'static,
    {
        Self { start: run(start), probe: None, prime: None, sleep: None, wake: None, stop: None }
    }

    /// Asks it so whether it is up.
    #[must_use]
    pub fn probe<F>(self, probe: impl Fn(&str) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), StartError>> + Send + 'static,
    {
        Self { probe: Some(run(probe)), ..self }
    }

    /// Lets it do a first real inference.
    #[must_use]
    pub fn prime<F>(self, prime: impl Fn(&str) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), StartError>> + Send + 'static,
    {
        Self { prime: Some(run(prime)), ..self }
    }

    /// Lets it put its model away.
    #[must_use]
    pub fn sleep<F>(self, sleep: impl Fn(&str) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), StartError>> + Send + 'static,
    {
        Self { sleep: Some(run(sleep)), ..self }
    }

    /// Wakes it up.
    #[must_use]
    pub fn wake<F>(self, wake: impl Fn(&str) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), StartError>> + Send + 'static,
    {
        Self { wake: Some(run(wake)), ..self }
    }

    /// Ends it.
    #[must_use]
    pub fn stop<F>(self, stop: impl Fn(&str) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), StartError>> + Send + 'static,
    {
        Self { stop: Some(run(stop)), ..self }
    }
}

impl Starter for Functions {
    fn start<'a>(&'a self, key: &'a str) -> Step<'a> {
        (self.start)(key)
    }

    fn probe<'a>(&'a self, key: &'a str) -> Step<'a> {
        self.probe.as_ref().map_or_else(done, |probe| probe(key))
    }

    fn prime<'a>(&'a self, key: &'a str) -> Step<'a> {
        self.prime.as_ref().map_or_else(done, |prime| prime(key))
    }

    fn sleep<'a>(&'a self, key: &'a str) -> Step<'a> {
        match &self.sleep {
            Some(sleep) => sleep(key),
            None => Box::pin(async { Err("it does not sleep".into()) }),
        }
    }

    fn wake<'a>(&'a self, key: &'a str) -> Step<'a> {
        self.wake.as_ref().unwrap_or(&self.start)(key)
    }

    fn stop<'a>(&'a self, key: &'a str) -> Step<'a> {
        self.stop.as_ref().map_or_else(done, |stop| stop(key))
    }
}

fn run<F>(step: impl Fn(&str) -> F + Send + Sync + 'static) -> Run
where
    F: Future<Output = Result<(), StartError>> + Send + 'static,
{
    Arc::new(move |key| Box::pin(step(key)))
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Functions").finish_non_exhaustive()
    }
}
