//! The report.

use crate::{
    contestants::Contestant,
    rounds::{CONNECTIONS, Figures, STREAMS},
};

/// The figures as a table of Markdown: of `directly` as they are, of the others what they add to that.
pub(crate) fn table(contestants: &[Contestant], figures: &[Figures]) -> String {
    let direct = &figures[0];
    let mut rows = vec![String::from("| |"), String::from("|---|")];
    for contestant in contestants {
        rows[0] += &format!(" {} |", contestant.name());
        rows[1] += "---|";
    }
    let mut row = |name: String, figure: &dyn Fn(&Figures, bool) -> String| {
        let cells = contestants.iter().zip(figures);
        let cells = cells.map(|(contestant, figures)| figure(figures, *contestant == Contestant::Direct));
        rows.push(format!("| {name} | {} |", cells.collect::<Vec<_>>().join(" | ")));
    };
    row(format!("requests a second, {CONNECTIONS} connections"), &|one, _| format!("{:.0}", one.requests));
    for (at, percentile) in ["p50", "p99"].into_iter().enumerate() {
        row(format!("whole answer, {percentile}"), &|one, is_direct| {
            let [via, server] = [one.whole[0][at], one.whole[1][at]];
            if is_direct { time(server) } else { added(via - server) }
        });
    }
    for (level, (count, _)) in STREAMS.into_iter().enumerate() {
        let streams = if count == 1 { "1 stream".into() } else { format!("{count} streams") };
        for (at, percentile) in ["p50", "p99"].into_iter().enumerate() {
            row(format!("first token, {percentile}, {streams}"), &|one, is_direct| {
                let [first, server] = [one, direct].map(|figures| figures.first[level][at]);
                if is_direct { time(first) } else { added(first - server) }
            });
        }
        row(format!("jitter, p99, {streams}"), &|one, _| time(one.jitter[level]));
    }
    row("memory a stream".into(), &|one, is_direct| {
        if is_direct { String::new() } else { format!("{:.0} KiB", one.memory / 1024.0) }
    });
    row("start".into(), &|one, is_direct| if is_direct { String::new() } else { time(one.start) });
    row("failed".into(), &|one, _| one.failed.to_string());
    rows.join("\n")
}

/// What is promised of all layers, and what came of it.
pub(crate) fn promises(contestants: &[Contestant], figures: &[Figures]) -> String {
    let of = |wanted| contestants.iter().position(|one| *one == wanted).map(|at| &figures[at]);
    let whole = |figures: &Figures| figures.whole[0][0] - figures.whole[1][0];
    let mut lines = Vec::new();
    let Some(full) = of(Contestant::Full) else { return String::new() };
    if let Some(nginx) = of(Contestant::Nginx) {
        let [total, add] = [full.whole[0][0] / nginx.whole[0][0], whole(full) / whole(nginx)];
        lines.push(format!("all layers: whole answers, p50: {total:.2} times nginx's, and {add:.2} times what it adds (at most 1.5)"));
    }
    for (peer, least) in [(Contestant::LiteLlm, 10), (Contestant::Portkey, 3)] {
        if let Some(other) = of(peer) {
            let times = full.requests / other.requests;
            lines.push(format!(
                "all layers: {times:.1} times the requests of {} (at least {least})",
                peer.name()
            ));
        }
    }
    if let Some(direct) = of(Contestant::Direct) {
        let first = added(full.first[1][1] - direct.first[1][1]);
        lines.push(format!("all layers: first token, p99, 64 streams: {first} (at most +1 ms)"));
    }
    lines.join("\n")
}

fn added(seconds: f64) -> String {
    if seconds < 0.0 { format!("-{}", time(-seconds)) } else { format!("+{}", time(seconds)) }
}

/// Three digits of it.
fn time(seconds: f64) -> String {
    let (number, unit) = match seconds {
        seconds if seconds < 1e-3 => (seconds * 1e6, "µs"),
        seconds if seconds < 1.0 => (seconds * 1e3, "ms"),
        seconds => (seconds, "s"),
    };
    let digits = if number < 10.0 { 2 } else { usize::from(number < 100.0) };
    format!("{number:.digits$} {unit}")
}
