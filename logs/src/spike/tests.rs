use super::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};

/// Batch noise of the generated losses.
const NOISE: f64 = 0.12;

/// Losses like those of the smallest proxies: from 9.2 towards 5.8 nats, half of it within 40 steps, with noise.
fn losses(seed: u64, steps: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let noise = Normal::new(0.0, NOISE).unwrap();
    let trend = |step: u64| 5.8 + 3.4 * (-(step as f64) / 60.0).exp();
    (0..steps)
        .map(|step| trend(step) + noise.sample(&mut rng))
        .collect()
}

/// Records of steps from 1 on.
fn records(losses: &[f64]) -> Vec<Record> {
    let record = |(i, loss): (usize, &f64)| {
        let mut record = Record::new(i as u64 + 1);
        record.set_named("loss", *loss);
        record
    };
    losses.iter().enumerate().map(record).collect()
}

/// Adds `height` to the values of the steps.
fn raise(losses: &mut [f64], steps: std::ops::RangeInclusive<usize>, height: f64) {
    for step in steps {
        losses[step - 1] += height;
    }
}

fn found(losses: &[f64]) -> Vec<Spike> {
    spikes(&records(losses), "loss")
}

#[test]
fn the_scale_is_the_standard_deviation_of_normal_noise() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let noise = Normal::new(3.0, 0.5).unwrap();
    let scales = (0..400).map(|_| {
        let mut level = Level::default();
        for _ in 0..WINDOW {
            level.push(noise.sample(&mut rng));
        }
        level.get().unwrap().1
    });
    let mean = scales.sum::<f64>() / 400.0;
    assert!((mean / 0.5 - 1.0).abs() < 0.03, "{mean}");
}

#[test]
fn a_trend_does_not_inflate_the_scale() {
    let mut level = Level::default();
    for loss in losses(1, 100) {
        level.push(loss);
    }
    let (_, scale) = level.get().unwrap();
    // The values fall by 2.8 nats meanwhile, and their standard deviation is .76.
    assert!(scale < 2.0 * NOISE, "{scale}");
}

#[test]
fn planted_spikes_are_found_at_their_first_step_with_their_height_and_length() {
    for seed in 0..100 {
        let mut losses = losses(seed, 500);
        let planted = [(90, 1, 3.0), (122, 4, 2.4), (200, 12, 3.0), (300, 1, 1.3)];
        for (first, length, height) in planted {
            raise(&mut losses, first..=first + length - 1, height);
        }
        let found = found(&losses);
        let places: Vec<_> = found
            .iter()
            .map(|spike| (spike.first as usize, spike.duration() as usize))
            .collect();
        assert_eq!(
            places,
            planted.map(|(first, length, _)| (first, length)),
            "{seed}"
        );
        for (spike, (.., height)) in found.iter().zip(planted).skip(1) {
            assert!((spike.height() - height).abs() < 4.0 * NOISE, "{spike:?}");
            assert_eq!(spike.state, SpikeState::Recovered);
            assert!((spike.first..=spike.last).contains(&spike.peak));
        }
    }
}

#[test]
fn calm_losses_with_a_trend_raise_less_than_one_alarm_in_ten_thousand_steps() {
    let alarms: usize = (1000..1200)
        .map(|seed| found(&losses(seed, 500)).len())
        .sum();
    assert!(alarms <= 10, "{alarms} in 100,000 steps");
}

#[test]
fn two_crossings_are_one_spike_up_to_the_gap_and_two_beyond() {
    let between = |calm: usize| {
        let mut losses = losses(3, 400);
        raise(&mut losses, 200..=200, 3.0);
        raise(&mut losses, 201 + calm..=201 + calm, 4.0);
        found(&losses)
    };
    let gap = Definition::LOSS.gap as usize;
    let one = between(gap - 1);
    assert_eq!(one.len(), 1);
    assert_eq!((one[0].first, one[0].last), (200, 200 + gap as u64));
    assert_eq!(one[0].peak, one[0].last, "the higher one");
    assert_eq!(between(gap).len(), 2);
}

