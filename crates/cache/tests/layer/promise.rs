//! The bound on wrong answers, kept by the layer and not by the arithmetic alone.

use std::{
    f32::consts::TAU,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use dashpot_cache::{FlatIndex, Learning, RequestBody, Similar, judge::SameText, verify::Learned};
use dashpot_core::Embedding;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde_json::Value;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{chat, completion, layer, settle};

/// A question about a place on a circle of so many sectors, each of which has one answer. Of two that are near each other the one
/// may be in another sector all the same, and that the more often the further they are apart.
const PLACES: u32 = 100_000;

/// The place is said by the space between two words: to what verifies the texts are the same.
fn question(place: u32) -> String {
    let bits = (0..17).map(|bit| if place >> bit & 1 == 1 { "  " } else { " " });
    format!("Which{}sector is this?", bits.collect::<Vec<_>>().join("\t"))
}

fn place(question: &str) -> u32 {
    let spaces = question.trim_start_matches("Which").trim_end_matches("sector is this?");
    spaces.split('\t').enumerate().map(|(bit, spaces)| u32::from(spaces.len() > 1) << bit).sum()
}

fn sector(place: u32, sectors: u32) -> u32 {
    place * sectors / PLACES
}

/// Asks so often, and says how many answers there were that were said to be proven, and how many of them were wrong.
async fn served(seed: u64, sectors: u32, bound: f64, requests: u32) -> (u32, u32) {
    let embedder = service_fn(async |texts: Vec<Arc<str>>| {
        let embed = |text: &Arc<str>| {
            let angle = place(text) as f32 / PLACES as f32 * TAU;
            Embedding::new(&[angle.cos(), angle.sin()])
        };
        Ok::<_, std::io::Error>(texts.iter().map(embed).collect())
    });
    let draws = Mutex::new(SmallRng::seed_from_u64(seed ^ 1));
    let learning = Learning::new(Learned::new(bound).explore(0.3).most_entries(0), SameText)
        .draw(move || draws.lock().unwrap().random());
    // Few, so that what is near stays about as near as it is.
    let layer = layer().similar(Similar::new(embedder, "circle", FlatIndex::new(50)).learn(learning));
    let asked = Arc::new(AtomicU32::new(0));
    let model = {
        let asked = asked.clone();
        service_fn(move |_: Request<RequestBody<Full<bytes::Bytes>>>| {
            let answer = completion(&format!("sector {}", sector(asked.load(Relaxed), sectors)));
            let head = Response::builder().header(header::CONTENT_TYPE, "application/json");
            let answer = head.body(Full::<bytes::Bytes>::from(answer.to_string())).unwrap();
            async move { Ok::<_, std::convert::Infallible>(answer) }
        })
    };
    let cache = layer.layer(model);
    let mut rng = SmallRng::seed_from_u64(seed);
    let (mut proven, mut wrong) = (0, 0);
    for _ in 0..requests {
        let place = rng.random_range(0..PLACES);
        asked.store(place, Relaxed);
        let answer = cache.clone().oneshot(chat(&question(place), false)).await.unwrap();
        let is_proven = answer.headers()["cache-status"].to_str().unwrap().ends_with("; proven\"");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        settle().await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        let right = format!("sector {}", sector(place, sectors));
        proven += u32::from(is_proven);
        wrong += u32::from(is_proven && body["choices"][0]["message"]["content"] != right);
    }
    (proven, wrong)
}

#[tokio::test(start_paused = true)]
async fn of_what_is_served_as_proven_no_more_is_wrong_than_the_bound() {
    for (sectors, seed, requests) in [(4, 0, 2000), (4, 1, 2000), (200, 0, 500)] {
        let (proven, wrong) = served(seed, sectors, 0.1, requests).await;
        println!("{sectors} sectors, seed {seed}: {wrong} of {proven} are wrong");
        // In small sectors what is near is mostly in another.
        assert_eq!(proven > 100, sectors == 4);
        assert!(f64::from(wrong) <= 0.1 * f64::from(proven));
    }
}
