//! Many arms stay distinct, and their names say only what sets them apart.

use super::*;
use proptest::prelude::*;

fn grid() -> Vec<(String, Settings)> {
    let cells = [8, 16, 32, 64]
        .into_iter()
        .flat_map(|heads| [0.1, 0.03, 1e-3, 3e-3, 0.01].map(|lr| (heads, lr)));
    let arm = |(heads, lr): (i64, f64)| {
        let at = Settings::from([
            ("model.heads".to_owned(), Value::Integer(heads)),
            ("model.norm".to_owned(), Value::String("post".to_owned())),
            ("optimizer.lr".to_owned(), Value::Float(lr)),
        ]);
        (format!("heads={heads} post lr={lr}"), at)
    };
    cells.map(arm).collect()
}

fn looks(arms: &[(String, Settings)], first: Option<&str>) -> Looks {
    let arms: Vec<_> = arms.iter().map(|(label, at)| (&**label, at)).collect();
    Looks::of(&arms, first)
}

#[test]
fn twenty_arms_look_different_by_colour_and_shade_and_drop_what_all_share() {
    let looks = looks(&grid(), None);
    let keys: Vec<&str> = looks.axes.iter().map(|axis| &*axis.key).collect();
    assert_eq!(keys, ["model.heads", "optimizer.lr"]);
    assert_eq!(
        looks.axes[1].values,
        ["0.001", "0.003", "0.01", "0.03", "0.1"]
    );
    let seen: BTreeSet<_> = looks
        .arms
        .iter()
        .map(|look| (look.colour, look.shade))
        .collect();
    assert_eq!(seen.len(), 20);
    assert_eq!(looks.arms[0].name, "heads=8 lr=0.1");
    assert_eq!((&*looks.arms[0].brief, looks.arms[0].shade), ("8 0.1", 4));
    assert_eq!(looks.heading(), "heads lr");
}

/// What more arms than fit into one panel are split by, in monitor and report alike.
#[test]
fn many_arms_are_split_by_what_no_look_shows_and_then_by_colour() {
    let of = |looks: &Looks, most| {
        let keys = looks.apart(most);
        keys.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let two = looks(&grid(), None);
    assert_eq!(of(&two, 8), ["model.heads"]);
    assert_eq!(of(&two, 20), [""; 0]);
    let mut arms = Vec::new();
    for (label, at) in grid() {
        for depth in 1..=6 {
            let mut at = at.clone();
            at.insert("model.depth".to_owned(), Value::Integer(depth));
            arms.push((format!("{label} {depth}"), at));
        }
    }
    let three = looks(&arms, None);
    assert_eq!(of(&three, 20), ["model.depth"]);
    assert_eq!(of(&three, 8), ["model.heads", "model.depth"]);
    assert_eq!(of(&looks(&grid()[..5], None), 3), [""; 0], "one axis");
}

#[test]
fn the_axis_of_the_colours_can_be_chosen() {
    let looks = looks(&grid(), Some("optimizer.lr"));
    assert_eq!(looks.axes[0].key, "optimizer.lr");
    assert_eq!((looks.arms[0].colour, looks.arms[0].shade), (4, 0));
}

#[test]
fn keys_that_move_together_are_one_axis() {
    let arm = |layers: i64, width: i64| {
        let at = [("layers", layers), ("width", width)];
        let at = at.map(|(key, value)| (format!("model.{key}"), Value::Integer(value)));
        (String::new(), Settings::from(at))
    };
    let looks = looks(&[arm(4, 64), arm(8, 32), arm(12, 16)], None);
    assert_eq!(looks.axes.len(), 1);
    assert_eq!(looks.arms[1].name, "layers=8 width=32");
}

#[test]
fn labels_alone_lose_the_words_that_all_have() {
    let short = |labels: &[&str]| -> Vec<String> {
        let none = Settings::new();
        let arms: Vec<_> = labels.iter().map(|label| (*label, &none)).collect();
        Looks::of(&arms, None)
            .arms
            .into_iter()
            .map(|look| look.name)
            .collect()
    };
    assert_eq!(
        short(&["glm-fp32-lr3-v2", "glm-fp16-lr3-v2"]),
        ["fp32", "fp16"]
    );
    assert_eq!(
        short(&["run a x", "run b", "run c y z"]),
        ["a x", "b", "c y z"]
    );
    assert_eq!(
        short(&["a", "a-b"]),
        ["a", "a-b"],
        "none is left without a name"
    );
    assert_eq!(short(&["alone-in-the-world"]), ["alone-in-the-world"]);
    assert_eq!(short(&["twice", "twice"]), ["twice", "twice"]);
}

proptest! {
    // Whatever runs are called, names stay as distinct as they were and nothing panics.
    #[test]
    fn prop_distinct_labels_keep_distinct_names(labels in prop::collection::btree_set("[ab\\-_ 訓,/]{0,7}", 0..8)) {
        let none = Settings::new();
        let arms: Vec<_> = labels.iter().map(|label| (&**label, &none)).collect();
        let looks = Looks::of(&arms, Some("none"));
        let names: BTreeSet<_> = looks.arms.iter().map(|look| &look.name).collect();
        prop_assert_eq!(names.len(), labels.len());
    }
}

#[test]
fn the_grid_counts_failures_of_what_was_judged() {
    let looks = looks(&grid(), None);
    // Every arm has a run that failed, one that trained, one to come; the first arm two that recovered as well.
    let outcomes = [Some(Outcome::Diverged), Some(Outcome::Ok), None];
    let runs = (0..20).flat_map(|arm| outcomes.map(|outcome| (arm, outcome)));
    let cells = looks.grid(0, Some(1), runs.chain([(0, Some(Outcome::Recovered)); 2]));
    assert_eq!((cells.len(), cells[0].len()), (4, 5));
    let cell = |failed, judged, runs| GridCell {
        failed,
        judged,
        runs,
    };
    // The first arm has the highest rate.
    assert_eq!((cells[0][4], cells[3][0]), (cell(1, 4, 5), cell(1, 2, 3)));
    let column = looks.grid(1, None, [(0, None), (99, None)]);
    assert_eq!(column.len(), 5);
    assert_eq!(column[4], [cell(0, 0, 1)]);
}
