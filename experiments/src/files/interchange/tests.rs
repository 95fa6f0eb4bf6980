//! Round trips and layouts.

mod by_hand;
mod hostile;

use super::import::SatCheckpoint;
use super::layout::entries;
use super::torch_reader::TorchReader;
use super::{InterchangeError, NamedTensor, SatDtype, SatExport, SatShape, export_sat, import_sat};
use experiments_config::{ModelConfig, Norm, Positions};
use half::f16;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

const SHAPE: SatShape = SatShape {
    layers: 2,
    hidden_size: 8,
    num_heads: 4,
    ffn_hidden_size: 12,
    vocab_size: 16,
};

fn directory(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("interchange-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    path
}

/// Values that differ everywhere and are no FP16 numbers.
fn tensors() -> Vec<NamedTensor> {
    let mut count = 0_u32;
    let tensor = |entry: super::layout::Entry| {
        let values = (0..entry.len()).map(|_| {
            count += 1;
            1.0 / count as f32
        });
        let values = values.collect();
        NamedTensor {
            name: entry.ours,
            shape: entry.shape,
            values,
        }
    };
    entries(&SHAPE).into_iter().map(tensor).collect()
}

fn set(tensors: &mut [NamedTensor], name: &str, value: impl Fn(usize) -> f32) {
    let tensor = tensors
        .iter_mut()
        .find(|tensor| tensor.name == name)
        .unwrap();
    tensor
        .values
        .iter_mut()
        .enumerate()
        .for_each(|(i, v)| *v = value(i));
}

fn settings(tensor_parallel: usize, dtype: SatDtype) -> SatExport {
    SatExport {
        tensor_parallel,
        iteration: 49_300,
        dtype,
    }
}

fn bits(checkpoint: &[NamedTensor]) -> Vec<u32> {
    checkpoint
        .iter()
        .flat_map(|t| t.values.iter().map(|v| v.to_bits()))
        .collect()
}

fn shard(directory: &Path, rank: usize, name: &str, shape: &[usize]) -> Vec<f32> {
    let path = directory.join(format!("49300/mp_rank_{rank:02}_model_states.pt"));
    TorchReader::open(&path)
        .unwrap()
        .tensor(name, shape)
        .unwrap()
}

fn round_trip(tensors: &[NamedTensor], ranks: usize, dtype: SatDtype) -> SatCheckpoint {
    let path = directory(&format!("trip-{ranks}-{dtype:?}"));
    export_sat(tensors, &SHAPE, &settings(ranks, dtype), &path).unwrap();
    let checkpoint = import_sat(&path, &SHAPE).unwrap();
    assert_eq!(
        (checkpoint.iteration, checkpoint.tensor_parallel),
        (49_300, ranks)
    );
    fs::remove_dir_all(path).unwrap();
    checkpoint
}

#[test]
fn fp32_keeps_every_bit_through_any_number_of_ranks() {
    let mut original = tensors();
    set(&mut original, "final_norm.bias", |i| {
        [
            f32::from_bits(1),
            -0.0,
            f32::from_bits(0x7FC0_1234),
            f32::NEG_INFINITY,
        ][i % 4]
    });
    for first in [1, 2, 4] {
        let once = round_trip(&original, first, SatDtype::Float);
        assert_eq!(bits(&once.tensors), bits(&original));
        for second in [1, 2, 4] {
            let twice = round_trip(&once.tensors, second, SatDtype::Float);
            assert_eq!(bits(&twice.tensors), bits(&original), "{first} to {second}");
        }
    }
}

#[test]
fn fp16_rounds_once() {
    let mut original = tensors();
    let once = round_trip(&original, 2, SatDtype::Half).tensors;
    for (rounded, exact) in once.iter().zip(&original) {
        assert_eq!((&rounded.name, &rounded.shape), (&exact.name, &exact.shape));
        let expected: Vec<f32> = exact
            .values
            .iter()
            .map(|v| f16::from_f32(*v).to_f32())
            .collect();
        assert_eq!(rounded.values, expected);
    }
    assert_eq!(round_trip(&once, 4, SatDtype::Half).tensors, once);
    set(&mut original, "layers.1.ffn.up.bias", |_| 65_520.0);
    let path = directory("overflow");
    let error = export_sat(&original, &SHAPE, &settings(1, SatDtype::Half), &path).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("layers.1.ffn.up.bias") && text.contains("FP16"),
        "{text}"
    );
    assert!(!path.join("latest").exists());
    fs::remove_dir_all(path).unwrap();
}

#[test]
fn qkv_goes_head_by_head() {
    let mut ours = tensors();
    // Head size 2: 100 × part + 10 × head + row, and 1000 × column for the weight.
    let code = |row: usize| (100 * (row / 8) + 10 * (row % 8 / 2) + row % 2) as f32;
    set(&mut ours, "layers.1.attention.qkv.bias", code);
    set(&mut ours, "layers.1.attention.qkv.weight", |i| {
        code(i / 8) + 1000.0 * (i % 8) as f32
    });
    let path = directory("qkv");
    export_sat(&ours, &SHAPE, &settings(2, SatDtype::Float), &path).unwrap();
    let expected = [
        [
            0.0, 1.0, 100.0, 101.0, 200.0, 201.0, 10.0, 11.0, 110.0, 111.0, 210.0, 211.0,
        ],
        [
            20.0, 21.0, 120.0, 121.0, 220.0, 221.0, 30.0, 31.0, 130.0, 131.0, 230.0, 231.0,
        ],
    ];
    for (rank, rows) in expected.iter().enumerate() {
        let name = "transformer.layers.1.attention.query_key_value";
        assert_eq!(shard(&path, rank, &format!("{name}.bias"), &[12]), rows);
        let weight = shard(&path, rank, &format!("{name}.weight"), &[12, 8]);
        let coded = rows
            .iter()
            .flat_map(|row| (0..8).map(move |c| row + 1000.0 * c as f32));
        assert_eq!(weight, coded.collect::<Vec<f32>>());
    }
    fs::remove_dir_all(path).unwrap();
}

