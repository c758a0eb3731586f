//! How long it takes to find the nearest of 100,000 real texts, beside the indexes that others use, and how often it is found.
//!
//! `cargo xtask bench index` fetches the model and the texts first: 100,000 definitions and examples of WordNet 3.0, as Debian
//! has it, and the questions of fow-cache 0.1.0 by Mabon ap Gwyn (CC BY 4.0). They are embedded by the MiniLM of `dashpot-embed`
//! in some minutes, and kept in `target/index`. Looked up are 600 questions whose other wording, or a near one, is kept, and
//! 1000 texts of which nothing is known; found is what is among the four that an index proposes, as the cache asks for four.
//!
//! Each index runs in a process of its own, on one thread, and as thoroughly as it must to have the nearest among its four for
//! 99 % of both; the cache compares the four by their own numbers. The least effort that does is printed: of a graph, how many
//! candidates a search keeps. Each graph links 16 neighbours, of 128 candidates. `--count N` takes another number of texts; what is
//! more than there are is near to one of them.

#[path = "index/contestants.rs"]
mod contestants;
#[path = "index/corpus.rs"]
mod corpus;
#[path = "index/data.rs"]
mod data;
#[path = "index/measure.rs"]
mod measure;
#[cfg(feature = "peers")]
#[path = "index/peers.rs"]
mod peers;
#[cfg(feature = "usearch")]
#[path = "index/usearch.rs"]
mod usearch;

use std::{env, error::Error, path::Path, process::Command};

#[cfg(feature = "usearch")]
use ::usearch::ScalarKind;
use contestants::Ours;
use data::Data;
use measure::{HEAD, measure};

#[allow(clippy::print_stdout, reason = "the report of a bench")]
fn main() -> Result<(), Box<dyn Error>> {
    // Nothing is timed where allocations are counted.
    if cfg!(feature = "allocations") {
        return Ok(());
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("");
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let counts = match arguments[..] {
        [] => vec![1000, 10_000, 100_000],
        ["--count", count] => vec![count.parse()?],
        ["--one", name, count, kept, near, any, nearest] => {
            let data = Data::read(&[kept, near, any, nearest].map(Into::into), count.parse()?)?;
            run(name, &data);
            return Ok(());
        }
        _ => return Err("usage: cargo bench --bench index -- [--count N]".into()),
    };
    for (n, &count) in counts.iter().enumerate() {
        let Some(files) = data::files(&target, count)? else {
            println!("index: no model or no texts: run `cargo xtask bench index`");
            return Ok(());
        };
        println!("{count} texts, {}\n{HEAD}", Data::read(&files, count)?.cosines());
        // The others only among the most.
        let is_last = n + 1 == counts.len();
        for name in if is_last { NAMES } else { &NAMES[..1] } {
            Command::new(env::current_exe()?)
                .args(["--one", name, &count.to_string()])
                .args(&files)
                .status()?;
        }
        #[cfg(not(feature = "usearch"))]
        if is_last {
            println!("usearch: not measured: run `cargo xtask bench index`");
        }
        #[cfg(feature = "peers")]
        if is_last {
            peers::faiss(&target, count, &files);
        }
        println!();
    }
    Ok(())
}

const NAMES: &[&str] = &[
    Ours::NAME,
    #[cfg(feature = "usearch")]
    "usearch",
    #[cfg(feature = "usearch")]
    "usearch, i8",
    #[cfg(feature = "peers")]
    "hnsw_rs",
];

fn run(name: &str, data: &Data) {
    match name {
        #[cfg(feature = "usearch")]
        "usearch" => measure(name, data, &usearch::new(ScalarKind::F32, data.room())),
        #[cfg(feature = "usearch")]
        "usearch, i8" => measure(name, data, &usearch::new(ScalarKind::I8, data.room())),
        #[cfg(feature = "peers")]
        "hnsw_rs" => measure(name, data, &peers::HnswRs::new(data.room())),
        _ => measure(name, data, &Ours::new(data.room())),
    }
}
