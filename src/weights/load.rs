//! From tensors on disk into a burn module. All shapes are compared before the first parameter is assigned: a panic
//! inside of burn's own loader would end the program, and a module that is half loaded is worth nothing.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, FloatDType, Tensor, TensorData};

use super::layout::{Layout, Walk, places};
use super::{LoadReport, Mismatch, Remap, Tensors, WeightsError};

/// Sets every parameter of `module` from tensors named `prefix` + its path. `prefix` ends with a dot, or is empty.
/// Strict: a parameter that is missing and a tensor too many under the prefix are errors.
///
/// # Errors
/// Shapes differ, the report is not clean, a number is not finite, or the file cannot be read. The module that was passed in is then gone;
/// keep a clone (cheap: tensors are shared) to go on with it.
pub fn load<M: Module>(
    module: M,
    tensors: &Tensors,
    prefix: &str,
    remap: &Remap,
) -> Result<(M, LoadReport), WeightsError> {
    strict(module, tensors, prefix, remap, None)
}

/// The same with every parameter in a number format; none is ever held in another.
///
/// # Errors
/// As [`load()`].
pub fn load_as<M: Module>(
    module: M,
    tensors: &Tensors,
    prefix: &str,
    remap: &Remap,
    format: FloatDType,
) -> Result<(M, LoadReport), WeightsError> {
    strict(module, tensors, prefix, remap, Some(format.into()))
}

fn strict<M: Module>(
    module: M,
    tensors: &Tensors,
    prefix: &str,
    remap: &Remap,
    format: Option<DType>,
) -> Result<(M, LoadReport), WeightsError> {
    let plan = Plan::new(&module, tensors, prefix, remap)?;
    if !plan.report.is_clean() {
        return Err(WeightsError::Unclean {
            source_name: tensors.path().display().to_string(),
            report: Box::new(plan.report),
        });
    }
    plan.carry_out(module, tensors, prefix, format)
}

/// The same, but lenient: what is missing keeps its value and what is left over is only reported.
///
/// # Errors
/// Shapes differ, a number is not finite, or the file cannot be read.
pub fn apply<M: Module>(
    module: M,
    tensors: &Tensors,
    prefix: &str,
    remap: &Remap,
) -> Result<(M, LoadReport), WeightsError> {
    Plan::new(&module, tensors, prefix, remap)?.carry_out(module, tensors, prefix, None)
}

/// What will go where, decided from names and shapes alone.
struct Plan {
    /// From the name of a parameter to the name in the file.
    sources: BTreeMap<String, String>,
    report: LoadReport,
}

impl Plan {
    fn new<M: Module>(module: &M, tensors: &Tensors, prefix: &str, remap: &Remap) -> Result<Self, WeightsError> {
        let mut available: BTreeMap<String, &str> = BTreeMap::new();
        for name in tensors.names() {
            let ours = remap.rename(name).into_owned();
            if let Some(other) = available.insert(ours.clone(), name) {
                return Err(WeightsError::Damaged {
                    path: tensors.path().to_owned(),
                    what: format!("tensors {other} and {name} are both named {ours} here"),
                });
            }
        }
        let mut plan = Self {
            sources: BTreeMap::new(),
            report: LoadReport::default(),
        };
        let mut misfits = Vec::new();
        for place in places(module, prefix) {
            let Some(&source) = available.get(&place.name) else {
                plan.report.missing.push(place.name);
                continue;
            };
            let found = tensors.shape(source).unwrap_or_default();
            if found != place.shape {
                let mismatch = Mismatch {
                    name: place.name.clone(),
                    found: found.to_vec(),
                    expected: place.shape.clone(),
                };
                if squeezed(found) == squeezed(&place.shape) {
                    plan.report.reshaped.push(mismatch);
                } else {
                    misfits.push(mismatch);
                }
            }
            plan.report.applied.push(place.name.clone());
            plan.sources.insert(place.name, source.to_owned());
        }
        if !misfits.is_empty() {
            return Err(WeightsError::Shapes {
                source_name: tensors.path().display().to_string(),
                misfits,
            });
        }
        let used: BTreeSet<&str> = plan.sources.values().map(String::as_str).collect();
        plan.report.unexpected = available
            .into_iter()
            .filter(|(ours, theirs)| ours.starts_with(prefix) && !used.contains(theirs))
            .map(|(_, theirs)| theirs.to_owned())
            .collect();
        Ok(plan)
    }

    fn carry_out<M: Module>(
        self,
        module: M,
        tensors: &Tensors,
        prefix: &str,
        format: Option<DType>,
    ) -> Result<(M, LoadReport), WeightsError> {
        let mut setter = Setter {
            walk: Walk::default(),
            prefix,
            sources: &self.sources,
            tensors,
            format,
            failed: None,
        };
        let module = module.map(&mut setter);
        match setter.failed {
            Some(err) => Err(err),
            None => Ok((module, self.report)),
        }
    }
}

