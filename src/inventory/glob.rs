//! `*` and `?` in host names.

/// Whether `name` is what `glob` describes: `*` stands for any characters, `?` for one; case does not count.
pub(super) fn glob_matches(glob: &str, name: &str) -> bool {
    let (glob, name) = (glob.as_bytes(), name.as_bytes());
    let (mut at, mut in_name) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while in_name < name.len() {
        match glob.get(at) {
            Some(b'*') => {
                star = Some((at + 1, in_name));
                at += 1;
            }
            Some(letter) if *letter == b'?' || letter.eq_ignore_ascii_case(&name[in_name]) => {
                at += 1;
                in_name += 1;
            }
            Some(_) | None => {
                let Some((after_star, taken)) = star else { return false };
                star = Some((after_star, taken + 1));
                at = after_star;
                in_name = taken + 1;
            }
        }
    }
    glob[at..].iter().all(|letter| *letter == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_match() {
        for (glob, name, matches) in [
            ("*", "web1", true),
            ("*.dc1", "web1.dc1", true),
            ("*.dc1", "web1.dc12", false),
            ("web?.dc*", "WEB1.dc2", true),
            ("web?", "web10", false),
            ("*1*2*", "a1b12", true),
            ("a*b", "acb1", false),
        ] {
            assert_eq!(glob_matches(glob, name), matches, "{glob} {name}");
        }
    }
}
