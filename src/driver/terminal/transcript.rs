//! The last screen as text, for the terminal to keep when it is given back.

use ratatui::backend::IntoCrossterm;
use ratatui::buffer::{Buffer, Cell};

use crossterm::style::ContentStyle;

/// Its lines with their colours, without the blanks at their ends.
pub(super) fn transcript(buffer: &Buffer) -> String {
    let mut lines: Vec<String> = (0..buffer.area.height).map(|row| line(buffer, row)).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.iter().flat_map(|line| [line.as_str(), "\r\n"]).collect()
}

fn line(buffer: &Buffer, row: u16) -> String {
    let plain = Cell::default().style();
    let cells: Vec<&Cell> = (0..buffer.area.width).filter_map(|column| buffer.cell((column, row))).collect();
    let last = cells.iter().rposition(|cell| cell.symbol() != " " || cell.style() != plain);
    let cells = &cells[..last.map_or(0, |last| last + 1)];
    let runs = cells.chunk_by(|one, other| one.style() == other.style()).map(|run| {
        let (text, style) = (run.iter().map(|cell| cell.symbol()).collect::<String>(), run[0].style());
        let inked: ContentStyle = style.into_crossterm();
        if style == plain { text } else { inked.apply(text).to_string() }
    });
    runs.collect()
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Stylize;
    use ratatui::text::Line;

    use super::*;

    #[test]
    fn it_has_the_colours_and_no_blanks_at_the_ends() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 8, 4));
        buffer.set_line(0, 0, &Line::from(vec!["done".blue(), " ok".into()]), 8);
        buffer.set_line(0, 2, &Line::raw("end"), 8);
        let text = transcript(&buffer);
        assert!(text.ends_with(" ok\r\n\r\nend\r\n"), "{text:?}");
        let mut screen = vt100::Parser::new(4, 8, 0);
        screen.process(text.as_bytes());
        let color = |column| screen.screen().cell(0, column).map(vt100::Cell::fgcolor);
        assert_eq!(screen.screen().contents(), "done ok\n\nend");
        assert_eq!((color(3), color(5)), (Some(vt100::Color::Idx(4)), Some(vt100::Color::Default)));
    }
}
