//! A text as a list of words, with what is known of each.

mod literals;

use std::ops::Range;

use super::{
    lexicon::{LEXICON, Mark},
    stem::stem,
};
pub(super) use literals::Literals;

#[derive(Debug)]
pub(super) struct Reading<'t> {
    text: &'t str,
    pub(super) words: Vec<Word>,
    pub(super) literals: Literals<'t>,
    pub(super) is_english: bool,
    /// Whether there is a small word of English in it. Without, it could be of any language that is written so.
    pub(super) has_small: bool,
}

#[derive(Debug)]
pub(super) struct Word {
    /// Where in the text, in bytes.
    pub(super) span: Range<usize>,
    /// As it is written, in lower case.
    pub(super) form: String,
    pub(super) stem: String,
    pub(super) marks: Vec<Mark>,
    /// Whether it is written as a name is: with a capital letter where no sentence begins, or with capitals inside.
    pub(super) is_name: bool,
    /// Whether it says something by itself.
    pub(super) is_content: bool,
}

impl Word {
    fn new(span: Range<usize>, form: String, is_name: bool) -> Self {
        let stem = stem(&form);
        let marks: Vec<_> = LEXICON.marks(&form, &stem).collect();
        let is_content = !marks.contains(&Mark::Stop) && !marks.contains(&Mark::Negator);
        Self { span, form, stem, marks, is_name, is_content }
    }

    pub(super) fn is(&self, mark: Mark) -> bool {
        self.marks.contains(&mark)
    }

    pub(super) fn is_digits(&self) -> bool {
        self.form.starts_with(|first: char| first.is_ascii_digit())
    }
}

impl<'t> Reading<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let mut words = Vec::new();
        let mut starts_sentence = true;
        let mut rest = text.char_indices().peekable();
        while let Some(&(at, first)) = rest.peek() {
            if !first.is_alphanumeric() {
                starts_sentence |= matches!(first, '.' | '?' | '!' | ':' | '\n' | '"' | '“' | '•');
                if "%£$€¥₹°".contains(first) {
                    words.push(Word::new(at..at + first.len_utf8(), first.into(), false));
                }
                rest.next();
                continue;
            }
            let end = word_end(text, at);
            while rest.next_if(|(at, _)| *at < end).is_some() {}
            split(text, at..end, starts_sentence, &mut words);
            starts_sentence = false;
        }
        if is_title(&words) {
            words.iter_mut().for_each(|word| word.is_name = is_mark(&word.form) && !word.is_digits());
        }
        drop_courtesy(text, &mut words);
        letters(&mut words);
        let is_english = is_english(text, &words);
        let has_small = words.iter().any(|word| word.is(Mark::Stop));
        Self { text, words, literals: Literals::new(text), is_english, has_small }
    }
}

impl Reading<'_> {
    /// All that is written but space and punctuation, whatever the case. Marks above and below letters are no letters to
    /// Rust, and tell words apart in many languages.
    pub(super) fn letters(&self) -> impl Iterator<Item = char> {
        let is_said = |char: &char| {
            !char.is_whitespace()
                && !char.is_ascii_punctuation()
                && !matches!(char, '\u{ad}' | '\u{2000}'..='\u{206f}' | '\u{3000}'..='\u{303f}' | '\u{feff}' | '\u{ff00}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}')
                && !"¡¿«»·".contains(*char)
        };
        self.text.chars().flat_map(char::to_lowercase).filter(is_said)
    }
}

/// Where the word ends that begins at `start`: letters and digits, with apostrophes between letters, and points and
/// commas between digits. Scripts without spaces have words of one character.
fn word_end(text: &str, start: usize) -> usize {
    let mut chars = text[start..].char_indices().peekable();
    let mut before = ' ';
    while let Some((at, char)) = chars.next() {
        let after = chars.peek().map_or(' ', |(_, char)| *char);
        let is_inside = match char {
            '\'' | '’' => before.is_alphabetic() && after.is_alphabetic(),
            '.' | ',' => before.is_ascii_digit() && after.is_ascii_digit(),
            _ => char.is_alphanumeric(),
        };
        if !is_inside || (at > 0 && (is_ideograph(char) || is_ideograph(before))) {
            return start + at;
        }
        before = char;
    }
    text.len()
}

