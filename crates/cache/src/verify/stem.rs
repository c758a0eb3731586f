/// What is left of a word in lower case when its endings are taken off, and its spelling is made American.
///
/// A light stemmer: endings of number, tense and manner only, since more of it would make different words the same.
pub(super) fn stem(word: &str) -> String {
    let mut stem = word.to_owned();
    if !word.is_ascii() || word.len() < 4 || word.bytes().any(|byte| byte.is_ascii_digit()) {
        return stem;
    }
    plural(&mut stem);
    if stem.len() >= 6
        && let Some(rest) = stem.strip_suffix("ly")
    {
        stem.truncate(rest.len());
    }
    for ending in ["ing", "ed"] {
        if let Some(rest) = stem.strip_suffix(ending)
            && rest.len() >= 3
            && has_vowel(rest)
        {
            stem.truncate(rest.len());
            undouble(&mut stem);
            break;
        }
    }
    spelling(&mut stem);
    if stem.len() > 3 && stem.ends_with('e') {
        stem.pop();
    }
    if stem.len() > 3 && stem.ends_with('y') {
        stem.pop();
        stem.push('i');
    }
    stem
}

fn plural(stem: &mut String) {
    let keep = if stem.ends_with("ies") {
        stem.len() - 3
    } else if ["sses", "xes", "zes", "ches", "shes"].iter().any(|ending| stem.ends_with(ending)) {
        stem.len() - 2
    } else if stem.ends_with('s') && !["ss", "us", "is"].iter().any(|ending| stem.ends_with(ending)) {
        stem.len() - 1
    } else {
        return;
    };
    let is_ies = stem.ends_with("ies");
    stem.truncate(keep);
    if is_ies {
        stem.push('y');
    }
}

/// `stopp` is of `stop`; but `fill` of `fill`.
fn undouble(stem: &mut String) {
    let bytes = stem.as_bytes();
    if let [.., a, b] = bytes
        && a == b
        && !b"aeioulsz".contains(b)
    {
        stem.pop();
    }
}

fn spelling(stem: &mut String) {
    for (british, american) in [
        ("our", "or"),
        ("isation", "ization"),
        ("is", "iz"),
        ("ise", "ize"),
        ("yse", "yze"),
        ("tre", "ter"),
        ("bre", "ber"),
        ("ogue", "og"),
    ] {
        if stem.len() >= british.len() + 3
            && let Some(rest) = stem.strip_suffix(british)
        {
            let rest = rest.len();
            stem.truncate(rest);
            stem.push_str(american);
            return;
        }
    }
}

fn has_vowel(word: &str) -> bool {
    word.bytes().any(|byte| b"aeiouy".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_have_one_stem() {
        for words in [
            &["ship", "ships", "shipping", "shipped"][..],
            &["policy", "policies"],
            &["box", "boxes"],
            &["pass", "passes", "passed", "passing"],
            &["open", "opens", "opened", "opening"],
            &["change", "changes", "changed", "changing"],
            &["colour", "color", "colours"],
            &["neighbour", "neighbors"],
            &["organise", "organize", "organising"],
            &["centre", "center"],
            &["vertical", "vertically"],
            &["apply", "applies", "applied", "applying"],
        ] {
            let stems: Vec<_> = words.iter().map(|word| stem(word)).collect();
            assert!(stems.iter().all(|stem| *stem == stems[0]), "{words:?}: {stems:?}");
        }
    }

    #[test]
    fn other_words_have_another() {
        for (a, b) in [
            ("form", "from"),
            ("hour", "hor"),
            ("bus", "bu"),
            ("this", "thi"),
            ("sing", "s"),
            ("debit", "debt"),
        ] {
            assert_ne!(stem(a), stem(b), "{a} {b}");
        }
    }
}
