//! The configuration, read anew while the gateway runs.

use std::{io, path::PathBuf, sync::Arc};

use metrics::counter;
use tokio::signal::unix::{SignalKind, signal};

use crate::{app::App, load};

#[derive(Clone, Debug)]
pub(crate) struct Reload {
    path: Arc<PathBuf>,
    app: App,
}

impl Reload {
    pub(crate) fn new(path: PathBuf, app: App) -> Self {
        Self { path: Arc::new(path), app }
    }

    /// Reads it again and applies it, if all of it is right. It is loaded on a thread that may wait: a model may be among it.
    pub(crate) async fn now(&self) -> Result<(), String> {
        let Self { path, app } = self.clone();
        let loaded = tokio::task::spawn_blocking(move || app.change(load(&path)?)).await;
        let result = loaded.unwrap_or_else(|error| Err(error.to_string()));
        let name = match &result {
            Ok(()) => {
                tracing::info!(path = %self.path.display(), "the configuration is applied");
                "applied"
            }
            Err(reason) => {
                tracing::warn!(reason, "the configuration stays as it is");
                "refused"
            }
        };
        counter!("gateway_reloads_total", "result" => name).increment(1);
        result
    }

    /// On each SIGHUP from now on.
    pub(crate) fn on_signal(&self) -> io::Result<()> {
        let (mut hangups, reload) = (signal(SignalKind::hangup())?, self.clone());
        tokio::spawn(async move {
            while hangups.recv().await.is_some() {
                // The reason is in the log.
                drop(reload.now().await);
            }
        });
        Ok(())
    }
}
