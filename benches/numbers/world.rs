//! The simulator on a loopback address, for one run of one program.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use simulator::{Call, Script, Settings, Simulator};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// A GitHub that behaves as documented, and knows nothing of earlier runs.
pub(crate) struct World {
    simulator: Simulator,
    address: String,
    started: Arc<Mutex<Option<Instant>>>,
    /// How many bytes came in, if they are counted.
    pub(crate) bytes: Arc<AtomicU64>,
}

impl World {
    /// Opens one. Its tasks complete after `lasting`.
    ///
    /// # Errors
    /// If there is no port left.
    pub(crate) fn open(runtime: &Runtime, lasting: Duration) -> anyhow::Result<Self> {
        let (started, bytes) = (Arc::default(), Arc::default());
        // The simulator's clock begins with it, and is that of the runtime.
        let (simulator, address) = runtime.block_on(async {
            let simulator = Simulator::new();
            simulator.settings(|settings| *settings = Settings::documented());
            simulator.default_script(
                Script::new().state("in_progress", lasting).state("completed", Duration::from_secs(3600)),
            );
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?.to_string();
            tokio::spawn(simulator::serve(listener, simulator.clone()));
            anyhow::Ok((simulator, address))
        })?;
        let arrival: Arc<Mutex<Option<Instant>>> = Arc::clone(&started);
        simulator.observe(move |call| {
            if call.method == "POST" {
                *arrival.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            }
        });
        Ok(Self { simulator, address, started, bytes })
    }

    /// The address to send requests to.
    pub(crate) fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// An address that counts the bytes on their way to the other one. It makes every request slower.
    ///
    /// # Errors
    /// If there is no port left.
    pub(crate) fn counting_address(&self, runtime: &Runtime) -> anyhow::Result<String> {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let (to, bytes) = (self.address.clone(), Arc::clone(&self.bytes));
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, to.clone(), Arc::clone(&bytes)));
            }
        });
        Ok(format!("http://{address}"))
    }

    /// Every request that came, of which exactly one was a start.
    ///
    /// # Errors
    /// If a request was none that GitHub knows.
    pub(crate) fn requests(&self) -> anyhow::Result<Vec<Call>> {
        let unexpected = self.simulator.unexpected();
        anyhow::ensure!(unexpected.is_empty(), "GitHub would not take this: {unexpected:?}");
        anyhow::ensure!(self.simulator.starts() == 1, "{} tasks were started", self.simulator.starts());
        Ok(self.simulator.log())
    }

    /// When the start arrived.
    pub(crate) fn started(&self) -> Option<Instant> {
        *self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn forward(mut client: TcpStream, to: String, bytes: Arc<AtomicU64>) -> std::io::Result<()> {
    let mut server = TcpStream::connect(to).await?;
    let (mut client_reads, mut client_writes) = client.split();
    let (mut server_reads, mut server_writes) = server.split();
    let sent = async {
        let mut buffer = vec![0; 65_536];
        loop {
            let read = client_reads.read(&mut buffer).await?;
            if read == 0 {
                return server_writes.shutdown().await;
            }
            bytes.fetch_add(read as u64, Ordering::Relaxed);
            server_writes.write_all(&buffer[..read]).await?;
        }
    };
    tokio::try_join!(sent, tokio::io::copy(&mut server_reads, &mut client_writes))?;
    Ok(())
}
