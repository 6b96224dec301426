//! Facts as an auxiliary loss of stage `vlm`: where each thing is, and what each block rests on.

use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::data::Facts;

/// Reads facts out of image tokens; part of training alone, no checkpoint holds it.
#[derive(Module, Debug)]
pub(super) struct FactsHead {
    /// One query a block and a pad, `[K, D_VLM]`.
    queries: Param<Tensor<2>>,
    place: Linear,
}

impl FactsHead {
    pub fn new(objects: usize, classes: usize, dim: usize, device: &Device) -> Self {
        Self {
            queries: Initializer::Normal { mean: 0.0, std: 0.02 }.init([objects, dim], device),
            place: LinearConfig::new(dim, classes).init(device),
        }
    }

    /// Image tokens `[B, P, D]` to each object's logits over patches `[B, K, P]` and over places `[B, K, classes]`.
    fn forward(&self, image: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let patches = self
            .queries
            .val()
            .unsqueeze::<3>()
            .matmul(image.clone().swap_dims(1, 2));
        let seen = softmax(patches.clone(), 2).matmul(image);
        (patches, self.place.forward(seen))
    }
}

/// Terms of one batch.
pub(super) struct FactsLosses {
    /// Mean cross-entropy of where things are, nats, `[1]`.
    pub centre: Tensor<1>,
    /// Mean cross-entropy of what blocks rest on, nats, `[1]`.
    pub place: Tensor<1>,
    /// Share of blocks whose place is right.
    pub right: f64,
}

/// The facts of frames whose image tokens are `[B, P, D_VLM]`, `grid` patches wide.
pub(super) fn facts_losses(head: &FactsHead, image: Tensor<3>, facts: &[Facts], grid: usize) -> FactsLosses {
    let device = image.device();
    let [b, patches, _] = image.dims();
    let [objects, _] = head.queries.dims();
    let blocks = facts.first().map_or(0, |facts| facts.places.len());
    let (where_is, rests_on) = head.forward(image);
    let classes = rests_on.dims()[2];
    let cell = |value: f32| (value.max(0.0) as usize).min(grid - 1);
    let centres = facts
        .iter()
        .flat_map(|facts| facts.centres.iter().map(|c| (cell(c[1]) * grid + cell(c[0])) as i64));
    let places = facts
        .iter()
        .flat_map(|facts| facts.places.iter().map(|&place| place as i64));
    let ints = |values: Vec<i64>| {
        let count = values.len();
        Tensor::<1, Int>::from_data(TensorData::new(values, [count]), &device)
    };
    let cross_entropy = |logits: Tensor<2>, labels: Tensor<1, Int>| {
        log_softmax(logits, 1).gather(1, labels.unsqueeze_dim(1)).mean().neg()
    };
    let centre = cross_entropy(where_is.reshape([b * objects, patches]), ints(centres.collect()));
    let logits = rests_on.slice([0..b, 0..blocks]).reshape([b * blocks, classes]);
    let labels = ints(places.collect());
    let right = logits
        .clone()
        .argmax(1)
        .reshape([b * blocks])
        .equal(labels.clone())
        .float()
        .mean();
    FactsLosses {
        centre,
        place: cross_entropy(logits, labels),
        right: right.into_scalar::<f64>(),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;
    use crate::nn::gradcheck::{check, check_param};

    const GRID: usize = 2;
    const CLASSES: usize = 5;

    /// Two blocks and one pad in two frames; one block lies past the edge.
    fn facts() -> Vec<Facts> {
        let fact = |places: [usize; 2], centres: [[f32; 2]; 3]| Facts {
            places: places.to_vec(),
            centres: centres.to_vec(),
        };
        vec![
            fact([0, 3], [[0.2, 0.9], [1.5, 0.1], [1.1, 1.9]]),
            fact([4, 1], [[-0.3, 1.2], [2.4, 1.0], [0.5, 0.5]]),
        ]
    }

    /// Values that tell the cases apart: fresh queries are near zero, and all patches nearly alike to them.
    fn head_and_image() -> (FactsHead, Tensor<3>) {
        let device = Device::flex().autodiff();
        device.seed(17);
        let mut head = FactsHead::new(3, CLASSES, 6, &device);
        let normal = Distribution::Normal(0.0, 1.0);
        head.queries = Param::from_tensor(Tensor::random([3, 6], normal, &device));
        (head, Tensor::random([2, GRID * GRID, 6], normal, &device))
    }

    #[test]
    fn gradients_of_both_terms_are_right() {
        let (head, image) = head_and_image();
        let facts = facts();
        let centre = |head: &FactsHead, image| facts_losses(head, image, &facts, GRID).centre;
        let place = |head: &FactsHead, image| facts_losses(head, image, &facts, GRID).place;
        check("where, image", &image, |image| centre(&head, image));
        check("place, image", &image, |image| place(&head, image));
        fn queries(head: &mut FactsHead) -> &mut Param<Tensor<2>> {
            &mut head.queries
        }
        fn weight(head: &mut FactsHead) -> &mut Param<Tensor<2>> {
            &mut head.place.weight
        }
        check_param("where, queries", &head, queries, |head| centre(head, image.clone()));
        check_param("place, queries", &head, queries, |head| place(head, image.clone()));
        check_param("place, weight", &head, weight, |head| place(head, image.clone()));
    }

    /// Against the definition, one object at a time.
    #[test]
    fn every_object_is_held_to_its_own_patch_and_place() {
        let (head, image) = head_and_image();
        let losses = facts_losses(&head, image.clone(), &facts(), GRID);
        let (patches, places) = head.forward(image);
        let rows = |x: Tensor<3>| -> Vec<Vec<f64>> {
            let width = x.dims()[2];
            let flat: Vec<f64> = x.into_data().iter::<f64>().collect();
            flat.chunks(width).map(<[f64]>::to_vec).collect()
        };
        let (patches, places) = (rows(patches), rows(places));
        let cost = |logits: &[f64], label: usize| logits.iter().map(|x| x.exp()).sum::<f64>().ln() - logits[label];
        // Row-major cells of the centres above, cut at the edges.
        let cells = [0, 1, 3, 2, 3, 0];
        let expected = (0..6).map(|i| cost(&patches[i], cells[i])).sum::<f64>() / 6.0;
        let found = losses.centre.into_scalar::<f64>();
        assert!((found - expected).abs() < 1e-5, "{found}, {expected}");
        // Rows 2 and 5 are the pad's: it rests on nothing.
        let blocks = [(0, 0), (1, 3), (3, 4), (4, 1)];
        let expected = blocks.map(|(row, label)| cost(&places[row], label)).iter().sum::<f64>() / 4.0;
        let found = losses.place.into_scalar::<f64>();
        assert!((found - expected).abs() < 1e-5, "{found}, {expected}");
        let best = |logits: &[f64]| (0..CLASSES).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
        let right = blocks
            .iter()
            .filter(|&&(row, label)| best(&places[row]) == label)
            .count();
        assert_eq!(losses.right, right as f64 / 4.0);
    }
}
