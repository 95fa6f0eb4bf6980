//! Files of weights of anybody's: which matrices are found, what is measured, what is refused.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use experiments_quantization::{
    Bits, Kind, Method, Scheme, Shape, Survey, WeightsError, WeightsFile, survey, survey_csv,
};
use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize};
use std::fs::{self, File};
use std::path::Path;

/// A tensor of a file that is to be made.
struct Made {
    name: &'static str,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

fn made(name: &'static str, dtype: Dtype, shape: &[usize], values: &[f32]) -> Made {
    let bytes = values.iter().flat_map(|value| match dtype {
        Dtype::F16 => f16::from_f32(*value).to_le_bytes().to_vec(),
        Dtype::BF16 => bf16::from_f32(*value).to_le_bytes().to_vec(),
        Dtype::I8 => vec![*value as i8 as u8],
        _ => value.to_le_bytes().to_vec(),
    });
    Made {
        name,
        dtype,
        shape: shape.to_vec(),
        bytes: bytes.collect(),
    }
}

/// Numbers that any of the types holds, without any pattern in rows or columns.
fn numbers(count: usize) -> Vec<f32> {
    let mut state = 7_u64;
    let next = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        f32::from((state >> 57) as u8) - 63.5
    });
    next.take(count).map(|v| v / 16.0).collect()
}

fn bytes(tensors: &[Made]) -> Vec<u8> {
    let views = tensors.iter().map(|tensor| {
        let view = TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes).unwrap();
        (tensor.name, view)
    });
    serialize(views, None).unwrap()
}

fn open(path: &Path) -> Result<WeightsFile, WeightsError> {
    WeightsFile::new(path, File::open(path).unwrap())
}

fn measured_by(tensors: &[Made], methods: &[Method]) -> Result<Survey, WeightsError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    fs::write(&path, bytes(tensors)).unwrap();
    survey(&mut open(&path)?, methods, &mut |_| {})
}

fn published() -> [Method; 1] {
    [Method {
        scheme: Scheme::PUBLISHED,
        bits: Bits::Four,
    }]
}

fn refusal(tensors: &[Made]) -> String {
    measured_by(tensors, &published()).unwrap_err().to_string()
}

#[test]
fn every_type_gives_the_same_figures_and_all_else_is_listed() {
    let values = numbers(8 * 32);
    let found = [Dtype::F32, Dtype::F16, Dtype::BF16].map(|dtype| {
        let tensors = [
            made("layers.0.ffn.up.weight", dtype, &[8, 32], &values),
            made("layers.0.ffn.up.bias", dtype, &[8], &values[..8]),
            made("codes", Dtype::I8, &[2, 2], &[1.0; 4]),
            made("conv", Dtype::F32, &[1, 2, 2], &[1.0; 4]),
        ];
        measured_by(&tensors, &Method::all()).unwrap()
    });
    for survey in &found {
        let [matrix] = survey.matrices.as_slice() else {
            panic!("{survey:?}")
        };
        assert_eq!(matrix.errors, found[0].matrices[0].errors);
        assert_eq!(matrix.weights, Shape::of(&values, 32));
        assert_eq!((matrix.kind, matrix.shape), (Kind::FfnUp, [8, 32]));
        let mut left: Vec<&str> = survey.left_out.iter().map(|l| l.name.as_str()).collect();
        left.sort_unstable();
        assert_eq!(left, ["codes", "conv", "layers.0.ffn.up.bias"]);
    }
}

/// 8 bits lose less than 4; a clipped scale of least error no more than the whole range; a wider group than a row of its
/// width has not been measured.
#[test]
fn errors_are_those_of_the_schemes() {
    let tensors = [made("a.fc1.weight", Dtype::F32, &[6, 64], &numbers(6 * 64))];
    let survey = measured_by(&tensors, &Method::all()).unwrap();
    let error = |name: &str| {
        let all = survey.matrices[0].errors.iter();
        let mut named = all.filter(|error| error.method.to_string() == name);
        named.next().unwrap().relative
    };
    assert!(error("absmax-row-int8") < error("absmax-row-int4"));
    assert!(error("clipped-row-int4") <= error("absmax-row-int4"));
    assert!(error("absmax-row-int4") <= error("absmax-tensor-int4"));
    assert_eq!(error("absmax-row-int4"), error("absmax-group-64-int4"));
    assert_eq!(error("absmax-group-128-int4"), None);
    assert_eq!(survey.matrices[0].errors.len(), 36);
    // Two codes that lie 1 apart lose nothing: the weights are the codes.
    let whole: Vec<f32> = (0..60).map(|at| (at % 15 - 7) as f32).collect();
    let exact = [made("w", Dtype::F32, &[2, 30], &whole)];
    let survey = measured_by(&exact, &published()).unwrap();
    assert_eq!(survey.matrices[0].errors[0].relative, Some(0.0));
}

