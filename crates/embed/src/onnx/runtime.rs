use std::{
    any::Any,
    error::Error,
    fmt, fs,
    num::NonZero,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use ort::{LoadDynamicError, environment::Environment};

use super::library;
use crate::{LoadError, load_error::Unfit};

/// A process has one, and never lets go of it.
static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);

struct Loaded {
    library: PathBuf,
    /// `None` if the library was not fit for use. Then no other can take its place.
    environment: Option<Environment>,
}

/// ONNX Runtime, loaded from its shared library, such as `libonnxruntime.so`: version 1.17 or later.
///
/// A process can load one library, and keeps it to its end.
#[derive(Clone)]
pub struct OnnxRuntime {
    pub(super) environment: Environment,
    pub(super) threads: NonZero<usize>,
}

impl OnnxRuntime {
    /// Loads the library, or takes what was loaded from there before.
    ///
    /// The library is native code that runs with all rights of the process from here on. A file that is missing, cut off,
    /// too old or another library is an error; one that ends the process on its own is beyond help.
    ///
    /// # Errors
    ///
    /// If it is not a library of ONNX Runtime, is too old, or another was loaded before.
    pub fn load(library: impl AsRef<Path>) -> Result<Self, LoadError> {
        let library = library.as_ref();
        let error = |reason: &dyn fmt::Display| LoadError::new(library, reason);
        // The path as a whole: a name alone would be looked for wherever the system keeps libraries.
        let path = fs::canonicalize(library).map_err(|reason| error(&reason))?;
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Loaded { library: other, .. }) = &*loaded
            && *other != path
        {
            return Err(error(&format_args!("this process has loaded {} before", other.display())));
        }
        if loaded.is_none() {
            library::check(&path).map_err(|reason| error(&reason))?;
        }
        let environment = match loaded.as_ref().and_then(|loaded| loaded.environment.clone()) {
            Some(environment) => environment,
            None => start(path, &mut loaded).map_err(|reason| error(&reason))?,
        };
        Ok(Self { environment, threads: NonZero::<usize>::MIN })
    }

    /// So many threads compute one text for models that are loaded from now on; by default one, the thread that asks.
    #[must_use]
    pub fn threads(self, threads: NonZero<usize>) -> Self {
        Self { threads, ..self }
    }
}

fn start(library: PathBuf, loaded: &mut Option<Loaded>) -> Result<Environment, Unfit> {
    let builder = caught(|| {
        ort::init_from(&library).map_err(|error| match error {
            LoadDynamicError::Dlopen { error, .. } => {
                error.source().map_or_else(|| error.to_string(), ToString::to_string)
            }
            error => error.to_string(),
        })
    })?;
    // From here on the process has this library and can have no other.
    let Loaded { environment, .. } = loaded.insert(Loaded { library, environment: None });
    let built = caught(|| builder.with_name("dashpot").with_telemetry(false).build())?;
    Ok(environment.insert(built).clone())
}

/// The binding panics where a library is not what it expects.
pub(super) fn caught<T, E: fmt::Display>(run: impl FnOnce() -> Result<T, E>) -> Result<T, Unfit> {
    let said = |panic: Box<dyn Any + Send>| {
        let said = panic.downcast::<String>().map(|said| *said);
        said.or_else(|panic| panic.downcast::<&str>().map(|said| (*said).to_owned()))
            .unwrap_or_else(|_| "it panicked".into())
    };
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(|error| Unfit(error.to_string())),
        Err(panic) => Err(Unfit(said(panic))),
    }
}

impl fmt::Debug for OnnxRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnnxRuntime").field("threads", &self.threads).finish_non_exhaustive()
    }
}
