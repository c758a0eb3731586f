//! The report, table by table.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use dashpot::cache::{
    Key,
    verify::{Decision, Learned, Verify, guard},
};
use tokio::time::Instant;

use crate::{
    data::Pair,
    gates::{Gate, score},
    rate::Rate,
};

/// Hits and wrong answers of those pairs.
fn rates<'p>(pairs: impl Iterator<Item = &'p Pair> + Clone, serves: impl Fn(&Pair) -> bool) -> String {
    let rate = |is_same| Rate::of(pairs.clone().filter(|pair| pair.is_same == is_same).map(&serves));
    format!("{} / {}", rate(true), rate(false))
}

fn row(pairs: &[Pair], name: &str, serves: impl Fn(&Pair) -> bool) -> String {
    let all = rates(pairs.iter(), &serves);
    let tuned = rates(pairs.iter().filter(|pair| pair.is_tuned), &serves);
    let held_out = rates(pairs.iter().filter(|pair| !pair.is_tuned), &serves);
    format!("{name:28} {all}   {tuned}   {held_out}\n")
}

pub(crate) fn curves(pairs: &[Pair]) -> String {
    let tuned = pairs.iter().filter(|pair| pair.is_tuned).count();
    let mut text = format!(
        "{} pairs, {tuned} in the half that was tuned on; hit % / wrong %, with 95 % intervals\n{:28} {:35}   {:35}   held out\n",
        pairs.len(),
        "",
        "all",
        "tuned on"
    );
    for gate in Gate::ALL {
        text += &row(pairs, &gate.name(), |pair| gate.serves(pair));
    }
    text
}

/// Each half is decided by what was learned from the other: every pair of it told as one outcome.
pub(crate) fn learned(pairs: &[Pair]) -> String {
    let mut text = "learned from the other half; what is wrong is a share of what is served\n".to_owned();
    for bound in [0.03, 0.05, 0.1] {
        let half = |is_tuned: bool| {
            let mut learned = Learned::new(bound).explore(0.0);
            for (n, pair) in pairs.iter().enumerate().filter(|(_, pair)| pair.is_tuned == is_tuned) {
                if let Some(score) = score(pair) {
                    learned.tell(key(n), score, pair.is_same);
                }
            }
            learned
        };
        let (from_tuned, from_held_out) = (half(true), half(false));
        let proven =
            |learned: &Learned| learned.proven_from().map_or("nothing".into(), |from| format!("from {from}"));
        let decide = |pair: &Pair| {
            let learned = if pair.is_tuned { &from_held_out } else { &from_tuned };
            // Of no entry that anything was told of.
            score(pair).map_or(Decision::Refuse, |score| learned.decide(key(usize::MAX), score, 0.5))
        };
        text += &row(pairs, &format!("at most {:.0} %, proven", 100.0 * bound), |pair| {
            decide(pair) == Decision::Serve { is_proven: true }
        });
        text += &row(pairs, &format!("at most {:.0} %, not refuted", 100.0 * bound), |pair| {
            matches!(decide(pair), Decision::Serve { .. })
        });
        let served = pairs.iter().filter(|pair| matches!(decide(pair), Decision::Serve { .. }));
        let wrong = Rate::of(served.map(|pair| !pair.is_same));
        let (one, other) = (proven(&from_tuned), proven(&from_held_out));
        let _ = writeln!(
            text,
            "  proven by the tuned half: {one}; by the other: {other}; wrong of what is served: {wrong} %"
        );
    }
    text
}

fn key(n: usize) -> Key {
    let mut bytes = [0; 32];
    bytes[..size_of::<usize>()].copy_from_slice(&n.to_be_bytes());
    Key::from(bytes)
}

/// What is shipped, by category: the share that is served.
pub(crate) fn categories(pairs: &[Pair]) -> String {
    let names: BTreeSet<_> = pairs.iter().map(|pair| (!pair.is_same, &*pair.category)).collect();
    let mut text = format!("{:28} {:17}  {:17}  held out\n", "served by default, %", "all", "tuned on");
    for (is_trap, name) in names {
        let all = pairs.iter().filter(|pair| pair.category == name && pair.is_same != is_trap);
        let served = |of: Option<bool>| {
            let some = all.clone().filter(|pair| of.is_none_or(|is_tuned| pair.is_tuned == is_tuned));
            Rate::of(some.map(|pair| Gate::DEFAULT.serves(pair)))
        };
        let kind = if is_trap { "other answer" } else { "same answer" };
        let name = format!("{kind}: {name}");
        let _ = writeln!(text, "{name:28} {}  {}  {}", served(None), served(Some(true)), served(Some(false)));
    }
    text
}

/// Which rules refuse what.
pub(crate) fn rules(pairs: &[Pair]) -> String {
    let mut counts = BTreeMap::<&str, [usize; 2]>::new();
    for pair in pairs {
        let [question, kept] = pair.both();
        if let Err(refused) = Verify::default().check(question, kept) {
            counts.entry(refused.rule).or_default()[usize::from(pair.is_same)] += 1;
        }
    }
    let mut text =
        format!("{:28} {:>12} {:>12}\n", "refused by default, pairs", "other answer", "same answer");
    for (rule, [rightly, wrongly]) in counts {
        let _ = writeln!(text, "{rule:28} {rightly:12} {wrongly:12}");
    }
    text
}

/// How long a check takes.
pub(crate) fn time(pairs: &[Pair]) -> String {
    let verify = Verify::default();
    let micros = |run: &dyn Fn()| {
        let start = Instant::now();
        run();
        Instant::now().saturating_duration_since(start).as_secs_f64() * 1e6
    };
    let all = (0..5)
        .map(|_| {
            micros(&|| {
                for pair in pairs {
                    let [question, kept] = pair.both();
                    let _ = std::hint::black_box(verify.score(question, kept));
                }
            })
        })
        .fold(f64::INFINITY, f64::min);
    let long = |bytes: usize| {
        let text = "How do I move 20 files from Rome to Oslo? ".repeat(bytes / 42);
        let run = || {
            let _ = std::hint::black_box(guard::check(&text, &text));
        };
        (0..5).map(|_| micros(&run)).fold(f64::INFINITY, f64::min)
    };
    format!(
        "a pair takes {:.1} us, least of five runs; the guard {:.0} us for 8 KiB and {:.0} us for 64 KiB\n",
        all / pairs.len().max(1) as f64,
        long(8 << 10),
        long(64 << 10)
    )
}
