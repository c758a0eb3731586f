//! Who does what to whom, and from where to where, when the words are the same.

use std::collections::{BTreeSet, HashMap};

use super::{
    super::{Refused, reading::Word},
    contents, key,
};

/// Words after which a thing is another than before them.
const RELATIONS: [&str; 10] =
    ["from", "to", "into", "onto", "than", "before", "after", "by", "over", "under"];

/// After these, `to` is of the verb behind it.
const BEFORE_A_VERB: [&str; 15] = [
    "able", "allowed", "going", "have", "has", "how", "like", "need", "possible", "supposed", "used", "want",
    "way", "ways", "where",
];

pub(super) fn check(a: &[Word], b: &[Word]) -> Result<(), Refused> {
    if changes_places(a, b)
        || turns_round(a, b)
        || turns_round(b, a)
        || changes_roles(a, b)
        || is_reversed(a, b)
    {
        return Err(Refused::by("order"));
    }
    Ok(())
}

/// Whether after one of the relations there stand things in either text that the other has elsewhere.
fn changes_places(a: &[Word], b: &[Word]) -> bool {
    let (in_a, in_b): (BTreeSet<_>, BTreeSet<_>) = (contents(a).collect(), contents(b).collect());
    let (after_a, after_b) = (relations(a), relations(b));
    after_a.iter().any(|(relation, things)| {
        let Some(others) = after_b.get(relation) else { return false };
        let a_only: Vec<_> = things.difference(others).collect();
        let b_only: Vec<_> = others.difference(things).collect();
        !a_only.is_empty()
            && !b_only.is_empty()
            && a_only.iter().all(|thing| in_b.contains(*thing))
            && b_only.iter().all(|thing| in_a.contains(*thing))
    })
}

/// Whether there is a thing that one text comes from and the other goes to.
fn turns_round(a: &[Word], b: &[Word]) -> bool {
    let none = BTreeSet::new();
    let (after_a, after_b) = (relations(a), relations(b));
    let after =
        |relations: &HashMap<&str, BTreeSet<String>>, name| relations.get(name).unwrap_or(&none).clone();
    let from = after(&after_a, "from");
    let to = after(&after_b, "to");
    from.intersection(&to)
        .any(|thing| !after(&after_b, "from").contains(thing) && !after(&after_a, "to").contains(thing))
}

/// The next word of content after each relation. `into` and `onto` are ways of `to`.
fn relations(words: &[Word]) -> HashMap<&str, BTreeSet<String>> {
    let mut relations: HashMap<_, BTreeSet<_>> = HashMap::new();
    for (at, word) in words.iter().enumerate() {
        let before = at.checked_sub(1).map_or("", |before| &*words[before].form);
        if RELATIONS.contains(&&*word.form)
            && !(word.form == "to" && BEFORE_A_VERB.contains(&before))
            && let Some(thing) = words[at + 1..].iter().take(4).find(|word| word.is_content)
        {
            let relation = if matches!(&*word.form, "into" | "onto") { "to" } else { &*word.form };
            relations.entry(relation).or_default().insert(key(thing));
        }
    }
    relations
}

/// Whether two things stand on either side of the same small words, the one before and the other behind them, and in the other
/// text the other way round: `the teacher like the student`. What `and` and `or` join may stand in either order.
fn changes_roles(a: &[Word], b: &[Word]) -> bool {
    let (in_a, in_b) = (neighbours(a), neighbours(b));
    in_a.iter().any(|((one, other), between)| {
        let is_joined = between.iter().any(|word| matches!(*word, "and" | "or"));
        let is_there = in_a.contains_key(&(other.clone(), one.clone()));
        !between.is_empty()
            && !is_joined
            && !is_there
            && in_b.get(&(other.clone(), one.clone())) == Some(between)
    })
}

/// Words of content that follow each other, and the small words between them.
fn neighbours(words: &[Word]) -> HashMap<(String, String), Vec<&str>> {
    let mut neighbours = HashMap::new();
    let (mut last, mut between) = (None, Vec::new());
    for word in words {
        if !word.is_content {
            if !matches!(&*word.form, "a" | "an" | "the") {
                between.push(&*word.form);
            }
            continue;
        }
        let thing = key(word);
        if let Some(last) = last.replace(thing.clone()) {
            neighbours.entry((last, thing)).or_insert_with(|| std::mem::take(&mut between));
        }
        between.clear();
    }
    neighbours
}

/// Whether texts of the same words have three of them in the reverse order.
fn is_reversed(a: &[Word], b: &[Word]) -> bool {
    let (a, b): (Vec<_>, Vec<_>) = (contents(a).collect(), contents(b).collect());
    let places: HashMap<_, _> = b.iter().enumerate().map(|(at, word)| (word, at)).collect();
    // A word that is there twice has no one place.
    if a.len() != b.len() || places.len() != b.len() {
        return false;
    }
    // The ends of the best falling runs of one, two and three words.
    let (mut one, mut two) = (None, None);
    for word in &a {
        let Some(&at) = places.get(word) else { return false };
        if two.is_some_and(|two| at < two) {
            return true;
        }
        if one.is_some_and(|one| at < one) {
            two = two.max(Some(at));
        }
        one = one.max(Some(at));
    }
    false
}
