//! `deepspeed.json`.

use crate::HandoverError;
use crate::Request;
use experiments_config::{Config, Format, LossScaleMode};
use serde_json::{Value, json as object};

/// Elements of one all-gather or reduce bucket under `ZeRO` (glm130b-facts §6; `DeepSpeed`'s default).
const BUCKET: u64 = 500_000_000;

/// Stage 1 shards the optimiser states of FP16 training. Under pipelining `DeepSpeed`'s BF16
/// optimiser shards them itself and wants stage 0; FP32 is not sharded.
pub(crate) fn zero_stage(config: &Config) -> u64 {
    u64::from(config.precision.format == Format::Fp16)
}

/// The configuration `DeepSpeed` reads. `train_batch_size` is the last one; the trainer sets the
/// ramp's before every step (`set_train_batch_size`).
pub(crate) fn json(request: &Request) -> Result<String, HandoverError> {
    let config = request.config;
    let mut root = object!({
        "train_micro_batch_size_per_gpu": request.layout.micro_batch,
        "train_batch_size": request.batches.last,
        "gradient_clipping": config.optimizer.clip_grad,
        "zero_optimization": {
            "stage": zero_stage(config),
            "allgather_bucket_size": BUCKET,
            "reduce_bucket_size": BUCKET,
        },
    });
    match config.precision.format {
        Format::Fp16 => root["fp16"] = fp16(config)?,
        Format::Bf16 => root["bf16"] = object!({"enabled": true}),
        Format::Fp32 => {}
    }
    root["steps_per_print"] = object!(1);
    root["wall_clock_breakdown"] = object!(false);
    Ok(format!("{root:#}\n"))
}

fn fp16(config: &Config) -> Result<Value, HandoverError> {
    let scale = &config.precision.loss_scale;
    if scale.mode == LossScaleMode::Static {
        return Ok(object!({"enabled": true, "loss_scale": scale.initial}));
    }
    let power = scale.initial.log2();
    if power.fract() != 0.0 || power < 0.0 {
        return Err(HandoverError::Value {
            key: "precision.loss_scale.initial".to_owned(),
            value: scale.initial.to_string(),
            expected: format!(
                "DeepSpeed takes a power of two of at least 1; nearest: {}",
                power.round().max(0.0).exp2()
            ),
        });
    }
    Ok(object!({
        "enabled": true,
        "loss_scale": 0,
        "initial_scale_power": power as u64,
        "loss_scale_window": scale.window,
        "hysteresis": scale.hysteresis,
        "min_loss_scale": scale.min,
    }))
}
