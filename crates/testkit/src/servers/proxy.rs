use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::AbortHandle,
    time::sleep,
};

/// What stands between a client and a server, and does to the connections what networks do. It ends with its handle.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    way: watch::Sender<Way>,
    round_trips: AtomicU64,
    connections: AtomicU64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Way {
    #[default]
    Open,
    /// Connections are taken, and nothing passes.
    Hanging,
    /// Each answer is so late.
    Slow(Duration),
    /// Connections are closed.
    Cut,
}

impl Proxy {
    /// In front of the server on this port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("there is a port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            server: ([127, 0, 0, 1], port).into(),
            way: watch::Sender::default(),
            round_trips: AtomicU64::new(0),
            connections: AtomicU64::new(0),
        });
        let task = tokio::spawn(accept(listener, shared.clone())).abort_handle();
        Self { address, shared, task }
    }

    /// Where it listens on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Lets everything pass again, what hung too.
    pub fn open(&self) {
        self.shared.way.send_replace(Way::Open);
    }

    /// Connections stay open and new ones are taken, but nothing passes: a network that is partitioned.
    pub fn hang(&self) {
        self.shared.way.send_replace(Way::Hanging);
    }

    /// Whatever the server says comes so late.
    pub fn slow(&self, delay: Duration) {
        self.shared.way.send_replace(Way::Slow(delay));
    }

    /// Closes all connections, and new ones at once.
    pub fn cut(&self) {
        self.shared.way.send_replace(Way::Cut);
    }

    /// How often a client spoke, and the server after it, on all connections.
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        self.shared.round_trips.load(Relaxed)
    }

    /// How many connections there were.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Relaxed);
        let shared = shared.clone();
        tokio::spawn(async move {
            let mut way = shared.way.subscribe();
            tokio::select! {
                () = pass(client, &shared) => {}
                _ = way.wait_for(|way| *way == Way::Cut) => {}
            }
        });
    }
}

/// Passes on what both say, until one of them ends.
async fn pass(mut client: TcpStream, shared: &Shared) {
    let mut way = shared.way.subscribe();
    if way.wait_for(|way| *way != Way::Hanging).await.is_err() {
        return;
    }
    let Ok(mut server) = TcpStream::connect(shared.server).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.split(), server.split());
    // Whether the client has spoken since the server did.
    let asked = AtomicBool::new(false);
    let ask = async {
        let (mut bytes, mut way) = (vec![0; 1 << 16], shared.way.subscribe());
        loop {
            let len = from_client.read(&mut bytes).await.ok().filter(|len| *len > 0)?;
            way.wait_for(|way| *way != Way::Hanging).await.ok()?;
            if !asked.swap(true, Relaxed) {
                shared.round_trips.fetch_add(1, Relaxed);
            }
            to_server.write_all(&bytes[..len]).await.ok()?;
        }
    };
    let answer = async {
        let (mut bytes, mut way) = (vec![0; 1 << 16], shared.way.subscribe());
        loop {
            let len = from_server.read(&mut bytes).await.ok().filter(|len| *len > 0)?;
            let now = *way.wait_for(|way| *way != Way::Hanging).await.ok()?;
            if let Way::Slow(delay) = now {
                sleep(delay).await;
            }
            asked.store(false, Relaxed);
            to_client.write_all(&bytes[..len]).await.ok()?;
        }
    };
    let _: Option<()> = tokio::select! { end = ask => end, end = answer => end };
}
