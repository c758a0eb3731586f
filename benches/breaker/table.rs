//! Defects by breakers.

use futures_util::future::LocalBoxFuture;

use crate::{
    contestants::{Contestant, DASHPOT},
    scenarios::{self, Subject},
};

type Cell = fn(&'static Contestant) -> LocalBoxFuture<'static, String>;

fn subject(contestant: &Contestant) -> Subject {
    Subject::new(contestant)
}

const ROWS: [(&str, Cell); 10] = [
    ("outage after 10,000 successes: calls until it opens", |of| Box::pin(scenarios::outage(subject(of)))),
    ("200 hung calls, cut by a timeout outside", |of| Box::pin(scenarios::hung(subject(of)))),
    ("late successes while a probe is out", |of| Box::pin(scenarios::late_success(subject(of)))),
    ("half open: probes of 1,000 requests", |of| Box::pin(scenarios::probes(subject(of)))),
    ("a cancelled probe's place", |of| Box::pin(scenarios::cancelled_probe(subject(of)))),
    ("open, and the inner service is pending", |of| Box::pin(scenarios::pending_inner(subject(of)))),
    ("waits over three failed probes, seconds", |of| {
        Box::pin(scenarios::waits((0..16).map(|_| subject(of)).collect()))
    }),
    ("a stream that breaks after its head", |of| Box::pin(scenarios::broken_stream(subject(of)))),
    ("429 while closed", |of| Box::pin(scenarios::too_many(subject(of), subject(of)))),
    ("wait after 503 with Retry-After: 1, seconds", |of| Box::pin(scenarios::retry_after(subject(of)))),
];

#[cfg(feature = "peers")]
const PEERS: &[Contestant] = &crate::others::ALL;
#[cfg(not(feature = "peers"))]
const PEERS: &[Contestant] = &[];

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "the report of a bench")]
pub(crate) fn print() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime of one thread needs no resources");
    let contestants: Vec<&'static Contestant> = std::iter::once(&DASHPOT).chain(PEERS).collect();
    let line = |name: &str, cells: &[String]| {
        let cells: String = cells.iter().map(|cell| format!(" {cell:20}")).collect();
        println!("{name:52}{}", cells.trim_end());
    };
    line("", &contestants.iter().map(|contestant| contestant.name.to_owned()).collect::<Vec<_>>());
    for (name, cell) in ROWS {
        let cells: Vec<_> =
            contestants.iter().map(|&contestant| runtime.block_on(cell(contestant))).collect();
        line(name, &cells);
    }
}
