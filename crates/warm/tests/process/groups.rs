//! Who is left of a group of processes.

use std::time::Duration;

use rustix::process::Pid;
use tokio::time::Instant;

/// Nobody is left of its group.
pub(crate) async fn is_gone(group: Pid) {
    let until = Instant::now() + Duration::from_secs(30);
    while is_alive(group) {
        assert!(Instant::now() < until, "there are orphans in {group:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether anybody in the group runs. Those that nobody has waited for yet are dead, but still have their place in it.
fn is_alive(group: Pid) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = processes.filter_map(|process| std::fs::read_to_string(process.path().join("stat")).ok());
    // After the name, which may have anything in it: the state, the parent, the group.
    stats.filter_map(|stat| stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned())).any(|stat| {
        let mut fields = stat.split(' ');
        let is_dead = matches!(fields.next(), Some("Z" | "X"));
        !is_dead && fields.nth(1) == Some(group.to_string().as_str())
    })
}
