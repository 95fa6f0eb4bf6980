//! Our operations in the queue of burn's fusing backend.

use burn::tensor::{DType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::fusion::FusionCubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use burn_fusion::FusionTensor;
use burn_fusion::stream::{Operation, OperationStreams};
use burn_ir::{CustomOpIr, HandleContainer, OperationIr, OperationOutput, TensorIr};
use cubecl::cuda::CudaRuntime;
use std::fmt;

/// The backend beneath the queue.
type Inner = CubeBackend<CudaRuntime, f32, i32, u8>;
type Runtime = FusionCubeRuntime<CudaRuntime>;

/// A tensor on the card.
pub(super) type OnCard = CubeTensor<CudaRuntime>;
/// A tensor that will be there once the queue has come to it.
type Queued = FusionTensor<Runtime>;

/// An operation that waits for its turn.
struct Waiting<F> {
    tensors: CustomOpIr,
    run: F,
}

impl<F> fmt::Debug for Waiting<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tensors.id)
    }
}

/// Queues `run`, which turns contiguous inputs into FP32 outputs of the given shapes.
///
/// The queue's tensors carry no kind: floats, integers and truth values are all handles, and their
/// number format is with the tensor on the card.
pub(super) fn queue<const I: usize, const O: usize, F>(
    name: &'static str,
    inputs: [Queued; I],
    shapes: [Shape; O],
    run: F,
) -> [Queued; O]
where
    F: Fn([OnCard; I]) -> [OnCard; O] + Send + Sync + 'static,
{
    struct Sized<F, const I: usize, const O: usize>(Waiting<F>);

    impl<F, const I: usize, const O: usize> fmt::Debug for Sized<F, I, O> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt(f)
        }
    }

    impl<F, const I: usize, const O: usize> Operation<Runtime> for Sized<F, I, O>
    where
        F: Fn([OnCard; I]) -> [OnCard; O] + Send + Sync + 'static,
    {
        fn execute(
            &self,
            handles: &mut HandleContainer<<Runtime as burn_fusion::FusionRuntime>::FusionHandle>,
        ) {
            let (inputs, outputs) = self.0.tensors.as_fixed::<I, O>();
            let inputs = inputs.each_ref().map(|input| {
                burn_cubecl::kernel::into_contiguous(handles.get_float_tensor::<Inner>(input))
            });
            for (output, tensor) in outputs.iter().zip((self.0.run)(inputs)) {
                handles.register_float_tensor::<Inner>(&output.id, tensor);
            }
        }
    }

    let client = inputs[0].client.clone();
    let streams = OperationStreams::with_inputs(&inputs);
    let outputs =
        shapes.map(|shape| TensorIr::uninit(client.create_empty_handle(), shape, DType::F32));
    let inputs = inputs.map(FusionTensor::into_ir);
    let tensors = CustomOpIr::new(name, &inputs, &outputs);
    let operation = Sized::<F, I, O>(Waiting {
        tensors: tensors.clone(),
        run,
    });
    client
        .register(streams, OperationIr::Custom(tensors), operation)
        .outputs()
}

/// [`queue`] with one output.
pub(super) fn queue_one<const I: usize, F>(
    name: &'static str,
    inputs: [Queued; I],
    shape: Shape,
    run: F,
) -> Queued
where
    F: Fn([OnCard; I]) -> OnCard + Send + Sync + 'static,
{
    let [output] = queue(name, inputs, [shape], move |inputs| [run(inputs)]);
    output
}
