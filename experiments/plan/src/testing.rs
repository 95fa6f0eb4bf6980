//! What several tests are about: the run that really happened.

use crate::{Cluster, Layout, Recompute, Schedule};

/// The machines of GLM-130B (arXiv 2210.02414 §2.3).
pub(crate) fn published_cluster() -> Cluster {
    Cluster {
        nodes: 96,
        gpus_per_node: 8,
        gpu: "a100-40g".to_owned(),
    }
}

/// The layout of GLM-130B (arXiv 2210.02414 §2.3).
pub(crate) fn published_layout() -> Layout {
    Layout {
        tensor_parallel: 4,
        pipeline_parallel: 8,
        data_parallel: 24,
        micro_batch: 1,
        global_batch: 4224,
        recompute: Recompute::Full,
        schedule: Schedule::OneForwardOneBackward,
        chunks: 1,
    }
}