#[test]
fn glu_halves_columns_and_vocabulary_are_split() {
    let mut ours = tensors();
    set(&mut ours, "layers.0.ffn.up.bias", |i| {
        (100 * (i / 12) + i % 12) as f32
    });
    set(&mut ours, "layers.0.ffn.down.weight", |i| {
        (100 * (i / 12) + i % 12) as f32
    });
    set(&mut ours, "embedding.weight", |i| (i / 8) as f32);
    let path = directory("glu");
    export_sat(&ours, &SHAPE, &settings(4, SatDtype::Half), &path).unwrap();
    let up = shard(
        &path,
        1,
        "transformer.layers.0.mlp.dense_h_to_4h.bias",
        &[6],
    );
    assert_eq!(up, [3.0, 4.0, 5.0, 103.0, 104.0, 105.0]);
    let down = shard(
        &path,
        2,
        "transformer.layers.0.mlp.dense_4h_to_h.weight",
        &[8, 3],
    );
    assert_eq!(down[..6], [6.0, 7.0, 8.0, 106.0, 107.0, 108.0]);
    let words = shard(&path, 3, "transformer.word_embeddings.weight", &[4, 8]);
    assert_eq!((words[0], words[31]), (12.0, 15.0));
    fs::remove_dir_all(path).unwrap();
}

#[test]
fn a_file_of_torch_is_read() {
    // Written by torch 2.15: an OrderedDict with attributes, views into one storage, BF16.
    let bytes = include_bytes!("tests/torch_save.pt");
    let mut file = TorchReader::new(Path::new("torch_save.pt"), Cursor::new(bytes)).unwrap();
    assert_eq!(file.names(), ["a", "brain", "shared", "view"]);
    let half: Vec<f32> = [1.0, 2.0, -0.5, 65504.0, 6e-8, 0.1]
        .iter()
        .map(|v| f16::from_f32(*v).to_f32())
        .collect();
    assert_eq!(file.tensor("a", &[2, 3]).unwrap(), half);
    assert_eq!(
        file.tensor("view", &[3, 2]).unwrap(),
        [3.0, 6.0, 4.0, 7.0, 5.0, 8.0]
    );
    assert_eq!(file.tensor("shared", &[3]).unwrap(), [9.0, 10.0, 11.0]);
    assert_eq!(file.tensor("brain", &[2]).unwrap(), [1.0, 3.140_625]);
    let error = file.tensor("a", &[3, 2]).unwrap_err().to_string();
    assert_eq!(
        error,
        "`torch_save.pt`, tensor `a`: found shape [2, 3], expected [3, 2]"
    );
}

#[test]
fn what_sat_cannot_hold_is_one_error() {
    let config = ModelConfig {
        norm: Norm::Sandwich,
        positions: Positions::Learned,
        tie_embeddings: false,
        ..ModelConfig::default()
    };
    let text = SatShape::from_config(&config, 64).unwrap_err().to_string();
    for key in ["model.norm", "model.positions", "model.tie_embeddings"] {
        assert!(text.contains(key), "{text}");
    }
    assert!(
        !text.contains("bias") && text.contains("deepnorm_glm"),
        "{text}"
    );
    SatShape::from_config(&ModelConfig::default(), 64).unwrap();

    let mut extra = tensors();
    extra.push(NamedTensor {
        name: "head.weight".to_owned(),
        ..extra[0].clone()
    });
    let path = directory("extra");
    let error = export_sat(&extra, &SHAPE, &settings(1, SatDtype::Half), &path).unwrap_err();
    assert!(
        matches!(error, InterchangeError::NotExpressible { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("`head.weight`"), "{error}");
    extra.pop();
    extra.push(extra[0].clone());
    let error = export_sat(&extra, &SHAPE, &settings(1, SatDtype::Half), &path).unwrap_err();
    assert!(error.to_string().contains("same name"), "{error}");
    assert!(!path.exists());
}

#[test]
fn sizes_that_do_not_split_and_existing_files_are_refused() {
    let path = directory("refused");
    for ranks in [0, 3, 8, 101, usize::MAX] {
        let error = export_sat(&tensors(), &SHAPE, &settings(ranks, SatDtype::Half), &path);
        assert!(
            matches!(error, Err(InterchangeError::Size { .. })),
            "{ranks}"
        );
    }
    let mut short = tensors();
    short[3].values.pop();
    let error = export_sat(&short, &SHAPE, &settings(1, SatDtype::Half), &path).unwrap_err();
    assert!(
        error.to_string().contains("191 values of shape [24, 8]"),
        "{error}"
    );
    export_sat(&tensors(), &SHAPE, &settings(1, SatDtype::Half), &path).unwrap();
    let error = export_sat(&tensors(), &SHAPE, &settings(2, SatDtype::Half), &path).unwrap_err();
    assert!(error.to_string().contains("exists already"), "{error}");
    fs::remove_dir_all(path).unwrap();
}
