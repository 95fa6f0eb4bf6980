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

fn looks(arms: &[(String, Settings)], chosen: Chosen<'_>) -> Looks {
    let arms: Vec<_> = arms.iter().map(|(label, at)| (&**label, at)).collect();
    Looks::of(&arms, chosen)
}

#[test]
fn twenty_arms_look_different_by_colour_and_shade_and_drop_what_all_share() {
    let looks = looks(&grid(), Chosen::default());
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
        let keys = looks.apart(most, false);
        keys.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let two = looks(&grid(), Chosen::default());
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
    let three = looks(&arms, Chosen::default());
    assert_eq!(of(&three, 20), ["model.depth"]);
    assert_eq!(of(&three, 8), ["model.heads", "model.depth"]);
    assert_eq!(
        of(&looks(&grid()[..5], Chosen::default()), 3),
        [""; 0],
        "one axis"
    );
}

#[test]
fn the_axes_of_colours_and_shades_can_be_chosen() {
    let chosen = |colours, shades| {
        let looks = looks(
            &grid(),
            Chosen {
                colours,
                shades,
                facets: None,
            },
        );
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

/// A reader's choice of shades and facets is kept, and colours and shades go to what is left.
#[test]
fn the_axes_of_shades_and_facets_can_be_chosen() {
    let grid = grid();
    let arms: Vec<_> = grid.iter().map(|(label, at)| (&**label, at)).collect();
    let chosen = |chosen| Looks::of(&arms, chosen);
    let keys = |looks: &Looks| {
        let keys = looks.axes.iter().map(|axis| axis.key.clone());
        keys.collect::<Vec<_>>()
    };
    let faceted = chosen(Chosen {
        facets: Some("model.heads"),
        ..Chosen::default()
    });
    assert_eq!(keys(&faceted), ["optimizer.lr", "model.heads"]);
    assert!(!faceted.shaded);
    let first = &faceted.arms[0];
    assert_eq!((first.colour, first.shades, first.facet), (4, 1, 0));
    assert_eq!(faceted.arms[19].facet, 3);
    let shaded = chosen(Chosen {
        shades: Some("model.heads"),
        ..Chosen::default()
    });
    assert_eq!(keys(&shaded), ["optimizer.lr", "model.heads"]);
    assert!(shaded.shaded);
    assert_eq!((shaded.arms[19].shade, shaded.arms[19].shades), (3, 4));
    let unknown = chosen(Chosen {
        shades: Some("none"),
        facets: Some("nothing"),
        ..Chosen::default()
    });
    assert_eq!(unknown, Looks::of(&arms, Chosen::default()));
}

/// With three axes each has what it was chosen for.
#[test]
fn colours_shades_and_facets_go_where_they_were_sent() {
    let at = |a: i64, b: i64, c: i64| {
        let at = [("a", a), ("b", b), ("c", c)];
        Settings::from(at.map(|(key, value)| (key.to_owned(), Value::Integer(value))))
    };
    let grid: Vec<Settings> = (0..24).map(|i| at(i / 12, i / 4 % 3, i % 4)).collect();
    let arms: Vec<(&str, &Settings)> = grid.iter().map(|at| ("", at)).collect();
    let looks = Looks::of(
        &arms,
        Chosen {
            colours: Some("c"),
            shades: Some("b"),
            facets: Some("a"),
        },
    );
    let keys: Vec<&str> = looks.axes.iter().map(|axis| &*axis.key).collect();
    assert_eq!(keys, ["c", "b", "a"]);
    let last = &looks.arms[23];
    assert_eq!((last.colour, last.shade, last.facet), (3, 2, 1));
}

/// What moves together with another key can be chosen all the same.
#[test]
fn a_chosen_key_stands_for_those_that_move_with_it() {
    let at = |layers: i64| {
        let at = [("layers", layers), ("width", 64 / layers)];
        Settings::from(at.map(|(key, value)| (key.to_owned(), Value::Integer(value))))
    };
    let grid = [at(4), at(8)];
    let arms: Vec<(&str, &Settings)> = grid.iter().map(|at| ("", at)).collect();
    let width = Chosen {
        colours: Some("width"),
        ..Chosen::default()
    };
    assert_eq!(Looks::of(&arms, width).axes[0].key, "width");
    assert_eq!(Looks::of(&arms, Chosen::default()).axes[0].key, "layers");
}

#[test]
fn keys_that_move_together_are_one_axis() {
    let arm = |layers: i64, width: i64| {
        let at = [("layers", layers), ("width", width)];
        let at = at.map(|(key, value)| (format!("model.{key}"), Value::Integer(value)));
        (String::new(), Settings::from(at))
    };
    let looks = looks(&[arm(4, 64), arm(8, 32), arm(12, 16)], Chosen::default());
    assert_eq!(looks.axes.len(), 1);
    assert_eq!(looks.arms[1].name, "layers=8 width=32");
}

#[test]
fn labels_alone_lose_the_words_that_all_have() {
    let short = |labels: &[&str]| -> Vec<String> {
        let none = Settings::new();
        let arms: Vec<_> = labels.iter().map(|label| (*label, &none)).collect();
        Looks::of(&arms, Chosen::default())
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
        let chosen = Chosen { colours: Some("none"), shades: Some(""), facets: Some("nothing") };
        let looks = Looks::of(&arms, chosen);
        let names: BTreeSet<_> = looks.arms.iter().map(|look| &look.name).collect();
        prop_assert_eq!(names.len(), labels.len());
    }
}
