//! Where burn and PyTorch differ: names of a normalisation's parameters, and the orientation of a linear weight.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// How a parameter stands on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// As in memory.
    Same,
    /// A linear weight: `[in, out]` in memory, `[out, in]` on disk.
    Transposed,
}

/// The path of the parameter at hand while a module is walked.
#[derive(Default)]
pub(super) struct Walk {
    /// Field names and the type of the struct that has them.
    path: Vec<(String, String)>,
}

impl Walk {
    pub(super) fn enter(&mut self, name: &str, container: &str) {
        self.path.push((name.to_owned(), container.to_owned()));
    }

    pub(super) fn exit(&mut self) {
        self.path.pop();
    }

    /// The name on disk, and the layout there.
    pub(super) fn on_disk(&self, prefix: &str) -> (String, Layout) {
        let mut layout = Layout::Same;
        let mut names: Vec<&str> = self.path.iter().map(|(name, _)| name.as_str()).collect();
        if let (Some(last), Some((_, container))) = (names.last_mut(), self.path.last()) {
            match (container.as_str(), *last) {
                ("Struct:Linear", "weight") => layout = Layout::Transposed,
                (norm, "gamma") if is_norm(norm) => *last = "weight",
                (norm, "beta") if is_norm(norm) => *last = "bias",
                _ => {}
            }
        }
        (format!("{prefix}{}", names.join(".")), layout)
    }
}

fn is_norm(container: &str) -> bool {
    matches!(
        container,
        "Struct:LayerNorm" | "Struct:RmsNorm" | "Struct:GroupNorm" | "Struct:BatchNorm" | "Struct:InstanceNorm"
    )
}

impl Layout {
    /// The shape on disk of a parameter that has `shape` in memory.
    pub(super) fn shape_on_disk(self, shape: &[usize]) -> Vec<usize> {
        match (self, shape) {
            (Self::Transposed, &[rows, columns]) => vec![columns, rows],
            _ => shape.to_vec(),
        }
    }

    /// Values between memory and disk, either way; `shape` is that of `values`.
    pub(super) fn turn(self, values: Vec<f32>, shape: &[usize]) -> Vec<f32> {
        match (self, shape) {
            (Self::Transposed, &[rows, columns]) => {
                let mut turned = Vec::with_capacity(values.len());
                for column in 0..columns {
                    turned.extend((0..rows).map(|row| values[row * columns + column]));
                }
                turned
            }
            _ => values,
        }
    }
}

/// A parameter of a module as it stands on disk.
pub(super) struct Place {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
}

/// Every float parameter of a module, in the module's order, without allocating one that is not there yet.
pub(super) fn places<M: Module>(module: &M, prefix: &str) -> Vec<Place> {
    struct Visitor<'a> {
        walk: Walk,
        prefix: &'a str,
        places: Vec<Place>,
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
            self.places.push(Place {
                name,
                shape: layout.shape_on_disk(&param.lazy_shape()),
            });
        }
    }
    let mut visitor = Visitor {
        walk: Walk::default(),
        prefix,
        places: Vec::new(),
    };
    module.visit(&mut visitor);
    visitor.places
}
