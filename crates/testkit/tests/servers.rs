//! The servers that other tests use, and the proxy before them.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use dashpot_testkit::servers::{Postgres, Proxy, Redis};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

/// What Redis answers to one command.
fn ask(port: u16, command: &str) -> String {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).expect("Redis listens");
    connection.write_all(format!("{command}\r\n").as_bytes()).expect("Redis listens");
    let mut answer = [0; 4096];
    let len = connection.read(&mut answer).expect("Redis answers");
    String::from_utf8_lossy(&answer[..len]).into_owned()
}

/// Whether a server takes connections.
fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[test]
fn redis_has_vector_sets_and_loses_all_when_it_is_killed() {
    let mut redis = Redis::start(&[]);
    let port = redis.port();
    assert_eq!(ask(port, "VADD s VALUES 2 1 0 a"), ":1\r\n");
    assert!(ask(port, "VSIM s VALUES 2 1 0").contains("a\r\n"));
    redis.kill();
    assert!(!listens(port));
    redis.restart();
    assert_eq!((redis.port(), &*ask(port, "EXISTS s")), (port, ":0\r\n"));
    drop(redis);
    assert!(!listens(port));
}

#[test]
fn redis_takes_options_and_the_search_module() {
    let redis = Redis::with_search(&["--requirepass", "secret"]);
    assert_eq!(redis.url(), format!("redis://:secret@127.0.0.1:{}", redis.port()));
    assert!(ask(redis.port(), "PING").starts_with("-NOAUTH"));
    let list = ask(redis.port(), "AUTH secret\r\nFT._LIST");
    assert!(list.starts_with("+OK"), "{list}");
    let replica = Redis::start(&["--replicaof", "127.0.0.1", "1"]);
    assert!(ask(replica.port(), "SET a b").starts_with("-READONLY"));
}

#[test]
fn postgres_keeps_its_data_when_it_is_killed_and_a_replica_has_them_too() {
    let run = |url: &str, what: &str| {
        let folder = std::env::var_os("DASHPOT_POSTGRES").map_or_else(
            || std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("postgres"),
            Into::into,
        );
        let mut psql = Command::new(Path::new(&folder).join("server/18/bin/psql"));
        let output = psql.args([url, "-qAtc", what]).output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned()
    };
    let mut postgres = Postgres::start(&["max_connections=20"]);
    assert_eq!(run(&postgres.url(), "SHOW max_connections"), "20");
    assert_eq!(
        run(&postgres.url(), "CREATE EXTENSION vector; CREATE TABLE t AS SELECT '[1,2]'::vector v"),
        ""
    );
    let replica = Postgres::replica_of(&postgres);
    assert_eq!(run(&replica.url(), "SELECT v FROM t"), "[1,2]");
    assert!(run(&replica.url(), "DELETE FROM t").contains("read-only"));
    postgres.kill();
    assert!(!listens(postgres.port()));
    postgres.restart();
    assert_eq!(run(&postgres.url(), "SELECT v <-> '[1,2]' FROM t"), "0");
    let wrong = postgres.url().replace("secret", "wrong");
    assert!(run(&wrong, "SELECT 1").contains("password authentication failed"));
}

/// Does nothing but hold servers, for the test below, which starts this program again and kills it.
#[test]
#[ignore = "a part of the next test"]
fn holds_servers() {
    let (redis, postgres) = (Redis::start(&[]), Postgres::start(&[]));
    println!("ports {} {}", redis.port(), postgres.port());
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn servers_end_when_the_test_is_killed_and_leave_nothing_behind() {
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["--ignored", "--exact", "holds_servers", "--nocapture"]).stdout(Stdio::piped());
    let mut test = test.spawn().unwrap();
    let (mut output, mut said) = (test.stdout.take().unwrap(), String::new());
    while !said.lines().any(|line| line.contains("ports ") && said.ends_with('\n')) {
        let mut bytes = [0; 256];
        let len = output.read(&mut bytes).unwrap();
        assert!(len > 0, "{said}");
        said.push_str(&String::from_utf8_lossy(&bytes[..len]));
    }
    let ports = said.split("ports ").nth(1).unwrap().lines().next().unwrap();
    let ports: Vec<u16> = ports.split_whitespace().map(|port| port.parse().unwrap()).collect();
    assert!(ports.len() == 2 && ports.iter().all(|&port| listens(port)), "{ports:?}");
    test.kill().unwrap();
    let of_it = format!("-{}-", test.id());
    test.wait().unwrap();
    let folders = || {
        let entries = std::env::temp_dir().read_dir().unwrap().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().contains(&of_it)).count()
    };
    for _ in 0..500 {
        if folders() == 0 && !ports.iter().any(|&port| listens(port)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{} folders are left, and of {ports:?} one listens", folders());
}

#[tokio::test]
async fn the_proxy_counts_round_trips_and_hangs_delays_and_cuts() {
    let redis = Redis::start(&[]);
    let proxy = Proxy::to(redis.port()).await;
    let mut connection = tokio::net::TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
    let mut answer = [0; 7];
    let wait = Duration::from_millis(100);
    for trip in 1..=2 {
        connection.write_all(b"PING\r\n").await.unwrap();
        connection.read_exact(&mut answer).await.unwrap();
        assert_eq!((&answer, proxy.round_trips()), (b"+PONG\r\n", trip));
    }

    proxy.hang();
    connection.write_all(b"PING\r\n").await.unwrap();
    assert!(timeout(wait, connection.read_exact(&mut answer)).await.is_err());
    proxy.open();
    connection.read_exact(&mut answer).await.unwrap();

    proxy.slow(wait);
    let start = Instant::now();
    connection.write_all(b"PING\r\n").await.unwrap();
    connection.read_exact(&mut answer).await.unwrap();
    assert!(Instant::now() - start >= wait);

    proxy.cut();
    assert_eq!(connection.read(&mut answer).await.unwrap(), 0);
    let mut refused = tokio::net::TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
    assert_eq!(refused.read(&mut answer).await.unwrap(), 0);
    proxy.open();
    assert_eq!(proxy.connections(), 2);
}