#[test]
fn a_skipped_step_is_part_of_a_spike_and_begins_none() {
    let mut losses = losses(4, 400);
    raise(&mut losses, 200..=201, 3.0);
    let mut records = records(&losses);
    for skipped in [150, 201, 202, 204, 250] {
        records[skipped - 1].set_named("skipped", 1.0);
    }
    let found = spikes(&records, "loss");
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].first, found[0].last, found[0].skipped),
        (200, 204, 3)
    );
}

#[test]
fn values_that_are_not_finite_begin_no_spike_extend_one_and_enter_no_baseline() {
    let mut losses = losses(5, 400);
    losses[99] = f64::NAN;
    losses[100] = f64::INFINITY;
    raise(&mut losses, 200..=200, 3.0);
    losses[200] = f64::INFINITY;
    let found = found(&losses);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].last, found[0].non_finite), (201, 1));
    assert!(found[0].height().is_finite());
    let none = spikes(&records(&[f64::NAN; 300]), "loss");
    assert_eq!(none, []);
}

#[test]
fn a_collapse_is_a_new_level_and_the_end_of_a_run_leaves_a_spike_open() {
    let mut losses = losses(6, 400);
    raise(&mut losses, 200..=400, 5.0);
    let collapse = found(&losses);
    assert_eq!(collapse.len(), 1);
    assert_eq!(collapse[0].state, SpikeState::NewLevel);
    assert_eq!(collapse[0].duration(), 100);
    let open = found(&losses[..203]);
    assert_eq!((open.len(), open[0].state), (1, SpikeState::Open));
}

#[test]
fn a_constant_is_calm_and_a_step_from_it_has_a_finite_number_of_deviations() {
    for level in [0.0, 3.0, -1e-30, 1e300, f64::MAX] {
        let mut values = vec![level; 100];
        assert_eq!(found(&values), []);
        values.push(f64::from(level as f32) + level.abs() * 1e-7);
        values.push(level + level.abs() + 1.0);
        for spike in found(&values) {
            assert!(spike.deviations.is_finite(), "{spike:?}");
        }
    }
}

#[test]
fn norms_are_judged_by_factors_and_reported_in_their_unit() {
    let mut values: Vec<f64> = losses(8, 300).iter().map(|loss| loss.exp()).collect();
    values[249] *= 20.0;
    values[150] = 0.0;
    let mut tracker = SpikeTracker::new(Definition::NORM);
    let mut begun = Vec::new();
    for (i, value) in values.iter().enumerate() {
        if let Some(Change::Began(spike)) = tracker.observe(i as u64 + 1, *value, false) {
            begun.push(spike);
        }
    }
    assert_eq!(begun.len(), 1);
    assert_eq!((begun[0].first, begun[0].value), (250, values[249]));
    assert!(begun[0].value / begun[0].level > 10.0);
}

#[test]
fn a_side_is_the_only_one_that_counts() {
    let fallen = |side| {
        let mut losses = losses(9, 300);
        losses[249] -= 3.0;
        let mut tracker = SpikeTracker::new(Definition::LOSS.towards(side));
        let observe = |(i, loss): (usize, &f64)| tracker.observe(i as u64, *loss, false);
        losses.iter().enumerate().filter_map(observe).count()
    };
    assert_eq!(fallen(Side::Up), 0);
    assert!(fallen(Side::Down) > 0 && fallen(Side::Both) > 0);
}

