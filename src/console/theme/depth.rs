//! What a terminal can show, as far as its environment tells. Pure: the environment is given.

use std::str::FromStr;

/// How many colours there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColorDepth {
    /// None: attributes only.
    Mono,
    /// The terminal's own sixteen.
    Ansi16,
    /// The 256 of xterm.
    Ansi256,
    /// 24 bits.
    TrueColor,
}

/// What the operator asked for: `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColorChoice {
    /// As many as the terminal has.
    #[default]
    Auto,
    /// Just this many.
    Only(ColorDepth),
}

impl FromStr for ColorChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "never" => Ok(Self::Only(ColorDepth::Mono)),
            "16" => Ok(Self::Only(ColorDepth::Ansi16)),
            "256" => Ok(Self::Only(ColorDepth::Ansi256)),
            "truecolor" => Ok(Self::Only(ColorDepth::TrueColor)),
            other => Err(format!("unknown colour choice `{other}`; use auto, never, 16, 256 or truecolor")),
        }
    }
}

/// The environment variables that describe a terminal. Unset and empty are the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TerminalEnv {
    /// `TERM`.
    pub term: String,
    /// `COLORTERM`.
    pub colorterm: String,
    /// `NO_COLOR`.
    pub no_color: String,
    /// `TMUX`.
    pub tmux: String,
    /// `TERM_PROGRAM`.
    pub term_program: String,
    /// `WT_SESSION`: Windows Terminal.
    pub wt_session: String,
    /// `ConEmuANSI`.
    pub con_emu: String,
    /// `LC_ALL`.
    pub lc_all: String,
    /// `LC_CTYPE`.
    pub lc_ctype: String,
    /// `LANG`.
    pub lang: String,
    /// The terminal was asked, and keeps 24-bit colours as they are, whatever the variables say.
    pub proves_truecolor: bool,
}

