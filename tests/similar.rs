//! What the semantic tier takes for the same question, with the all-MiniLM-L6-v2 of `dashpot-embed`: on pairs of our own, most of
//! them traps, by kind. None is from fow-cache.
//!
//! They were written by hand, by somebody who had read the rules and looked for what these do not see, so they say how the
//! rules fare against that and not how often traps come.
//!
//! - `pairs.jsonl`, 428 with 283 traps, came first. The rules were mended on one half of it, by a hash of each pair's name; of
//!   the other half only such figures as are printed here were looked at, but it often has the same idea in other words. Before the
//!   mending 28 % of the traps were served, after it 1 and 6; of the paraphrases 90 % each time.
//! - `fresh.jsonl`, 157 with 89 traps, was written after the mending, with new ideas, and nothing was changed for it: 21 % of
//!   its traps were served before and 13 after, and 85 % of the paraphrases. That is the one to believe about what nobody thought of.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{collections::BTreeMap, sync::Arc};

use dashpot::{
    cache::verify::Verify,
    embed::{MiniLm, Model},
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

mod support;

#[derive(Deserialize)]
struct Pair {
    id: String,
    category: String,
    a: String,
    b: String,
    same_answer: bool,
}

/// How many there are, and how many of them were served.
#[derive(Clone, Copy, Default)]
struct Served(usize, usize);

impl Served {
    fn and(self, other: Self) -> Self {
        Self(self.0 + other.0, self.1 + other.1)
    }

    fn share(self) -> f64 {
        self.1 as f64 / self.0 as f64
    }
}

/// For each category, and for all: paraphrases and traps of the half that the hash chooses, and of the other.
#[allow(clippy::print_stdout, reason = "what it is there to tell")]
fn served(model: &MiniLm, lines: &str) -> [Served; 4] {
    let embed = |text: &str| model.embed(&[Arc::from(text)]).pop().unwrap().unwrap();
    let mut served: BTreeMap<String, [Served; 4]> = BTreeMap::new();
    for line in lines.lines() {
        let Pair { id, category, a, b, same_answer } = serde_json::from_str(line).unwrap();
        let is_served = Verify::default().check((&a, &embed(&a)), (&b, &embed(&b))).is_ok();
        let is_other_half = !Sha256::digest(&id)[0].is_multiple_of(2);
        let column = usize::from(!same_answer) + 2 * usize::from(is_other_half);
        for name in [category, "all".to_owned()] {
            let Served(all, those) = &mut served.entry(name).or_default()[column];
            *all += 1;
            *those += usize::from(is_served);
        }
    }
    println!("{:12} {:^16}  {:^16}", "served of", "one half", "the other");
    println!("{:12} {:>7} {:>7}  {:>7} {:>7}", "", "same", "traps", "same", "traps");
    for (category, columns) in &served {
        let [same, trap, other_same, other_trap] =
            columns.map(|Served(all, those)| format!("{those:>3}/{all:<3}"));
        println!("{category:12} {same} {trap}  {other_same} {other_trap}");
    }
    served["all"]
}

#[test]
fn few_traps_are_served_and_most_paraphrases() {
    let model = MiniLm::load(support::minilm()).unwrap();
    let [same, trap, held_same, held_trap] = served(&model, include_str!("similar/pairs.jsonl"));
    assert!(trap.share() <= 0.02 && held_trap.share() <= 0.06, "too many are wrong");
    assert!(same.share() >= 0.88 && held_same.share() >= 0.88, "too few are answered");
    let [same, trap, more_same, more_trap] = served(&model, include_str!("similar/fresh.jsonl"));
    let (same, trap) = (same.and(more_same), trap.and(more_trap));
    assert!(trap.share() <= 0.14, "too many are wrong");
    assert!(same.share() >= 0.85, "too few are answered");
}
