//! Cells as the fewest bytes that draw them.

use std::fmt::Write as _;
use std::io::{self, Write};

use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use ratatui::style::{Color, Modifier};

/// Where the cells of a frame are drawn: a writer that is flushed once a frame. It asks the terminal nothing.
#[derive(Debug)]
pub struct Paper<W> {
    out: W,
    /// Columns and rows, asked anew for every frame.
    size: fn() -> io::Result<(u16, u16)>,
    caret: Caret,
}

/// The terminal's own cursor: it follows what the operator works on, for magnifiers and readers of screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caret {
    Hidden,
    /// It is seen, wherever drawing has left it.
    Adrift,
    At(Position),
}

impl<W: Write> Paper<W> {
    /// Paper of a size that may change.
    pub const fn new(out: W, size: fn() -> io::Result<(u16, u16)>) -> Self {
        Self { out, size, caret: Caret::Hidden }
    }
}

/// Colours and attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ink {
    fg: Color,
    bg: Color,
    mods: Modifier,
}

const PLAIN: Ink = Ink { fg: Color::Reset, bg: Color::Reset, mods: Modifier::empty() };

const MODIFIERS: [(Modifier, &str); 9] = [
    (Modifier::BOLD, "1"),
    (Modifier::DIM, "2"),
    (Modifier::ITALIC, "3"),
    (Modifier::UNDERLINED, "4"),
    (Modifier::SLOW_BLINK, "5"),
    (Modifier::RAPID_BLINK, "6"),
    (Modifier::REVERSED, "7"),
    (Modifier::HIDDEN, "8"),
    (Modifier::CROSSED_OUT, "9"),
];

impl Ink {
    const fn of(cell: &Cell) -> Self {
        Self { fg: cell.fg, bg: cell.bg, mods: cell.modifier }
    }

    /// The sequence that makes this out of `before`.
    fn over(self, before: Self, codes: &mut String) {
        if self == before {
            return;
        }
        codes.push_str("\x1b[");
        let mut from = before;
        // Attributes are taken away all at once: one by one, `bold` and `dim` go together, and old terminals differ.
        if !self.mods.contains(before.mods) || self == PLAIN {
            from = PLAIN;
            codes.push_str(if self == PLAIN { "" } else { "0;" });
        }
        for (modifier, code) in MODIFIERS {
            if self.mods.contains(modifier) && !from.mods.contains(modifier) {
                codes.push_str(code);
                codes.push(';');
            }
        }
        for (color, was, base) in [(self.fg, from.fg, 30), (self.bg, from.bg, 40)] {
            if color != was {
                color_code(color, base, codes);
                codes.push(';');
            }
        }
        if codes.ends_with(';') {
            codes.pop();
        }
        codes.push('m');
    }
}

/// The parameters of a colour; `base` is 30 for text and 40 for what is behind it.
fn color_code(color: Color, base: u8, codes: &mut String) {
    let dark = |number: u8| (base + number).to_string();
    let bright = |number: u8| (base + 60 + number).to_string();
    let code = match color {
        Color::Reset => dark(9),
        Color::Black => dark(0),
        Color::Red => dark(1),
        Color::Green => dark(2),
        Color::Yellow => dark(3),
        Color::Blue => dark(4),
        Color::Magenta => dark(5),
        Color::Cyan => dark(6),
        Color::Gray => dark(7),
        Color::DarkGray => bright(0),
        Color::LightRed => bright(1),
        Color::LightGreen => bright(2),
        Color::LightYellow => bright(3),
        Color::LightBlue => bright(4),
        Color::LightMagenta => bright(5),
        Color::LightCyan => bright(6),
        Color::White => bright(7),
        Color::Indexed(index) => format!("{};5;{index}", base + 8),
        Color::Rgb(red, green, blue) => format!("{};2;{red};{green};{blue}", base + 8),
    };
    codes.push_str(&code);
}

