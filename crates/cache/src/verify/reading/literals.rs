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
        for word in text.split_whitespace() {
            let word = word.trim_matches(|char: char| ".,;:!?\"'“”‘’«»„…".contains(char));
            let word = word.strip_prefix('(').filter(|word| !word.contains(')')).unwrap_or(word);
            let word = word.strip_suffix(')').filter(|word| !word.contains('(')).unwrap_or(word);
            if is_code(word) {
                self.code.push(word);
            }
        }
        self.signs(text);
    }

    fn signs(&mut self, text: &str) {
        let mut before = ' ';
        let mut chars = text.chars().filter(|char| !char.is_whitespace()).peekable();
        while let Some(char) = chars.next() {
            let after = chars.peek().copied().unwrap_or(' ');
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
            if is_sign {
                self.signs.push(char);
            }
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
        || matches!(char, '\u{ad}' | '\u{300}'..='\u{36f}' | '\u{2000}'..='\u{206f}' | '\u{3000}'..='\u{303f}')
        || matches!(char, '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ff00}'..='\u{ff65}' | '\u{fffd}')
        || "¡¿«»·".contains(char);
    // Those stand beside numbers, and are read with them.
    !is_of_writing && !"£€¥₹°".contains(char)
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
