//! Pictures of the console as a terminal shows it: what arrived in a pty, drawn as SVG.
//!
//! `ROOKERY_PICTURES=1 cargo nextest run --test terminal pictures` makes those of `docs/screens` anew; otherwise they are
//! made aside, and only looked at.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::session::Session;

/// A cell's width and height in the picture.
const CELL: (f32, f32) = (8.4, 18.0);
/// Around the screen.
const MARGIN: f32 = 12.0;

const BACKGROUND: &str = "#14161b";
const TEXT: &str = "#d5d8de";

/// The terminal's own sixteen, as many terminals have them today.
const OWN: [&str; 16] = [
    "#2b2f37", "#e0565b", "#8fbf7f", "#d8b25c", "#5c87d6", "#b58ad6", "#56b6c2", "#c8ccd4", "#767d8a", "#ff7b80",
    "#a8d898", "#f0cf7c", "#7ea6f0", "#d0a8ee", "#7ad0da", "#f2f4f8",
];

fn hex(color: vt100::Color, default: &str) -> String {
    match color {
        vt100::Color::Default => default.to_owned(),
        vt100::Color::Idx(index @ 0..=15) => OWN[usize::from(index)].to_owned(),
        vt100::Color::Idx(index @ 16..=231) => {
            let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
            let cube = index - 16;
            format!("#{:02x}{:02x}{:02x}", level(cube / 36), level(cube / 6 % 6), level(cube % 6))
        }
        vt100::Color::Idx(index) => {
            let grey = 8 + 10 * (index - 232);
            format!("#{grey:02x}{grey:02x}{grey:02x}")
        }
        vt100::Color::Rgb(red, green, blue) => format!("#{red:02x}{green:02x}{blue:02x}"),
    }
}

/// How a cell looks: text colour, background, and attributes as SVG.
fn look(cell: &vt100::Cell) -> (String, String, String) {
    let (fg, bg) = (hex(cell.fgcolor(), TEXT), hex(cell.bgcolor(), BACKGROUND));
    let (fg, bg) = if cell.inverse() { (bg, fg) } else { (fg, bg) };
    let mut more = String::new();
    for (is_set, attribute) in [
        (cell.bold(), " font-weight=\"bold\""),
        (cell.dim(), " opacity=\"0.6\""),
        (cell.underline(), " text-decoration=\"underline\""),
    ] {
        more.push_str(if is_set { attribute } else { "" });
    }
    (fg, bg, more)
}

fn svg(screen: &vt100::Screen) -> String {
    let (rows, columns) = screen.size();
    let (width, height) = (f32::from(columns) * CELL.0 + 2.0 * MARGIN, f32::from(rows) * CELL.1 + 2.0 * MARGIN);
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" font-size=\"14\" \
         font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" xml:space=\"preserve\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n"
    );
    for row in 0..rows {
        let cells = || (0..columns).filter_map(|column| screen.cell(row, column));
        let looks: Vec<_> = cells().map(look).collect();
        let mut column = 0;
        while column < looks.len() {
            let length = looks[column..].iter().take_while(|look| **look == looks[column]).count();
            let text: String = cells().skip(column).take(length).map(|cell| or_blank(cell.contents())).collect();
            run(&mut picture, (row, column), &text, &looks[column]);
            column += length;
        }
    }
    picture.push_str("</svg>\n");
    picture
}

fn or_blank(text: &str) -> &str {
    if text.is_empty() { " " } else { text }
}

/// Cells that look alike.
fn run(picture: &mut String, (row, column): (u16, usize), text: &str, (fg, bg, more): &(String, String, String)) {
    let (x, y) = (column as f32 * CELL.0 + MARGIN, f32::from(row) * CELL.1 + MARGIN);
    let width = text.chars().count() as f32 * CELL.0;
    if bg != BACKGROUND {
        let _ = writeln!(
            picture,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{}\" fill=\"{bg}\"/>",
            CELL.1
        );
    }
    if text.trim().is_empty() {
        return;
    }
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let base = y + 13.5;
    let _ = writeln!(
        picture,
        "<text x=\"{x:.1}\" y=\"{base:.1}\" textLength=\"{width:.1}\" fill=\"{fg}\"{more}>{text}</text>"
    );
}

fn folder(aside: &Path) -> PathBuf {
    let wanted = std::env::var_os("ROOKERY_PICTURES").is_some_and(|value| value == "1");
    if wanted { Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/screens") } else { aside.to_owned() }
}

#[test]
fn pictures_show_what_the_terminal_shows() {
    let aside = tempfile::tempdir().expect("a folder");
    let folder = folder(aside.path());
    fs::create_dir_all(&folder).expect("it is ours");
    let demo = [env!("CARGO_BIN_EXE_rookery"), "demo", "--hosts", "24", "--theme", "dark"];
    let mut session = Session::of(&demo, &[("USER", "olga")], (26, 100));
    let take = |session: &Session, name: &str| {
        let picture = svg(session.seen.lock().expect("no reader panics").screen.screen());
        fs::write(folder.join(name), &picture).expect("it is ours");
        picture
    };
    session.wait("every fault, and hosts half-way", |screen| {
        screen.contains("agent died") && screen.contains("3 failed") && screen.matches("fetching").count() > 8
    });
    let map = take(&session, "map.svg");
    assert!(map.contains("web01") && map.contains("✗") && map.ends_with("</svg>\n"), "{map}");
    session.press("3");
    session.wait_for("disk full");
    session.wait("the causes", |screen| screen.contains("host key") && !screen.contains("web02 "));
    take(&session, "failures.svg");
    session.press("1n\r");
    session.wait_for("attempt");
    take(&session, "host.svg");
    session.press("\x1b");
    session.wait("the host to close", |screen| !screen.contains("attempt"));
    session.press("?");
    session.wait_for("retry every failed");
    take(&session, "help.svg");
    session.signal("TERM");
    assert_eq!(session.end(), 143);
    session.assert_tidy();
}

#[test]
fn the_pictures_of_the_documents_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).expect("there is one");
    let named: Vec<_> =
        readme.split("docs/screens/").skip(1).filter_map(|rest| rest.split([')', '"']).next()).collect();
    assert!(!named.is_empty(), "README.md shows the console");
    for name in named {
        let picture = fs::read_to_string(root.join("docs/screens").join(name)).expect(name);
        assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n"), "{name}");
    }
}
