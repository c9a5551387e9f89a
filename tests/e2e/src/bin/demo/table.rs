//! Tables and sparklines for a terminal.

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A table with a header line; numbers to the right, names to the left.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new(columns: &[&str]) -> Self {
        Self { rows: vec![columns.iter().map(|column| (*column).to_owned()).collect()] }
    }

    /// Adds a line.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Prints it, indented.
    pub(crate) fn print(&self) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let shapes: Vec<(usize, bool)> = (0..columns).map(|column| self.shape(column)).collect();
        for row in &self.rows {
            let mut line = String::from(" ");
            for (cell, (width, numbers)) in row.iter().zip(&shapes) {
                let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
                line += &if *numbers { format!(" {pad}{cell} ") } else { format!(" {cell}{pad} ") };
            }
            println!("{}", line.trim_end());
        }
    }

    /// How wide a column is, and whether it holds numbers.
    fn shape(&self, column: usize) -> (usize, bool) {
        let cells = || self.rows.iter().filter_map(move |row| row.get(column));
        let width = cells().map(|cell| cell.chars().count()).max().unwrap_or_default();
        (width, cells().skip(1).any(|cell| cell.starts_with(|first: char| first.is_ascii_digit())))
    }
}

/// A line of bars, scaled so that `highest` fills a character.
pub(crate) fn sparkline(values: impl Iterator<Item = f64>, highest: f64) -> String {
    let bar = |value: f64| {
        let place = (value / highest.max(1.0) * (BARS.len() - 1) as f64).round().max(0.0) as usize;
        BARS.get(place.min(BARS.len() - 1)).copied().unwrap_or(' ')
    };
    values.map(bar).collect()
}
