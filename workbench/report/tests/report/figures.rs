//! What every figure of every page has.

use super::pages::{self, HYPOTHESIS, pilot};
use super::{synthetic, text};

/// The part of a page between two texts, the first of its kind.
fn between<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    let rest = page.split_once(from).map_or("", |(_, rest)| rest);
    rest.split_once(to).map_or("", |(part, _)| part)
}

/// Of pages of all kinds: the numbers as a file, a caption behind the title, and a title and a description for who cannot see it.
#[test]
fn every_figure_of_every_page_has_its_numbers_its_caption_and_its_words() {
    let dir = tempfile::tempdir().unwrap();
    let mut kinds = std::collections::BTreeSet::new();
    for path in pages::all(dir.path()) {
        let page = text(&path);
        let page_name = path.display();
        let figures: Vec<&str> = page.split("<figure ").skip(1).collect();
        assert!(figures.len() >= 3, "{page_name}");
        for figure in figures {
            let figure = figure.split("</figure>").next().unwrap();
            let name = format!("{page_name}: {}", between(figure, "id=\"", "\""));
            kinds.insert(between(figure, "data-kind=\"", "\"").to_owned());
            let data = between(figure, "charset=utf-8,", "\"");
            let rows: Vec<&str> = data.trim_end_matches("%0A").split("%0A").collect();
            assert!(rows.len() >= 2, "{name}: {rows:?}");
            let columns = rows[0].split(',').count();
            assert!(columns >= 3, "{name}: {}", rows[0]);
            let caption = between(figure, "</strong>", "<a class");
            assert!(caption.trim().len() > 10, "{name}: {caption}");
            let drawings = figure.matches("<svg").count();
            assert!(drawings > 0, "{name}");
            for drawing in figure.split("<svg").skip(1) {
                assert!(
                    between(drawing, "<title id=", "</title>").len() > 10,
                    "{name}"
                );
                assert!(
                    between(drawing, "<desc id=", "</desc>").len() > 20,
                    "{name}"
                );
                assert!(
                    drawing.contains("data-x=\"") && drawing.contains("data-y=\""),
                    "{name}"
                );
            }
            if figure.contains("data-kind=\"marks\"") {
                assert!(figure.contains("<g class=\"layer\""), "{name}");
                assert!(
                    figure.contains("><title>"),
                    "{name}: nothing says what it is"
                );
            }
        }
        assert!(page.contains("<script>"), "{page_name}");
    }
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        ["curves", "map", "marks"]
    );
}

/// The data of a figure are a part of the page, whole and in full precision.
#[test]
fn every_figure_of_curves_has_its_numbers() {
    let dir = tempfile::tempdir().unwrap();
    synthetic::sweep(dir.path(), HYPOTHESIS, pilot);
    let html = text(&workbench_report::write(dir.path()).unwrap().html);
    let link = html
        .split("download=\"held-out-loss.csv\" href=\"")
        .nth(1)
        .unwrap();
    let link = link.split('"').next().unwrap();
    let rows: Vec<&str> = link.split_once("utf-8,").unwrap().1.split("%0A").collect();
    assert_eq!(rows[0], "step,arm,low,median,high,not_finite");
    // Three evaluations of three arms.
    assert_eq!(rows.len(), 1 + 9 + 1);
    let values: Vec<f64> = rows[1]
        .split(',')
        .skip(2)
        .take(3)
        .map(|cell| cell.parse().unwrap())
        .collect();
    assert!(values[0] <= values[1] && values[1] <= values[2] && values[0] != values[2]);
}
