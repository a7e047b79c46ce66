//! "Did you mean".

/// `; did you mean …?`, or nothing when no known word is near: appended to a message.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map_or_else(String::new, |known| format!("; did you mean `{known}`?"))
}

/// The known word with the fewest edits from `word`, if they are few for its length.
fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.to_ascii_lowercase().chars().take(WORD_MAX).collect();
    let edits_max = (word.len() / 3).clamp(1, 3);
    let near = known.into_iter().filter_map(|known| {
        let letters: Vec<char> = known.to_ascii_lowercase().chars().take(WORD_MAX).collect();
        if letters.len().abs_diff(word.len()) > edits_max {
            return None;
        }
        let edits = edit_distance(&word, &letters);
        (edits <= edits_max && edits < word.len()).then_some((edits, known))
    });
    near.min_by_key(|(edits, _)| *edits).map(|(_, known)| known)
}

/// Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).
fn edit_distance(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, letter) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in right.iter().enumerate() {
            let substituted = above[column] + usize::from(letter != other);
            let mut edits = substituted.min(above[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && left[row - 1] == *other && right[column - 1] == *letter {
                edits = edits.min(before[column - 1] + 1);
            }
            current.push(edits);
        }
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or(0)
}

/// Characters of a word that are compared.
const WORD_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_understood_and_another_word_is_not() {
        let keys = ["identity", "include", "port", "user"];
        for (word, meant) in [
            ("idenity", Some("identity")),
            ("prot", Some("port")),
            ("User", Some("user")),
            ("includes", Some("include")),
            ("x", None),
            ("password", None),
        ] {
            assert_eq!(nearest(word, keys), meant, "{word}");
        }
    }
}
