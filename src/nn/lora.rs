//! Low-rank adapters (Hu et al., 2022) on chosen linear layers: `W + alpha / rank * A B`, `B` zero at the start.
//!
//! The adapters are burn's own reparameterization of a weight: the layers do not know of them, optimisers and
//! checkpoints see them as parameters named `<weight>.lora.a` `[D_in, rank]` and `<weight>.lora.b` `[rank, D_out]`, apart
//! from the base. Here is what the method needs beside that: seeded factors, merging and its reverse.

use std::collections::BTreeMap;

use burn::{
    module::{LoraAdapter, Module, ModuleVisitor, Param, ParamGroup, Reparameterizer},
    tensor::{Device, Tensor, TensorData},
};
use rand::RngExt;

use crate::{
    config::LoraConfig,
    random::{Stream, rng},
};

/// The linear layers of a Llama decoder.
pub const DECODER_TARGETS: [&str; 7] = [
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
];

/// The factors of one weight, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Factors {
    /// `[D_in, rank]`
    pub a: TensorData,
    /// `[rank, D_out]`
    pub b: TensorData,
}

/// Adapters apart from their base, by the path of the weight that they change.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapters {
    /// `alpha / rank`
    pub scale: f64,
    pub factors: BTreeMap<String, Factors>,
}

/// Whether a parameter's path is that of an adapter's factor.
pub fn is_adapter(path: &str) -> bool {
    path.ends_with(".lora.a") || path.ends_with(".lora.b")
}

/// The parameters of all adapters, for a learning rate and a record of their own.
pub fn adapter_group() -> ParamGroup {
    ParamGroup::from_any_predicates(vec![".lora.a", ".lora.b"])
}

/// Freezes the module and gives every matrix whose path `select` names an adapter that changes nothing yet.
/// `A` is uniform in +-1/sqrt(D_in), drawn from the seed.
pub fn attach<M: Module>(module: M, config: &LoraConfig, seed: u64, select: impl Fn(&str) -> bool) -> M {
    module.apply_reparameterization(Attach {
        config,
        seed,
        select,
        count: 0,
    })
}

/// Takes the adapters out of a module as plain numbers; none if it has none.
pub fn detached<M: Module>(module: &M, config: &LoraConfig) -> Adapters {
    let mut reader = Reader {
        path: Vec::new(),
        factors: BTreeMap::new(),
    };
    module.visit(&mut reader);
    let factors = reader
        .factors
        .into_iter()
        .filter_map(|(path, (a, b))| Some((path, Factors { a: a?, b: b? })));
    Adapters {
        scale: config.alpha / config.rank as f64,
        factors: factors.collect(),
    }
}

/// The module with its adapters folded into the weights, for decoding without their cost, and the adapters.
pub fn merge<M: Module>(module: M, config: &LoraConfig) -> (M, Adapters) {
    let adapters = detached(&module, config);
    (module.materialize(), adapters)
}

/// The reverse of [`merge`]: subtracts the adapters from the weights and attaches them again.
pub fn unmerge<M: Module>(module: M, adapters: &Adapters) -> M {
    module.apply_reparameterization(Reattach {
        adapters,
        subtract: true,
    })
}

/// Attaches stored adapters to a base that has none; weights without stored factors stay as they are. (A weight that
/// already has an adapter would keep it.)
pub fn attach_stored<M: Module>(module: M, adapters: &Adapters) -> M {
    module.apply_reparameterization(Reattach {
        adapters,
        subtract: false,
    })
}

struct Attach<'a, F> {
    config: &'a LoraConfig,
    seed: u64,
    select: F,
    count: u64,
}

impl<F: Fn(&str) -> bool> Reparameterizer for Attach<'_, F> {
    type Reparam = LoraAdapter;

    fn reparameterize<const D: usize>(
        &mut self,
        path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<LoraAdapter>) {
        let base = param.set_require_grad(false);
        if D != 2 || !(self.select)(path) {
            return (base, None);
        }
        let [d_in, d_out] = base.lazy_shape().dims();
        let rank = self.config.rank;
        let bound = (d_in as f32).powf(-0.5);
        let mut numbers = rng(self.seed, Stream::Init, self.count, 0);
        self.count += 1;
        let a: Vec<f32> = (0..d_in * rank).map(|_| numbers.random_range(-bound..bound)).collect();
        let factors = Factors {
            a: TensorData::new(a, [d_in, rank]),
            b: TensorData::new(vec![0.0f32; rank * d_out], [rank, d_out]),
        };
        let adapter = adapter(&factors, self.config.alpha / rank as f64, &base.lazy_device());
        (base, Some(adapter))
    }
}

struct Reattach<'a> {
    adapters: &'a Adapters,
    subtract: bool,
}

impl Reparameterizer for Reattach<'_> {
    type Reparam = LoraAdapter;

    fn reparameterize<const D: usize>(
        &mut self,
        path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<LoraAdapter>) {
        let base = param.set_require_grad(false);
        let Some(factors) = self.adapters.factors.get(path) else {
            return (base, None);
        };
        let adapter = adapter(factors, self.adapters.scale, &base.lazy_device());
        let base = if self.subtract {
            let delta = adapter.delta().detach().reshape(base.lazy_shape());
            base.map(|merged| (merged - delta).detach())
        } else {
            base
        };
        (base, Some(adapter))
    }
}

