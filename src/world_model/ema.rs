//! The target encoder follows the online encoder as an exponential moving average (method, 4.2).

use std::collections::VecDeque;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// `xi <- tau xi + (1 - tau) theta` for every parameter. The result is outside of any gradient's graph.
pub fn ema_update<M: Module>(target: M, online: &M, tau: f64) -> M {
    let mut values = Values(VecDeque::new());
    online.visit(&mut values);
    target.map(&mut Follow { online: values.0, tau })
}

/// Parameters in visiting order, their rank forgotten.
struct Values(VecDeque<Tensor<1>>);

impl ModuleVisitor for Values {
    fn visit_float<const R: usize>(&mut self, param: &Param<Tensor<R>>) {
        self.0.push_back(param.val().inner().flatten::<1>(0, R - 1));
    }
}

struct Follow {
    online: VecDeque<Tensor<1>>,
    tau: f64,
}

impl ModuleMapper for Follow {
    fn map_float<const R: usize>(&mut self, param: Param<Tensor<R>>) -> Param<Tensor<R>> {
        let Some(online) = self.online.pop_front() else {
            return param;
        };
        param.map(|target| {
            let online = online.reshape(target.shape());
            target.inner() * self.tau + online * (1.0 - self.tau)
        })
    }
}
