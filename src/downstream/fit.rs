//! Training a head on features that stay as they are.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::optim::GradientsParams;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::seq::SliceRandom;

use super::{DownstreamError, Features, Head, numbers};
use crate::random::{Stream, rng};
use crate::train::optimizer::adamw;
use crate::train::schedule::learning_rate;

/// Clips that are told at once.
const AT_ONCE: usize = 64;
const BETAS: (f64, f64) = (0.9, 0.999);
/// Steps between two looks at the loss: each look waits for the device.
const LOOK_EVERY: usize = 20;

/// How long and how hard is trained. The learning rate warms up over a tenth of the steps and falls to zero along a cosine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effort {
    pub steps: usize,
    /// Clips a step.
    pub batch: usize,
    pub weight_decay: f64,
    /// Decides the order of the clips.
    pub seed: u64,
}

impl Effort {
    /// The rate of a step whose highest is `peak`.
    pub(super) fn rate(&self, step: usize, peak: f64) -> f64 {
        learning_rate(step, self.steps, self.steps / 10, peak, 0.0)
    }

    pub(super) fn optimizer<M: burn::module::Module>(&self, module: &M) -> burn::optim::ModuleOptimizer {
        adamw(module, BETAS, self.weight_decay)
    }
}

/// The clips of each step: every clip once in each round, in an order that the seed and the round decide.
pub(super) struct Batches {
    seed: u64,
    clips: usize,
    batch: usize,
    round: Option<usize>,
    order: Vec<usize>,
}

impl Batches {
    pub fn new(effort: Effort, clips: usize) -> Self {
        Self {
            seed: effort.seed,
            clips,
            batch: effort.batch.clamp(1, clips.max(1)),
            round: None,
            order: Vec::new(),
        }
    }

    pub fn of(&mut self, step: usize) -> Vec<usize> {
        let first = step * self.batch;
        (first..first + self.batch).map(|at| self.at(at)).collect()
    }

    fn at(&mut self, at: usize) -> usize {
        let round = at / self.clips.max(1);
        if self.round != Some(round) {
            self.order = (0..self.clips).collect();
            self.order
                .shuffle(&mut rng(self.seed, Stream::Events, round as u64, u64::MAX));
            self.round = Some(round);
        }
        self.order[at % self.clips]
    }
}

/// Cross-entropy of scores `[B, K]`, `[1]`.
pub(super) fn cross_entropy(scores: Tensor<2>, labels: &[usize]) -> Tensor<1> {
    let numbers: Vec<i32> = labels.iter().map(|&label| label as i32).collect();
    let labels = Tensor::<2, Int>::from_data(TensorData::new(numbers, [labels.len(), 1]), &scores.device());
    log_softmax(scores, 1).gather(1, labels).mean().neg()
}

/// Now and then, whether the loss is still a number.
pub(super) fn look(step: usize, loss: &Tensor<1>) -> Result<(), DownstreamError> {
    if !step.is_multiple_of(LOOK_EVERY) {
        return Ok(());
    }
    let loss = loss.clone().detach().into_scalar::<f64>();
    if loss.is_finite() {
        Ok(())
    } else {
        Err(DownstreamError::NotFinite { step, loss })
    }
}

/// Trains a head that lies on an autodiff device. `watch` hears of each step that is done.
///
/// # Errors
/// `cancel` was set, or the loss is no number any more.
pub fn fit<H: Head>(
    mut head: H,
    on: &Features,
    effort: Effort,
    rate: f64,
    watch: &mut dyn FnMut(usize),
    cancel: &AtomicBool,
) -> Result<H, DownstreamError> {
    let device = device_of(&head);
    let mut optimizer = effort.optimizer(&head);
    let mut batches = Batches::new(effort, on.labels.len());
    for step in 0..effort.steps {
        if cancel.load(Ordering::Relaxed) {
            return Err(DownstreamError::Cancelled);
        }
        let chosen = batches.of(step);
        let labels: Vec<usize> = chosen.iter().map(|&clip| on.labels[clip]).collect();
        let loss = cross_entropy(head.scores(on.rows(&chosen, &device)), &labels);
        look(step, &loss)?;
        let gradients = GradientsParams::from_grads(loss.backward(), &head);
        head = optimizer.step(effort.rate(step, rate), head, gradients);
        watch(step + 1);
    }
    Ok(head)
}