/// A row of a map is an output, also where the file has a column for it.
#[test]
fn maps_with_inputs_first_are_turned_and_those_with_outputs_first_are_not() {
    let (inputs, outputs) = (4, 12);
    let by_input = numbers(inputs * outputs);
    let turned = |at: usize| by_input[at % inputs * outputs + at / inputs];
    let by_output: Vec<f32> = (0..inputs * outputs).map(turned).collect();
    let square = numbers(16);
    let conv = [
        made("h.0.attn.c_attn.weight", Dtype::F32, &[4, 12], &by_input),
        made("h.0.attn.c_proj.weight", Dtype::F32, &[4, 4], &square),
    ];
    let linear = [
        made("h.0.attn.c_attn.weight", Dtype::F32, &[12, 4], &by_output),
        made("h.0.attn.c_proj.weight", Dtype::F32, &[4, 4], &square),
    ];
    let conv = measured_by(&conv, &Method::all()).unwrap();
    let linear = measured_by(&linear, &Method::all()).unwrap();
    let of = |survey: &Survey, kind: Kind| {
        let mut own = survey.matrices.iter().filter(|matrix| matrix.kind == kind);
        own.next().cloned().unwrap()
    };
    let (a, b) = (of(&conv, Kind::Qkv), of(&linear, Kind::Qkv));
    assert_eq!((a.shape, a.errors), (b.shape, b.errors));
    assert!(a.is_transposed && !b.is_transposed);
    // A square one goes with its neighbours.
    let (a, b) = (
        of(&conv, Kind::AttentionOut),
        of(&linear, Kind::AttentionOut),
    );
    assert!(a.is_transposed && !b.is_transposed);
    assert_ne!(a.errors, b.errors);
}

#[test]
fn a_kind_is_the_mean_of_its_matrices() {
    let wide: Vec<f32> = numbers(64).into_iter().map(|v| v.powi(3)).collect();
    let tensors = [
        made("h.0.fc2.weight", Dtype::F32, &[2, 32], &numbers(64)),
        made("h.1.fc2.weight", Dtype::F32, &[2, 32], &wide),
        made("h.0.q_proj.weight", Dtype::F32, &[2, 32], &numbers(64)),
    ];
    let survey = measured_by(&tensors, &published()).unwrap();
    let kinds: Vec<Kind> = survey.kinds.iter().map(|kind| kind.kind).collect();
    assert_eq!(kinds, [Kind::Qkv, Kind::FfnDown]);
    let down = &survey.kinds[1];
    assert_eq!((down.matrices, down.weights), (2, 128));
    assert_eq!(down.longest_tails.as_deref(), Some("h.1.fc2.weight"));
    let own = || {
        survey
            .matrices
            .iter()
            .filter(|matrix| matrix.kind == Kind::FfnDown)
    };
    let mean = own()
        .map(|matrix| matrix.errors[0].relative.unwrap())
        .sum::<f64>()
        / 2.0;
    assert_eq!(down.errors[0].relative, Some(mean));
    let json = serde_json::to_value(&survey).unwrap();
    assert_eq!(json["kinds"][1]["errors"]["absmax-row-int4"], mean);
    assert_eq!(json["matrices"][1]["kind"], "qkv", "{json}");
}

/// A field that holds what divides fields is one field still.
#[test]
fn the_table_has_a_line_for_each_matrix_and_method() {
    let tensors = [
        made("a,\"b\".weight", Dtype::F32, &[2, 32], &numbers(64)),
        made("c.fc1.weight", Dtype::F16, &[2, 32], &numbers(64)),
    ];
    let mut survey = measured_by(&tensors, &Method::all()).unwrap();
    survey.file = "w".into();
    let table = survey_csv(&[survey.clone(), survey]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 1 + 2 * 2 * 36);
    assert!(
        table.contains("\nw,\"a,\"\"b\"\".weight\",other,F32,2,32,"),
        "{table}"
    );
    let columns = lines[0].split(',').count();
    let plain = lines.iter().find(|line| line.contains("c.fc1")).unwrap();
    assert_eq!(plain.split(',').count(), columns);
    assert!(
        lines
            .iter()
            .any(|line| line.ends_with(",absmax-group-128,4,"))
    );
}