impl TerminalEnv {
    /// Reads the variables from anything that has them.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name| lookup(name).unwrap_or_default();
        Self {
            term: get("TERM"),
            colorterm: get("COLORTERM"),
            no_color: get("NO_COLOR"),
            tmux: get("TMUX"),
            term_program: get("TERM_PROGRAM"),
            wt_session: get("WT_SESSION"),
            con_emu: get("ConEmuANSI"),
            lc_all: get("LC_ALL"),
            lc_ctype: get("LC_CTYPE"),
            lang: get("LANG"),
            proves_truecolor: false,
        }
    }

    /// Whether cells can be addressed at all; otherwise a line a change is all there can be.
    pub fn has_screen(&self) -> bool {
        !self.term.is_empty() && self.term != "dumb"
    }

    /// Whether it can be asked what it is: others draw what they do not understand.
    pub fn answers(&self) -> bool {
        self.has_screen() && self.term != "linux" && self.term != "ansi" && !self.term.starts_with("vt")
    }

    /// Whether another program is between this one and the terminal: tmux or GNU screen.
    pub fn is_multiplexed(&self) -> bool {
        !self.tmux.is_empty() || self.term.starts_with("tmux") || self.term.starts_with("screen")
    }

    /// Whether the terminal is known to show progress when it is told (OSC 9;4). To others the same sequence is a notice, and
    /// multiplexers drop it.
    pub fn shows_progress(&self) -> bool {
        let known = matches!(self.term_program.as_str(), "ghostty" | "WezTerm" | "mintty");
        !self.is_multiplexed() && (known || !self.wt_session.is_empty() || self.con_emu == "ON")
    }

    /// How many colours to use. GNU screen takes 24-bit sequences for attributes, and tmux maps them by default, whatever
    /// `COLORTERM` they inherit says; so neither gets more than 256 unless it is asked for.
    pub fn color_depth(&self, choice: ColorChoice) -> ColorDepth {
        if let ColorChoice::Only(depth) = choice {
            return depth;
        }
        let many = self.term.contains("256color") || self.term.ends_with("-direct");
        if !self.no_color.is_empty() || !self.has_screen() {
            ColorDepth::Mono
        } else if self.proves_truecolor {
            ColorDepth::TrueColor
        } else if !self.tmux.is_empty() || self.term.starts_with("tmux") {
            ColorDepth::Ansi256
        } else if self.term.starts_with("screen") {
            if many { ColorDepth::Ansi256 } else { ColorDepth::Ansi16 }
        } else if self.term == "linux" || self.term == "ansi" || self.term.starts_with("vt") {
            ColorDepth::Ansi16
        } else if matches!(self.colorterm.as_str(), "truecolor" | "24bit") || self.term.ends_with("-direct") {
            ColorDepth::TrueColor
        } else if many {
            ColorDepth::Ansi256
        } else {
            ColorDepth::Ansi16
        }
    }

    /// Whether characters beyond ASCII arrive as they are: the first of `LC_ALL`, `LC_CTYPE` and `LANG` decides.
    pub fn is_utf8(&self) -> bool {
        let locale = [&self.lc_all, &self.lc_ctype, &self.lang].into_iter().find(|value| !value.is_empty());
        locale.is_some_and(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> TerminalEnv {
        TerminalEnv::from_lookup(|name| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn multiplexers_are_never_given_more_than_they_take() {
        use ColorDepth::{Ansi16, Ansi256, Mono, TrueColor};
        let table: [(&[(&str, &str)], ColorDepth); 10] = [
            (&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")], TrueColor),
            (&[("TERM", "xterm-256color")], Ansi256),
            (&[("TERM", "xterm")], Ansi16),
            (&[("TERM", "screen.xterm-256color"), ("COLORTERM", "truecolor")], Ansi256),
            (&[("TERM", "screen"), ("COLORTERM", "truecolor")], Ansi16),
            (&[("TERM", "screen-256color"), ("COLORTERM", "truecolor"), ("TMUX", "/tmp/x,1,0")], Ansi256),
            (&[("TERM", "tmux-256color"), ("COLORTERM", "24bit")], Ansi256),
            (&[("TERM", "linux"), ("COLORTERM", "truecolor")], Ansi16),
            (&[("TERM", "xterm-256color"), ("NO_COLOR", "1")], Mono),
            (&[("TERM", "dumb")], Mono),
        ];
        for (pairs, depth) in table {
            assert_eq!(env(pairs).color_depth(ColorChoice::Auto), depth, "{pairs:?}");
        }
    }

    #[test]
    fn what_is_asked_for_is_used() {
        let screen = env(&[("TERM", "screen"), ("NO_COLOR", "1")]);
        assert_eq!(screen.color_depth("truecolor".parse().unwrap()), ColorDepth::TrueColor);
        assert_eq!(screen.color_depth("never".parse().unwrap()), ColorDepth::Mono);
        assert!("lots".parse::<ColorChoice>().is_err());
    }

    #[test]
    fn what_a_terminal_proves_goes_before_what_variables_say() {
        let proven = |pairs| TerminalEnv { proves_truecolor: true, ..env(pairs) }.color_depth(ColorChoice::Auto);
        assert_eq!(proven(&[("TERM", "tmux-256color"), ("TMUX", "/tmp/x,1,0")]), ColorDepth::TrueColor);
        assert_eq!(proven(&[("TERM", "xterm"), ("NO_COLOR", "1")]), ColorDepth::Mono);
    }

    #[test]
    fn progress_is_for_terminals_that_are_known_to_show_it() {
        assert!(env(&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "ghostty")]).shows_progress());
        assert!(env(&[("TERM", "xterm-256color"), ("WT_SESSION", "1")]).shows_progress());
        assert!(!env(&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "iTerm.app")]).shows_progress());
        assert!(!env(&[("TERM", "screen"), ("WT_SESSION", "1")]).shows_progress());
        assert!(!env(&[("TERM", "tmux-256color"), ("TERM_PROGRAM", "WezTerm")]).shows_progress());
    }

    #[test]
    fn the_locale_says_whether_there_is_utf8() {
        assert!(env(&[("LANG", "C.utf8")]).is_utf8() && env(&[("LC_CTYPE", "de_DE.UTF-8")]).is_utf8());
        assert!(!env(&[("LANG", "en_US.UTF-8"), ("LC_ALL", "C")]).is_utf8() && !env(&[]).is_utf8());
    }
}
