use dashpot_cache::verify::{Refused, Score, Verify};
use dashpot_core::{Embedding, Tokens};
use proptest::prelude::*;

/// A text that is as near to others as the cosine says, with a token for each word or part of one. Words mean different things,
/// but for those that are written with a dot, which are as close to the word before the dot as the digits behind it say.
fn said(text: &str, cosine: f32) -> (String, Embedding) {
    let mut plain = String::new();
    let mut tokens = Vec::new();
    for word in text.split(' ') {
        let (meaning, closeness) = word
            .rsplit_once('.')
            .map_or((word, 1.0), |(meaning, closeness)| (meaning, format!("0.{closeness}").parse().unwrap()));
        // `fix=repair.9` is written `repair` and means nearly `fix`; `chn|age` has two pieces.
        let (meaning, written) = meaning.split_once('=').unwrap_or((meaning, meaning));
        plain.push_str(if plain.is_empty() { "" } else { " " });
        for piece in written.split('|') {
            let mut state = vec![0.0; 1024];
            let axis =
                |word: &str| word.bytes().fold(7_usize, |axis, byte| (axis * 31 + usize::from(byte)) % 1000);
            state[axis(&meaning.to_lowercase())] = closeness;
            state[1000 + written.len() % 24] = f32::sqrt(1.0 - closeness * closeness);
            tokens.push((plain.len()..plain.len() + piece.len(), state));
            plain.push_str(piece);
        }
    }
    let tokens = tokens.iter().map(|(span, state)| (span.clone(), &state[..]));
    let tokens = Tokens::new(tokens).unwrap();
    (plain, Embedding::new(&[cosine, f32::sqrt(1.0 - cosine * cosine)]).unwrap().with_tokens(tokens))
}

fn score(a: &str, b: &str, cosine: f32) -> Result<Score, &'static str> {
    let (a, b) = (said(a, 1.0), said(b, cosine));
    let there = Verify::default().check((&a.0, &a.1), (&b.0, &b.1));
    let back = Verify::default().check((&b.0, &b.1), (&a.0, &a.1));
    assert_eq!(there, back);
    there.map_err(|refused| refused.rule)
}

fn rule(a: &str, b: &str, cosine: f32) -> Option<&'static str> {
    score(a, b, cosine).err()
}

#[test]
fn a_text_is_itself() {
    assert_eq!(score("mend my bucket", "mend my bucket", 1.0), Ok(Score { value: 1.0, rule: "similarity" }));
}

#[test]
fn texts_that_point_elsewhere_are_refused() {
    assert_eq!(rule("mend my bucket", "mend the bucket", 0.76), None);
    assert_eq!(rule("mend my bucket", "mend the bucket", 0.74), Some("similarity"));
    assert_eq!(
        rule("mend my bucket", "mend no bucket", 0.1),
        Some("similarity"),
        "before the guard is asked"
    );
}

#[test]
fn what_the_guard_sees_is_refused_however_near_it_is() {
    assert_eq!(rule("mend 2 buckets", "mend 3 buckets", 1.0), Some("number"));
}

#[test]
fn one_word_in_place_of_another_has_to_mean_the_same() {
    assert_eq!(rule("mend my bucket", "mend=repair.6 my bucket", 0.9), None);
    assert_eq!(rule("mend my bucket", "mend=repair.5 my bucket", 0.9), Some("alignment"));
    assert_eq!(rule("mend my bucket", "mend my ladder", 0.99), Some("alignment"));
}

#[test]
fn of_several_words_the_worst_counts() {
    assert_eq!(rule("mend my bucket", "mend=repair.9 my bucket=pail.5", 0.9), None);
    assert_eq!(rule("mend my bucket", "mend=repair.9 my bucket=pail.3", 0.9), Some("alignment"));
    assert_eq!(rule("mend my old bucket", "mend=repair.9 my bucket=pail.9", 0.9), Some("alignment"));
}

#[test]
fn a_word_more_is_let_pass_only_if_it_turns_the_whole_but_little() {
    assert_eq!(rule("mend my bucket", "mend my garden bucket", 0.94), None);
    assert_eq!(rule("mend my bucket", "mend my garden bucket", 0.92), Some("addition"));
    // Of a dozen words one turns the whole half as much.
    let long = "mend my bucket ladder fence bench table window shutter curtain carpet mirror";
    assert_eq!(rule(long, &format!("{long} cupboard"), 0.94), Some("addition"));
    assert_eq!(rule(long, &format!("{long} cupboard"), 0.98), None);
}

#[test]
fn a_typing_mistake_is_known_by_a_word_that_the_embedder_does_not_know() {
    assert_eq!(rule("change my bucket", "chn|age my bucket", 0.8), None);
    assert_eq!(rule("my debit bucket", "my debt bucket", 0.8), Some("alignment"), "both are words");
}

