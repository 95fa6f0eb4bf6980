//! Kernels are compiled when they are first launched, so a build says nothing about them. Here each of
//! them is lowered to CUDA C++ as a launch would, which needs no GPU.

use super::attention::{self, Case, backward, forward};
use super::codes::{self, CodeSizesExpand};
use super::counting::Point;
use super::exact::{self, SizesExpand, StridesExpand};
use super::product::element;
use super::rounding::Rounded;
use super::{
    adamw, compact, counting, cross_entropy, dropout, elementwise, heads, layer_norm, ranges,
    softmax,
};
use crate::HalfFormat;
use cubecl::Compiler;
use cubecl::cuda::CudaRuntime;
use cubecl::ir::{ElemType, FloatKind, IntKind, StorageType, UIntKind};
use cubecl::prelude::*;
use half::{bf16, f16};

const UNITS: u32 = 64;
const BYTE: StorageType = StorageType::Scalar(ElemType::UInt(UIntKind::U8));
const F32: StorageType = StorageType::Scalar(ElemType::Float(FloatKind::F32));
const INT: StorageType = StorageType::Scalar(ElemType::Int(IntKind::I32));

/// A kernel's arguments, in order.
struct Arguments(KernelBuilder);

impl Arguments {
    fn input<T: CubePrimitive>(&mut self) -> <Array<T> as CubeType>::ExpandType {
        let ty = T::as_type(&self.0.scope);
        self.0.input_array(ty).into()
    }

    fn values(&mut self) -> <Array<f32> as CubeType>::ExpandType {
        self.input::<f32>()
    }

    fn output(&mut self) -> <Array<f32> as CubeType>::ExpandType {
        let ty = f32::as_type(&self.0.scope);
        self.0.output_array(ty).into()
    }

    fn ids(&mut self) -> <Array<i32> as CubeType>::ExpandType {
        let ty = i32::as_type(&self.0.scope);
        self.0.output_array(ty).into()
    }

    fn counters(&mut self) -> <Array<Atomic<u32>> as CubeType>::ExpandType {
        let ty = Atomic::<u32>::as_type(&self.0.scope);
        self.0.output_array(ty).into()
    }

    fn float(&mut self) -> <f32 as CubeType>::ExpandType {
        <f32 as LaunchArg>::expand(&(), &mut self.0)
    }

    fn long_size(&mut self) -> <usize as CubeType>::ExpandType {
        <usize as LaunchArg>::expand(&(), &mut self.0)
    }

    fn size(&mut self) -> <u32 as CubeType>::ExpandType {
        <u32 as LaunchArg>::expand(&(), &mut self.0)
    }
}

/// CUDA C++ of the kernel that `define` describes.
fn lower(name: &str, define: impl FnOnce(&mut Arguments)) -> (String, String) {
    let mut arguments = Arguments(KernelBuilder::default());
    let properties = <CudaRuntime as Runtime>::target_properties();
    arguments.0.runtime_properties(properties);
    AddressType::U32.register(&mut arguments.0.scope);
    define(&mut arguments);
    let settings = KernelSettings::default()
        .cube_dim(CubeDim::new_1d(UNITS))
        .address_type(AddressType::U32)
        .kernel_name(name);
    let definition = arguments.0.build(settings);
    let mut compiler = <CudaRuntime as Runtime>::Compiler::default();
    let address = AddressType::U32.unsigned_type();
    let mode = ExecutionMode::Checked;
    let compiled = compiler.compile(definition, &Default::default(), mode, address);
    (
        name.to_owned(),
        compiled.expect("CUDA C++ of a kernel").to_string(),
    )
}

fn elementwise_sources() -> Vec<(String, String)> {
    let mut all = vec![lower("gelu_backward", |args| {
        let (x, dy, dx) = (args.values(), args.values(), args.output());
        elementwise::gelu_backward_kernel::expand(&mut args.0.scope, x, dy, dx);
    })];
    for format in [Rounded::No, Rounded::Fp16, Rounded::Bf16] {
        all.push(lower(&format!("round_{format:?}"), |args| {
            let (x, y) = (args.values(), args.output());
            elementwise::round_kernel::expand(&mut args.0.scope, x, y, format);
        }));
        let point = Point {
            format,
            saturates: format == Rounded::Fp16,
        };
        let counts = format != Rounded::No;
        all.push(lower(&format!("geglu_{format:?}"), |args| {
            let (up, y, counters) = (args.values(), args.output(), args.counters());
            let [f, place, each] = [(); 3].map(|()| args.long_size());
            let scope = &mut args.0.scope;
            elementwise::geglu_kernel::expand(
                scope, up, y, counters, f, place, each, counts, point,
            );
        }));
        all.push(lower(&format!("geglu_backward_{format:?}"), |args| {
            let (up, dy, dup) = (args.values(), args.values(), args.output());
            let counters = args.counters();
            let [f, place, each] = [(); 3].map(|()| args.long_size());
            let scope = &mut args.0.scope;
            elementwise::geglu_backward_kernel::expand(
                scope, up, dy, dup, counters, f, place, each, counts, point,
            );
        }));
    }
    all
}

