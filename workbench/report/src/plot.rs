//! Figures as SVG text, drawn by plotters. Every colour comes from [`palette`], so that one style
//! sheet can turn a figure dark without drawing it twice.

pub(crate) mod axis;
pub(crate) mod canvas;
pub(crate) mod curves;
pub(crate) mod dots;
pub(crate) mod label;
pub(crate) mod palette;
pub(crate) mod panels;

/// A drawn figure.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Figure {
    /// File name without extension, and the root of the ids inside the SVG.
    pub(crate) name: String,
    /// One line, also the SVG's `title`.
    pub(crate) title: String,
    /// What the figure shows, in words, for readers who cannot see it; the SVG's `desc`.
    pub(crate) description: String,
    /// What to know to read it, printed beneath.
    pub(crate) caption: String,
    /// The SVG element, ready to stand inside HTML.
    pub(crate) svg: String,
}