#[test]
fn without_token_states_a_word_that_is_not_shared_needs_a_nearer_text() {
    let bare = |text: &str, cosine: f32| {
        (text.to_owned(), Embedding::new(&[cosine, f32::sqrt(1.0 - cosine * cosine)]).unwrap())
    };
    let rule = |a: &str, b: &str, cosine| {
        let (a, b) = (bare(a, 1.0), bare(b, cosine));
        Verify::default().check((&a.0, &a.1), (&b.0, &b.1)).err()
    };
    assert_eq!(rule("mend my bucket", "repair my bucket", 0.94), None);
    assert_eq!(rule("mend my bucket", "repair my bucket", 0.92), Some(Refused { rule: "addition" }));
    assert_eq!(rule("mend my bucket", "mend the bucket", 0.8), None);
}

#[test]
fn too_many_words_that_are_not_shared_are_not_compared() {
    let other = |from: usize| {
        (from..from + 40)
            .map(|n| {
                [n % 10, n / 10].map(|n| "bcdfghjklm".chars().nth(n).unwrap().to_string().repeat(3)).concat()
            })
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(rule(&other(2), &other(60), 0.99), Some("alignment"));
}

#[test]
fn too_many_words_on_one_side_are_not_compared_either() {
    let more: Vec<_> =
        (0..33).map(|n| ["bcdfgh", "jklmnp"].map(|c| &c[n % 6..][..1]).concat().repeat(n / 6 + 1)).collect();
    assert_eq!(rule("mend my bucket", &format!("mend my bucket {}", more.join(" ")), 1.0), Some("alignment"));
}

#[test]
fn the_longer_text_says_how_much_a_word_turns() {
    let half = "mend my bucket ladder fence bench table";
    assert_eq!(
        rule(half, &format!("{half} window shutter curtain carpet mirror cupboard"), 0.95),
        Some("addition")
    );
    assert_eq!(rule(half, &format!("{half} window"), 0.95), None);
}

#[test]
fn the_least_of_what_is_measured_is_the_score() {
    let near = score("mend my bucket", "mend=repair.99 my bucket", 0.8).unwrap();
    assert!(near.rule == "similarity" && (near.value - 0.6).abs() < 0.01, "{near:?}");
    let close = score("mend my bucket", "mend=repair.6 my bucket", 0.99).unwrap();
    assert!(close.rule == "alignment" && close.value < 0.6, "{close:?}");
}

#[test]
fn what_is_not_so_far_away_is_refused_by_what_it_says() {
    assert_eq!(rule("mend my bucket", "mend no bucket", 0.4), Some("negation"));
}

#[test]
fn words_of_a_language_that_is_not_known_need_a_nearer_text() {
    assert_eq!(rule("mend bucket", "mend=repair.9 bucket", 0.9), Some("addition"));
    assert_eq!(rule("mend bucket", "mend=repair.9 bucket", 0.94), None);
    assert_eq!(rule("mend my bucket", "mend=repair.9 my bucket", 0.9), None);
}

#[test]
fn two_words_that_the_embedder_does_not_know_are_no_typing_mistake() {
    assert_eq!(rule("my che|ll|o bucket", "my che|lo bucket", 0.8), Some("alignment"));
    assert_eq!(rule("my chello bucket", "my che|lo bucket", 0.8), None);
}

#[test]
fn two_words_that_are_written_as_one_are_the_same() {
    assert_eq!(rule("my book case bucket", "my bookcase bucket", 0.8), None);
}

#[test]
#[should_panic(expected = "a threshold is from 0 to 1")]
fn a_threshold_that_is_no_cosine_is_refused() {
    let _ = Verify::default().similar(f32::NAN);
}

proptest! {
    /// Spans need not fit the text: embedders are not ours.
    #[test]
    fn any_texts_and_tokens_are_compared(
        a in "\\PC{0,40}", b in "\\PC{0,40}", spans in prop::collection::vec((0..50_usize, 0..50_usize), 0..12),
    ) {
        let states: Vec<_> = spans.iter().map(|(start, end)| (*start..*end, [1.0, *start as f32])).collect();
        let tokens = Tokens::new(states.iter().map(|(span, state)| (span.clone(), &state[..]))).unwrap();
        let embedding = Embedding::new(&[1.0, 1.0]).unwrap().with_tokens(tokens);
        let verify = Verify::default();
        prop_assert_eq!(verify.check((&a, &embedding), (&b, &embedding)), verify.check((&b, &embedding), (&a, &embedding)));
        prop_assert!(verify.check((&a, &embedding), (&a, &embedding)).is_ok());
    }
}