fn adapter(factors: &Factors, scale: f64, device: &Device) -> LoraAdapter {
    LoraAdapter {
        a: Param::from_data(factors.a.clone(), device),
        b: Param::from_data(factors.b.clone(), device),
        scale,
    }
}

struct Reader {
    path: Vec<String>,
    factors: BTreeMap<String, (Option<TensorData>, Option<TensorData>)>,
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        if let Some(weight) = path.strip_suffix(".lora.a") {
            self.factors.entry(weight.to_owned()).or_default().0 = Some(param.val().to_data());
        } else if let Some(weight) = path.strip_suffix(".lora.b") {
            self.factors.entry(weight.to_owned()).or_default().1 = Some(param.val().to_data());
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;
    use crate::nn::swiglu::SwiGlu;

    const CONFIG: LoraConfig = LoraConfig { rank: 2, alpha: 4.0 };

    fn adapted(device: &Device) -> (SwiGlu, SwiGlu) {
        device.seed(11);
        let base = SwiGlu::new(4, 6, device);
        base.forward(Tensor::<2>::zeros([1, 4], device));
        let adapted = attach(base.clone(), &CONFIG, 5, |path| path.contains("up_proj"));
        (base, adapted)
    }

    fn with_random_b(module: SwiGlu, device: &Device) -> SwiGlu {
        let mut adapters = detached(&module, &CONFIG);
        for factors in adapters.factors.values_mut() {
            let shape: [usize; 2] = [CONFIG.rank, 6];
            factors.b = Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), device).into_data();
        }
        let plain = module.materialize();
        attach_stored(plain, &adapters)
    }

    fn worst(a: Tensor<2>, b: Tensor<2>) -> f32 {
        (a - b).abs().max().into_scalar::<f32>()
    }

    #[test]
    fn merged_equals_unmerged_and_unmerging_returns_the_base() {
        let device = Device::flex();
        let (base, adapted) = adapted(&device);
        let x = Tensor::<2>::random([3, 4], Distribution::Normal(0.0, 1.0), &device);
        assert_eq!(
            worst(base.forward(x.clone()), adapted.forward(x.clone())),
            0.0,
            "B is zero at the start"
        );

        let adapted = with_random_b(adapted, &device);
        let unmerged_output = adapted.forward(x.clone());
        assert!(worst(base.forward(x.clone()), unmerged_output.clone()) > 1e-2);
        let (merged, adapters) = merge(adapted, &CONFIG);
        assert!(merged.up_proj.weight.adapter().is_none() && adapters.factors.len() == 1);
        assert!(worst(merged.forward(x.clone()), unmerged_output.clone()) < 1e-6);
        let back = unmerge(merged, &adapters);
        assert!(worst(back.up_proj.weight.base(), base.up_proj.weight.val()) < 1e-6);
        assert!(worst(back.forward(x), unmerged_output) < 1e-6);
        assert_eq!(detached(&back, &CONFIG), adapters);
    }

    #[test]
    fn only_the_factors_are_trained_and_their_gradients_are_right() {
        let device = Device::flex().autodiff();
        let (base, adapted) = adapted(&device);
        let adapted = with_random_b(adapted, &device);
        let x = Tensor::<2>::random([3, 4], Distribution::Normal(0.0, 1.0), &device);
        let loss = |module: &SwiGlu| module.forward(x.clone()).powi_scalar(2).sum();
        let grads = loss(&adapted).backward();
        assert!(adapted.up_proj.weight.base().grad(&grads).is_none());
        assert!(adapted.down_proj.weight.val().grad(&grads).is_none());

        let lora = adapted.up_proj.weight.adapter().unwrap();
        let stored = detached(&adapted, &CONFIG);
        let stored_again = attach_stored(base.clone(), &stored);
        assert_eq!(worst(stored_again.forward(x.clone()), adapted.forward(x.clone())), 0.0);
        for (name, gradient) in [
            ("a", lora.a.val().grad(&grads).unwrap()),
            ("b", lora.b.val().grad(&grads).unwrap()),
        ] {
            let gradient = gradient.into_data().try_to_vec::<f32>().unwrap();
            for (i, &analytic) in gradient.iter().enumerate() {
                let shifted = |by: f32| {
                    let mut moved = stored.clone();
                    for factors in moved.factors.values_mut() {
                        let data = if name == "a" { &mut factors.a } else { &mut factors.b };
                        let shape = data.shape().to_vec();
                        let mut values = data.try_to_vec::<f32>().unwrap();
                        values[i] += by;
                        *data = TensorData::new(values, shape);
                    }
                    loss(&attach_stored(base.clone(), &moved)).into_scalar::<f32>()
                };
                let numeric = (shifted(1e-2) - shifted(-1e-2)) / 2e-2;
                assert!(
                    (numeric - analytic).abs() < 2e-2 * (1.0 + analytic.abs()),
                    "{name}[{i}] {numeric} {analytic}"
                );
            }
        }
    }
}
