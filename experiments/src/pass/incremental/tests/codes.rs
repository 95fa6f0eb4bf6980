//! Files of quantized weights whose codes are multiplied as they lie, against the same files decoded.

use super::*;
use crate::files::quantized::{PackedWeights, read_packed, read_quantized, write_quantized};
use crate::parameters::Parameter;
use crate::quantization::{Calibrations, Method, PackedMap, quantize_maps};
use experiments_quantization::{Bits, Scheme};
use std::collections::HashMap;
use std::path::Path;

/// Largest difference as a share of the largest logit: of sums in another order, and of weights that were not rounded to FP16 once
/// more, by at most 2⁻¹¹ each.
const ORDER: f32 = 1e-5;
const ROUNDING: f32 = 1e-3;

/// Widths that all schemes divide, for as many ranks.
fn wide() -> Config {
    let mut config = config(Norm::DeepnormGlm, Positions::Rope);
    config.precision.query_key_layer_scaling = false;
    let model = &mut config.model;
    (model.hidden_size, model.num_heads, model.ffn_hidden_size) = (128, 4, 256);
    config
}

fn table(config: &Config) -> Vec<Parameter> {
    Parameter::table(&config.model, VOCABULARY)
}

/// Writes a file; false where the scheme does not divide a matrix.
fn write(path: &Path, config: &Config, method: Method) -> bool {
    let parameters = Parameters::initialise(&config.model, VOCABULARY, 7);
    let Ok(matrices) = quantize_maps(&parameters, method, &Calibrations::default()) else {
        return false;
    };
    write_quantized(path, &parameters, &matrices, HashMap::new()).unwrap();
    true
}

/// Logits of texts of which a part is read at once, and the rest row by row.
fn logits(config: &Config, parameters: &Parameters, maps: &PackedMaps) -> Vec<f32> {
    let precision = Precision::new(&config.precision, config.model.layers);
    let weights = Arc::new(Weights::new(parameters, &config.model, &precision));
    let mut model = Incremental::new(config, &precision, &weights, maps);
    let samples = samples(config);
    let at_once = |sample: &Sample| -> usize {
        let prefixes = sample.segments.iter().map(|segment| segment.prefix);
        prefixes.sum()
    };
    // Those that products take together.
    assert!(samples.iter().map(at_once).max() >= Some(8));
    let found = samples.map(|sample| row_by_row(&mut model, &sample));
    found
        .into_iter()
        .flat_map(BTreeMap::into_values)
        .flatten()
        .collect()
}

fn apart(found: &[f32], expected: &[f32]) -> f32 {
    let top = expected.iter().fold(0.0_f32, |top, x| top.max(x.abs()));
    let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    apart.fold(0.0, f32::max) / top
}

fn decoded(path: &Path, config: &Config) -> Parameters {
    let mut parameters = Parameters::zeros(table(config));
    read_quantized(path, &mut parameters).unwrap();
    parameters
}

/// The same with maps whose codes are worth their exact product with the scale.
fn exact(mut parameters: Parameters, maps: &PackedMaps) -> Parameters {
    let (table, values) = parameters.split_mut();
    for parameter in table {
        if let Some(map) = maps.get(&parameter.name) {
            map.codes().decode(0, &mut values[parameter.range.clone()]);
        }
    }
    parameters
}

fn methods() -> impl Iterator<Item = Method> {
    let schemes = Scheme::all().filter(|scheme| !scheme.rule.is_calibrated());
    schemes.flat_map(|scheme| {
        let both = [Bits::Four, Bits::Eight].into_iter();
        both.flat_map(move |bits| {
            [1, 2].map(|tensor_parallel| Method {
                scheme,
                bits,
                tensor_parallel,
            })
        })
    })
}

#[test]
fn codes_of_every_scheme_give_the_logits_of_the_decoded_weights() {
    let (dir, config) = (tempfile::tempdir().unwrap(), wide());
    let path = dir.path().join("weights.safetensors");
    let mut asked = 0;
    for method in methods() {
        if !write(&path, &config, method) {
            continue;
        }
        asked += 1;
        let (PackedWeights { parameters, maps }, _) = read_packed(&path, table(&config)).unwrap();
        assert_eq!(maps.len(), 4 * config.model.layers, "{method:?}");
        let found = logits(&config, &parameters, &maps);
        let decoded = decoded(&path, &config);
        let in_fp16 = logits(&config, &decoded, &PackedMaps::new());
        let in_fp32 = logits(&config, &exact(decoded, &maps), &PackedMaps::new());
        let [order, rounding] = [&in_fp32, &in_fp16].map(|expected| apart(&found, expected));
        assert!(
            order < ORDER && rounding < ROUNDING,
            "{method:?}: {order} {rounding}"
        );
    }
    // All but groups of 128 on two ranks of 64 inputs each.
    assert_eq!(asked, 3 * 2 * (6 + 5));
}

#[test]
fn passes_in_16_bits_read_codes_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weights.safetensors");
    for (format, bound) in [(Format::Fp16, 4e-3), (Format::Bf16, 3e-2)] {
        let mut config = wide();
        config.precision.format = format;
        let method = Method {
            scheme: "absmax-group-32".parse().unwrap(),
            bits: Bits::Four,
            tensor_parallel: 1,
        };
        assert!(write(&path, &config, method));
        let (held, _) = read_packed(&path, table(&config)).unwrap();
        let found = logits(&config, &held.parameters, &held.maps);
        let expected = logits(&config, &decoded(&path, &config), &PackedMaps::new());
        let apart = apart(&found, &expected);
        assert!(apart < bound, "{format:?}: {apart}");
    }
}

/// Nothing but embedding, norms and biases becomes FP32.
#[test]
fn codes_are_held_as_they_lie_in_the_file() {
    let (dir, config) = (tempfile::tempdir().unwrap(), wide());
    let path = dir.path().join("weights.safetensors");
    let method = Method {
        scheme: "zero-point-row".parse().unwrap(),
        bits: Bits::Four,
        tensor_parallel: 1,
    };
    assert!(write(&path, &config, method));
    let (held, _) = read_packed(&path, table(&config)).unwrap();
    let of_maps = |of: fn(&Parameter) -> usize| -> usize {
        let table = table(&config);
        let maps = table.iter().filter(|p| held.maps.contains_key(&p.name));
        maps.map(of).sum()
    };
    let (weights, rows) = (of_maps(|p| p.range.len()), of_maps(|p| p.shape[0]));
    let whole = decoded(&path, &config).len();
    assert_eq!(held.parameters.len(), whole - weights);
    let bytes = held.maps.values().flat_map(PackedMap::bytes);
    let bytes: usize = bytes.map(<[u8]>::len).sum();
    assert_eq!(bytes, weights / 2 + rows * (4 + 4));
}

/// Products know no group of three codes of four bits.
#[test]
fn what_products_do_not_know_is_decoded() {
    let (dir, mut config) = (tempfile::tempdir().unwrap(), wide());
    let path = dir.path().join("weights.safetensors");
    let model = &mut config.model;
    (model.hidden_size, model.num_heads, model.ffn_hidden_size) = (24, 2, 48);
    let method = Method {
        scheme: "absmax-group-3".parse().unwrap(),
        bits: Bits::Four,
        tensor_parallel: 1,
    };
    assert!(write(&path, &config, method));
    let (held, _) = read_packed(&path, table(&config)).unwrap();
    assert!(held.maps.is_empty());
    let found = logits(&config, &held.parameters, &held.maps);
    let expected = logits(&config, &decoded(&path, &config), &PackedMaps::new());
    assert_eq!(found, expected);
}
