//! Losses of instruction tuning: the answer's cross-entropy, and one that pulls a sub-goal's attention onto its objects.

use burn::tensor::{Int, Tensor, activation::log_softmax};

use super::{
    batch::TokenBatch,
    decoder::{Hidden, Wanted},
    ground::span_output,
    model::VlmModel,
};
use crate::nn::wide;

/// Terms of one batch, `[1]` each.
pub struct VlmLosses {
    /// `answer + lambda * attention`
    pub total: Tensor<1>,
    /// Mean cross-entropy of the answers' tokens, nats.
    pub answer: Tensor<1>,
    /// Mean cross-entropy of the attention against its target, nats; ln(P) for a uniform map. None if the batch has no
    /// target or the weight is 0.
    pub attention: Option<Tensor<1>>,
}

/// Forward pass and losses; `lambda_attention` weighs the second term.
pub fn losses(model: &VlmModel, batch: &TokenBatch, lambda_attention: f64) -> VlmLosses {
    losses_of(model, model.image_tokens(batch.pixels.clone()), batch, lambda_attention)
}

/// The same where the image tokens `[B, P, D_VLM]` are already made.
pub fn losses_of(model: &VlmModel, image: Tensor<3>, batch: &TokenBatch, lambda_attention: f64) -> VlmLosses {
    let pull = lambda_attention > 0.0 && batch.targets.is_some();
    let wanted = Wanted {
        rows_from: batch.rows_from,
        attention: pull,
    };
    let hidden = model.forward(image, batch.tokens.clone(), batch.image_at, None, wanted);
    let answer = answer_loss(model, &hidden, batch.predicting.clone(), batch.labels.clone());
    let attention = match (&batch.spans, &batch.targets) {
        (Some(spans), Some(targets)) if pull => {
            let columns = model.image_columns(batch.image_at);
            span_output(&hidden, spans, columns)
                .attention
                .map(|map| attention_loss(map, targets.clone()))
        }
        _ => None,
    };
    let total = match &attention {
        Some(attention) => answer.clone() + attention.clone().mul_scalar(lambda_attention),
        None => answer.clone(),
    };
    VlmLosses {
        total,
        answer,
        attention,
    }
}

/// Mean cross-entropy at the positions that predict an answer. The head runs on these alone.
fn answer_loss(model: &VlmModel, hidden: &Hidden, predicting: Tensor<1, Int>, labels: Tensor<1, Int>) -> Tensor<1> {
    let states: Tensor<2> = hidden.states.clone().flatten(0, 1);
    let logits = model.decoder.head(states.select(0, predicting));
    log_softmax(wide(logits), 1)
        .gather(1, labels.unsqueeze_dim(1))
        .mean()
        .neg()
}

/// Cross-entropy of maps `[S, P]`, normalised here, against distributions `[S, P]`; rows of zeros count for nothing.
pub fn attention_loss(maps: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let maps = maps.clone() / (maps.sum_dim(1) + 1e-6);
    let known = targets.clone().sum().clamp_min(1.0);
    (targets * (maps + 1e-6).log()).sum().neg() / known
}

#[cfg(test)]
mod tests {
    use burn::{
        module::Param,
        tensor::{Device, TensorData},
    };

    use super::*;
    use crate::{
        nn::gradcheck::{check, check_param},
        sim::Frame,
        vlm::{batch::Encoded, ground::grounding_example, model::tests::tiny_config, tokenizer::tests::tabletop},
    };

    fn batch(device: &Device) -> TokenBatch {
        let (tokenizer, config) = (tabletop(), tiny_config(400));
        let rgb: Vec<u8> = (0..3 * 16 * 16).map(|i| (i * 37 % 251) as u8).collect();
        let frame = Frame {
            width: 16,
            height: 16,
            rgb: rgb.into(),
        };
        let mut peak = vec![0.0; 16];
        peak[5] = 1.0;
        let members = [
            grounding_example(&frame, "pick up the red block", &["red block"], peak),
            grounding_example(&frame, "place it", &["red block", "yellow pad"], Vec::new()),
        ]
        .map(|example| example.encode(&tokenizer, &config).unwrap());
        let members: Vec<&Encoded> = members.iter().collect();
        TokenBatch::new(&members, &tokenizer, &config, device).unwrap()
    }

