//! How often a similar question is given the answer of another, rightly and wrongly: by cosine alone, with the guard, with
//! the words aligned, and with a threshold that was learned.
//!
//! `cargo xtask bench cache-quality` fetches the model and the questions first: the pairs and conversations of fow-cache 0.1.0
//! by Mabon ap Gwyn (CC BY 4.0), unchanged. `cargo bench --bench cache_quality -- --pairs FILE` asks others: a JSON object a line,
//! with `id`, `category`, `a`, `b` and `same_answer`.
//!
//! A hit is a pair with the same answer that is served, a wrong one a pair with different answers that is; each in per cent of
//! all such pairs, with a 95 % interval (Wilson's). The rules were written and the thresholds chosen on one half of fow-cache, by
//! a hash of each pair's name, and on some pairs of our own. Of the other half nobody looked at a pair before all was done, only at
//! such tables as these. Its names of categories were known.

#[path = "cache_quality/conversations.rs"]
mod conversations;
#[path = "cache_quality/data.rs"]
mod data;
#[path = "cache_quality/gates.rs"]
mod gates;
#[path = "cache_quality/rate.rs"]
mod rate;
#[path = "cache_quality/table.rs"]
mod table;

use std::{error::Error, path::Path};

use dashpot::embed::MiniLm;

use data::Pair;

/// What others published on the same pairs; none of them was run here.
const PUBLISHED: &str = "\
published by the author of fow-cache on all 600 pairs, not run here (hit % / wrong %):
  GPTCache as it comes 81 / 81, RedisVL as it comes 51 / 11, mpnet at a cosine of 0.90 49 / 27";

#[allow(clippy::print_stdout, reason = "the report of a bench")]
fn main() -> Result<(), Box<dyn Error>> {
    // Quality is the same whoever counts allocations.
    if cfg!(feature = "allocations") {
        return Ok(());
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("");
    let (model, data) = (target.join("models/minilm"), target.join("fow-cache/fow_cache/data"));
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let others = match &arguments[..] {
        [] => None,
        [flag, file] if flag == "--pairs" => Some(file),
        _ => return Err("usage: cargo bench --bench cache_quality -- [--pairs FILE]".into()),
    };
    let file = others.map_or_else(|| data.join("pairs.jsonl"), |file| file.into());
    if !model.is_dir() || !file.is_file() {
        println!("cache_quality: no model or no questions: run `cargo xtask bench cache-quality`");
        return Ok(());
    }
    let model = MiniLm::load(&model)?;
    let pairs = Pair::read(&file, &model)?;
    println!("{}", table::curves(&pairs));
    println!("{}", table::learned(&pairs));
    println!("{}", table::categories(&pairs));
    println!("{}", table::rules(&pairs));
    println!("{}", table::time(&pairs));
    if others.is_none() {
        println!("{PUBLISHED}\n");
        println!("{}", conversations::report(&data, &model)?);
    }
    Ok(())
}
