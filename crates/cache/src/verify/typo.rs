/// Whether one of two words may be the other, mistyped: one letter is wrong, missing, too many or changes places with its
/// neighbour; two in a word of eight letters. The first letter is right, as it is in most mistakes, and not in `unlock`.
pub(super) fn is_typo(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let shorter = a.len().min(b.len());
    let allowed = match shorter {
        0..=3 => return false,
        4..=7 => 1,
        _ => 2,
    };
    a[0] == b[0]
        && a.len().abs_diff(b.len()) <= allowed
        && a.len().max(b.len()) <= 32
        && distance(&a, &b) <= allowed
}

/// The least number of letters that are wrong, missing, too many, or in each other's place.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = [vec![0; b.len() + 1], (0..=b.len()).collect::<Vec<_>>(), vec![0; b.len() + 1]];
    for i in 1..=a.len() {
        rows[2][0] = i;
        for j in 1..=b.len() {
            let wrong = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (rows[1][j - 1] + wrong).min(rows[1][j] + 1).min(rows[2][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[0][j - 2] + 1);
            }
            rows[2][j] = least;
        }
        rows.rotate_left(1);
    }
    rows[1][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistyped_words_are_known_by_their_letters() {
        for (a, b) in [
            ("change", "chnage"),
            ("address", "adress"),
            ("evenings", "evenigns"),
            ("vegetarian", "vegitarian"),
            ("allowance", "alowence"),
            ("debit", "debt"),
        ] {
            assert!(is_typo(a, b) && is_typo(b, a), "{a} {b}");
        }
        for (a, b) in [
            ("lock", "unlock"),
            ("form", "norm"),
            ("cat", "car"),
            ("", ""),
            ("hotel", "hovels"),
            ("legal", "illegal"),
        ] {
            assert!(!is_typo(a, b) && !is_typo(b, a), "{a} {b}");
        }
    }
}
