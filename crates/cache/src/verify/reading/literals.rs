//! What has to be said letter by letter: code, addresses, what is in quotation marks, signs of arithmetic.

#[derive(Debug, Default, PartialEq)]
pub(in crate::verify) struct Literals<'t> {
    pub(in crate::verify) quotes: Vec<&'t str>,
    pub(in crate::verify) code: Vec<&'t str>,
    pub(in crate::verify) signs: Vec<char>,
}

impl<'t> Literals<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let mut literals = Self::default();
        let mut plain = text;
        // Backticks first: what is between them is code, whatever else it holds.
        while let Some(at) = plain.find('`') {
            let fence = plain[at..].len() - plain[at..].trim_start_matches('`').len();
            let inside = &plain[at + fence..];
            let Some(end) = inside.find(&plain[at..at + fence]) else { break };
            literals.plain(&plain[..at]);
            literals.code.push(inside[..end].trim());
            plain = &inside[end + fence..];
        }
        literals.plain(plain);
        for all in [&mut literals.quotes, &mut literals.code] {
            all.sort_unstable();
            all.dedup();
        }
        literals
    }

    fn plain(&mut self, text: &'t str) {
        let mut rest = text;
        while let Some((at, open)) =
            rest.char_indices().find(|(_, char)| matches!(char, '"' | '“' | '«' | '„'))
        {
            let inside = &rest[at + open.len_utf8()..];
            let close: &[char] = match open {
                '"' => &['"'],
                '«' => &['»'],
                _ => &['”', '“', '"'],
            };
            let Some(end) = inside.find(close) else { break };
            let quote = inside[..end].trim();
            if !quote.is_empty() {
                self.quotes.push(quote);
            }
            rest = inside[end..].strip_prefix(close).unwrap_or("");
        }
        self.single_quotes(text);
        let mut words = text.split_whitespace().peekable();
        while let Some(word) = words.next() {
            if is_operator(word, words.peek().copied()) {
                self.code.push(word);
                continue;
            }
            let word = word.trim_matches(|char: char| ".,;:!?\"'“”‘’«»„…".contains(char));
            let word = word.strip_prefix('(').filter(|word| !word.contains(')')).unwrap_or(word);
            let word = word.strip_suffix(')').filter(|word| !word.contains('(')).unwrap_or(word);
            if is_code(word) {
                self.code.push(word);
            }
        }
        self.signs(text);
    }

    /// What is in single quotation marks, which are apostrophes where they stand in a word.
    fn single_quotes(&mut self, text: &'t str) {
        let mut from = None;
        let mut before = ' ';
        for (at, char) in text.char_indices() {
            if matches!(char, '\'' | '‘' | '’') {
                let after = text[at + char.len_utf8()..].chars().next().unwrap_or(' ');
                match from {
                    _ if !before.is_alphanumeric() && after.is_alphanumeric() => {
                        from = Some(at + char.len_utf8());
                    }
                    Some(start) if !after.is_alphanumeric() => {
                        self.quotes.push(text[start..at].trim());
                        from = None;
                    }
                    _ => {}
                }
            }
            before = char;
        }
    }

    fn signs(&mut self, text: &str) {
        let (mut before, mut is_apart) = (' ', true);
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            if char.is_whitespace() {
                is_apart = true;
                continue;
            }
            let next = chars.peek().copied().unwrap_or(' ');
            let after = if next.is_whitespace() {
                chars.clone().find(|char| !char.is_whitespace()).unwrap_or(' ')
            } else {
                next
            };
            let is_minus = is_apart && matches!(char, '-' | '−') && next.is_ascii_digit();
            let between = before.is_ascii_digit() && after.is_ascii_digit();
            let is_sign = match char {
                '+' | '*' | '×' | '÷' | '=' | '<' | '>' | '≤' | '≥' | '≠' | '^' | '±' | '√' | '~' => {
                    true
                }
                '-' | '/' | '−' | ':' => {
                    between || (after.is_ascii_digit() && "+*×÷=<>^(/".contains(before))
                }
                _ => is_symbol(char),
            };
            if is_sign || is_minus {
                self.signs.push(char);
            }
            is_apart = matches!(char, '(' | '£' | '$' | '€');
            before = char;
        }
    }
}

/// Whether a character says something by itself that no word says: a picture, an arrow, a sign of mathematics. To embedders
/// that do not know it, it is the same as any other that they do not know.
fn is_symbol(char: char) -> bool {
    let is_of_writing = char.is_ascii()
        || char.is_alphanumeric()
        || char.is_whitespace()
        || char.is_control()
        // Marks on letters, punctuation, and what chooses how a character looks.
        || matches!(char, '\u{ad}' | '\u{300}'..='\u{36f}' | '\u{2000}'..='\u{205f}' | '\u{3000}'..='\u{303f}')
        || matches!(char, '\u{fe0e}' | '\u{fe0f}' | '\u{feff}' | '\u{ff00}'..='\u{ff65}' | '\u{fffd}')
        || "¡¿«»·".contains(char);
    // What turns the direction of writing, and is not seen, may hide or change what is.
    let is_turn = matches!(char, '\u{202a}'..='\u{202e}');
    // Those stand beside numbers, and are read with them.
    is_turn || !is_of_writing && !"£€¥₹°".contains(char)
}

/// Whether there is no letter in it and it is no punctuation: `&&`, `:)`, or in mid-sentence `!`.
fn is_operator(word: &str, next: Option<&str>) -> bool {
    if word.len() > 8 || !word.bytes().all(|byte| byte.is_ascii_punctuation()) {
        return false;
    }
    if word.len() == 1 {
        let goes_on = next.is_some_and(|next| next.starts_with(char::is_lowercase));
        return "|#@%~\\_{}[]".contains(word) || (goes_on && "!?".contains(word));
    }
    word.contains(|char| !".,!?-\"'`;*=".contains(char))
}

/// Whether a word is written as in a program, a path or an address.
fn is_code(word: &str) -> bool {
    let has_letter = word.contains(|char: char| char.is_alphanumeric());
    let inside = |char: char| word.trim_matches(char).contains(char);
    has_letter
        && (word.contains(['_', '{', '}', '\\', '|', '@', '#', '$', '[', ']', ';'])
            && !word
                .trim_start_matches('$')
                .chars()
                .all(|char| char.is_ascii_digit() || ".,kKmMbBn".contains(char))
            || word.contains("::")
            || word.contains("://")
            || word.contains("()")
            || word.contains("->")
            || word.contains("++")
            || word.starts_with("--")
            || (word.starts_with('/') && word.len() > 1)
            || (word.starts_with('-')
                && word.len() > 1
                && !word[1..].starts_with(|char: char| char.is_ascii_digit()))
            || word.matches('/').count() > 1
                && !word.chars().all(|char| char.is_ascii_digit() || char == '/')
            || (inside('.') && !word.chars().any(|char| char.is_ascii_digit()) && !is_initials(word)))
}

/// `e.g.`, `U.K`, and the like.
fn is_initials(word: &str) -> bool {
    word.split('.').all(|part| part.chars().count() <= 1)
}
