//! Timelines as people see them.

use super::*;

fn seen(schedule: Schedule, stages: u64, micro_batches: u64, chunks: u64) -> Timeline {
    simulate(&input(schedule, stages, micro_batches, chunks)).unwrap()
}

/// The figure of every paper on the subject, in characters.
#[test]
fn a_small_step_is_drawn_to_scale() {
    let text = timeline_text(&seen(Schedule::OneForwardOneBackward, 3, 4, 1), 67);
    let expected = "\
1F1B: 3 stages, 4 micro-batches
18.00 s, bubble 33.333 % (formula 33.333 %)
stage 0 |0>>1>>2>>............0<<<<<3>>1<<<<<...2<<<<<...3<<<<<| 3
";
    assert!(text.starts_with(expected), "{text}");
}

proptest! {
    /// No line is wider than the terminal, and every stage that fits has its lane.
    #[test]
    fn text_is_never_too_wide(input in legal(), width in 0_usize..200) {
        let timeline = simulate(&input).unwrap();
        let text = timeline_text(&timeline, width);
        for line in text.lines() {
            prop_assert!(line.chars().count() <= width, "{line}");
        }
        if width > 20 {
            let lanes = text.lines().filter(|line| line.starts_with("stage ")).count();
            prop_assert_eq!(lanes as u64, input.stages);
        }
    }

    /// A drawing is one well-formed document whatever the title says.
    #[test]
    fn drawings_are_well_formed(input in legal(), title in any::<String>()) {
        let svg = timeline_svg(&simulate(&input).unwrap(), &title).unwrap();
        prop_assert!(svg.starts_with("<svg "));
        prop_assert!(svg.trim_end().ends_with("</svg>"));
        prop_assert_eq!(svg.matches("<svg").count(), 1);
        prop_assert!(!svg.chars().any(|c| c.is_control() && c != '\n'));
    }
}

/// A long step shows its begin and its end, and says so.
#[test]
fn a_long_step_is_shown_by_its_ends() {
    let timeline = seen(Schedule::OneForwardOneBackward, 8, 176, 1);
    let text = timeline_text(&timeline, 110);
    assert!(
        text.lines()
            .any(|line| line.starts_with("stage 0 |0>") && line.contains(" … ")),
        "{text}"
    );
    assert!(text.contains("175<"), "{text}");
    assert!(text.contains("549.0 s"), "{text}");
    let svg = timeline_svg(&timeline, "GLM-130B <1F1B> & friends").unwrap();
    assert!(svg.contains("bubble 3.825 % (formula 3.825 %)"));
    assert!(svg.contains("&lt;1F1B&gt; &amp; friends"));
    assert!(
        !svg.contains("http://") || svg.matches("http://").count() == 1,
        "only the namespace"
    );
}

/// A deep pipeline stays a page, not a scroll.
#[test]
fn deep_pipelines_show_their_first_and_last_stages() {
    let timeline = seen(Schedule::OneForwardOneBackward, 512, 64, 1);
    let text = timeline_text(&timeline, 80);
    assert!(text.lines().count() < 50);
    assert!(text.contains("stage 511 |"));
    let svg = timeline_svg(&timeline, "deep").unwrap();
    assert!(svg.len() < 4_000_000, "{}", svg.len());
}
