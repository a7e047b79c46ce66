//! A colour in as many forms as there are terminals.

use ratatui::style::{Color, Modifier, Style};

use super::ColorDepth;
use super::vision::Rgb;

/// One colour for every depth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paint {
    /// For 24-bit terminals; the terminal's own colour when there is none.
    pub(super) rgb: Option<Rgb>,
    /// For 256 colours; the sixteen when there is none.
    pub(super) indexed: Option<u8>,
    /// For sixteen.
    pub(super) ansi: Color,
}

impl Paint {
    /// One of the terminal's own colours at every depth.
    pub(super) const fn ansi(color: Color) -> Self {
        Self { rgb: None, indexed: None, ansi: color }
    }

    /// One of the 256.
    pub(super) fn indexed(index: u8) -> Self {
        Self { rgb: None, indexed: Some(index), ansi: nearest_ansi(rgb_of(index)) }
    }

    /// A 24-bit colour, and its nearest among 256 and 16.
    pub(super) fn rgb(rgb: Rgb) -> Self {
        Self { rgb: Some(rgb), indexed: Some(nearest_index(rgb)), ansi: nearest_ansi(rgb) }
    }

    pub(super) fn at(self, depth: ColorDepth) -> Option<Color> {
        let indexed = self.indexed.map_or(self.ansi, Color::Indexed);
        match depth {
            ColorDepth::Mono => None,
            ColorDepth::Ansi16 => Some(self.ansi),
            ColorDepth::Ansi256 => Some(indexed),
            ColorDepth::TrueColor => Some(self.rgb.map_or(indexed, |(red, green, blue)| Color::Rgb(red, green, blue))),
        }
    }

    /// Whether the theme, and not the terminal, says what it looks like.
    pub(super) const fn is_own(self, depth: ColorDepth) -> bool {
        match depth {
            ColorDepth::Mono | ColorDepth::Ansi16 => false,
            ColorDepth::Ansi256 => matches!(self.indexed, Some(16..)),
            ColorDepth::TrueColor => self.rgb.is_some() || matches!(self.indexed, Some(16..)),
        }
    }

    /// What it looks like. The terminal's sixteen are xterm's, and its own text is black or white, whichever is farther from
    /// the background.
    pub(super) fn shown(self, depth: ColorDepth, ground: Rgb) -> Rgb {
        let text = if ground.1 < 128 { (229, 229, 229) } else { (0, 0, 0) };
        let ansi = ANSI.iter().find(|(color, _)| *color == self.ansi).map_or(text, |(_, rgb)| *rgb);
        let indexed = self.indexed.map_or(ansi, rgb_of);
        match depth {
            ColorDepth::Mono => text,
            ColorDepth::Ansi16 => ansi,
            ColorDepth::Ansi256 => indexed,
            ColorDepth::TrueColor => self.rgb.unwrap_or(indexed),
        }
    }
}

/// How something is drawn, at every depth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Spec {
    pub(super) fg: Option<Paint>,
    pub(super) bg: Option<Paint>,
    pub(super) mods: Modifier,
    /// Instead of `mods` where there is no colour.
    pub(super) mono: Modifier,
}

impl Spec {
    pub(super) fn at(&self, depth: ColorDepth) -> Style {
        let mods = if depth == ColorDepth::Mono { self.mono } else { self.mods };
        let mut style = Style::new().add_modifier(mods);
        style.fg = self.fg.and_then(|paint| paint.at(depth));
        style.bg = self.bg.and_then(|paint| paint.at(depth));
        style
    }
}

const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];

const ANSI: [(Color, Rgb); 16] = [
    (Color::Black, (0, 0, 0)),
    (Color::Red, (205, 0, 0)),
    (Color::Green, (0, 205, 0)),
    (Color::Yellow, (205, 205, 0)),
    (Color::Blue, (0, 0, 238)),
    (Color::Magenta, (205, 0, 205)),
    (Color::Cyan, (0, 205, 205)),
    (Color::Gray, (229, 229, 229)),
    (Color::DarkGray, (127, 127, 127)),
    (Color::LightRed, (255, 0, 0)),
    (Color::LightGreen, (0, 255, 0)),
    (Color::LightYellow, (255, 255, 0)),
    (Color::LightBlue, (92, 92, 255)),
    (Color::LightMagenta, (255, 0, 255)),
    (Color::LightCyan, (0, 255, 255)),
    (Color::White, (255, 255, 255)),
];

/// The colour a terminal shows for one of the 256; the first sixteen are xterm's.
fn rgb_of(index: u8) -> Rgb {
    match index {
        0..=15 => ANSI[usize::from(index)].1,
        16..=231 => {
            let cube = index - 16;
            let level = |step: u8| LEVELS[usize::from(step)];
            (level(cube / 36), level(cube / 6 % 6), level(cube % 6))
        }
        232..=255 => {
            let grey = 8 + 10 * (index - 232);
            (grey, grey, grey)
        }
    }
}

fn nearest_index(rgb: Rgb) -> u8 {
    (16..=255).min_by_key(|index| distance(rgb_of(*index), rgb)).unwrap_or(15)
}

fn nearest_ansi(rgb: Rgb) -> Color {
    ANSI.iter().min_by_key(|(_, known)| distance(*known, rgb)).map_or(Color::Reset, |(color, _)| *color)
}

/// Squared distance, weighted as eyes are.
fn distance(one: Rgb, other: Rgb) -> u32 {
    let square = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
    3 * square(one.0, other.0) + 4 * square(one.1, other.1) + 2 * square(one.2, other.2)
}

/// The names of the sixteen, as terminals call them.
pub(super) fn named(name: &str) -> Option<Color> {
    Some(match name {
        "default" => Color::Reset,
        "black" => Color::Black,
        "red" => Color::Red,
        "green" => Color::Green,
        "yellow" => Color::Yellow,
        "blue" => Color::Blue,
        "magenta" => Color::Magenta,
        "cyan" => Color::Cyan,
        "white" => Color::Gray,
        "bright-black" => Color::DarkGray,
        "bright-red" => Color::LightRed,
        "bright-green" => Color::LightGreen,
        "bright-yellow" => Color::LightYellow,
        "bright-blue" => Color::LightBlue,
        "bright-magenta" => Color::LightMagenta,
        "bright-cyan" => Color::LightCyan,
        "bright-white" => Color::White,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_depth_gets_its_nearest_colour() {
        let orange = Paint::rgb((255, 135, 0));
        assert_eq!(orange.at(ColorDepth::TrueColor), Some(Color::Rgb(255, 135, 0)));
        assert_eq!(orange.at(ColorDepth::Ansi256), Some(Color::Indexed(208)));
        assert_eq!(orange.at(ColorDepth::Mono), None);
        assert_eq!(Paint::indexed(196).at(ColorDepth::Ansi16), Some(Color::LightRed));
        assert_eq!(Paint::ansi(Color::Blue).at(ColorDepth::TrueColor), Some(Color::Blue));
    }
}
