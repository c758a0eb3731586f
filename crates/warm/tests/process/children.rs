//! What becomes of a child process, and of those that it has started.

use std::{
    path::Path,
    process::Stdio,
    sync::{Arc, OnceLock},
    time::Duration,
};

use dashpot_warm::starter::{Functions, Process, Starter};
use rustix::process::Pid;
use tempfile::TempDir;
use tokio::{process::Command, time::timeout};

use crate::{LONG, groups::is_gone};

async fn appears(file: &Path) {
    while !file.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A shell, and nothing to ask.
fn shell(script: &'static str) -> Process<Functions> {
    let command = move |_: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    };
    Process::new(command, Functions::new(|_| async { Ok(()) }))
}

fn group_of<A: Starter>(process: &Process<A>) -> Pid {
    Pid::from_raw(process.pid("").unwrap().cast_signed()).unwrap()
}

#[tokio::test]
async fn what_does_not_end_when_it_is_told_to_is_killed_even_if_nobody_waits_for_that() {
    let folder = TempDir::new().unwrap();
    for waits in [true, false] {
        let file = folder.path().join(waits.to_string());
        let deaf = Process::new(
            {
                let file = file.clone();
                move |_: &str| {
                    let mut command = Command::new("sh");
                    command.args(["-c", "trap '' TERM; touch \"$0\"; while :; do sleep 1; done"]).arg(&file);
                    command
                }
            },
            Functions::new(|_| async { Ok(()) }),
        )
        .grace(if waits { Duration::from_millis(100) } else { 100 * LONG });
        deaf.start("").await.unwrap();
        timeout(LONG, appears(&file)).await.unwrap();
        let group = group_of(&deaf);
        let patience = if waits { LONG } else { Duration::from_millis(100) };
        assert_eq!(timeout(patience, deaf.stop("")).await.is_ok(), waits);
        is_gone(group).await;
    }
}

#[tokio::test]
async fn what_nobody_reads_stops_nobody() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("written");
    let written = file.clone();
    let process = Process::new(
        move |_| {
            let mut command = Command::new("sh");
            command.args([
                "-c",
                "yes | head -c 1000000; yes | head -c 1000000 >&2; touch \"$0\"; exec sleep 1000",
            ]);
            command.arg(&written).stdout(Stdio::piped()).stderr(Stdio::piped());
            command
        },
        Functions::new(|_| async { Ok(()) }),
    );
    process.start("").await.unwrap();
    timeout(LONG, appears(&file)).await.expect("it waits until somebody reads what it says");
    let group = group_of(&process);
    process.stop("").await.unwrap();
    is_gone(group).await;
}

#[tokio::test]
async fn what_cannot_be_run_has_not_started_and_a_command_may_look_at_its_process() {
    let none = Process::new(|_| Command::new("/nowhere/nothing"), Functions::new(|_| async { Ok(()) }));
    assert!(none.start("").await.is_err());
    assert_eq!(none.pid(""), None);
    none.stop("").await.unwrap();

    let process: Arc<OnceLock<Process<Functions>>> = Arc::default();
    let own = process.clone();
    let command = move |key: &str| {
        assert_eq!(own.get().unwrap().pid(key), None);
        let mut command = Command::new("sleep");
        command.arg("1000");
        command
    };
    let process = process.get_or_init(|| Process::new(command, Functions::new(|_| async { Ok(()) })));
    process.start("").await.unwrap();
    assert!(process.pid("").is_some());
    process.stop("").await.unwrap();
}

#[tokio::test]
async fn those_that_have_ended_by_themselves_are_forgotten() {
    let process = shell("exit 3");
    for n in 0..10 {
        process.start(&n.to_string()).await.unwrap();
        timeout(LONG, process.ended(&n.to_string())).await.unwrap();
    }
    assert!(timeout(LONG, process.ended("0")).await.is_ok(), "it has ended long ago");
    assert!(format!("{process:?}").contains("processes: 1"), "{process:?}");
}
