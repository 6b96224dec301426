//! Gradients of what a stage trains: added up over the batches of one optimiser step, then clipped by one global norm.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Gradients, Tensor};

use super::run::{Metrics, TrainError};

/// One module, or several that are trained together.
pub(super) trait Trained {
    type Gradients;

    /// Takes its share out of a backward pass.
    fn take(&self, all: &mut Gradients) -> Self::Gradients;

    /// Gradients of two backward passes, added up.
    fn add(&self, sum: Self::Gradients, part: Self::Gradients) -> Self::Gradients;

    /// Sum of the squares of all entries.
    fn squared_norm(&self, gradients: &Self::Gradients) -> f64;

    /// Multiplies all entries by `factor`.
    fn scale(&self, gradients: &mut Self::Gradients, factor: f64);
}

impl<M: Module> Trained for &M {
    type Gradients = GradientsParams;

    fn take(&self, all: &mut Gradients) -> GradientsParams {
        GradientsParams::from_module(all, *self)
    }

    fn add(&self, mut sum: GradientsParams, mut part: GradientsParams) -> GradientsParams {
        self.visit(&mut Add {
            sum: &mut sum,
            part: &mut part,
        });
        sum
    }

    fn squared_norm(&self, gradients: &GradientsParams) -> f64 {
        let mut visitor = SquaredNorm { gradients, sum: 0.0 };
        self.visit(&mut visitor);
        visitor.sum
    }

    fn scale(&self, gradients: &mut GradientsParams, factor: f64) {
        self.visit(&mut Scale { gradients, factor });
    }
}

impl<A: Trained, B: Trained> Trained for (A, B) {
    type Gradients = (A::Gradients, B::Gradients);

    fn take(&self, all: &mut Gradients) -> Self::Gradients {
        (self.0.take(all), self.1.take(all))
    }

    fn add(&self, sum: Self::Gradients, part: Self::Gradients) -> Self::Gradients {
        (self.0.add(sum.0, part.0), self.1.add(sum.1, part.1))
    }

    fn squared_norm(&self, gradients: &Self::Gradients) -> f64 {
        self.0.squared_norm(&gradients.0) + self.1.squared_norm(&gradients.1)
    }

    fn scale(&self, gradients: &mut Self::Gradients, factor: f64) {
        self.0.scale(&mut gradients.0, factor);
        self.1.scale(&mut gradients.1, factor);
    }
}

/// What may be frozen.
impl<A: Trained> Trained for Option<A> {
    type Gradients = Option<A::Gradients>;

    fn take(&self, all: &mut Gradients) -> Self::Gradients {
        self.as_ref().map(|part| part.take(all))
    }

    fn add(&self, sum: Self::Gradients, part: Self::Gradients) -> Self::Gradients {
        let of = self.as_ref()?;
        Some(of.add(sum?, part?))
    }

    fn squared_norm(&self, gradients: &Self::Gradients) -> f64 {
        let both = self.as_ref().zip(gradients.as_ref());
        both.map_or(0.0, |(part, gradients)| part.squared_norm(gradients))
    }

    fn scale(&self, gradients: &mut Self::Gradients, factor: f64) {
        if let (Some(part), Some(gradients)) = (self, gradients) {
            part.scale(gradients, factor);
        }
    }
}

/// What one batch gives.
pub(super) struct Batch {
    /// `[1]`.
    pub loss: Tensor<1>,
    /// Time that was waited for data.
    pub loader_secs: f64,
    pub named: Metrics,
}

/// Gradients of the mean loss of `parts` batches, brought to a global norm of at most `clip_norm`; `batch` makes them by
/// their number, from 0.
///
/// The metrics are `loss`, `gradient_norm` (before clipping), `loader_secs` (of all batches) and what the batches name: the
/// mean over those that name it.
///
/// # Errors
/// A batch could not be made.
pub(super) fn gradients<T: Trained>(
    trained: &T,
    parts: usize,
    clip_norm: f64,
    mut batch: impl FnMut(usize) -> Result<Batch, TrainError>,
) -> Result<(T::Gradients, Metrics), TrainError> {
    let parts = parts.max(1);
    let (mut loss, mut loader_secs) = (0.0, 0.0);
    let mut named: Vec<(&'static str, f64, usize)> = Vec::new();
    let mut one = |part: usize| -> Result<T::Gradients, TrainError> {
        let made = batch(part)?;
        loss += made.loss.clone().detach().into_scalar::<f64>() / parts as f64;
        loader_secs += made.loader_secs;
        for (name, value) in made.named {
            match named.iter_mut().find(|(other, ..)| *other == name) {
                Some((_, sum, count)) => (*sum, *count) = (*sum + value, *count + 1),
                None => named.push((name, value, 1)),
            }
        }
        Ok(trained.take(&mut (made.loss / parts as f64).backward()))
    };
    let mut sum = one(0)?;
    for part in 1..parts {
        sum = trained.add(sum, one(part)?);
    }
    let squared_norm = trained.squared_norm(&sum);
    let factor = clip_factor(squared_norm, clip_norm);
    if factor < 1.0 {
        trained.scale(&mut sum, factor);
    }
    let mut metrics = vec![
        ("loss", loss),
        ("gradient_norm", squared_norm.sqrt()),
        ("loader_secs", loader_secs),
    ];
    metrics.extend(named.into_iter().map(|(name, sum, count)| (name, sum / count as f64)));
    Ok((sum, metrics))
}

/// The factor that brings gradients of the given squared norm to at most `clip_norm`.
fn clip_factor(squared_norm: f64, clip_norm: f64) -> f64 {
    (clip_norm / squared_norm.sqrt().max(1e-12)).min(1.0)
}

struct SquaredNorm<'a> {
    gradients: &'a GradientsParams,
    sum: f64,
}