/// Layers of which one grows before step 200, in its feed-forward part, and all at it.
fn grown(steps: u64, by: f64) -> Vec<Record> {
    let layer = |step: u64, layer: usize| match step {
        195..200 if layer == 2 => by,
        200.. => 500.0,
        _ => 1.0 + 0.1 * ((step as usize + layer) % 3) as f64,
    };
    let record = |step: u64| {
        let mut record = Record::new(step);
        let norms = |part: f64| (0..4).map(|l| part * layer(step, l)).collect();
        record.set_named("grad_norm_embedding", 1.0);
        record.set_layers_named("layer_grad_norm", norms(1.0));
        record.set_layers_named("layer_grad_norm_ffn", norms(0.9));
        record.set_layers_named("layer_grad_norm_attention", vec![0.4; 4]);
        record
    };
    (1..=steps).map(record).collect()
}

fn at_200() -> Spike {
    let mut losses = losses(10, 220);
    raise(&mut losses, 200..=202, 3.0);
    found(&losses).remove(0)
}

#[test]
fn the_owner_is_the_layer_that_grew_before_and_not_one_that_is_large_at_the_spike() {
    let owner = owner(&grown(220, 30.0), &at_200()).unwrap();
    assert_eq!((owner.layer, owner.role), (Some(2), Some(Role::Ffn)));
    assert!((owner.growth - 30.0 / 1.1).abs() < 3.0, "{owner:?}");
    assert!((195..200).contains(&owner.step));
    assert_eq!(owner.to_string(), "layer 2 feed-forward");
}

#[test]
fn nobody_owns_a_spike_before_which_no_norm_doubled_or_none_was_recorded() {
    assert_eq!(owner(&grown(220, 1.5), &at_200()), None);
    assert_eq!(owner(&records(&losses(10, 220)), &at_200()), None);
    assert_eq!(owner(&[], &at_200()), None);
}

#[test]
fn a_spike_of_the_loss_says_height_length_and_owner_in_json_too() {
    let mut records = grown(220, 30.0);
    let mut losses = losses(10, 220);
    raise(&mut losses, 200..=202, 3.0);
    for (record, loss) in records.iter_mut().zip(losses) {
        record.set_named("loss", loss);
    }
    let spikes = loss_spikes(&records);
    assert_eq!((spikes.len(), spikes[0].duration), (1, 3));
    let json = serde_json::to_value(&spikes).unwrap();
    assert_eq!(json[0]["first"], 200);
    assert_eq!(json[0]["owner"]["layer"], 2);
    assert_eq!(json[0]["state"], "recovered");
    assert_eq!(
        serde_json::from_value::<Vec<LossSpike>>(json).unwrap(),
        spikes
    );
}

#[test]
fn the_embedding_can_own_a_spike() {
    let mut records = grown(220, 1.0);
    records[197].set_named("grad_norm_embedding", 40.0);
    records[198].set_named("grad_norm_embedding", f64::INFINITY);
    let owner = owner(&records, &at_200()).unwrap();
    assert_eq!((owner.layer, owner.role, owner.step), (None, None, 198));
    assert_eq!(owner.to_string(), "embedding");
}

#[test]
fn a_norm_leads_by_the_steps_over_which_it_stays_doubled() {
    let mut records = grown(220, 30.0);
    let lead_of = |records: &[Record], signal: &str| lead(records, &at_200(), signal);
    assert_eq!(lead_of(&records, "layer_grad_norm"), Some(5), "layer 2");
    assert_eq!(lead_of(&records, "layer_grad_norm[2]"), Some(5));
    assert_eq!(lead_of(&records, "layer_grad_norm[1]"), Some(0));
    assert_eq!(lead_of(&records, "grad_norm_embedding"), Some(0));
    assert_eq!(lead_of(&records, "no_such_norm"), None);
    // One step that was back at the level breaks it; infinity does not.
    records[196].set_named("grad_norm_embedding", 9.0);
    records[198].set_named("grad_norm_embedding", f64::INFINITY);
    assert_eq!(lead_of(&records, "grad_norm_embedding"), Some(1));
    records[197].set_named("grad_norm_embedding", 9.0);
    assert_eq!(lead_of(&records, "grad_norm_embedding"), Some(3));
    assert_eq!(lead_of(&[], "grad_norm_embedding"), None);
}