#[test]
fn what_cannot_be_measured_is_refused_with_file_and_tensor() {
    let mut values = numbers(64);
    values[37] = f32::NAN;
    let said = refusal(&[made("h.fc1.weight", Dtype::F32, &[2, 32], &values)]);
    assert!(
        said.contains("w.safetensors`: `h.fc1.weight`, row 1, column 5 is NaN"),
        "{said}"
    );
    values[37] = 1e6;
    let said = refusal(&[made("h.fc1.weight", Dtype::BF16, &[2, 32], &values)]);
    assert!(
        said.contains("`h.fc1.weight`, row 1, column 5 is 999424, which FP16 cannot hold"),
        "{said}"
    );
    values[32..].fill(0.0);
    let said = refusal(&[made("h.fc1.weight", Dtype::F32, &[2, 32], &values)]);
    let wanted = "w.safetensors`, `h.fc1.weight`: row 1 is all zero, the first of 1 such row";
    assert!(said.contains(wanted), "{said}");
    let said = refusal(&[
        made("bias", Dtype::F32, &[4], &[1.0; 4]),
        made("codes", Dtype::I8, &[2, 2], &[1.0; 4]),
    ]);
    let wanted = "w.safetensors` holds no matrix: expected a tensor of two dimensions in F32, F16 or BF16; it holds `";
    assert!(
        said.contains(wanted) && said.contains("and 1 tensor more"),
        "{said}"
    );
    assert!(refusal(&[]).ends_with("it holds nothing"));
    // Where a scheme divides none of the matrices there is nothing to say.
    let method = Method {
        scheme: "absmax-group-7".parse().unwrap(),
        bits: Bits::Eight,
    };
    let tensors = [made("h.fc1.weight", Dtype::F32, &[2, 32], &numbers(64))];
    let said = measured_by(&tensors, &[method]).unwrap_err().to_string();
    assert!(
        said.contains("w.safetensors`: `h.fc1.weight` is 2 × 32"),
        "{said}"
    );
}

/// Tokens that no text has keep the zeros of a padding vector; an embedding of nothing else was never trained.
#[test]
fn rows_of_zeros_are_counted_in_an_embedding_alone() {
    let mut values = numbers(64);
    values[..16].fill(0.0);
    let survey = measured_by(
        &[made("wte.weight", Dtype::F32, &[4, 16], &values)],
        &Method::all(),
    );
    assert_eq!(survey.unwrap().matrices[0].empty_rows, 1);
    let said = refusal(&[made("wte.weight", Dtype::F32, &[4, 16], &[0.0; 64])]);
    assert!(
        said.contains("`wte.weight`: row 0 is all zero, the first of 4 such rows"),
        "{said}"
    );
}

#[test]
fn a_file_that_is_cut_off_or_something_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    let tensors = [
        made("a", Dtype::F32, &[2, 32], &numbers(64)),
        made("b", Dtype::F32, &[2, 32], &numbers(64)),
    ];
    let whole = bytes(&tensors);
    let said = |held: &[u8]| {
        fs::write(&path, held).unwrap();
        open(&path).unwrap_err().to_string()
    };
    let cut = said(&whole[..whole.len() - 3]);
    assert!(
        cut.contains("w.safetensors` has") && cut.ends_with("it is cut off in or before `b`"),
        "{cut}"
    );
    let long = said(&[whole.as_slice(), b"more"].concat());
    assert!(long.ends_with("expected none behind its tensors"), "{long}");
    for held in [
        &b""[..],
        b"PK\x03\x04",
        b"PK\x03\x04 an archive that torch.save made",
        &whole[..40],
    ] {
        let said = said(held);
        assert!(
            said.contains("w.safetensors` is no safetensors file: "),
            "{said}"
        );
    }
    let mut other = whole.clone();
    other[9] = b'!';
    assert!(
        said(&other).contains("its header cannot be read: "),
        "{}",
        said(&other)
    );
    // Sizes that no memory holds are sizes of a file that is too short.
    let header = br#"{"a":{"dtype":"F32","shape":[268435456,268435456],"data_offsets":[0,288230376151711744]}}"#;
    let length = (header.len() as u64).to_le_bytes();
    let huge = said(&[&length[..], header].concat());
    assert!(huge.contains("its header tells of 2882303761517"), "{huge}");
}
