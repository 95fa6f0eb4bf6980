use super::*;
use crate::data::objective::Kind;
use experiments_config::{ModelConfig, Norm, resolve};

const SPECIAL: usize = 262;

fn config(inject: &str) -> Config {
    let text = format!("seed = 3\nsteps = 50\ninject = [{inject}]");
    resolve(toml::from_str(&text).unwrap(), &[], "test").unwrap()
}

fn texts(config: &Config, step: Option<u64>, index: u64) -> Vec<u32> {
    let special = SpecialIds::of(SPECIAL);
    // With an end of a document among them.
    let mut text: Vec<u32> = (0..40).chain([special.eos]).collect();
    Planted::new(config, config.seed, step, index).texts(&special, [&mut text]);
    text
}

#[test]
fn noise_is_ordinary_tokens_in_its_steps_only_and_the_same_every_time() {
    let config = config(r#"{ kind = "noise", step = 7, steps = 2 }"#);
    let plain = texts(&config, Some(6), 0);
    assert_eq!(plain[..40], (0..40).collect::<Vec<u32>>());
    assert_eq!(texts(&config, Some(9), 0), plain);
    assert_eq!(texts(&config, None, 0), plain, "outside training");
    let noise = texts(&config, Some(7), 0);
    assert!(noise.iter().all(|token| *token < 256), "{noise:?}");
    assert_ne!(noise, plain);
    assert_eq!(texts(&config, Some(7), 0), noise);
    assert_ne!(texts(&config, Some(7), 1), noise, "every sequence its own");
    let mut other = config.clone();
    other.seed = 4;
    assert_ne!(texts(&other, Some(7), 0), noise);
}

/// Uniform: 256 tokens of 41,000 draws, each within six standard errors of its share.
#[test]
fn noise_is_uniform() {
    let config = config(r#"{ kind = "noise", step = 7 }"#);
    let mut counts = [0_f64; 256];
    for index in 0..1000 {
        for token in texts(&config, Some(7), index) {
            counts[token as usize] += 1.0;
        }
    }
    let mean = 41_000.0 / 256.0;
    for count in counts {
        assert!((count - mean).abs() < 6.0 * f64::sqrt(mean), "{count}");
    }
}

#[test]
fn an_n_gram_is_repeated_to_the_end() {
    let config = config(r#"{ kind = "repeated_ngram", step = 7, n = 3 }"#);
    let text = texts(&config, Some(7), 5);
    let expected: Vec<u32> = (0..41).map(|i| i % 3).collect();
    assert_eq!(text, expected);
    let mut short = vec![9, 8];
    let planted = Planted::new(&config, 3, Some(7), 5);
    planted.texts(&SpecialIds::of(SPECIAL), [&mut short]);
    assert_eq!(short, [9, 8]);
}

#[test]
fn labels_change_places_and_inputs_stay() {
    let config = config(r#"{ kind = "shuffled_labels", step = 7 }"#);
    let targets: Vec<_> = (0..30).map(|i| (i % 3 > 0).then_some(i)).collect();
    let plain = Sample::with_targets(Kind::Mask, &targets);
    let with = |step, index| {
        let mut changed = plain.clone();
        Planted::new(&config, 3, Some(step), index).targets(&mut changed);
        changed
    };
    assert_eq!(with(6, 0), plain);
    let shuffled = with(7, 0);
    assert_ne!(shuffled.targets, plain.targets);
    assert_eq!(shuffled.tokens, plain.tokens);
    let slots = |s: &Sample| s.targets.iter().map(Option::is_some).collect::<Vec<_>>();
    assert_eq!(slots(&shuffled), slots(&plain));
    let sorted = |s: &Sample| {
        let mut all: Vec<_> = s.targets.iter().flatten().copied().collect();
        all.sort_unstable();
        all
    };
    assert_eq!(sorted(&shuffled), sorted(&plain));
    assert_eq!(with(7, 0), shuffled);
    assert_ne!(with(7, 1), shuffled);
}

#[test]
fn a_weight_is_multiplied_before_its_step_and_an_event_says_so() {
    let entry =
        r#"{ kind = "weight", step = 7, tensor = "layers.1.ffn.up.weight", factor = -3.0 }"#;
    let whole = config(entry);
    let one = config(&entry.replace("factor", "element = 65, factor"));
    let fresh = Parameters::initialise(&whole.model, whole.tokenizer.vocab_size, 1);
    let place = fresh.find("layers.1.ffn.up.weight").unwrap();
    let range = fresh.table()[place].range.clone();
    let after = |config: &Config, step| {
        let mut changed = fresh.clone();
        let events = plant(config, &mut changed, step, None);
        (changed.values().to_vec(), events)
    };
    for step in [6, 8] {
        let (values, events) = after(&whole, step);
        assert_eq!(values, fresh.values());
        assert!(events.is_empty(), "not at step {step}");
    }
    let (values, events) = after(&whole, 7);
    let old = fresh.values();
    for (i, (new, old)) in values.iter().zip(old).enumerate() {
        let factor = if range.contains(&i) { -3.0 } else { 1.0 };
        assert_eq!(*new, old * factor, "value {i}");
    }
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].kind, EventKind::Intervention);
    assert_eq!(
        (events[0].step, &events[0].data["inject"]),
        (7, &"weight".into())
    );
    let (values, _) = after(&one, 7);
    let changed: Vec<_> = (0..values.len())
        .filter(|i| values[*i] != old[*i])
        .collect();
    assert_eq!(changed, [range.start + 65]);
}

/// One event for a stretch of bad batches, at its first step.
#[test]
fn a_stretch_of_bad_batches_has_one_event() {
    let config = config(r#"{ kind = "noise", step = 7, steps = 3 }"#);
    let mut parameters = Parameters::initialise(&config.model, 262, 1);
    let count =
        |step: u64, parameters: &mut Parameters| plant(&config, parameters, step, None).len();
    let counts: Vec<_> = (6..11).map(|step| count(step, &mut parameters)).collect();
    assert_eq!(counts, [0, 1, 0, 0, 0]);
}

/// The names that a configuration may give are those of the parameters.
#[test]
fn the_names_of_the_configuration_are_those_of_the_model() {
    let variants = [
        "",
        "tie_embeddings = false\npositions = \"learned\"\nembedding_norm = true",
        "ffn = \"gelu\"\nqk_norm = true\nbias = false",
    ];
    for norm in Norm::ALL {
        for variant in variants {
            let model = ModelConfig {
                norm,
                ..toml::from_str(variant).unwrap()
            };
            let parameters = Parameters::initialise(&model, 300, 1);
            let table = parameters.table().iter();
            let found: Vec<_> = table.map(|p| (p.name.clone(), p.shape.clone())).collect();
            assert_eq!(model.tensors(300), found, "{norm:?} {variant}");
        }
    }
}
