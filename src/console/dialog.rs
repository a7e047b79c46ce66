//! A question before something that cannot be taken back, and what counts as a yes.

use std::time::Duration;

use super::io::{Key, KeyCode};
use crate::base::Instant;
use crate::inventory::HostId;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// Try these again: asked only when they are many, or some are out of sight.
    Retry(Vec<HostId>),
    /// Give up on these.
    Abort(Vec<HostId>),
    /// Give up on all that are not done.
    AbortRun,
    /// A wave is over: open the next one. It comes by itself.
    Gate,
    /// The run has stopped: go on in spite of that. It comes by itself, too.
    Halted,
    /// Leave while hosts are under way.
    Quit,
    /// End a run whose hosts are settled and not all done: they can still be retried now.
    Finish,
    /// Leave while hosts are cleaned up.
    LeaveUncleaned,
    /// Stop this process, and the run with it, for a while.
    Suspend,
}

/// What the operator must do for a yes. Enter alone is never enough where something is lost by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Demand {
    /// Press `y`.
    Yes,
    /// Press enter.
    Enter,
    /// Type this, then press enter.
    Text(String),
}

/// A question on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dialog {
    pub(super) question: Question,
    pub(super) demand: Demand,
    pub(super) typed: String,
    /// What the last key did not do, in words.
    pub(super) remark: Option<&'static str>,
    opened: Instant,
}

/// What a key did to a dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is still open.
    Open,
    /// No.
    Cancelled,
    /// Yes.
    Confirmed,
    /// No, and the run is to be aborted.
    AbortRun,
}

/// With more hosts than this, `y` is not enough, and a retry asks at all.
pub(super) const CONFIRM_ABOVE: usize = 10;

impl Dialog {
    /// Keys in this time were meant for what was on the screen before.
    pub(super) const DEAF: Duration = Duration::from_millis(300);
    const TYPED_MAX: usize = 200;

    /// Asks. `release` is what must be typed when the whole run is meant.
    pub(super) fn new(question: Question, release: &str, now: Instant) -> Self {
        let demand = match &question {
            Question::Abort(hosts) | Question::Retry(hosts) if hosts.len() > CONFIRM_ABOVE => {
                Demand::Text(hosts.len().to_string())
            }
            Question::Gate => Demand::Enter,
            Question::Abort(_)
            | Question::Halted
            | Question::Retry(_)
            | Question::Finish
            | Question::LeaveUncleaned
            | Question::Suspend => Demand::Yes,
            Question::AbortRun | Question::Quit => Demand::Text(release.to_owned()),
        };
        Self { question, demand, typed: String::new(), remark: None, opened: now }
    }

    pub(super) fn press(&mut self, now: Instant, key: Key) -> Answer {
        if key.code == KeyCode::Esc || (key == Key::ctrl('c') && now.since(self.opened) >= Self::DEAF) {
            return Answer::Cancelled;
        }
        if now.since(self.opened) < Self::DEAF {
            self.remark = Some("that key came too early to count: press it again");
            return Answer::Open;
        }
        self.remark = None;
        let comes_by_itself = matches!(self.question, Question::Gate | Question::Halted);
        if comes_by_itself && matches!(key.text(), Some('a' | 'A')) {
            return Answer::AbortRun;
        }
        match &self.demand {
            Demand::Enter if key.code == KeyCode::Enter => Answer::Confirmed,
            Demand::Enter => {
                self.remark = Some("press enter to go on, a to abort, esc to look around first");
                Answer::Open
            }
            Demand::Yes => match key.text() {
                Some('y' | 'Y') => Answer::Confirmed,
                // The key that asked, pressed again by somebody who has read the question.
                Some('q') if self.question == Question::Finish => Answer::Confirmed,
                Some('n' | 'N' | 'q') => Answer::Cancelled,
                _ => {
                    self.remark = Some("press y for yes, esc for no");
                    Answer::Open
                }
            },
            Demand::Text(wanted) => {
                if key.code == KeyCode::Enter {
                    if self.typed == *wanted {
                        return Answer::Confirmed;
                    }
                    self.remark = Some("that is not what is asked for; esc goes back");
                } else if key.code == KeyCode::Backspace {
                    self.typed.pop();
                } else if key == Key::ctrl('u') {
                    self.typed.clear();
                } else if let Some(character) = key.text().filter(|_| self.typed.len() < Self::TYPED_MAX) {
                    self.typed.push(character);
                }
                Answer::Open
            }
        }
    }

    /// Another program had the terminal: the question is seen from now on.
    pub(super) const fn shown_again(&mut self, now: Instant) {
        self.opened = now;
    }

    /// Pasted text confirms nothing.
    pub(super) const fn paste(&mut self) {
        self.remark = Some("pasted text does not count: type it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Instant = Instant::from_micros(300_000);

    fn ask(question: Question) -> Dialog {
        Dialog::new(question, "web-1", Instant::ZERO)
    }

    #[test]
    fn keys_of_the_first_moments_confirm_nothing() {
        let mut dialog = ask(Question::Abort(vec![HostId(1)]));
        assert_eq!(dialog.press(Instant::from_micros(299_999), Key::char('y')), Answer::Open);
        assert_eq!(dialog.press(LATER, Key::char('y')), Answer::Confirmed);
    }

    #[test]
    fn many_hosts_want_their_number_and_a_run_its_release() {
        let hosts = |count: u32| -> Vec<HostId> { (0..count).map(HostId).collect() };
        for question in [Question::Abort, Question::Retry] {
            assert_eq!(ask(question(hosts(10))).demand, Demand::Yes);
            assert_eq!(ask(question(hosts(11))).demand, Demand::Text("11".to_owned()));
        }
        assert_eq!(ask(Question::AbortRun).demand, Demand::Text("web-1".to_owned()));
        assert_eq!(ask(Question::Quit).demand, Demand::Text("web-1".to_owned()));
    }

    #[test]
    fn a_gate_opens_with_enter_but_not_with_a_stray_one() {
        let enter = Key::plain(KeyCode::Enter);
        let mut dialog = ask(Question::Gate);
        assert_eq!(dialog.press(Instant::from_micros(299_999), enter), Answer::Open);
        assert_eq!(dialog.press(Instant::from_micros(299_999), Key::char('a')), Answer::Open);
        assert_eq!(dialog.press(LATER, Key::char('y')), Answer::Open);
        assert_eq!(dialog.press(LATER, enter), Answer::Confirmed);
        assert_eq!(ask(Question::Gate).press(LATER, Key::char('A')), Answer::AbortRun);
        let mut halted = ask(Question::Halted);
        assert_eq!(
            (halted.press(LATER, enter), halted.press(LATER, Key::char('y'))),
            (Answer::Open, Answer::Confirmed)
        );
    }

    #[test]
    fn enter_alone_never_confirms() {
        for question in [Question::AbortRun, Question::Abort(vec![HostId(0)]), Question::LeaveUncleaned] {
            let mut dialog = ask(question);
            assert_eq!(dialog.press(LATER, Key::plain(KeyCode::Enter)), Answer::Open);
            assert!(dialog.remark.is_some());
        }
        let mut dialog = ask(Question::AbortRun);
        for character in "web-1".chars() {
            assert_eq!(dialog.press(LATER, Key::char(character)), Answer::Open);
        }
        assert_eq!(dialog.press(LATER, Key::plain(KeyCode::Enter)), Answer::Confirmed);
    }
}