fn device_of<H: Head>(head: &H) -> Device {
    // Every head has parameters, and they lie together.
    head.devices().into_iter().next().unwrap_or_default()
}

/// The number of the event that scores highest, clip by clip.
///
/// # Errors
/// The device failed.
pub fn predict<H: Head>(head: &H, features: &Features) -> Result<Vec<usize>, DownstreamError> {
    let device = device_of(head);
    let all: Vec<usize> = (0..features.labels.len()).collect();
    let mut told = Vec::with_capacity(all.len());
    for chosen in all.chunks(AT_ONCE) {
        told.extend(highest(head.scores(features.rows(chosen, &device)))?);
    }
    Ok(told)
}

/// Of scores `[B, K]` the number of the highest in each row.
pub(super) fn highest(scores: Tensor<2>) -> Result<Vec<usize>, DownstreamError> {
    let [_, events] = scores.dims();
    let best = |row: &[f32]| (0..events).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0);
    Ok(numbers(scores)?.chunks_exact(events).map(best).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::downstream::LinearHead;
    use crate::sim::Event;

    /// Features that say the event, in noise.
    fn telling(clips: usize, seed: u64) -> Features {
        use rand::RngExt;
        let mut numbers = rng(seed, Stream::Eval, 0, 0);
        let events = Event::ALL.len();
        let labels: Vec<usize> = (0..clips).map(|clip| clip % events).collect();
        let values = labels.iter().flat_map(|&label| {
            let noise: Vec<f32> = (0..6).map(|_| numbers.random_range(-0.3f32..0.3)).collect();
            let row = noise.into_iter().enumerate();
            row.map(move |(at, noise)| noise + f32::from(u8::from(at == label)))
        });
        Features {
            width: 6,
            values: values.collect(),
            labels: labels.clone(),
        }
    }

    const EFFORT: Effort = Effort {
        steps: 120,
        batch: 8,
        weight_decay: 0.0,
        seed: 7,
    };

    #[test]
    fn a_line_learns_what_is_there_and_the_same_again() {
        let device = Device::flex().autodiff();
        let run = |cancel: &AtomicBool| {
            device.seed(3);
            let head = LinearHead::new(6, &device);
            let mut heard = 0;
            let fitted = fit(head, &telling(40, 1), EFFORT, 0.05, &mut |_| heard += 1, cancel);
            fitted.map(|head| (heard, numbers(head.classes.weight.val()).unwrap(), head))
        };
        let (heard, weights, head) = run(&AtomicBool::new(false)).unwrap();
        assert_eq!(heard, EFFORT.steps);
        let fresh = telling(50, 2);
        assert_eq!(predict(&head, &fresh).unwrap(), fresh.labels);
        assert_eq!(run(&AtomicBool::new(false)).unwrap().1, weights);
        let stopped = run(&AtomicBool::new(true)).map(|_| ());
        assert!(matches!(stopped, Err(DownstreamError::Cancelled)));
    }

    #[test]
    fn a_loss_that_is_no_number_is_said() {
        let device = Device::flex().autodiff();
        let mut broken = telling(10, 1);
        broken.values.fill(f32::NAN);
        let head = LinearHead::new(6, &device);
        let said = fit(head, &broken, EFFORT, 0.05, &mut |_| {}, &AtomicBool::new(false));
        assert!(matches!(said, Err(DownstreamError::NotFinite { step: 0, .. })));
    }

    #[test]
    fn every_clip_is_seen_once_a_round_and_each_round_in_another_order() {
        let mut batches = Batches::new(Effort { batch: 4, ..EFFORT }, 12);
        let rounds: Vec<Vec<usize>> = (0..3)
            .map(|round| (0..3).flat_map(|step| batches.of(3 * round + step)).collect())
            .collect();
        for round in &rounds {
            assert_eq!(round.iter().collect::<BTreeSet<_>>().len(), 12, "{rounds:?}");
        }
        assert!(rounds[0] != rounds[1] && rounds[1] != rounds[2]);
        // A batch is never larger than what there is.
        assert_eq!(Batches::new(EFFORT, 3).of(0).len(), 3);
    }
}
