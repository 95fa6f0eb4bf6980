//! Names, shapes and places of the tensors, and what the class cannot hold. That `transformers` then computes the same is held by
//! `studies/language_model/agreement.rs`.

use super::*;
use crate::parameters::Parameter;
use experiments_config::Override;
use safetensors::SafeTensors;
use std::fs;

const GPT: [&str; 9] = [
    "objective.mode=gpt",
    "model.norm=pre",
    "model.positions=learned",
    "model.ffn=gelu",
    "model.layers=2",
    "model.hidden_size=8",
    "model.ffn_hidden_size=12",
    "model.seq_len=10",
    "tokenizer.vocab_size=262",
];

fn config(more: &[&str]) -> Config {
    let overrides: Vec<Override> = [&GPT, more]
        .concat()
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
    experiments_config::load_preset("t0", &overrides).unwrap()
}

/// Every value is another one.
fn counted(config: &Config) -> Parameters {
    let table = Parameter::table(&config.model, config.tokenizer.vocab_size);
    let mut parameters = Parameters::zeros(table);
    let values = parameters.values_mut().iter_mut().enumerate();
    values.for_each(|(index, value)| *value = index as f32);
    parameters
}

fn values(bytes: &[u8]) -> Vec<f32> {
    let numbers = bytes.as_chunks::<4>().0.iter();
    numbers.map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn exported(config: &Config, out: &Path) -> Parameters {
    let parameters = counted(config);
    export_gpt2(config, &parameters, &Tokenizer::bytes().unwrap(), out).unwrap();
    parameters
}

#[test]
fn linear_maps_are_transposed_and_all_else_is_copied() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("gpt2");
    let config = config(&[]);
    let parameters = exported(&config, &out);
    let bytes = fs::read(out.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.len(), parameters.table().len());
    let total: usize = file.iter().map(|(_, tensor)| tensor.data().len() / 4).sum();
    assert_eq!(total, parameters.values().len(), "every value has a place");
    let ours = |name: &str| {
        let parameter = &parameters.table()[parameters.find(name).unwrap()];
        (
            parameter.shape.clone(),
            &parameters.values()[parameter.range.clone()],
        )
    };
    for (name, theirs) in [
        ("embedding.weight", "transformer.wte.weight"),
        ("position_embedding.weight", "transformer.wpe.weight"),
        ("layers.1.ffn_norm.bias", "transformer.h.1.ln_2.bias"),
        (
            "layers.0.attention.qkv.bias",
            "transformer.h.0.attn.c_attn.bias",
        ),
        ("final_norm.weight", "transformer.ln_f.weight"),
    ] {
        let tensor = file.tensor(theirs).unwrap();
        let (shape, expected) = ours(name);
        assert_eq!(tensor.shape(), shape, "{theirs}");
        assert_eq!(values(tensor.data()), expected, "{theirs}");
    }
    for (name, theirs) in [
        (
            "layers.0.attention.qkv.weight",
            "transformer.h.0.attn.c_attn.weight",
        ),
        (
            "layers.1.attention.out.weight",
            "transformer.h.1.attn.c_proj.weight",
        ),
        ("layers.1.ffn.up.weight", "transformer.h.1.mlp.c_fc.weight"),
        (
            "layers.0.ffn.down.weight",
            "transformer.h.0.mlp.c_proj.weight",
        ),
    ] {
        let tensor = file.tensor(theirs).unwrap();
        let (shape, expected) = ours(name);
        let &[outputs, inputs] = &shape[..] else {
            panic!("{name}")
        };
        assert_eq!(tensor.shape(), [inputs, outputs], "{theirs}");
        for (at, value) in values(tensor.data()).into_iter().enumerate() {
            let (input, output) = (at / outputs, at % outputs);
            assert_eq!(value, expected[output * inputs + input], "{theirs}");
        }
    }
    let read = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(out.join(name)).unwrap()).unwrap()
    };
    let about = read("config.json");
    assert_eq!(
        (&about["n_positions"], &about["n_inner"]),
        (&json!(10), &json!(12))
    );
    assert_eq!(about["tie_word_embeddings"], true);
    assert_eq!(read("tokenizer_config.json")["eos_token"], "<eos>");
    assert_eq!(read("tokenizer.json")["model"]["type"], "BPE");
    let left = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, 1, "nothing is left beside it");
}

#[test]
fn a_model_without_biases_has_biases_of_0_and_an_untied_one_its_head() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("gpt2");
    let config = config(&["model.bias=false", "model.tie_embeddings=false"]);
    let parameters = exported(&config, &out);
    let bytes = fs::read(out.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let bias = file.tensor("transformer.h.1.mlp.c_fc.bias").unwrap();
    assert_eq!(values(bias.data()), [0.0; 12]);
    let head = file.tensor("lm_head.weight").unwrap();
    let last = parameters.values().last().copied();
    assert_eq!(values(head.data()).last().copied(), last);
}

#[test]
fn what_no_gpt_2_can_hold_is_refused_by_key() {
    for (more, key) in [
        ("objective.mode=glm", "`objective.mode` must be gpt"),
        ("model.norm=deepnorm_glm", "`model.norm` must be pre"),
        ("model.norm=sandwich", "`model.norm` must be pre"),
        ("model.positions=rope", "`model.positions` must be learned"),
        ("model.ffn=geglu", "`model.ffn` must be gelu"),
        ("model.qk_norm=true", "`model.qk_norm` must be false"),
        (
            "model.embedding_norm=true",
            "`model.embedding_norm` must be false",
        ),
    ] {
        let error = check(&config(&[more])).unwrap_err().to_string();
        assert!(error.contains(key), "{more}: {error}");
    }
    assert!(check(&config(&[])).is_ok());
}

#[test]
fn what_is_there_is_never_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&[]);
    let write = |out: &Path| {
        let tokenizer = Tokenizer::bytes().unwrap();
        let error = export_gpt2(&config, &counted(&config), &tokenizer, out);
        error.unwrap_err().to_string()
    };
    assert!(write(dir.path()).contains("exists already"));
    let file = dir.path().join("file");
    fs::write(&file, "mine").unwrap();
    assert!(write(&file).contains("exists already"));
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    let error = write(&file.join("below"));
    assert!(error.contains("file"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
