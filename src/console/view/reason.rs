//! Why a host is where it is, in as many words as there is room for: the cause first, and never half a word.

use ratatui::text::Span;

/// A failure's cause and its words, without saying the same thing twice.
pub(super) fn told(cause: &str, full: &str) -> String {
    if full.starts_with(cause) {
        return full.to_owned();
    }
    let (first, rest) = full.split_once(": ").unwrap_or((full, ""));
    let says_it = cause.split(' ').all(|word| first.split(' ').any(|other| other == word));
    match (says_it, rest.is_empty()) {
        (true, true) => full.to_owned(),
        (true, false) => format!("{cause}: {rest}"),
        (false, _) => format!("{cause}: {full}"),
    }
}

/// A sentence of at most `width` columns. What is left out is shown as `gap`, and is taken from where it is missed
/// least: the middle of paths first, then what is added behind a semicolon, then the middle of the sentence, so that the
/// cause and the end stay.
pub(super) fn squeeze(text: &str, width: usize, gap: &str) -> String {
    if wide(text) <= width {
        return text.to_owned();
    }
    let text = without_number(text).split(' ').map(|word| shorter(word, gap)).collect::<Vec<_>>().join(" ");
    if wide(&text) <= width {
        return text;
    }
    let mut text = text.as_str();
    while let Some((main, _)) = text.rsplit_once("; ") {
        if wide(main) + 1 + wide(gap) <= width {
            return format!("{main} {gap}");
        }
        text = main;
    }
    let (head, tail) = text.split_once(": ").map_or((String::new(), text), |(head, tail)| {
        if wide(head) + 2 + wide(gap) <= width { (format!("{head}:"), tail) } else { (String::new(), text) }
    });
    if head.is_empty() {
        return front(text, width, gap);
    }
    let room = width.saturating_sub(wide(&head) + wide(gap) + 2);
    match back(tail, room) {
        "" => front(text, width, gap),
        end => format!("{head} {gap} {end}"),
    }
}

/// An error of the operating system by its words only.
fn without_number(text: &str) -> &str {
    text.rsplit_once(" (os error ").filter(|(_, number)| number.ends_with(')')).map_or(text, |(words, _)| words)
}

/// The words at the beginning that fit in `width` columns.
pub(super) fn begin(text: &str, width: usize, gap: &str) -> String {
    if wide(text) <= width { text.to_owned() } else { front(text, width, gap) }
}

/// The words at the beginning that fit, and the gap behind them.
fn front(text: &str, width: usize, gap: &str) -> String {
    let room = width.saturating_sub(wide(gap) + 1);
    let mut end = 0;
    for (at, _) in text.match_indices(' ').chain([(text.len(), "")]) {
        if wide(&text[..at]) > room {
            break;
        }
        end = at;
    }
    match (end, wide(gap) <= width) {
        (0, true) => cut(text, width - wide(gap)) + gap,
        (0, false) => String::new(),
        (end, _) => format!("{} {gap}", text[..end].trim_end_matches([':', ',', ';'])),
    }
}

/// The words at the end that fit.
fn back(text: &str, room: usize) -> &str {
    let mut begin = text.len();
    for (at, _) in text.rmatch_indices(' ') {
        if wide(&text[at + 1..]) > room {
            break;
        }
        begin = at + 1;
    }
    &text[begin..]
}

/// As many characters as fit: a single word that is longer than its place.
fn cut(text: &str, width: usize) -> String {
    let mut used = 0;
    let fits = |character: &char| {
        used += wide(character.encode_utf8(&mut [0; 4]));
        used <= width
    };
    text.chars().take_while(fits).collect()
}

/// A path of many parts by its first and its last; other words as they are.
fn shorter(word: &str, gap: &str) -> String {
    let Some(start) = word.find('/') else { return word.to_owned() };
    let (before, path) = word.split_at(start);
    let parts: Vec<_> = path.split('/').collect();
    match parts.as_slice() {
        [_, first, _, .., last] if !last.is_empty() && !first.is_empty() => {
            format!("{before}/{first}/{gap}/{}", ends(last, gap))
        }
        _ => word.to_owned(),
    }
}

/// A long name by its two ends.
fn ends(name: &str, gap: &str) -> String {
    /// Characters that are kept at each end.
    const END: usize = 9;
    let length = name.chars().count();
    if length <= 2 * END + 4 {
        return name.to_owned();
    }
    let (head, tail) = (name.chars().take(END), name.chars().skip(length - END));
    head.chain(gap.chars()).chain(tail).collect()
}

fn wide(text: &str) -> usize {
    Span::raw(text).width()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_said_once() {
        assert_eq!(told("disk full", "/srv is full"), "disk full: /srv is full");
        assert_eq!(told("agent died", "the agent died: killed by SIGKILL"), "agent died: killed by SIGKILL");
        assert_eq!(told("cannot connect", "cannot connect to web:22: refused"), "cannot connect to web:22: refused");
        assert_eq!(told("connection lost", "the SSH connection was lost"), "the SSH connection was lost");
    }

    #[test]
    fn the_cause_and_the_end_stay() {
        let full = "disk full: /srv/releases/.rookery/a699e86b/payload.part is full: 2 MiB free, 20 MiB needed";
        let squeezed = |width| squeeze(full, width, "…");
        assert_eq!(squeezed(90), full);
        assert_eq!(squeezed(70), "disk full: /srv/…/payload.part is full: 2 MiB free, 20 MiB needed");
        assert_eq!(squeezed(45), "disk full: … full: 2 MiB free, 20 MiB needed");
        assert_eq!(squeezed(22), "disk full: … needed");
        assert_eq!(squeezed(10), "disk …");
        assert_eq!(squeezed(3), "di…");
        assert_eq!(squeezed(0), "");
        assert_eq!(squeeze("no way: refused (os error 111)", 20, "…"), "no way: refused");
        let died = "agent died: its process is gone; the last it logged is: 0.1 listening on port 21004";
        assert_eq!(squeeze(died, 40, "…"), "agent died: its process is gone …");
        assert_eq!(squeeze(died, 22, "…"), "agent died: … is gone");
    }

    #[test]
    fn no_width_is_exceeded() {
        let full = "ändern: /a/ö/ü/ß/日本語日本語 geht nicht: kein Platz";
        for width in 0..60 {
            assert!(wide(&squeeze(full, width, "..")) <= width, "{width}");
        }
    }
}