impl ModuleVisitor for SquaredNorm<'_> {
    fn visit_float<const R: usize>(&mut self, param: &Param<Tensor<R>>) {
        if let Some(gradient) = self.gradients.get::<R>(param.id) {
            self.sum += gradient.square().sum().into_scalar::<f64>();
        }
    }
}

struct Scale<'a> {
    gradients: &'a mut GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const R: usize>(&mut self, param: &Param<Tensor<R>>) {
        if let Some(gradient) = self.gradients.remove::<R>(param.id) {
            self.gradients.register(param.id, gradient * self.factor);
        }
    }
}

struct Add<'a> {
    sum: &'a mut GradientsParams,
    part: &'a mut GradientsParams,
}

impl ModuleVisitor for Add<'_> {
    fn visit_float<const R: usize>(&mut self, param: &Param<Tensor<R>>) {
        let parts = (self.sum.remove::<R>(param.id), self.part.remove::<R>(param.id));
        let total = match parts {
            (Some(a), Some(b)) => a + b,
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return,
        };
        self.sum.register(param.id, total);
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::{Device, Distribution};

    use super::*;

    fn linear(device: &Device) -> Linear {
        LinearConfig::new(3, 2).init(device)
    }

    fn entries(module: &Linear, gradients: &GradientsParams) -> Vec<f32> {
        let weight = gradients.get::<2>(module.weight.id).unwrap().into_data();
        weight.iter::<f32>().collect()
    }

    fn close(a: &[f32], b: &[f32], tolerance: f32) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < tolerance)
    }

    /// A loss that is a mean over its batch, over the halves of a batch and over all of it: the same gradients, loss and
    /// norm. A module that has a gradient in one half alone, and one that is frozen, are added up as well.
    #[test]
    fn the_gradients_of_two_halves_are_those_of_the_whole() {
        let device = Device::flex().autodiff();
        device.seed(11);
        let (first, second, third) = (linear(&device), linear(&device), linear(&device));
        let rows = Tensor::<2>::random([8, 3], Distribution::Normal(0.0, 1.0), &device);
        let trained = ((&first, &second), (Some(&third), None::<&Linear>));
        let run = |parts: usize, clip_norm: f64| {
            let size = 8 / parts;
            gradients(&trained, parts, clip_norm, |part| {
                let rows = rows.clone().slice([part * size..(part + 1) * size]);
                let mut loss = (first.forward(rows.clone()) + second.forward(rows.clone()).square())
                    .square()
                    .mean();
                if part == 0 {
                    loss = loss + third.forward(rows).mean().square() * parts as f64;
                }
                Ok(Batch {
                    loss: loss.clone(),
                    loader_secs: 0.25,
                    named: vec![
                        ("always", part as f64),
                        (if part == 0 { "first" } else { "other" }, 7.0),
                    ],
                })
            })
            .unwrap()
        };
        let (halves, of_halves) = run(2, 1e6);
        let number = |metrics: &Metrics, name: &str| metrics.iter().find(|(other, _)| *other == name).unwrap().1;
        assert_eq!(number(&of_halves, "loader_secs"), 0.5);
        assert_eq!(number(&of_halves, "always"), 0.5);
        assert_eq!((number(&of_halves, "first"), number(&of_halves, "other")), (7.0, 7.0));
        assert!(halves.1.1.is_none());

        // By hand, without any of what is tested.
        let all = first.forward(rows.clone()) + second.forward(rows.clone()).square();
        let half = rows.clone().slice([0..4]);
        let mut all = (all.square().mean() + third.forward(half).mean().square()).backward();
        let mut squares = 0.0;
        let found = [
            (&first, &halves.0.0),
            (&second, &halves.0.1),
            (&third, halves.1.0.as_ref().unwrap()),
        ];
        for (module, gradients) in found {
            let by_hand = GradientsParams::from_module(&mut all, module);
            assert!(close(&entries(module, gradients), &entries(module, &by_hand), 1e-6));
            let bias = by_hand.get::<1>(module.bias.as_ref().unwrap().id).unwrap().into_data();
            let of_module = entries(module, &by_hand).into_iter().chain(bias.iter::<f32>());
            squares += of_module.map(|x| f64::from(x).powi(2)).sum::<f64>();
        }
        assert!((number(&of_halves, "gradient_norm") - squares.sqrt()).abs() < 1e-5);

        // Clipping comes after the sum, and the norm that is told is the one before it.
        let (clipped, of_clipped) = run(2, squares.sqrt() / 4.0);
        assert_eq!(
            number(&of_clipped, "gradient_norm"),
            number(&of_halves, "gradient_norm")
        );
        let quarter: Vec<f32> = entries(&first, &halves.0.0).into_iter().map(|x| x / 4.0).collect();
        assert!(close(&entries(&first, &clipped.0.0), &quarter, 1e-6));
    }

    #[test]
    fn small_gradients_are_not_scaled_up() {
        assert_eq!(clip_factor(0.25, 1.0), 1.0);
        assert_eq!(clip_factor(16.0, 1.0), 0.25);
        assert_eq!(clip_factor(0.0, 1.0), 1.0);
    }
}
