//! The simulator on a loopback socket, by bytes: what faults do to a real connection.

use std::time::Duration;

use simulator::{Fault, Route, Simulator, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Sends a start over a connection of its own and returns all that comes until the other side
/// closes it.
async fn start(address: std::net::SocketAddr) -> std::io::Result<String> {
    let body = r#"{"prompt": "Do it", "create_pull_request": true}"#;
    let request = format!(
        "POST /agents/repos/octo/app/tasks HTTP/1.1\r\nHost: {address}\r\nUser-Agent: tests\r\n\
         Accept: application/json\r\nX-GitHub-Api-Version: 2026-03-10\r\nConnection: close\r\n\
         Authorization: Bearer github_pat_simulated\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn answers_drops_and_breaks_off() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let simulator = Simulator::new();
    let served = tokio::spawn(serve(listener, simulator.clone()));

    let answer = start(address).await?;
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    assert!(answer.contains("\"session_count\":0"), "{answer}");

    simulator.fault(Route::Start, Fault::drop().after_accepting());
    assert_eq!(start(address).await?, "");
    assert_eq!(simulator.starts(), 2);

    simulator.fault(Route::Start, Fault::time_out(Duration::from_millis(20)));
    assert_eq!(start(address).await?, "");
    assert_eq!(simulator.starts(), 2);

    simulator.fault(Route::Start, Fault::cut_body());
    let answer = start(address).await?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let promised = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .and_then(|length| length.parse::<usize>().ok());
    assert_eq!(promised.map(|length| length / 2), Some(body.len()), "{answer}");
    assert!(!body.is_empty());
    assert_eq!(simulator.starts(), 3);

    assert!(simulator.unexpected().is_empty());
    served.abort();
    Ok(())
}
