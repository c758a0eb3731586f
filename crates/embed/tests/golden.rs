//! The local model says what the reference implementation says: `golden.py` asked sentence-transformers.

use std::{path::PathBuf, sync::Arc};

use dashpot_embed::{MiniLm, Model};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    texts: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    vector: Option<Vec<f32>>,
}

fn model() -> MiniLm {
    let target = std::env::current_exe().unwrap();
    let folder: PathBuf = target.ancestors().nth(3).unwrap().join("models/minilm");
    MiniLm::load(&folder).unwrap_or_else(|error| panic!("{error}: run `cargo xtask setup`"))
}

#[test]
fn vectors_are_those_of_the_reference() {
    let golden: Golden = serde_json::from_str(include_str!("golden.json")).unwrap();
    let model = model();
    let texts: Vec<Arc<str>> = golden.texts.iter().map(|case| case.text.as_str().into()).collect();
    let mut worst = 0.0_f32;
    for (case, ours) in golden.texts.iter().zip(model.embed(&texts)) {
        let ours = ours.map(|embedding| embedding.vector().to_vec());
        assert_eq!(ours.is_some(), case.vector.is_some(), "{}", case.text);
        for (ours, theirs) in ours.iter().flatten().zip(case.vector.iter().flatten()) {
            worst = worst.max((ours - theirs).abs());
            assert!((ours - theirs).abs() < 1e-3, "{}: {ours} {theirs}", case.text);
        }
    }
    println!("largest difference of an element: {worst:e}");
}
#[test]
fn speed() {
    let model = model();
    for text in ["How do I reset my password on this site?", &"word ".repeat(100)] {
        let text: Arc<str> = text.into();
        for n in [1usize] {
            let texts = vec![text.clone(); n];
            let mut best = f64::MAX;
            for _ in 0..12 {
                let t = std::time::Instant::now();
                std::hint::black_box(model.embed(&texts));
                best = best.min(t.elapsed().as_secs_f64() * 1e3 / n as f64);
            }
            println!("{} n={n} {best:.3} ms/text", text.len());
        }
    }
}
