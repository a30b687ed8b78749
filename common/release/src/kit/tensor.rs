//! Named tensors of f64 in the format `safetensors`, with a few texts about them.
//!
//! ```text
//! 8 bytes   length of the header, little-endian
//! header    JSON, padded with spaces to a multiple of 8:
//!           {"__metadata__": {text: text, ..}, "name": {"data_offsets": [from, to], "dtype": "F64", "shape": [..]}, ..}
//! numbers   of one tensor after the other by name, 8 bytes each, little-endian
//! ```
//! Keys are sorted, so that the same tensors always give the same bytes.

use serde::Serialize;
use std::collections::BTreeMap;

/// Bytes of a number, and what the numbers and the header are aligned to.
const WORD: usize = 8;
/// The key of the texts, which no tensor may have.
const TEXTS: &str = "__metadata__";

/// A named tensor.
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    values: Vec<f64>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'a> {
    Texts(&'a BTreeMap<&'a str, String>),
    Tensor {
        data_offsets: [usize; 2],
        dtype: &'static str,
        shape: &'a [usize],
    },
}

impl Tensor {
    pub(crate) fn new(
        name: &str,
        shape: Vec<usize>,
        values: impl IntoIterator<Item = f64>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            shape,
            values: values.into_iter().collect(),
        }
    }

    /// One number after the other.
    pub(crate) fn column(name: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        Self::new(name, vec![values.len()], values)
    }

    /// Rows of that many numbers.
    pub(crate) fn rows<const WIDTH: usize>(
        name: &str,
        rows: impl IntoIterator<Item = [f64; WIDTH]>,
    ) -> Self {
        let rows: Vec<[f64; WIDTH]> = rows.into_iter().collect();
        Self::new(name, vec![rows.len(), WIDTH], rows.into_iter().flatten())
    }

    /// Whether there are as many numbers as the shape has places.
    pub(crate) fn is_whole(&self) -> bool {
        let mut sides = self.shape.iter();
        let places = sides.try_fold(1_usize, |places, side| places.checked_mul(*side));
        places == Some(self.values.len())
    }
}

/// The file of these tensors, whose names differ and whose shapes fit.
pub(crate) fn file(
    mut tensors: Vec<Tensor>,
    texts: &BTreeMap<&str, String>,
) -> Result<Vec<u8>, serde_json::Error> {
    debug_assert!(tensors.iter().all(Tensor::is_whole), "a shape that fits");
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let mut header = BTreeMap::from([(TEXTS, Entry::Texts(texts))]);
    let mut end = 0;
    for tensor in &tensors {
        let start = end;
        end += WORD * tensor.values.len();
        let entry = Entry::Tensor {
            data_offsets: [start, end],
            dtype: "F64",
            shape: &tensor.shape,
        };
        header.insert(&tensor.name, entry);
    }
    debug_assert_eq!(header.len(), tensors.len() + 1, "no name stands twice");
    let mut header = serde_json::to_vec(&header)?;
    header.resize(header.len().next_multiple_of(WORD), b' ');
    let mut file = Vec::with_capacity(WORD + header.len() + end);
    file.extend_from_slice(&(header.len() as u64).to_le_bytes());
    file.append(&mut header);
    let numbers = tensors.iter().flat_map(|tensor| &tensor.values);
    file.extend(numbers.flat_map(|value| value.to_le_bytes()));
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::{TensorView, serialize};
    use safetensors::{Dtype, SafeTensors};

    fn tensors() -> Vec<Tensor> {
        vec![
            Tensor::rows("curve.b", [[0.1 + 0.2, 5e-324], [f64::NAN, -0.0]]),
            Tensor::column("means", [1.5, f64::INFINITY, -1.0 / 3.0]),
            Tensor::new("Ärzte \"x\"", vec![1, 2, 3], (0..6).map(f64::from)),
            Tensor::column("empty", []),
        ]
    }

    fn texts() -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("study", "a\n\"b\" ä".to_owned()),
            ("format", String::new()),
        ])
    }

    fn bits(bytes: &[u8]) -> Vec<u64> {
        let words = bytes.chunks(WORD);
        words
            .map(|word| u64::from_le_bytes(word.try_into().unwrap()))
            .collect()
    }

    #[test]
    fn what_we_write_is_read_by_the_library_of_the_format_to_the_last_bit() {
        let file = file(tensors(), &texts()).unwrap();
        let read = SafeTensors::deserialize(&file).unwrap();
        assert_eq!(read.len(), tensors().len());
        for tensor in tensors() {
            let view = read.tensor(&tensor.name).unwrap();
            assert_eq!(
                (view.dtype(), view.shape()),
                (Dtype::F64, tensor.shape.as_slice())
            );
            let wanted: Vec<u64> = tensor.values.iter().map(|value| value.to_bits()).collect();
            assert_eq!(bits(view.data()), wanted, "{}", tensor.name);
        }
        let (_, header) = SafeTensors::read_metadata(&file).unwrap();
        let read = header.metadata().clone().unwrap();
        let read: BTreeMap<&str, String> = read
            .iter()
            .map(|(key, text)| (key.as_str(), text.clone()))
            .collect();
        assert_eq!(read, texts());
    }

    /// The writer of the format, its header with our texts and sorted keys.
    #[test]
    fn what_we_write_is_what_the_library_of_the_format_writes_with_sorted_keys() {
        let tensors = tensors();
        let bytes: Vec<Vec<u8>> = tensors
            .iter()
            .map(|tensor| {
                tensor
                    .values
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect()
            })
            .collect();
        let views = tensors.iter().zip(&bytes).map(|(tensor, bytes)| {
            let view = TensorView::new(Dtype::F64, tensor.shape.clone(), bytes).unwrap();
            (tensor.name.as_str(), view)
        });
        let theirs = serialize(views, None).unwrap();
        let (length, rest) = theirs.split_first_chunk::<WORD>().unwrap();
        let (header, numbers) = rest.split_at(u64::from_le_bytes(*length) as usize);
        let mut header: BTreeMap<String, BTreeMap<String, serde_json::Value>> =
            serde_json::from_slice(header).unwrap();
        let texts = texts();
        let about = texts
            .iter()
            .map(|(key, text)| ((*key).to_owned(), text.as_str().into()));
        header.insert(TEXTS.to_owned(), about.collect());
        let mut wanted = serde_json::to_vec(&header).unwrap();
        wanted.resize(wanted.len().next_multiple_of(WORD), b' ');
        let length = (wanted.len() as u64).to_le_bytes();
        let wanted = [&length[..], &wanted, numbers].concat();
        assert_eq!(file(tensors, &texts).unwrap(), wanted);
    }

    #[test]
    fn a_shape_that_does_not_fit_is_seen_whatever_it_asks_for() {
        assert!(tensors().iter().all(Tensor::is_whole));
        assert!(!Tensor::new("short", vec![2, 2], [1.0; 3]).is_whole());
        assert!(!Tensor::new("vast", vec![usize::MAX, 3], [1.0; 3]).is_whole());
    }
}
