//! What the semantic tier takes for the same question, with the all-MiniLM-L6-v2 of `dashpot-embed`: on 428 pairs of our own, of
//! which 283 are traps, by kind.
//!
//! They were written by hand, by somebody who had read the rules and looked for what these do not see, so they say how the
//! rules fare against that and not how often traps come. The rules were mended on one half of the pairs, by a hash of
//! each pair's name; of the other half only such figures as are printed here were looked at, but it has the same author and often
//! the same idea in other words. Before the mending 28 % of the traps were served, after it 4, of the half that was not looked at
//! 7; of the paraphrases 90 % each time. None of them is from fow-cache.
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
    fn share(self) -> f64 {
        self.1 as f64 / self.0 as f64
    }
}

#[test]
fn few_traps_are_served_and_most_paraphrases() {
    let model = MiniLm::load(support::minilm()).unwrap();
    let embed = |text: &str| model.embed(&[Arc::from(text)]).pop().unwrap().unwrap();
    // By category, and for all: [paraphrases, traps] of the half that was looked at, and of the other.
    let mut served: BTreeMap<String, [Served; 4]> = BTreeMap::new();
    for line in include_str!("similar/pairs.jsonl").lines() {
        let Pair { id, category, a, b, same_answer } = serde_json::from_str(line).unwrap();
        let is_served = Verify::default().check((&a, &embed(&a)), (&b, &embed(&b))).is_ok();
        let is_held_out = !Sha256::digest(&id)[0].is_multiple_of(2);
        let column = usize::from(!same_answer) + 2 * usize::from(is_held_out);
        for name in [category, "all".to_owned()] {
            let Served(all, those) = &mut served.entry(name).or_default()[column];
            *all += 1;
            *those += usize::from(is_served);
        }
    }
    println!("{:12} {:>16} {:>16}", "served of", "looked at", "held out");
    for (category, columns) in &served {
        let [same, trap, held_same, held_trap] =
            columns.map(|Served(all, those)| format!("{those:>3}/{all:<3}"));
        println!("{category:12} {same} {trap}  {held_same} {held_trap}");
    }
    let [same, trap, held_same, held_trap] = served["all"];
    assert!(trap.share() <= 0.02 && held_trap.share() <= 0.08, "too many are wrong");
    assert!(same.share() >= 0.88 && held_same.share() >= 0.88, "too few are answered");
}
