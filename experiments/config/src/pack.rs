//! Which runs can share a pass.

use crate::{
    BatchConfig, Config, Format, InitConfig, LossScaleConfig, ModelConfig, ObjectiveConfig,
    PrecisionConfig, TokenizerConfig,
};

impl Config {
    /// Runs with the same key can be packed: their passes go through one set of kernels, each with its
    /// own weights, sequences, dropout masks, residual weight α, embedding gradient shrink and loss
    /// scale. The key holds what decides shapes and operations. A key of the model or of the precision
    /// that is not named here counts, so a new one keeps runs apart until it is known not to matter.
    /// Probes share no passes with anyone; theirs is a key of its own, and executors do not pack them.
    /// It does not move in a run: no scheduled key is part of it.
    #[must_use]
    pub fn pack_key(&self) -> String {
        let model = &self.model;
        let decisive = Self {
            model: ModelConfig {
                norm: model.norm.same_graph(),
                init: InitConfig::default(),
                ..model.clone()
            },
            tokenizer: TokenizerConfig {
                vocab_size: self.tokenizer.vocab_size,
                ..TokenizerConfig::default()
            },
            precision: PrecisionConfig {
                grad_accumulation: Format::Fp32,
                loss_scale: LossScaleConfig::default(),
                ..self.precision.clone()
            },
            objective: ObjectiveConfig {
                z_loss: self.objective.z_loss,
                ..ObjectiveConfig::default()
            },
            batch: BatchConfig {
                micro_batch: self.batch.micro_batch,
                ..BatchConfig::default()
            },
            runtime: self.runtime.clone(),
            probe: self.probe.clone(),
            ..Self::default()
        };
        blake3::hash(decisive.to_toml().as_bytes())
            .to_hex()
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeviceKey;
    use crate::{EgsPath, Ffn, Norm, PbRelaxMax, ProbeKind, ScaleFall};

    fn key(change: impl Fn(&mut Config)) -> String {
        let mut config = Config::default();
        change(&mut config);
        config.pack_key()
    }

    #[test]
    fn what_is_a_number_or_outside_the_pass_may_differ() {
        let own: [fn(&mut Config); 15] = [
            |c| c.seed = 7,
            |c| c.steps = 3,
            |c| c.model.norm = Norm::Post,
            |c| c.model.norm = Norm::Deepnorm,
            |c| c.model.init.gain = Some(0.5),
            |c| c.model.init.qk_gain = Some(0.5),
            |c| c.eval.last_word = 5,
            |c| c.eval.quantized = true,
            |c| (c.egs.alpha, c.egs.path) = (0.1, EgsPath::Both),
            |c| c.optimizer.lr = 1.0,
            |c| c.batch.gradient_accumulation = 5,
            |c| c.precision.loss_scale.initial = 2.0,
            |c| c.precision.loss_scale.fall = ScaleFall::ToOverflow,
            |c| c.precision.grad_accumulation = Format::Fp16,
            |c| c.objective.gmask_ratio = 1.0,
        ];
        for (i, change) in own.into_iter().enumerate() {
            assert_eq!(key(change), key(|_| {}), "change {i}");
        }
    }

    #[test]
    fn what_decides_the_graph_may_not() {
        let shared: [fn(&mut Config); 15] = [
            |c| c.model.layers = 7,
            |c| c.model.norm = Norm::Pre,
            |c| c.model.norm = Norm::Sandwich,
            |c| c.model.ffn = Ffn::Gelu,
            |c| c.model.dropout = 0.1,
            |c| c.model.tie_embeddings = false,
            |c| c.tokenizer.vocab_size = 300,
            |c| c.batch.micro_batch = 3,
            |c| c.precision.format = Format::Bf16,
            |c| c.precision.fp32_head = true,
            |c| c.precision.saturate_gradients = true,
            |c| c.precision.pb_relax.attention = PbRelaxMax::Row,
            |c| c.objective.z_loss = 0.1,
            |c| c.runtime.device = DeviceKey::Cuda(0),
            |c| c.probe.kind = ProbeKind::UpdateLaw,
        ];
        let mut keys: Vec<_> = shared.into_iter().map(key).collect();
        keys.push(key(|_| {}));
        keys.sort();
        let all = keys.len();
        keys.dedup();
        assert_eq!(keys.len(), all);
    }
}
