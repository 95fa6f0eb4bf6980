//! Dropout masks from a stream of their own, so that arms of one seed drop the same elements.

use crate::random::stream;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorPrimitive};
use experiments_config::ModelConfig;
use kernels::slices::Mask;
use kernels::{Kernels, MaskDraws, bus};
use rand::RngExt;
use rand::distr::{Bernoulli, Distribution};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Draws the masks of one forward pass in call order.
#[derive(Clone)]
pub(crate) struct Dropout {
    generator: ChaCha8Rng,
    /// Which part of every mask is drawn, and of how many equal ones: the first of one for all of it.
    part: (usize, usize),
}

impl Dropout {
    /// Masks for a micro-batch after so many finished steps: they are numbered by both, since a ramp may change how
    /// many micro-batches there are.
    pub(crate) fn of_micro_batch(seed: u64, finished: u64, micro: u64) -> Self {
        Self::new(seed, (finished << 20) + micro)
    }

    /// Masks for micro-batch number `index` of a seed.
    pub(crate) fn new(seed: u64, index: u64) -> Self {
        Self {
            generator: stream(seed, "dropout", index),
            part: (0, 1),
        }
    }

    /// The masks that sequence `index` of `sequences` has in the pass of them all, for a pass of it alone.
    pub(crate) fn of_sequence(self, index: usize, sequences: usize) -> Self {
        Self {
            part: (index, sequences),
            ..self
        }
    }

    /// Passes over the numbers of so many elements.
    fn skip(&mut self, elements: usize) {
        let position = self.generator.get_word_pos();
        self.generator.set_word_pos(position + words_of(elements));
    }

    /// The mask of `elements` elements drawn on a device that can.
    fn drawn_on<B: Kernels>(
        &mut self,
        elements: usize,
        p: f64,
        device: &B::Device,
    ) -> Option<FloatTensor<B>> {
        /// 2^64
        const RANGE: f64 = 18_446_744_073_709_551_616.0;
        let (index, sequences) = self.part;
        let word = self.generator.get_word_pos() + words_of(index * elements);
        let seed = self.generator.get_seed();
        let (key, _) = seed.as_chunks::<4>();
        let key: Vec<_> = key.iter().map(|word| u32::from_le_bytes(*word)).collect();
        let draws = MaskDraws {
            key: key.try_into().ok()?,
            stream: self.generator.get_stream(),
            word: u64::try_from(word).ok()?,
            // As `random_bool` has it.
            threshold: (p * RANGE) as u64,
            keep: keep(p),
        };
        let mask = B::dropout_mask(&draws, elements, device)?;
        self.skip(sequences * elements);
        Some(mask)
    }

    /// A mask with elements 0 (probability `p`) and `1 / (1 - p)`, shaped like `x`, in which the runs
    /// lie one after another; every run draws its own part from its own stream.
    pub(crate) fn mask<B: Kernels, const D: usize>(
        runs: &mut [Self],
        x: &Tensor<B, D>,
        p: f64,
    ) -> Tensor<B, D> {
        let keep = keep(p);
        let shape = x.dims();
        let elements: usize = shape.iter().product();
        let part = elements / runs.len();
        let drawn = runs.iter_mut().map(|run| {
            let mask = run.drawn_on::<B>(part, p, &x.device())?;
            Some(Tensor::<B, 1>::from_primitive(TensorPrimitive::Float(mask)))
        });
        if let Some(mut masks) = drawn.collect::<Option<Vec<_>>>() {
            let mask = match masks.len() {
                1 => masks.swap_remove(0),
                _ => Tensor::cat(masks, 0),
            };
            return mask.reshape(shape);
        }
        let mut mask = Vec::with_capacity(elements);
        for run in runs {
            let (index, sequences) = run.part;
            run.skip(index * part);
            mask.extend((0..part).map(|_| {
                if run.generator.random_bool(p) {
                    0.0
                } else {
                    keep
                }
            }));
            run.skip((sequences - 1 - index) * part);
        }
        bus::send(mask, shape, &x.device())
    }
}

/// All masks of one pass by hand: the same as [`Dropout::mask`] draws for the graph.
#[derive(Default)]
pub(crate) struct Masks {
    /// Of the embedding's output, `[r, h]`.
    pub(crate) embedding: Option<Mask>,
    layers: Vec<LayerMasks>,
}

/// Masks of one layer, in the order in which they are drawn.
#[derive(Default)]
pub(crate) struct LayerMasks {
    /// Of attention probabilities, `[b, n, s, s]`.
    pub(crate) probabilities: Option<Mask>,
    /// Of attention's output, `[r, h]`.
    pub(crate) attention_out: Option<Mask>,
    /// Of the feed-forward's output, `[r, h]`.
    pub(crate) down: Option<Mask>,
}

/// A tensor to be dropped from: its rows, their width, and the probability.
#[derive(Clone, Copy)]
struct Shape {
    rows: usize,
    width: usize,
    p: f64,
}

impl Masks {
    /// Masks of a layer; none where nothing is dropped.
    pub(crate) fn layer(&self, layer: usize) -> &LayerMasks {
        const NONE: &LayerMasks = &LayerMasks {
            probabilities: None,
            attention_out: None,
            down: None,
        };
        self.layers.get(layer).unwrap_or(NONE)
    }
}

