//! Which part of every matrix a rank has, of those that share them (arXiv 1909.08053 §3).

use crate::parameters::{Parameter, Parameters};
use std::ops::Range;

/// The parameters of one rank: heads of query, key and value, and rows of the first map of the feed-forward; columns of the
/// second maps; rows of the vocabulary. What is left all ranks have.
#[derive(Debug, Clone)]
pub(crate) struct Slices {
    table: Vec<Parameter>,
    own: Vec<Slice>,
}

/// Of one parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Slice {
    /// All of it; `is_part` where gradients of it are of own heads or rows only, and add up over ranks.
    Whole { is_part: bool },
    /// These of the rows, in each of so many equal bands.
    Rows { bands: usize, own: Range<usize> },
    /// These of the columns.
    Columns(Range<usize>),
}

impl Slice {
    /// `own`: what is a rank's of so many equal things; `of_rows`: ranks share rows, too.
    fn of(
        parameter: &Parameter,
        (bands_of_up, of_rows): (usize, bool),
        own: impl Fn(usize) -> Range<usize>,
    ) -> Self {
        let name = parameter.name.as_str();
        let rows = parameter.shape[0];
        let is = |part: &str| name.ends_with(part);
        if is(".attention.qkv.weight") || is(".attention.qkv.bias") {
            return Self::Rows {
                bands: 3,
                own: own(rows / 3),
            };
        }
        if is(".ffn.up.weight") || is(".ffn.up.bias") {
            return Self::Rows {
                bands: bands_of_up,
                own: own(rows / bands_of_up),
            };
        }
        if is(".attention.out.weight") || is(".ffn.down.weight") {
            return Self::Columns(own(parameter.shape[1]));
        }
        if name == "embedding.weight" || name == "head.weight" {
            return Self::Rows {
                bands: 1,
                own: own(rows),
            };
        }
        let of_heads =
            name.contains(".attention.query_norm.") || name.contains(".attention.key_norm.");
        Self::Whole {
            is_part: of_heads || of_rows,
        }
    }

    fn shape(&self, whole: &[usize]) -> Vec<usize> {
        let mut shape = whole.to_vec();
        match self {
            Self::Whole { .. } => {}
            Self::Rows { bands, own } => shape[0] = bands * own.len(),
            Self::Columns(own) => shape[1] = own.len(),
        }
        shape
    }

    /// Ranges of the whole parameter, in the order of the slice.
    fn ranges(&self, shape: &[usize]) -> Vec<Range<usize>> {
        let width: usize = shape[1..].iter().product();
        match self {
            Self::Whole { .. } => std::iter::once(0..shape[0] * width).collect(),
            Self::Rows { bands, own } => {
                let band = shape[0] / bands;
                let start = |index: usize| index * band * width;
                (0..*bands)
                    .map(|index| start(index) + own.start * width..start(index) + own.end * width)
                    .collect()
            }
            Self::Columns(own) => (0..shape[0])
                .map(|row| row * width + own.start..row * width + own.end)
                .collect(),
        }
    }
}

impl Slices {
    /// Of a table; `bands` are those of the feed-forward's first map, two with a gate. `of_rows`: ranks share rows, too.
    pub(crate) fn new(
        table: &[Parameter],
        (bands, of_rows): (usize, bool),
        own: impl Fn(usize) -> Range<usize>,
    ) -> Self {
        let slice = |parameter| Slice::of(parameter, (bands, of_rows), &own);
        let slices: Vec<Slice> = table.iter().map(slice).collect();
        let mut end = 0;
        let local = table.iter().zip(&slices).map(|(parameter, slice)| {
            let (start, shape) = (end, slice.shape(&parameter.shape));
            end += shape.iter().product::<usize>();
            Parameter {
                shape,
                range: start..end,
                ..parameter.clone()
            }
        });
        Self {
            table: local.collect(),
            own: slices,
        }
    }

    /// The own share of all parameters.
    pub(crate) fn take(&self, whole: &Parameters) -> Parameters {
        let mut own = Parameters::zeros(self.table.clone());
        let mut rest = own.values_mut();
        self.each(whole.table(), |_, range| {
            let (part, after) = std::mem::take(&mut rest).split_at_mut(range.len());
            part.copy_from_slice(&whole.values()[range]);
            rest = after;
        });
        own
    }

    /// Puts gradients of the own share where they belong, nothing elsewhere. What all ranks have counts on the first.
    pub(crate) fn put(&self, own: &[f32], table: &[Parameter], is_first: bool) -> Vec<f32> {
        let mut whole = vec![0.0; table.last().map_or(0, |parameter| parameter.range.end)];
        let mut rest = own;
        self.each(table, |slice, range| {
            let (part, after) = rest.split_at(range.len());
            rest = after;
            if is_first || !matches!(slice, Slice::Whole { is_part: false }) {
                whole[range].copy_from_slice(part);
            }
        });
        whole
    }

    /// The same for a path into the embedding, `[v, h]`.
    pub(crate) fn put_embedding(&self, own: &[f32], table: &[Parameter]) -> Vec<f32> {
        let parameter = &table[Parameters::EMBEDDING];
        let mut whole = vec![0.0; parameter.range.len()];
        for range in self.own[Parameters::EMBEDDING].ranges(&parameter.shape) {
            whole[range].copy_from_slice(own);
        }
        whole
    }

    /// Whether gradients of a parameter count on this rank.
    pub(crate) fn counts(&self, index: usize, is_first: bool) -> bool {
        is_first || !matches!(self.own[index], Slice::Whole { is_part: false })
    }

    fn each(&self, table: &[Parameter], mut look: impl FnMut(&Slice, Range<usize>)) {
        for (parameter, slice) in table.iter().zip(&self.own) {
            let start = parameter.range.start;
            for range in slice.ranges(&parameter.shape) {
                look(slice, start + range.start..start + range.end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use experiments_collective::even_parts;
    use experiments_config::{Ffn, ModelConfig};

    /// Shares put back add up to the whole, whatever the number of ranks.
    #[test]
    fn shares_of_all_ranks_are_the_whole() {
        for (ffn, bands, qk_norm, of_rows) in [
            (Ffn::Geglu, 2, false, false),
            (Ffn::Gelu, 1, false, false),
            (Ffn::Gelu, 1, true, false),
            (Ffn::Geglu, 2, true, true),
        ] {
            let model = ModelConfig {
                ffn,
                qk_norm,
                tie_embeddings: false,
                num_heads: 4,
                ..ModelConfig::default()
            };
            let whole = Parameters::initialise(&model, 301, 1);
            for ranks in [1, 2, 4] {
                let mut sum = vec![0.0; whole.len()];
                let mut scalars = 0;
                for rank in 0..ranks {
                    let own = |len: usize| even_parts(len, ranks)[rank].clone();
                    let slices = Slices::new(whole.table(), (bands, of_rows), own);
                    let own = slices.take(&whole);
                    let put = slices.put(own.values(), whole.table(), rank == 0);
                    let is_part =
                        |index: usize| slices.own[index] == Slice::Whole { is_part: true };
                    scalars += own.len();
                    for (index, parameter) in whole.table().iter().enumerate() {
                        let factor = if is_part(index) { ranks as f32 } else { 1.0 };
                        for place in parameter.range.clone() {
                            sum[place] += put[place] / factor;
                        }
                    }
                }
                assert_eq!(sum, whole.values());
                assert!(scalars < whole.len() + ranks * 20_000, "{scalars}");
            }
        }
    }
}