impl<W: Write> Backend for Paper<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let (mut bytes, mut ink, mut next) = (String::new(), PLAIN, None);
        for (x, y, cell) in content {
            match next {
                Some(expected) if expected == (x, y) => {}
                Some((_, row)) if row == y => _ = write!(bytes, "\x1b[{}G", x + 1),
                _ => _ = write!(bytes, "\x1b[{};{}H", y + 1, x + 1),
            }
            next = Some((x + 1, y));
            Ink::of(cell).over(ink, &mut bytes);
            ink = Ink::of(cell);
            bytes.push_str(cell.symbol());
        }
        if next.is_some() && self.caret != Caret::Hidden {
            self.caret = Caret::Adrift;
        }
        // Every frame begins with plain ink, and so does whatever else is written.
        PLAIN.over(ink, &mut bytes);
        self.out.write_all(bytes.as_bytes())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if self.caret == Caret::Hidden {
            return Ok(());
        }
        self.caret = Caret::Hidden;
        self.out.write_all(b"\x1b[?25l")
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        if self.caret != Caret::Hidden {
            return Ok(());
        }
        self.caret = Caret::Adrift;
        self.out.write_all(b"\x1b[?25h")
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(Position::ORIGIN)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let position = position.into();
        if self.caret == Caret::At(position) {
            return Ok(());
        }
        self.caret = Caret::At(position);
        write!(self.out, "\x1b[{};{}H", position.y + 1, position.x + 1)
    }

    /// Whoever had the terminal meanwhile may have shown the cursor, so it is hidden again.
    fn clear(&mut self) -> io::Result<()> {
        self.caret = Caret::Hidden;
        self.out.write_all(b"\x1b[?25l\x1b[2J")
    }

    fn clear_region(&mut self, _: ClearType) -> io::Result<()> {
        self.clear()
    }

    fn size(&self) -> io::Result<Size> {
        (self.size)().map(Size::from)
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size()?, pixels: Size::ZERO })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Lines of text with their colours, as they are kept when the screen is given back.
pub(super) fn transcript(buffer: &ratatui::buffer::Buffer) -> String {
    let mut lines: Vec<String> = Vec::new();
    for row in 0..buffer.area.height {
        let cells = || (0..buffer.area.width).filter_map(|column| buffer.cell((column, row)));
        let is_blank = |cell: &&Cell| cell.symbol() == " " && Ink::of(cell) == PLAIN;
        let width =
            cells().count() - cells().collect::<Vec<_>>().iter().rev().take_while(|cell| is_blank(cell)).count();
        let (mut line, mut ink) = (String::new(), PLAIN);
        for cell in cells().take(width) {
            Ink::of(cell).over(ink, &mut line);
            ink = Ink::of(cell);
            line.push_str(cell.symbol());
        }
        PLAIN.over(ink, &mut line);
        lines.push(line);
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.iter().flat_map(|line| [line.as_str(), "\r\n"]).collect()
}

#[cfg(test)]
mod tests {
    use ratatui::style::{Style, Stylize};
    use ratatui::text::Line;

    use super::*;

    /// What drawing one frame after the other writes for the last.
    fn drawn(frames: &[Line<'static>]) -> String {
        let mut terminal = ratatui::Terminal::new(Paper::new(Vec::new(), || Ok((20, 3)))).expect("memory is there");
        for line in frames {
            terminal.backend_mut().out.clear();
            terminal.draw(|frame| frame.render_widget(line, frame.area())).expect("memory takes it");
        }
        String::from_utf8(terminal.backend().out.clone()).expect("it is text").replace('\x1b', "^")
    }

    #[test]
    fn only_what_changed_is_written_and_shortly() {
        let red = |text: &'static str| Line::from(text.red().bold());
        assert_eq!(drawn(&[Line::raw("ab"), Line::raw("ab")]), "");
        assert_eq!(drawn(&[Line::raw("ab"), Line::raw("aX")]), "^[1;2HX");
        assert_eq!(drawn(&[Line::raw("abcdef"), Line::raw("XbcXXf")]), "^[1;1HX^[4GXX");
        assert_eq!(drawn(&[Line::raw(""), red("no")]), "^[1;1H^[1;31mno^[m");
        let two = Line::from(vec!["a".bold(), "b".into(), "c".fg(Color::Indexed(208)), "d".bg(Color::Rgb(1, 2, 3))]);
        assert_eq!(drawn(&[Line::raw(""), two]), "^[1;1H^[1ma^[mb^[38;5;208mc^[39;48;2;1;2;3md^[m");
        let less =
            Line::from(vec!["a".bold().reversed(), Line::from("b").style(Style::new().bold()).spans[0].clone().bold()]);
        assert_eq!(drawn(&[Line::raw(""), less]), "^[1;1H^[1;7ma^[0;1mb^[m");
    }

    #[test]
    fn the_cursor_is_moved_only_when_it_is_elsewhere() {
        let mut terminal = ratatui::Terminal::new(Paper::new(Vec::new(), || Ok((20, 3)))).expect("memory is there");
        let mut drawn = |text: &'static str, at: Option<(u16, u16)>| {
            terminal.backend_mut().out.clear();
            let render = |frame: &mut ratatui::Frame<'_>| {
                frame.render_widget(text, frame.area());
                if let Some(at) = at {
                    frame.set_cursor_position(at);
                }
            };
            terminal.draw(render).expect("memory takes it");
            String::from_utf8(terminal.backend().out.clone()).expect("it is text").replace('\x1b', "^")
        };
        assert_eq!(drawn("", Some((2, 1))), "^[?25h^[2;3H");
        assert_eq!(drawn("", Some((2, 1))), "");
        assert_eq!(drawn("a", Some((2, 1))), "^[1;1Ha^[2;3H");
        assert_eq!(drawn("a", Some((3, 1))), "^[2;4H");
        assert_eq!(drawn("a", None), "^[?25l");
        assert_eq!(drawn("a", None), "");
    }

    #[test]
    fn a_transcript_has_the_colours_and_no_blanks_at_the_ends() {
        let mut buffer = ratatui::buffer::Buffer::empty(ratatui::layout::Rect::new(0, 0, 8, 4));
        buffer.set_line(0, 0, &Line::from(vec!["done".blue(), " ok".into()]), 8);
        buffer.set_line(0, 2, &Line::raw("end"), 8);
        assert_eq!(transcript(&buffer), "\x1b[34mdone\x1b[m ok\r\n\r\nend\r\n");
    }
}
