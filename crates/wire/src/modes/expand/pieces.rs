/// The pieces of a text, one behind the other: each of up to so many bytes, or one character, and to the end of a word
/// where one ends within it.
#[derive(Debug)]
pub(super) struct Pieces<'t> {
    rest: &'t str,
    most: usize,
}

impl<'t> Pieces<'t> {
    pub(super) fn new(text: &'t str, most: usize) -> Self {
        Self { rest: text, most }
    }
}

impl<'t> Iterator for Pieces<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let first = self.rest.chars().next()?.len_utf8();
        let most = (0..=self.most.min(self.rest.len())).rev().find(|&at| self.rest.is_char_boundary(at));
        let most = most.unwrap_or_default().max(first);
        let word = self.rest[..most].rfind(char::is_whitespace);
        // The white space is the end of its word.
        let word = word.map(|at| at + self.rest[at..].chars().next().map_or(1, char::len_utf8));
        let at = if most == self.rest.len() { most } else { word.unwrap_or(most) };
        let (piece, rest) = self.rest.split_at(at);
        self.rest = rest;
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str, most: usize) -> Vec<&str> {
        Pieces::new(text, most).collect()
    }

    #[test]
    fn a_text_is_cut_behind_words_and_long_words_and_characters_are_cut_too() {
        assert_eq!(pieces("", 4), Vec::<&str>::new());
        assert_eq!(pieces("a bc def", usize::MAX), ["a bc def"]);
        assert_eq!(pieces("a bc def", 5), ["a bc ", "def"]);
        assert_eq!(pieces("a bc def", 4), ["a ", "bc ", "def"]);
        assert_eq!(pieces("abcdef g", 4), ["abcd", "ef g"]);
        assert_eq!(pieces("a\u{3000}\u{3000}b", 4), ["a\u{3000}", "\u{3000}b"]);
        assert_eq!(pieces("\u{1F600}\u{1F600}", 0), ["\u{1F600}", "\u{1F600}"]);
    }
}
