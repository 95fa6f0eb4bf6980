//! Checkpoint conversion: which layouts there are, which way leads from one to the other, and
//! where none does.

use crate::{Request, Target};
use experiments_config::{Config, Ffn, Norm, Positions};
use std::fmt::Write as _;

/// Whether `workbench weights export` writes this model (docs/weights.md).
fn has_sat_layout(config: &Config) -> bool {
    let model = &config.model;
    model.norm == Norm::DeepnormGlm
        && model.positions == Positions::Rope
        && model.ffn == Ffn::Geglu
        && model.tie_embeddings
        && model.bias
        && !model.qk_norm
        && !model.embedding_norm
        && model.layer_norm_eps == 1e-5
}

/// `checkpoint.md`.
pub(crate) fn markdown(request: &Request, target: Target) -> String {
    let config = request.config;
    let mut text = String::from("# Checkpoints\n\n## Resuming\n\n");
    let _ = writeln!(
        text,
        "`--save` and `--load` are the same folder, `{}`: an empty one starts from random weights, any other continues \
         from its newest checkpoint. Same tensor and pipeline degrees as written{}.\n",
        request.options.checkpoints,
        match target {
            Target::MegatronDeepspeed => " (the trainer compares them)",
            Target::MegatronCore => ", or others: `torch_dist` checkpoints are resharded on load",
        }
    );
    match target {
        Target::MegatronDeepspeed => fork(request, &mut text),
        Target::MegatronCore => core(request, &mut text),
    }
    sat(config, request.layout.tensor_parallel, &mut text);
    text
}

fn fork(request: &Request, text: &mut String) {
    let last = request.config.model.layers as u64 + 2;
    let _ = writeln!(
        text,
        "## Layouts\n\n\
         | from | to | how |\n|---|---|---|\n\
         | DeepSpeed pipeline (`global_stepN/layer_LL-model_TT-model_states.pt`) | Megatron, other degrees | \
         `python3 \"$TRAINER/tools/convert_checkpoint/deepspeed_to_megatron.py\" --input_folder {folder}/global_stepN \
         --output_folder megatron --target_tp {tp} --target_pp 1` (weights; not the optimiser) |\n\
         | Megatron | SwissArmyTransformer (the public GLM-130B) | none: asked in GLM-130B issues 59 and 79, never answered. \
         Same matrices, other names, see the table of this program's docs/weights.md |\n\
         | SwissArmyTransformer, this program | DeepSpeed pipeline | none. Write one file per layer and rank: `layer_01` is \
         the embedding, `layer_03` to `layer_{last:02}` are the layers, `layer_{norm:02}` is the final norm (order of `specs` in \
         gpt_model.py, where the gaps are functions without weights; read, not run); then `--load` with \
         `--load-deepspeed-model-only` |\n",
        folder = request.options.checkpoints,
        tp = request.layout.tensor_parallel,
        norm = last + 3,
    );
}

fn core(request: &Request, text: &mut String) {
    let _ = writeln!(
        text,
        "## Layouts\n\n\
         | from | to | how |\n|---|---|---|\n\
         | Megatron `torch_dist` | other tensor and pipeline degrees | load it with the new degrees |\n\
         | Megatron `torch_dist` | Megatron `torch` | the arguments of this run with `--ckpt-convert-format torch \
         --ckpt-convert-save {}-torch` |\n\
         | this program, SwissArmyTransformer | Megatron | none: a loader plugin for `tools/checkpoint/convert.py` is to be \
         written. QKV rows are by head and inside a head q, k, v in both; the halves of the gated unit change places (see \
         unsupported.md) |\n\
         | Megatron | this program | none; write a safetensors file with the names of docs/parity.md, then `model.init.weights` |\n",
        request.options.checkpoints
    );
}

fn sat(config: &Config, ranks: u64, text: &mut String) {
    text.push_str("## This program and the public GLM-130B layout\n\n");
    if has_sat_layout(config) {
        let _ = writeln!(
            text,
            "```sh\nworkbench weights export RUN --tensor-parallel {ranks} --out sat     # one file per tensor-parallel rank\n\
             workbench weights import sat --config config.toml --out weights.safetensors\n```\n\n\
             A full DeepSpeed state is refused there: save `{{\"module\": …}}` alone."
        );
    } else {
        text.push_str(
            "Not for this model: that layout holds GLM-130B's own arrangement only (DeepNorm, tied, RoPE, GeGLU, biases).\n",
        );
    }
}