impl Dropout {
    /// The masks of a pass over so many sequences.
    pub(crate) fn masks(self, model: &ModelConfig, sequences: usize) -> Masks {
        let residual = Shape {
            rows: sequences * model.seq_len,
            width: model.hidden_size,
            p: model.dropout,
        };
        let probabilities = Shape {
            rows: residual.rows * model.num_heads,
            width: model.seq_len,
            p: model.attention_dropout,
        };
        let mut shapes = vec![residual];
        for _ in 0..model.layers {
            shapes.extend([probabilities, residual, residual]);
        }
        let mut masks = self.draw_all(&shapes).into_iter();
        let mut next = || masks.next().flatten();
        Masks {
            embedding: next(),
            layers: (0..model.layers)
                .map(|_| LayerMasks {
                    probabilities: next(),
                    attention_out: next(),
                    down: next(),
                })
                .collect(),
        }
    }

    /// A mask for every tensor with a probability above 0, all threads at work: where a mask's
    /// numbers lie in the stream depends on those before it only.
    fn draw_all(&self, shapes: &[Shape]) -> Vec<Option<Mask>> {
        let (index, sequences) = self.part;
        let mut drawn = 0;
        let placed: Vec<_> = shapes
            .iter()
            .map(|shape| {
                let own = if shape.p == 0.0 {
                    0
                } else {
                    shape.rows * shape.width
                };
                let first = drawn + index * own;
                drawn += sequences * own;
                (first, *shape)
            })
            .collect();
        let draw =
            |(first, shape): (usize, Shape)| (shape.p > 0.0).then(|| self.draw(first, shape));
        placed.into_par_iter().map(draw).collect()
    }

    /// The mask of which the first element takes number `first` of the stream.
    fn draw(&self, first: usize, shape: Shape) -> Mask {
        /// Elements that a thread takes at a time.
        const PART: usize = 1 << 14;
        const WORD: usize = u16::BITS as usize;
        let Shape { rows, width, p } = shape;
        // What `random_bool` draws by.
        let dropped = Bernoulli::new(p).expect("a probability, as the configuration was checked");
        let words = Mask::words_of_row(width);
        let mut mask = vec![0; rows * words];
        let rows_of_part = PART.div_ceil(width);
        mask.par_chunks_mut(rows_of_part * words)
            .enumerate()
            .for_each(|(part, mask)| {
                let mut generator = self.generator.clone();
                let element = first + part * rows_of_part * width;
                generator.set_word_pos(words_of(element));
                for row in mask.chunks_exact_mut(words) {
                    for (index, word) in row.iter_mut().enumerate() {
                        let elements = WORD.min(width - index * WORD);
                        *word = (0..elements).fold(0, |word, bit| {
                            let kept = !dropped.sample(&mut generator);
                            word | u16::from(kept) << bit
                        });
                    }
                }
            });
        Mask::new(width, keep(p), mask)
    }
}

/// Words of 32 bits of a stream that so many elements take: a number takes two.
fn words_of(elements: usize) -> u128 {
    2 * elements as u128
}

/// What is kept is multiplied by this, so that expectations stay.
fn keep(p: f64) -> f32 {
    (1.0 / (1.0 - p)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;

    /// Passes by hand and the graph drop the same elements, although the former draw at any place of the
    /// stream: rows of no whole number of words, several parts, and a tensor without dropout between.
    #[test]
    fn both_kinds_of_passes_draw_the_same_masks() {
        let shape = |rows, width, p| Shape { rows, width, p };
        let shapes = [
            shape(3, 7, 0.1),
            shape(700, 65, 0.5),
            shape(5, 5, 0.0),
            shape(2, 16, 0.3),
        ];
        let masks = Dropout::new(3, 9).draw_all(&shapes);
        let mut graph = [Dropout::new(3, 9)];
        for (shape, mask) in shapes.iter().zip(masks) {
            let Some(mask) = mask else {
                assert!(shape.p == 0.0);
                continue;
            };
            let x = Tensor::<Flex, 2>::zeros([shape.rows, shape.width], &Default::default());
            let expected = Dropout::mask(&mut graph, &x, shape.p).into_data();
            assert_eq!(mask.factors(), expected.to_vec::<f32>().unwrap());
        }
    }

    /// By hand and on the graph.
    #[test]
    fn a_sequence_alone_has_the_masks_that_it_has_in_its_batch() {
        const SEQUENCES: usize = 3;
        let own = [(6, 7, 0.2), (4, 9, 0.0), (10, 33, 0.5)];
        let shapes = |times: usize| own.map(|(rows, width, p)| (rows * times, width, p));
        let drawn = |dropout: Dropout, times: usize| -> Vec<Vec<f32>> {
            let shapes = shapes(times).map(|(rows, width, p)| Shape { rows, width, p });
            let masks = dropout.draw_all(&shapes).into_iter().flatten();
            masks.map(|mask| mask.factors()).collect()
        };
        let all = drawn(Dropout::new(3, 9), SEQUENCES);
        for index in 0..SEQUENCES {
            let dropout = || Dropout::new(3, 9).of_sequence(index, SEQUENCES);
            let alone = drawn(dropout(), 1);
            let mut graph = [dropout()];
            let dropping = shapes(1).into_iter().filter(|shape| shape.2 > 0.0);
            for ((alone, all), (rows, width, p)) in alone.iter().zip(&all).zip(dropping) {
                let part = alone.len();
                assert_eq!(*alone, all[index * part..][..part]);
                let x = Tensor::<Flex, 2>::zeros([rows, width], &Default::default());
                let on_graph = Dropout::mask(&mut graph, &x, p).into_data();
                assert_eq!(*alone, on_graph.to_vec::<f32>().unwrap());
            }
        }
    }
}
