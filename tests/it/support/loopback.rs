//! The simulator on a port of the loopback interface.

use std::net::SocketAddr;

use simulator::{Simulator, serve};
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;

/// Serves the simulator as long as this lives.
pub(crate) struct Server {
    pub(crate) address: String,
    runtime: Option<Runtime>,
}

impl Server {
    pub(crate) fn start(simulator: &Simulator) -> Self {
        ClosedPort::reserve().serve(simulator)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Some answers are still held back, and no client waits for them.
        self.runtime.take().unwrap().shutdown_background();
    }
}

/// A port that refuses connections, and that no other process can take.
pub(crate) struct ClosedPort {
    pub(crate) address: String,
    socket: TcpSocket,
}

impl ClosedPort {
    pub(crate) fn reserve() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = format!("http://{}", socket.local_addr().unwrap());
        Self { address, socket }
    }

    /// Opens the port.
    pub(crate) fn serve(self, simulator: &Simulator) -> Server {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = {
            let _inside = runtime.enter();
            self.socket.listen(64).unwrap()
        };
        runtime.spawn(serve(listener, simulator.clone()));
        Server { address: self.address, runtime: Some(runtime) }
    }
}