fn is_ideograph(char: char) -> bool {
    matches!(char, '\u{0e00}'..='\u{0eff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// One word of the text as those it stands for.
fn split(text: &str, span: Range<usize>, starts_sentence: bool, words: &mut Vec<Word>) {
    let written = &text[span.clone()];
    let mut is_name = {
        let mut chars = written.chars();
        let first = chars.next().is_some_and(char::is_uppercase);
        let inside = chars.any(char::is_uppercase);
        inside || (first && !starts_sentence) || is_mark(written)
    };
    let form = written.to_lowercase().replace('’', "'");
    if form.starts_with(|first: char| first.is_ascii_digit()) {
        // `3pm`, `10GB`, `2nd`: a number and what it counts. Others, as `2FA` or `4x4`, are names.
        let digits = form.find(|char: char| char.is_alphabetic()).unwrap_or(form.len());
        let (number, unit) = form.split_at(digits);
        let mut marks = LEXICON.marks(unit, &stem(unit));
        let is_unit = marks.any(|mark| matches!(mark, Mark::Unit(_) | Mark::Magnitude(_)));
        // The 1990s are no year and no seconds.
        let is_decade = unit == "s" && number.len() == 4;
        if !is_decade && (unit.is_empty() || matches!(unit, "st" | "nd" | "rd" | "th" | "s") || is_unit) {
            words.push(Word::new(span.start..span.start + digits, ungrouped(number), false));
            if is_unit {
                words.push(Word::new(span.start + digits..span.end, unit.into(), false));
            }
            return;
        }
        words.push(Word::new(span, form, true));
        return;
    }
    if form == "i" || form.starts_with("i'") {
        is_name = false;
    }
    if let Some(forms) = LEXICON.contraction(&form) {
        words.extend(forms.iter().map(|form| Word::new(span.clone(), (*form).into(), false)));
        return;
    }
    let Some((first, last)) = form.rsplit_once('\'') else {
        words.push(Word::new(span, form, is_name));
        return;
    };
    let mut push = |form: &str, is_name| words.push(Word::new(span.clone(), form.into(), is_name));
    match (first, last) {
        ("won", "t") => ["will", "not"].iter().for_each(|form| push(form, false)),
        ("can", "t") => ["can", "not"].iter().for_each(|form| push(form, false)),
        ("shan", "t") => ["shall", "not"].iter().for_each(|form| push(form, false)),
        (verb, "t") if verb.ends_with('n') => {
            push(&verb[..verb.len() - 1], false);
            push("not", false);
        }
        (word, "s" | "re" | "ve" | "ll" | "d" | "m") => push(word, is_name),
        _ => push(&form, is_name),
    }
}

/// Without the commas between groups of three digits. Any other comma is part of what is meant: `1,5` is not 15.
fn ungrouped(number: &str) -> String {
    let (whole, _) = number.split_once('.').unwrap_or((number, ""));
    let mut groups = whole.split(',');
    let is_first = groups.next().is_some_and(|first| (1..=3).contains(&first.len()));
    if is_first && groups.all(|group| group.len() == 3) { number.replace(',', "") } else { number.to_owned() }
}

/// Whether it marks one thing, as `a1b2c3` does, or is longer than words are, or of another script: those that are no words,
/// embedders do not know from each other. Nor do they know `é` from `e`, which in a word does not matter.
fn is_mark(word: &str) -> bool {
    word.len() > LONGEST_WORD
        || word.contains(|char: char| char.is_ascii_digit() || !is_latin(char))
        || (!word.is_ascii() && word.chars().count() <= 3)
}

/// A letter of the Latin script, or what stands beside one.
fn is_latin(char: char) -> bool {
    let is_fraction_or_power = matches!(char, '²' | '³' | '¹' | '¼' | '½' | '¾');
    char < '\u{250}' && !is_fraction_or_power
        || matches!(char, '\u{1e00}'..='\u{1eff}' | '\u{fb00}'..='\u{fb06}' | '\u{2019}')
}

/// In bytes: longer ones of English are in records only.
const LONGEST_WORD: usize = 40;

/// `a` before one of these is no article but a letter: `subtract a from b`.
const AFTER_A_THING: [&str; 10] = ["from", "to", "into", "and", "or", "by", "is", "than", "on", "in"];

fn letters(words: &mut [Word]) {
    for at in 0..words.len() {
        let is_thing = words.get(at + 1).is_none_or(|next| AFTER_A_THING.contains(&&*next.form));
        words[at].is_content |= is_thing && words[at].form == "a";
    }
}

/// Whether capitals say nothing, since most words have them.
fn is_title(words: &[Word]) -> bool {
    let letters: Vec<_> = words.iter().filter(|word| !word.is_digits()).collect();
    letters.len() >= 3 && letters.iter().filter(|word| word.is_name).count() * 10 > letters.len() * 6
}

/// Whether a word is courtesy wherever it stands. `Morning`, `small` or `all` are that beside one that is.
fn is_courtesy(form: &str) -> bool {
    matches!(
        form,
        "hi" | "hello"
            | "hey"
            | "hiya"
            | "dear"
            | "greetings"
            | "please"
            | "thanks"
            | "thank"
            | "cheers"
            | "sorry"
            | "apologies"
            | "excuse"
            | "pardon"
            | "question"
            | "wondering"
            | "wondered"
            | "curious"
            | "kindly"
            | "appreciated"
            | "regards"
    )
}

/// `Good morning` and `Morning all` open a letter; `in the morning` says when.
fn is_greeting(words: &[Word], at: usize) -> bool {
    let is_time = |form: &str| matches!(form, "morning" | "afternoon" | "evening");
    let next = words.get(at + 1).map_or("", |next| &*next.form);
    (at == 0 && is_time(&words[at].form)) || (words[at].form == "good" && (is_time(next) || next == "day"))
}

/// Takes off a first clause of nothing but courtesy, and marks later courtesy as saying nothing.
fn drop_courtesy(text: &str, words: &mut Vec<Word>) {
    let is_polite = |word: &Word| word.is(Mark::Courtesy) || word.is(Mark::Stop);
    let (mut first, mut has_courtesy) = (0, false);
    for at in 0..words.len() {
        if !is_polite(&words[at]) {
            break;
        }
        has_courtesy |= is_courtesy(&words[at].form) || is_greeting(words, at);
        let gap =
            words.get(at + 1).map_or("", |next| text.get(words[at].span.end..next.span.start).unwrap_or(""));
        let closes = gap.contains([',', ':', '!', '.', ';', '\n', '-', '–', '—']);
        if closes && has_courtesy {
            first = at + 1;
        }
    }
    words.drain(..first);
    for word in words.iter_mut().filter(|word| {
        matches!(
            &*word.form,
            "please" | "thanks" | "thank" | "hi" | "hello" | "hey" | "sorry" | "kindly" | "cheers"
        )
    }) {
        word.is_content = false;
    }
}

/// Whether nearly all letters are of the Latin script, and other languages' small words no more than English ones.
fn is_english(text: &str, words: &[Word]) -> bool {
    let letters = text.chars().filter(|char| char.is_alphabetic());
    let (all, latin) =
        letters.fold((0_usize, 0), |(all, latin), char| (all + 1, latin + usize::from(char.is_ascii())));
    let foreign = words.iter().filter(|word| LEXICON.is_foreign(&word.form)).count();
    let english = words.iter().filter(|word| word.is(Mark::Stop) && !LEXICON.is_foreign(&word.form)).count();
    // English has hardly a word with other letters, and hardly a sentence without a small word.
    latin * 10 >= all * 9 && (foreign == 0 || english > foreign) && (latin == all || english > 0)
}
