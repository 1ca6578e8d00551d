//! A QR code as the path of an SVG.

use qrcode::{Color, EcLevel, QrCode};

/// The quiet zone around a code, in modules, as the standard (ISO/IEC 18004) asks for.
const QUIET: usize = 4;

/// A code to draw: black modules in a square of `size`.
pub(super) struct Svg {
    pub(super) size: usize,
    /// The `d` of a path: a bar for each run of black modules in a row. Bars reach a little into the row below, so that no
    /// light line is seen between two rows, whatever draws them.
    pub(super) path: String,
}

/// The code of `text`; `None` where it is too long for one.
pub(super) fn svg(text: &str) -> Option<Svg> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let colors = code.to_colors();
    let mut path = String::new();
    for (row, modules) in colors.chunks(width).enumerate() {
        let mut column = 0;
        for run in modules.chunk_by(|a, b| a == b) {
            if run.first() == Some(&Color::Dark) {
                let (x, y, length) = (column + QUIET, row + QUIET, run.len());
                path.push_str(&format!("M{x} {y}h{length}v1.05h-{length}z"));
            }
            column += run.len();
        }
    }
    Some(Svg {
        size: width + 2 * QUIET,
        path,
    })
}