    #[test]
    fn a_uniform_map_costs_the_logarithm_of_the_patches() {
        let device = Device::flex();
        let targets = Tensor::<2>::from_floats([[0.5, 0.5, 0.0, 0.0], [0.0; 4]], &device);
        let uniform = attention_loss(Tensor::full([2, 4], 0.1, &device), targets.clone()).into_scalar::<f32>();
        assert!((uniform - 4.0f32.ln()).abs() < 1e-4, "{uniform}");
        let right = attention_loss(
            Tensor::from_floats([[0.2, 0.2, 0.0, 0.0], [0.7, 0.0, 0.0, 0.0]], &device),
            targets,
        );
        assert!((right.into_scalar::<f32>() - 2.0f32.ln()).abs() < 1e-4);
    }

    /// Padding, the order of the batch and the attention term change nothing that they should not.
    #[test]
    fn the_answer_counts_alone_and_padding_not_at_all() {
        let device = Device::flex();
        device.seed(8);
        let model = VlmModel::new(&tiny_config(400), &device);
        let batch = batch(&device);
        let with = losses(&model, &batch, 0.1);
        let without = losses(&model, &batch, 0.0);
        assert!(without.attention.is_none());
        assert_eq!(
            with.answer.into_scalar::<f32>(),
            without.answer.clone().into_scalar::<f32>()
        );
        let mut longer = batch.clone();
        let [rows, length] = batch.tokens.dims();
        longer.tokens = Tensor::cat(vec![batch.tokens, Tensor::full([rows, 3], 7, &device)], 1);
        let at = batch.predicting.try_into_vec_as::<i64>().unwrap();
        let had = (length - batch.rows_from) as i64;
        let at: Vec<i64> = at.into_iter().map(|i| i + 3 * (i / had)).collect();
        let count = at.len();
        longer.predicting = Tensor::from_data(TensorData::new(at, [count]), &device);
        let longer = losses(&model, &longer, 0.0).answer.into_scalar::<f32>();
        assert!((longer - without.answer.into_scalar::<f32>()).abs() < 1e-5);
    }

    /// Cross-entropy alone and with the attention term, on one weight of each kind of module.
    #[test]
    fn gradients_are_right() {
        let device = Device::flex().autodiff();
        device.seed(9);
        let model = VlmModel::new(&tiny_config(400), &device);
        let batch = batch(&device);
        type Weight = fn(&mut VlmModel) -> &mut Param<Tensor<2>>;
        let weights: [(&str, Weight); 4] = [
            ("query", |model| &mut model.decoder.last_attention_mut().q_proj.weight),
            ("key", |model| &mut model.decoder.last_attention_mut().k_proj.weight),
            ("value", |model| &mut model.decoder.last_attention_mut().v_proj.weight),
            ("projector", |model| &mut model.projector.linear_2.weight),
        ];
        // The attention term is scaled up to make its part of the gradient visible.
        for lambda in [0.0, 3.0] {
            for (name, weight) in weights {
                check_param(name, &model, weight, |model| losses(model, &batch, lambda).total);
            }
        }
    }

    #[test]
    fn gradients_of_the_attention_term_are_right() {
        let device = Device::flex().autodiff();
        let maps = Tensor::<2>::from_floats([[0.2, 0.3, 0.1, 0.15], [0.4, 0.1, 0.2, 0.1]], &device);
        let targets = Tensor::<2>::from_floats([[0.5, 0.5, 0.0, 0.0], [0.1, 0.2, 0.3, 0.4]], &device);
        check("maps", &maps, |maps| attention_loss(maps, targets.clone()));
    }
}
