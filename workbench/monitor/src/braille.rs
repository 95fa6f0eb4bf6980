//! A drawing board of braille dots: two columns and four rows of dots in every terminal cell.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

/// Dots, and one style per cell. What lies higher takes a cell over from what lies lower, never the other way
/// round: a terminal cell has one colour, and dots of two things in one colour blur both.
#[derive(Debug)]
pub(crate) struct Board {
    width: usize,
    height: usize,
    cells: Vec<Cell>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    dots: u8,
    style: Style,
    layer: Layer,
}

/// What lies over what, from the bottom.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    #[default]
    Band,
    Faint,
    Normal,
    Focus,
}

/// Bits of a braille cell, by dot row and column (Unicode chapter 21.1).
const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

impl Board {
    /// An empty board for `width` × `height` cells.
    pub(crate) fn new(width: u16, height: u16) -> Self {
        let (width, height) = (usize::from(width), usize::from(height));
        Self {
            width,
            height,
            cells: vec![Cell::default(); width * height],
        }
    }

    /// Width in dots.
    pub(crate) fn dots_x(&self) -> usize {
        self.width * 2
    }

    /// Height in dots.
    pub(crate) fn dots_y(&self) -> usize {
        self.height * 4
    }

    fn dot(&mut self, x: i64, y: i64, style: Style, layer: Layer) {
        if x < 0 || y < 0 || x >= self.dots_x() as i64 || y >= self.dots_y() as i64 {
            return;
        }
        let (x, y) = (x as usize, y as usize);
        let cell = &mut self.cells[y / 4 * self.width + x / 2];
        if layer > cell.layer {
            cell.dots = 0;
        }
        if layer >= cell.layer {
            cell.dots |= BITS[y % 4][x % 2];
            cell.layer = layer;
            cell.style = style;
        }
    }

    /// A straight line between two dots (Bresenham), ends included; parts outside the board are not drawn.
    pub(crate) fn line(
        &mut self,
        (x0, y0): (f64, f64),
        (x1, y1): (f64, f64),
        style: Style,
        layer: Layer,
    ) {
        // Clamping bounds the work of a line that runs far outside.
        let reach = 4 * (self.dots_x() + self.dots_y()) as i64;
        let clamp = |v: f64| (v.round() as i64).clamp(-reach, reach);
        let (mut x, mut y, x1, y1) = (clamp(x0), clamp(y0), clamp(x1), clamp(y1));
        let (dx, dy) = ((x1 - x).abs(), -(y1 - y).abs());
        let (step_x, step_y) = ((x1 - x).signum(), (y1 - y).signum());
        let mut error = dx + dy;
        loop {
            self.dot(x, y, style, layer);
            if x == x1 && y == y1 {
                return;
            }
            let twice = 2 * error;
            if twice >= dy {
                error += dy;
                x += step_x;
            }
            if twice <= dx {
                error += dx;
                y += step_y;
            }
        }
    }

    /// A dotted column of a band, from dot row `top` to `bottom`.
    pub(crate) fn band(&mut self, x: usize, top: f64, bottom: f64, style: Style) {
        let limit = self.dots_y() as f64;
        let (top, bottom) = (
            top.round().clamp(0.0, limit) as i64,
            bottom.round().clamp(0.0, limit) as i64,
        );
        for y in top..=bottom {
            // Every other dot on every other row: light enough for the line inside to stand out.
            if (x as i64 + y) % 2 == 0 {
                self.dot(x as i64, y, style, Layer::Band);
            }
        }
    }

    /// Copies the dots into `area`, with no style but their own; cells without dots are left as they are.
    pub(crate) fn render(&self, area: Rect, buffer: &mut Buffer) {
        for (index, cell) in self
            .cells
            .iter()
            .enumerate()
            .filter(|(_, cell)| cell.dots != 0)
        {
            let (x, y) = (
                area.x + (index % self.width) as u16,
                area.y + (index / self.width) as u16,
            );
            if let Some(target) = buffer.cell_mut((x, y)) {
                let symbol = char::from_u32(0x2800 + u32::from(cell.dots)).unwrap_or(' ');
                target
                    .set_char(symbol)
                    .set_style(Style::reset().patch(cell.style));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::style::Color;

    fn text(board: &Board, width: u16, height: u16) -> Vec<String> {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        board.render(area, &mut buffer);
        (0..height)
            .map(|y| (0..width).map(|x| buffer[(x, y)].symbol()).collect())
            .collect()
    }

    #[test]
    fn a_line_joins_its_ends() {
        let mut board = Board::new(4, 1);
        board.line((0.0, 3.0), (7.0, 0.0), Style::new(), Layer::Normal);
        assert_eq!(text(&board, 4, 1), ["⣀⠤⠒⠉"]);
    }

    #[test]
    fn points_outside_are_not_drawn_and_do_not_panic() {
        let mut board = Board::new(2, 1);
        board.line(
            (-1e300, 1e300),
            (f64::NAN, f64::INFINITY),
            Style::new(),
            Layer::Faint,
        );
        board.band(99, -5.0, 900.0, Style::new());
        Board::new(0, 0).line((0.0, 0.0), (5.0, 5.0), Style::new(), Layer::Normal);
        Board::new(0, 0).band(0, 0.0, 9.0, Style::new());
    }

    /// The line of the run under the cursor has no colour of its own, and must not take that of the grid.
    #[test]
    fn a_cell_keeps_no_style_of_what_was_there() {
        let mut board = Board::new(1, 1);
        board.line((0.0, 0.0), (0.0, 0.0), Style::new(), Layer::Focus);
        let mut buffer = Buffer::empty(Rect::new(0, 0, 1, 1));
        buffer.set_string(0, 0, "·", Style::new().fg(Color::Red));
        board.render(buffer.area, &mut buffer);
        assert_eq!(buffer[(0, 0)].fg, Color::Reset);
    }

    #[test]
    fn a_line_takes_a_cell_from_a_band_and_keeps_it() {
        let (band, line) = (Style::new().fg(Color::Red), Style::new().fg(Color::Blue));
        let mut board = Board::new(1, 1);
        board.band(0, 0.0, 3.0, band);
        board.line((0.0, 0.0), (1.0, 0.0), line, Layer::Normal);
        board.band(1, 0.0, 3.0, band);
        let mut buffer = Buffer::empty(Rect::new(0, 0, 1, 1));
        board.render(Rect::new(0, 0, 1, 1), &mut buffer);
        assert_eq!(buffer[(0, 0)].symbol(), "⠉");
        assert_eq!(buffer[(0, 0)].fg, Color::Blue);
    }
}
