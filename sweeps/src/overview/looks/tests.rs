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

fn looks(arms: &[(String, Settings)], wanted: Wanted<'_>) -> Looks {
    let arms: Vec<_> = arms.iter().map(|(label, at)| (&**label, at)).collect();
    Looks::of(&arms, wanted)
}

#[test]
fn twenty_arms_look_different_by_colour_and_shade_and_drop_what_all_share() {
    let looks = looks(&grid(), Wanted::default());
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

#[test]
fn the_axes_of_colours_and_shades_can_be_chosen() {
    let chosen = |colours, shades| {
        let looks = looks(&grid(), Wanted { colours, shades });
        (looks.axes[0].key.clone(), looks.axes[1].key.clone(), looks)
    };
    let rate = Some("optimizer.lr");
    let (colours, shades, looks) = chosen(rate, None);
    assert_eq!((&*colours, &*shades), ("optimizer.lr", "model.heads"));
    assert_eq!((looks.arms[0].colour, looks.arms[0].shade), (4, 0));
    // Who takes the shades from the axis of the colours gives these to the other one.
    let (colours, shades, _) = chosen(None, Some("model.heads"));
    assert_eq!((&*colours, &*shades), ("optimizer.lr", "model.heads"));
    let (colours, shades, _) = chosen(rate, rate);
    assert_eq!((&*colours, &*shades), ("optimizer.lr", "model.heads"));
    let (colours, shades, _) = chosen(Some("model.norm"), Some("depth"));
    assert_eq!(
        (&*colours, &*shades),
        ("model.heads", "optimizer.lr"),
        "no axes"
    );
}

#[test]
fn keys_that_move_together_are_one_axis() {
    let arm = |layers: i64, width: i64| {
        let at = [("layers", layers), ("width", width)];
        let at = at.map(|(key, value)| (format!("model.{key}"), Value::Integer(value)));
        (String::new(), Settings::from(at))
    };
    let looks = looks(&[arm(4, 64), arm(8, 32), arm(12, 16)], Wanted::default());
    assert_eq!(looks.axes.len(), 1);
    assert_eq!(looks.arms[1].name, "layers=8 width=32");
}

#[test]
fn labels_alone_lose_the_words_that_all_have() {
    let short = |labels: &[&str]| -> Vec<String> {
        let none = Settings::new();
        let arms: Vec<_> = labels.iter().map(|label| (*label, &none)).collect();
        Looks::of(&arms, Wanted::default())
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
        let wanted = Wanted { colours: Some("none"), shades: Some("") };
        let looks = Looks::of(&arms, wanted);
        let names: BTreeSet<_> = looks.arms.iter().map(|look| &look.name).collect();
        prop_assert_eq!(names.len(), labels.len());
    }
}
