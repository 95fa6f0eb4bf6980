//! Figures as SVG text, drawn by plotters. Every colour comes from [`palette`], so that one style
//! sheet can turn a figure dark without drawing it twice.

pub(crate) mod along;
pub(crate) mod axis;
pub(crate) mod canvas;
pub(crate) mod curves;
pub(crate) mod data;
pub(crate) mod dots;
pub(crate) mod heat;
pub(crate) mod label;
pub(crate) mod matrix;
pub(crate) mod pairs;
pub(crate) mod palette;
pub(crate) mod panels;
pub(crate) mod parallel;

use data::Table;

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
    /// From left to right, as many in a row as fit.
    pub(crate) panels: Vec<Panel>,
    /// The numbers behind it, as the address of a CSV file.
    pub(crate) data: String,
    /// What the page's script tells of it.
    pub(crate) kind: Kind,
}

/// What a pointer on a figure is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// The values of all curves at a step: the numbers are step, curve and value, or low, median, high and a mark.
    Curves,
    /// The value of a cell: the numbers are panel, step, layer and value.
    Map,
    /// The title of the layer that lies there.
    Marks,
}

/// A part of a figure with axes of its own.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Panel {
    /// File name without extension.
    pub(crate) name: String,
    /// What sets it apart from the others; empty where it is alone.
    pub(crate) title: String,
    /// The SVG element, ready to stand inside HTML.
    pub(crate) svg: String,
}

impl Figure {
    /// Of one panel, whose layers have titles.
    pub(crate) fn single(
        (name, title): (&str, &str),
        description: String,
        caption: impl Into<String>,
        svg: String,
        data: &Table,
    ) -> Self {
        let panel = Panel {
            name: name.to_owned(),
            title: String::new(),
            svg,
        };
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            description,
            caption: caption.into(),
            panels: vec![panel],
            data: data.address(),
            kind: Kind::Marks,
        }
    }
}
