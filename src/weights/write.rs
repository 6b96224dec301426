//! From a burn module to safetensors in PyTorch's layout.

use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use safetensors::tensor::{Dtype, TensorView};

use super::layout::Walk;
use super::{NamedTensor, WeightsError, write_file};

/// Every float parameter of a module, named `prefix` + its path, as f32 and in PyTorch's layout.
///
/// # Errors
/// A tensor cannot be read back from its device.
pub fn collect<M: Module>(module: &M, prefix: &str) -> Result<Vec<NamedTensor>, WeightsError> {
    struct Visitor<'a> {
        walk: Walk,
        prefix: &'a str,
        tensors: Vec<NamedTensor>,
        failed: Option<String>,
    }
    impl ModuleVisitor for Visitor<'_> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.walk.enter(name, container);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.walk.exit();
        }
        fn visit_float<const R: usize>(&mut self, param: &Param<Tensor<R>>) {
            let (name, layout) = self.walk.on_disk(self.prefix);
            let tensor = param.base();
            let shape: Vec<usize> = tensor.dims().to_vec();
            let values = match tensor.try_into_data() {
                Ok(data) => data.try_into_vec_as::<f32>().map_err(|err| err.to_string()),
                Err(err) => Err(err.to_string()),
            };
            match values {
                Ok(values) => self.tensors.push(NamedTensor {
                    name,
                    values: layout.turn(values, &shape),
                    shape: layout.shape_on_disk(&shape),
                }),
                Err(err) => self.failed = Some(format!("tensor {name} could not be read from its device ({err})")),
            }
        }
    }
    let mut visitor = Visitor {
        walk: Walk::default(),
        prefix,
        tensors: Vec::new(),
        failed: None,
    };
    module.visit(&mut visitor);
    match visitor.failed {
        Some(what) => Err(WeightsError::Damaged {
            path: prefix.into(),
            what,
        }),
        None => Ok(visitor.tensors),
    }
}

/// Writes tensors as f32 into one file, whole or not at all. The same tensors give the same bytes.
///
/// # Errors
/// The folder cannot be written to, or a tensor's values do not fill its shape.
pub fn write_tensors(path: &Path, tensors: &[NamedTensor]) -> Result<(), WeightsError> {
    let odd = |err: safetensors::SafeTensorError| WeightsError::Write {
        path: path.to_owned(),
        err: std::io::Error::other(err.to_string()),
    };
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|tensor| tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect())
        .collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|(tensor, bytes)| {
            Ok((
                tensor.name.as_str(),
                TensorView::new(Dtype::F32, tensor.shape.clone(), bytes).map_err(odd)?,
            ))
        })
        .collect::<Result<Vec<_>, WeightsError>>()?;
    write_file(path, &safetensors::serialize(views, None).map_err(odd)?)
}
