//! The Rust half of `tests/parity/interchange.py`, which runs it and says how.

use super::*;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

/// As in the script.
const PARITY: SatShape = SatShape {
    layers: 3,
    hidden_size: 32,
    num_heads: 4,
    ffn_hidden_size: 48,
    vocab_size: 64,
};

fn load(path: &Path) -> Vec<NamedTensor> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |(name, view): (String, TensorView)| {
        assert_eq!(view.dtype(), Dtype::F32);
        let values = view
            .data()
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b));
        NamedTensor {
            name,
            shape: view.shape().to_vec(),
            values: values.collect(),
        }
    };
    file.tensors().into_iter().map(tensor).collect()
}

#[test]
#[ignore = "run by tests/parity/interchange.py"]
fn sat_by_hand() {
    let root = PathBuf::from(std::env::var_os("SAT_PARITY_DIR").unwrap());
    let ours = load(&root.join("ours.safetensors"));
    for ranks in [1, 2, 4] {
        for dtype in [SatDtype::Half, SatDtype::Float] {
            let path = root.join(format!("rust-{dtype:?}-{ranks}"));
            export_sat(&ours, &PARITY, &settings(ranks, dtype), &path).unwrap();
        }
    }
    for entry in fs::read_dir(&root).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(rest) = name.strip_prefix("torch-") else {
            continue;
        };
        let mut checkpoint = import_sat(&root.join(&name), &PARITY).unwrap();
        let mut expected = load(&root.join(format!(
            "expected-{}.safetensors",
            rest.split('-').next().unwrap()
        )));
        expected.sort_by(|a, b| a.name.cmp(&b.name));
        checkpoint.tensors.sort_by(|a, b| a.name.cmp(&b.name));
        assert!(checkpoint.tensors == expected, "{name}");
    }
}
