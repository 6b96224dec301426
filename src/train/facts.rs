//! Facts as an auxiliary loss of stage `vlm`: where each thing is, what each block rests on, and its size, shape and colour.

use std::ops::Range;

use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::data::Facts;
use crate::world_model::losses::binary_cross_entropy;

/// Numbers that say how a block looks: its size, the logit of being a cylinder, its colour.
const FORM: usize = 5;
/// What a colour is held to runs from minus this to this.
const COLOUR_RANGE: f32 = 2.0;

/// Reads facts out of image tokens; part of training alone, no checkpoint holds it.
#[derive(Module, Debug)]
pub(super) struct FactsHead {
    /// One query a block and a pad, `[K, D_VLM]`.
    queries: Param<Tensor<2>>,
    place: Linear,
    /// Size, shape and colour.
    form: Linear,
}

impl FactsHead {
    pub fn new(objects: usize, classes: usize, dim: usize, device: &Device) -> Self {
        Self {
            queries: Initializer::Normal { mean: 0.0, std: 0.02 }.init([objects, dim], device),
            place: LinearConfig::new(dim, classes).init(device),
            form: LinearConfig::new(dim, FORM).init(device),
        }
    }

    /// Image tokens `[B, P, D]` to each object's logits over patches `[B, K, P]`, over places `[B, K, classes]`, and its looks
    /// `[B, K, FORM]`.
    fn forward(&self, image: Tensor<3>) -> [Tensor<3>; 3] {
        let patches = self
            .queries
            .val()
            .unsqueeze::<3>()
            .matmul(image.clone().swap_dims(1, 2));
        let seen = softmax(patches.clone(), 2).matmul(image);
        [patches, self.place.forward(seen.clone()), self.form.forward(seen)]
    }
}

/// Terms of one batch.
pub(super) struct FactsLosses {
    /// Mean cross-entropy of where things are, nats, `[1]`.
    pub centre: Tensor<1>,
    /// Mean cross-entropy of what blocks rest on, nats, `[1]`.
    pub place: Tensor<1>,
    /// Mean squared error of the blocks' sizes, `[1]`; 1 is a size that looks another.
    pub size: Tensor<1>,
    /// Mean cross-entropy of whether blocks are cylinders, nats, `[1]`.
    pub shape: Tensor<1>,
    /// Mean squared error of the blocks' colours, `[1]`; black and white are 4 apart.
    pub colour: Tensor<1>,
    /// Share of blocks whose place is right.
    pub right: f64,
}