fn layer_norm_sources() -> Vec<(String, String)> {
    vec![
        lower("norm_rows", |args| {
            let (x, gamma, beta) = (args.values(), args.values(), args.values());
            let (y, width, each) = (args.output(), args.long_size(), args.long_size());
            let (eps, scope) = (args.float(), &mut args.0.scope);
            layer_norm::norm_kernel::expand(scope, x, gamma, beta, y, width, each, eps, UNITS);
        }),
        lower("norm_backward", |args| {
            let (x, gamma, dy) = (args.values(), args.values(), args.values());
            let (dx, statistics) = (args.output(), args.output());
            let (width, each) = (args.long_size(), args.long_size());
            let (eps, scope) = (args.float(), &mut args.0.scope);
            layer_norm::norm_backward_kernel::expand(
                scope, x, gamma, dy, dx, statistics, width, each, eps, UNITS,
            );
        }),
        lower("norm_groups", |args| {
            let (x, dy, statistics) = (args.values(), args.values(), args.values());
            let (partial, width, each) = (args.output(), args.size(), args.size());
            let scope = &mut args.0.scope;
            layer_norm::norm_groups_kernel::expand(
                scope, x, dy, statistics, partial, width, each, 64,
            );
        }),
        lower("norm_columns", |args| {
            let (partial, dgamma, dbeta) = (args.values(), args.output(), args.output());
            let (width, groups) = (args.long_size(), args.size());
            let scope = &mut args.0.scope;
            layer_norm::norm_columns_kernel::expand(scope, partial, dgamma, dbeta, width, groups);
        }),
    ]
}

fn heads_sizes(args: &mut Arguments) -> heads::SizesExpand {
    heads::SizesExpand {
        part: args.long_size(),
        parts: args.long_size(),
        slots: args.long_size(),
        heads: args.long_size(),
        width: args.long_size(),
        half: args.long_size(),
    }
}

fn row_sources() -> Vec<(String, String)> {
    vec![
        lower("heads", |args| {
            let (x, cos, sin) = (args.values(), args.values(), args.values());
            let (y, sizes) = (args.output(), heads_sizes(args));
            heads::heads_kernel::expand(&mut args.0.scope, x, cos, sin, y, sizes, true);
        }),
        lower("heads_backward", |args| {
            let (dy, cos, sin) = (args.values(), args.values(), args.values());
            let (dx, sizes) = (args.output(), heads_sizes(args));
            heads::heads_backward_kernel::expand(&mut args.0.scope, dy, cos, sin, dx, sizes, true);
        }),
        lower("softmax", |args| {
            let (x, mask, p) = (args.values(), args.input::<u8>(), args.output());
            let (fill, n, q, k) = (args.float(), args.size(), args.size(), args.size());
            let scope = &mut args.0.scope;
            softmax::softmax_kernel::expand::<u8>(scope, x, mask, p, fill, n, q, k, UNITS, BYTE);
        }),
        lower("softmax_backward", |args| {
            let (p, mask, dp) = (args.values(), args.input::<u8>(), args.values());
            let (dx, n, q, k) = (args.output(), args.size(), args.size(), args.size());
            let scope = &mut args.0.scope;
            softmax::softmax_backward_kernel::expand::<u8>(
                scope, p, mask, dp, dx, n, q, k, UNITS, BYTE,
            );
        }),
        lower("entropy", |args| {
            let (logits, tokens) = (args.values(), args.input::<i32>());
            let (output, width) = (args.output(), args.size());
            let scope = &mut args.0.scope;
            cross_entropy::entropy_kernel::expand::<i32>(
                scope, logits, tokens, output, width, UNITS, INT,
            );
        }),
        lower("entropy_backward", |args| {
            let (logits, tokens) = (args.values(), args.input::<i32>());
            let (output, dy) = (args.values(), args.values());
            let (dx, width) = (args.output(), args.size());
            let scope = &mut args.0.scope;
            cross_entropy::entropy_backward_kernel::expand::<i32>(
                scope, logits, tokens, output, dy, dx, width, UNITS, INT,
            );
        }),
    ]
}