/// The shape without axes of length one: a 1 x 1 convolution is a linear map, `[1, N, D]` positions are `[N, D]`.
fn squeezed(shape: &[usize]) -> Vec<usize> {
    shape.iter().copied().filter(|&length| length != 1).collect()
}

struct Setter<'a> {
    walk: Walk,
    prefix: &'a str,
    sources: &'a BTreeMap<String, String>,
    tensors: &'a Tensors,
    /// What parameters are to be made in.
    format: Option<DType>,
    failed: Option<WeightsError>,
}

impl Setter<'_> {
    /// Values for the parameter at hand in memory's layout.
    fn values(&mut self, shape: &[usize]) -> Option<Vec<f32>> {
        if self.failed.is_some() {
            return None;
        }
        let (name, layout) = self.walk.on_disk(self.prefix);
        match self.tensors.read_finite(self.sources.get(&name)?) {
            Ok(tensor) => Some(to_memory(tensor.values, layout, shape)),
            Err(err) => {
                self.failed = Some(err);
                None
            }
        }
    }
}

fn to_memory(values: Vec<f32>, layout: Layout, shape: &[usize]) -> Vec<f32> {
    layout.turn(values, &layout.shape_on_disk(shape))
}

impl ModuleMapper for Setter<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.walk.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.walk.exit();
    }

    fn map_float<const R: usize>(&mut self, param: Param<Tensor<R>>) -> Param<Tensor<R>> {
        let shape = param.lazy_shape();
        let Some(values) = self.values(&shape) else {
            return param;
        };
        // Only a parameter that exists has a number format of its own; others take the device's.
        let dtype = match self.format {
            None if param.is_initialized() => Some(param.val().dtype()),
            format => format,
        };
        let device = param.lazy_device();
        let data = TensorData::new(values, shape);
        let tensor = match dtype {
            Some(dtype) => Tensor::from_data(data, (&device, dtype)),
            None => Tensor::from_data(data, &device),
        };
        let id = param.id;
        param.transform_for_load(tensor, id)
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::conv::{Conv2d, Conv2dConfig};
    use burn::nn::{Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig};
    use burn::tensor::{Device, Distribution};

    use super::*;
    use crate::weights::{NamedTensor, collect, write_tensors};

    #[derive(Module, Debug)]
    struct Layer {
        norm: LayerNorm,
        linear: Linear,
    }

    #[derive(Module, Debug)]
    struct Net {
        stem: Conv2d,
        pos: Param<Tensor<2>>,
        layers: Vec<Layer>,
        extra: Option<Param<Tensor<1>>>,
        heads: usize,
    }

    impl Net {
        fn new(width: usize, device: &Device) -> Self {
            let layer = || Layer {
                norm: LayerNormConfig::new(width).init(device),
                linear: LinearConfig::new(width, 2 * width).init(device),
            };
            Self {
                stem: Conv2dConfig::new([3, width], [2, 2]).init(device),
                pos: Initializer::Normal { mean: 0.0, std: 1.0 }.init([5, width], device),
                layers: vec![layer(), layer()],
                extra: None,
                heads: 2,
            }
        }

        fn forward(&self, x: Tensor<2>) -> Tensor<2> {
            let layer = &self.layers[1];
            layer.linear.forward(layer.norm.forward(x + self.pos.val()))
        }
    }

    fn saved(net: &Net, prefix: &str) -> (tempfile::TempDir, Tensors) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        write_tensors(&path, &collect(net, prefix).unwrap()).unwrap();
        let tensors = Tensors::open(&path).unwrap();
        (folder, tensors)
    }

    fn values(x: Tensor<2>) -> Vec<f32> {
        x.into_data().try_into_vec_as().unwrap()
    }

    #[test]
    fn a_number_that_is_none_is_named_and_not_loaded() {
        let device = Device::flex();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let linear: Linear = LinearConfig::new(3, 2).init(&device);
        let mut tensors = collect(&linear, "").unwrap();
        for broken in [f32::NAN, f32::INFINITY] {
            tensors[0].values[1] = broken;
            write_tensors(&path, &tensors).unwrap();
            let err = load(linear.clone(), &Tensors::open(&path).unwrap(), "", &Remap::none()).unwrap_err();
            let said = err.to_string();
            assert!(
                said.contains(&format!("tensor {} holds {broken}", tensors[0].name)),
                "{said}"
            );
        }
    }

    #[test]
    fn a_module_survives_the_round_trip_in_pytorch_layout() {
        let device = Device::flex();
        let (net, other) = (Net::new(4, &device), Net::new(4, &device));
        let (_folder, tensors) = saved(&net, "net.");
        assert_eq!(tensors.shape("net.layers.0.linear.weight"), Some(&[8, 4][..]));
        assert_eq!(tensors.shape("net.layers.1.norm.weight"), Some(&[4][..]));
        assert_eq!(tensors.shape("net.layers.1.norm.bias"), Some(&[4][..]));
        assert_eq!(tensors.shape("net.stem.weight"), Some(&[4, 3, 2, 2][..]));
        assert_eq!(tensors.shape("net.pos"), Some(&[5, 4][..]));
        // [out, in] on disk is the transpose of burn's [in, out].
        let on_disk = tensors.read("net.layers.0.linear.weight").unwrap().values;
        let in_memory = values(net.layers[0].linear.weight.val());
        assert_eq!(on_disk[1], in_memory[8]);

        let id = other.pos.id;
        let (loaded, report) = load(other, &tensors, "net.", &Remap::none()).unwrap();
        assert!(report.is_clean());
        assert_eq!(report.applied.len(), 11);
        assert_eq!(loaded.pos.id, id);
        let x = Tensor::random([5, 4], Distribution::Default, &device);
        assert_eq!(values(net.forward(x.clone())), values(loaded.forward(x)));
    }

    #[test]
    fn gradients_still_flow_into_a_loaded_module() {
        let device = Device::flex().autodiff();
        let (_folder, tensors) = saved(&Net::new(4, &device), "");
        let (net, _) = load(Net::new(4, &device), &tensors, "", &Remap::none()).unwrap();
        let gradients = net.forward(Tensor::ones([5, 4], &device)).sum().backward();
        assert!(net.layers[1].linear.weight.val().grad(&gradients).is_some());
    }

    #[test]
    fn another_width_is_refused_in_words_and_before_anything_is_set() {
        let device = Device::flex();
        let (_folder, tensors) = saved(&Net::new(4, &device), "net.");
        let net = Net::new(6, &device);
        let err = load(net.clone(), &tensors, "net.", &Remap::none())
            .unwrap_err()
            .to_string();
        assert!(
            err.contains("tensor net.stem.weight is [4, 3, 2, 2], expected [6, 3, 2, 2] (10 more do not fit)"),
            "{err}"
        );
        assert!(
            err.ends_with("Choose the preset it was made with, or another file."),
            "{err}"
        );
        assert!(!net.stem.weight.is_initialized());
    }

    #[test]
    fn what_is_missing_and_what_is_too_much_is_reported() {
        let device = Device::flex();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let mut tensors = collect(&Net::new(4, &device), "net.").unwrap();
        tensors.retain(|tensor| tensor.name != "net.pos");
        tensors.push(NamedTensor {
            name: "net.old".to_owned(),
            shape: vec![1],
            values: vec![0.0],
        });
        tensors.push(NamedTensor {
            name: "other.x".to_owned(),
            shape: vec![1],
            values: vec![0.0],
        });
        write_tensors(&path, &tensors).unwrap();
        let tensors = Tensors::open(&path).unwrap();
        let (_, report) = apply(Net::new(4, &device), &tensors, "net.", &Remap::none()).unwrap();
        assert_eq!(
            (report.missing.as_slice(), report.unexpected.as_slice()),
            (&["net.pos".to_owned()][..], &["net.old".to_owned()][..])
        );
        assert_eq!(
            report.to_string(),
            "10 tensors fit, 1 missing (net.pos), 1 unexpected (net.old)"
        );
        let err = load(Net::new(4, &device), &tensors, "net.", &Remap::none())
            .unwrap_err()
            .to_string();
        assert!(err.contains("1 missing (net.pos), 1 unexpected (net.old)"), "{err}");
    }

    #[test]
    fn names_of_another_project_and_axes_of_one_are_bridged() {
        let device = Device::flex();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let net = Net::new(4, &device);
        let mut tensors = collect(&net, "").unwrap();
        for tensor in &mut tensors {
            tensor.name = tensor.name.replace("layers.", "encoder.layer.");
            if tensor.name == "pos" {
                tensor.shape.insert(0, 1);
            }
        }
        write_tensors(&path, &tensors).unwrap();
        let remap = Remap::new(&[(r"^encoder\.layer\.", "layers.")]).unwrap();
        let (loaded, report) = load(Net::new(4, &device), &Tensors::open(&path).unwrap(), "", &remap).unwrap();
        assert_eq!(report.reshaped.len(), 1);
        assert_eq!(values(loaded.pos.val()), values(net.pos.val()));
        assert_eq!(
            values(loaded.layers[0].linear.weight.val()),
            values(net.layers[0].linear.weight.val())
        );
    }
}
