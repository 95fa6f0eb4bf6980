//! Several drawn panels as one document.

use super::canvas::WIDTH;
use super::label::escape;
use crate::render::standalone_svg;

/// An SVG document that needs nothing else: panels of one `height`, two in a row. `name` begins the ids.
pub(crate) fn document(name: &str, title: &str, height: i32, panels: &[String]) -> String {
    let (width, whole) = (2 * WIDTH, height * panels.len().div_ceil(2) as i32);
    let mut svg = format!(
        "<svg role=\"img\" aria-labelledby=\"{name}-title\" width=\"{width}\" height=\"{whole}\" \
         viewBox=\"0 0 {width} {whole}\" xmlns=\"http://www.w3.org/2000/svg\">\n\
         <title id=\"{name}-title\">{}</title>\n",
        escape(title)
    );
    for (panel, i) in panels.iter().zip(0..) {
        let place = format!("<svg x=\"{}\" y=\"{}\"", i % 2 * WIDTH, i / 2 * height);
        svg.push_str(&panel.replacen("<svg", &place, 1));
        svg.push('\n');
    }
    svg.push_str("</svg>\n");
    standalone_svg(&svg)
}