fn attention_sizes(args: &mut Arguments) -> attention::SizesExpand {
    attention::SizesExpand {
        heads: args.long_size(),
        queries: args.long_size(),
        keys: args.long_size(),
        factor: args.float(),
        fill: args.float(),
        each: args.long_size(),
        of_scores: args.long_size(),
        of_probabilities: args.long_size(),
    }
}

fn attention_sources() -> Vec<(String, String)> {
    let mut all = attention_of::<f32>(Rounded::No, F32);
    all.extend(attention_of::<f32>(Rounded::Fp16, F32));
    all.extend(attention_of::<f32>(Rounded::Bf16, F32));
    // On matrix units.
    all.extend(attention_of::<f16>(
        Rounded::Fp16,
        element(HalfFormat::Fp16),
    ));
    all.extend(attention_of::<bf16>(
        Rounded::Bf16,
        element(HalfFormat::Bf16),
    ));
    all
}

/// Its kernels, products of tiles in a format.
fn attention_of<H: Float>(format: Rounded, operand: StorageType) -> Vec<(String, String)> {
    let types = [BYTE, operand];
    let name = |kernel: &str| format!("{kernel}_{format:?}_{operand}");
    let point = Point {
        format,
        saturates: format == Rounded::Fp16,
    };
    let case = Case {
        width: 40,
        scores: point,
        probabilities: point,
        counts: format != Rounded::No,
        on_units: operand != F32,
    };
    let forward = lower(&name("attention"), |args| {
        let [q, k, v] = [(); 3].map(|()| args.values());
        let (mask, y, statistics) = (args.input::<u8>(), args.output(), args.output());
        let (counters, sizes) = (args.counters(), attention_sizes(args));
        let scope = &mut args.0.scope;
        forward::attention_kernel::expand::<u8, H>(
            scope, q, k, v, mask, y, statistics, counters, sizes, case, types,
        );
    });
    let queries = lower(&name("query_gradient"), |args| {
        let [q, k, v] = [(); 3].map(|()| args.values());
        let (mask, statistics, dy) = (args.input::<u8>(), args.values(), args.values());
        let (dq, sums) = (args.output(), args.output());
        let (counters, sizes) = (args.counters(), attention_sizes(args));
        let scope = &mut args.0.scope;
        backward::query_gradient_kernel::expand::<u8, H>(
            scope, q, k, v, mask, statistics, dy, dq, sums, counters, sizes, case, types,
        );
    });
    let keys = lower(&name("key_gradient"), |args| {
        let [q, k, v] = [(); 3].map(|()| args.values());
        let (mask, statistics) = (args.input::<u8>(), args.values());
        let (sums, dy) = (args.values(), args.values());
        let (dk, dv) = (args.output(), args.output());
        let (sizes, scope) = (attention_sizes(args), &mut args.0.scope);
        backward::key_gradient_kernel::expand::<u8, H>(
            scope, q, k, v, mask, statistics, sums, dy, dk, dv, sizes, case, types,
        );
    });
    vec![forward, queries, keys]
}

