//! One layer of each network at the paper's full width: what the small presets run is what a large one would run.

#![allow(
    clippy::unwrap_used,
    reason = "a test may say with a panic that something went wrong"
)]

use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use thinkjepa::config::{Config, Precision, preset};
use thinkjepa::gpi::Gpi;
use thinkjepa::nn::computing_in;
use thinkjepa::vlm::{VlmModel, decoder::Wanted};
use thinkjepa::world_model::{Encoder, Heads, Predictor};

fn one_layer() -> Config {
    let mut config = preset("paper").unwrap();
    config.world_model.encoder.depth = 1;
    config.world_model.predictor.depth = 1;
    config.gpi.depth = 1;
    // The tower's last block is never built.
    (config.vlm.depth, config.vlm.vision_depth) = (1, 2);
    // Tables of words are looked up, not computed with: a few rows do.
    config.vlm.vocab_size = 400;
    config.validate("one layer of the paper's").unwrap();
    config
}

fn random<const R: usize>(shape: [usize; R], device: &Device) -> Tensor<R> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

/// Every value is finite, and tokens differ from each other.
fn alive(tokens: Tensor<3>, shape: [usize; 3]) {
    assert_eq!(tokens.dims(), shape);
    let spread: f32 = tokens.clone().var(1).mean().into_scalar();
    assert!(spread.is_finite() && spread > 1e-6, "{spread}");
}

#[test]
fn the_encoder_sees_a_frame() {
    let (config, device) = (one_layer().world_model, Device::flex());
    let frame = random([1, 3, 224, 224], &device) * 40.0 + 127.5;
    alive(Encoder::new(&config, &device).forward(frame), [1, 196, 1280]);
}

#[test]
fn the_predictor_steps_with_a_reasoning_bias() {
    let (config, device) = (one_layer().world_model, Device::flex());
    let predictor = Predictor::new(&config, &device);
    let state = random([2, 196, 1280], &device);
    let bias = random([1, 196], &device);
    alive(
        predictor.step(state, random([2, 3], &device), Some(bias)),
        [2, 196, 1280],
    );
}

#[test]
fn the_interface_projects_a_goal() {
    let (config, device) = (one_layer(), Device::flex());
    let gpi = Gpi::new(&config.gpi, &config.world_model, config.vlm.dim, &device);
    let goal = gpi.forward(
        random([2, 4096], &device),
        random([2, 196], &device).abs(),
        random([2, 196, 1280], &device),
    );
    alive(goal, [2, 196, 1280]);
}

#[test]
fn the_heads_read_a_pooled_latent() {
    let (config, device) = (one_layer().world_model, Device::flex());
    let heads = Heads::new(&config, &device);
    let (before, after) = (random([3, 1280], &device), random([3, 1280], &device));
    let read = heads.proprioception(before.clone());
    let action = heads.inverse_dynamics(before, after);
    assert_eq!((read.dims(), action.dims()), ([3, 4], [3, 3]));
    assert!(read.abs().sum().into_scalar::<f32>().is_finite() && action.abs().sum().into_scalar::<f32>().is_finite());
}

/// Tower, projector and decoder in the preset's own precision: 810 MB in f32, half of it in bf16.
#[test]
fn the_language_model_looks_and_reads() {
    let (config, device) = (one_layer(), Device::flex());
    assert_eq!(config.precision, Precision::Bf16);
    let model = computing_in(&VlmModel::new(&config.vlm, &device), config.precision);
    let image = model.image_tokens(random([1, 3, 336, 336], &device));
    alive(image.clone().cast(burn::tensor::DType::F32), [1, 576, 4096]);
    let ids: Vec<i64> = (0..580).map(|i| i % 400).collect();
    let tokens = Tensor::<2, Int>::from_data(TensorData::new(ids, [1, 580]), &device);
    let wanted = Wanted {
        rows_from: 576,
        attention: true,
    };
    let hidden = model.forward(image, tokens, 2, None, wanted);
    alive(hidden.states.clone().cast(burn::tensor::DType::F32), [1, 4, 4096]);
    let map = hidden.attention.unwrap().on(2..578);
    assert_eq!(map.dims(), [1, 32, 4, 576]);
    assert_eq!(model.decoder.head(hidden.states).dims(), [1, 4, 400]);
}
