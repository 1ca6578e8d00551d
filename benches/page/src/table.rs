//! Markdown.

use std::fmt::Write as _;

/// A table whose first column is words and whose others are numbers.
#[derive(Default)]
pub struct Table {
    text: String,
}

impl Table {
    pub fn new(head: &[&str]) -> Self {
        let mut table = Self {
            text: String::new(),
        };
        table.line(head);
        let rule: Vec<&str> = std::iter::once("---")
            .chain(head.iter().skip(1).map(|_| "--:"))
            .collect();
        table.line(&rule);
        table
    }

    pub fn row(mut self, cells: &[&str]) -> Self {
        self.line(cells);
        self
    }

    pub fn rows(mut self, rows: impl IntoIterator<Item = (String, String)>) -> Self {
        for (what, number) in rows {
            self.line(&[&what, &number]);
        }
        self
    }

    fn line<S: AsRef<str>>(&mut self, cells: &[S]) {
        self.text.push('|');
        for cell in cells {
            let _ = write!(self.text, " {} |", cell.as_ref().replace('|', "\\|"));
        }
        self.text.push('\n');
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Seconds, with as many digits as mean something.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{s:.2} s"),
        s if s < 100.0 => format!("{s:.1} s"),
        s => format!("{s:.0} s"),
    }
}

/// How many times less ours is than theirs.
pub fn ratio(ours: f64, theirs: f64) -> String {
    match theirs / ours {
        ratio if ratio < 10.0 => format!("{ratio:.1}×"),
        ratio => format!("{ratio:.0}×"),
    }
}

/// The same measured several times.
pub struct Sample(Vec<f64>);

impl Sample {
    /// Of at least one measurement.
    pub fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    pub fn median(&self) -> f64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The smallest and the largest.
    pub fn range(&self) -> (f64, f64) {
        let at = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
        (at(self.0.first()), at(self.0.last()))
    }

    /// `0.61 s (0.58–0.66 s)`, or the one value there is.
    pub fn describe(&self) -> String {
        match self.0.as_slice() {
            [first, .., last] => format!(
                "{} ({}–{})",
                seconds(self.median()),
                seconds(*first).trim_end_matches(" s"),
                seconds(*last)
            ),
            _ => seconds(self.median()),
        }
    }
}

/// `10,000`.
pub fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