fn range_sources() -> Vec<(String, String)> {
    let mut all = vec![
        lower("summary", |args| {
            let (x, table, partial) = (args.values(), args.input::<i32>(), args.output());
            let (count, scope) = (args.size(), &mut args.0.scope);
            ranges::summary_kernel::expand(scope, x, table, partial, count);
        }),
        lower("expand", |args| {
            let (words, y, pieces) = (args.input::<u32>(), args.ids(), args.size());
            compact::expand_kernel::expand(&mut args.0.scope, words, y, pieces);
        }),
        lower("scale", |args| {
            let (x, table, factors) = (args.values(), args.input::<i32>(), args.values());
            let (y, count, scope) = (args.output(), args.size(), &mut args.0.scope);
            ranges::scale_kernel::expand(scope, x, table, factors, y, count);
        }),
        lower("summary_of_pieces", |args| {
            let (partial, table, output) = (args.values(), args.input::<i32>(), args.output());
            let scope = &mut args.0.scope;
            ranges::summary_of_pieces_kernel::expand(scope, partial, table, output);
        }),
        lower("sums_of_pieces", |args| {
            let (partial, table, output) = (args.values(), args.input::<i32>(), args.output());
            let scope = &mut args.0.scope;
            adamw::sums_of_pieces_kernel::expand(scope, partial, table, output);
        }),
        lower("dropout_mask", |args| {
            let (draws, mask, skipped) = (args.input::<u32>(), args.output(), args.size());
            let (keep, blocks, scope) = (args.float(), args.size(), &mut args.0.scope);
            dropout::mask_kernel::expand(scope, draws, mask, skipped, keep, blocks);
        }),
        lower("take_counts", |args| {
            let (counters, output, places) = (args.counters(), args.output(), args.size());
            counting::take_kernel::expand(&mut args.0.scope, counters, output, places);
        }),
    ];
    for part in [
        adamw::Part::Whole,
        adamw::Part::Moments,
        adamw::Part::Weights,
    ] {
        all.push(lower(&format!("adamw_{part:?}"), |args| {
            let (gradient, table) = (args.values(), args.input::<i32>());
            let (constants, sums) = (args.values(), args.values());
            let [w, m, v, partial] = [(); 4].map(|()| args.output());
            let (count, scope) = (args.size(), &mut args.0.scope);
            adamw::adamw_kernel::expand(
                scope, gradient, w, m, v, table, constants, sums, partial, count, part,
            );
        }));
    }
    for (format, saturates) in [
        (Rounded::Fp16, false),
        (Rounded::Fp16, true),
        (Rounded::Bf16, false),
    ] {
        let point = Point { format, saturates };
        all.push(lower(&format!("round_ranges_{point:?}"), |args| {
            let (x, table, y) = (args.values(), args.input::<i32>(), args.output());
            let (counters, count) = (args.counters(), args.size());
            let scope = &mut args.0.scope;
            ranges::round_ranges_kernel::expand(scope, x, table, y, counters, count, point);
        }));
        all.push(lower(&format!("store_{point:?}"), |args| {
            let (x, y, counters) = (args.values(), args.output(), args.counters());
            let (place, each) = (args.long_size(), args.long_size());
            let scope = &mut args.0.scope;
            counting::store_kernel::expand(scope, x, y, counters, place, each, point);
        }));
    }
    all
}

fn product_source(each: u32) -> (String, String) {
    lower(&format!("product_{each}"), |args| {
        let (a, b, y) = (args.values(), args.values(), args.output());
        let [a_strides, b_strides] = [(); 2].map(|()| StridesExpand {
            outer: args.size(),
            inner: args.size(),
            row: args.size(),
            column: args.size(),
        });
        let sizes = SizesExpand {
            m: args.size(),
            k: args.size(),
            n: args.size(),
            inner: args.size(),
        };
        let scope = &mut args.0.scope;
        exact::product_kernel::expand(scope, a, b, y, a_strides, b_strides, sizes, each);
    })
}

fn codes_sources() -> Vec<(String, String)> {
    let sizes = |args: &mut Arguments| CodeSizesExpand {
        m: args.size(),
        outputs: args.size(),
        inputs: args.size(),
        words: args.size(),
        height: args.size(),
        width: args.size(),
        across: args.size(),
    };
    let mut all = Vec::new();
    for (bits, shifted) in [(4, true), (8, false)] {
        all.push(lower(&format!("codes_dot_{bits}"), |args| {
            let (x, words) = (args.values(), args.input::<u32>());
            let (scales, zeros, y) = (args.values(), args.values(), args.output());
            let (sizes, scope) = (sizes(args), &mut args.0.scope);
            codes::dot_kernel::expand(
                scope, x, words, scales, zeros, y, sizes, bits, shifted, UNITS,
            );
        }));
        all.push(lower(&format!("codes_{bits}"), |args| {
            let (x, words) = (args.values(), args.input::<u32>());
            let (scales, zeros, y) = (args.values(), args.values(), args.output());
            let (sizes, scope) = (sizes(args), &mut args.0.scope);
            codes::codes_kernel::expand(scope, x, words, scales, zeros, y, sizes, bits, shifted, 4);
        }));
    }
    all
}

#[test]
fn kernels_lower_to_cuda() {
    let mut all = elementwise_sources();
    all.extend(layer_norm_sources());
    all.extend(row_sources());
    all.extend(range_sources());
    all.extend(attention_sources());
    all.extend([2, 4].map(product_source));
    all.extend(codes_sources());
    for (name, source) in &all {
        assert!(source.contains("__global__"), "{name}: {source}");
    }
    assert_eq!(all.len(), 51);
}
