//! One layer of each network at the paper's full width: what the small presets run is what a large one would run.

use burn::tensor::{Device, Distribution, Tensor};
use thinkjepa::config::{Config, preset};
use thinkjepa::gpi::Gpi;
use thinkjepa::world_model::{Encoder, Predictor};

fn one_layer() -> Config {
    let mut config = preset("paper").unwrap();
    config.world_model.encoder.depth = 1;
    config.world_model.predictor.depth = 1;
    config.gpi.depth = 1;
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