/// The facts of frames whose image tokens are `[B, P, D_VLM]`, `grid` patches wide.
pub(super) fn facts_losses(head: &FactsHead, image: Tensor<3>, facts: &[Facts], grid: usize) -> FactsLosses {
    let device = image.device();
    let [b, patches, _] = image.dims();
    let [objects, _] = head.queries.dims();
    let blocks = facts.first().map_or(0, |facts| facts.places.len());
    let [where_is, rests_on, form] = head.forward(image);
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
    let numbers = |values: Vec<f32>| {
        let width = values.len() / b;
        Tensor::<2>::from_data(TensorData::new(values, [b, width]), &device)
    };
    let sizes = numbers(facts.iter().flat_map(|facts| facts.sizes.iter().copied()).collect());
    let cylinders = (facts.iter()).flat_map(|facts| facts.cylinders.iter().map(|&is| f32::from(u8::from(is))));
    let colours = facts.iter().flat_map(|facts| facts.colours.iter().flatten());
    let colours = colours.map(|&value| (2.0 * value - 1.0) * COLOUR_RANGE);
    let of_blocks = |columns: Range<usize>| {
        let width = blocks * columns.len();
        form.clone().slice([0..b, 0..blocks, columns]).reshape([b, width])
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
        size: (of_blocks(0..1) - sizes).square().mean(),
        shape: binary_cross_entropy(of_blocks(1..2), numbers(cylinders.collect())),
        colour: (of_blocks(2..FORM) - numbers(colours.collect())).square().mean(),
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
            sizes: vec![-1.0, 0.5],
            cylinders: vec![true, false],
            colours: vec![[1.0, 0.5, 0.0], [0.0, 0.25, 1.0]],
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
        let size = |head: &FactsHead, image| facts_losses(head, image, &facts, GRID).size;
        let shape = |head: &FactsHead, image| facts_losses(head, image, &facts, GRID).shape;
        let colour = |head: &FactsHead, image| facts_losses(head, image, &facts, GRID).colour;
        check("where, image", &image, |image| centre(&head, image));
        check("place, image", &image, |image| place(&head, image));
        check("size, image", &image, |image| size(&head, image));
        check("shape, image", &image, |image| shape(&head, image));
        fn queries(head: &mut FactsHead) -> &mut Param<Tensor<2>> {
            &mut head.queries
        }
        fn weight(head: &mut FactsHead) -> &mut Param<Tensor<2>> {
            &mut head.place.weight
        }
        check("colour, image", &image, |image| colour(&head, image));
        fn form(head: &mut FactsHead) -> &mut Param<Tensor<2>> {
            &mut head.form.weight
        }
        check_param("size, form", &head, form, |head| size(head, image.clone()));
        check_param("shape, form", &head, form, |head| shape(head, image.clone()));
        check_param("where, queries", &head, queries, |head| centre(head, image.clone()));
        check_param("place, queries", &head, queries, |head| place(head, image.clone()));
        check_param("place, weight", &head, weight, |head| place(head, image.clone()));
    }

    /// Against the definition, one object at a time.
    #[test]
    fn every_object_is_held_to_its_own_patch_and_place() {
        let (head, image) = head_and_image();
        let losses = facts_losses(&head, image.clone(), &facts(), GRID);
        let [patches, places, forms] = head.forward(image);
        let rows = |x: Tensor<3>| -> Vec<Vec<f64>> {
            let width = x.dims()[2];
            let flat: Vec<f64> = x.into_data().iter::<f64>().collect();
            flat.chunks(width).map(<[f64]>::to_vec).collect()
        };
        let (patches, places, forms) = (rows(patches), rows(places), rows(forms));
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
        // The first block of each frame is a small cylinder, the second a larger box.
        let of_blocks = [(0, -1.0, 1.0), (1, 0.5, 0.0), (3, -1.0, 1.0), (4, 0.5, 0.0)];
        let mean = |of: &dyn Fn(&(usize, f64, f64)) -> f64| of_blocks.iter().map(of).sum::<f64>() / 4.0;
        let expected = mean(&|&(row, size, _)| (forms[row][0] - size).powi(2));
        assert!((losses.size.into_scalar::<f64>() - expected).abs() < 1e-5);
        let expected = mean(&|&(row, _, is)| (1.0 + forms[row][1].exp()).ln() - is * forms[row][1]);
        assert!((losses.shape.into_scalar::<f64>() - expected).abs() < 1e-5);
        let of_colours = [
            (0, [2.0, 0.0, -2.0]),
            (1, [-2.0, -1.0, 2.0]),
            (3, [2.0, 0.0, -2.0]),
            (4, [-2.0, -1.0, 2.0]),
        ];
        let squares = of_colours.iter().flat_map(|(row, colour)| {
            let read = &forms[*row][2..];
            colour
                .iter()
                .zip(read)
                .map(|(colour, read): (&f64, &f64)| (read - colour).powi(2))
        });
        let expected = squares.sum::<f64>() / 12.0;
        assert!((losses.colour.into_scalar::<f64>() - expected).abs() < 1e-5);
        let best = |logits: &[f64]| (0..CLASSES).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
        let right = blocks
            .iter()
            .filter(|&&(row, label)| best(&places[row]) == label)
            .count();
        assert_eq!(losses.right, right as f64 / 4.0);
    }
}
