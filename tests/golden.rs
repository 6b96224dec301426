//! The world model, the GPI and the losses against an independent PyTorch implementation: same weights, same inputs, the
//! same outputs and gradients (tests/fixtures/make_world_model.py).

#![allow(
    clippy::unwrap_used,
    reason = "a test may say with a panic that something went wrong"
)]

use std::path::Path;

use burn::tensor::{Device, Int, Tensor, TensorData};
use thinkjepa::config::{
    ActionConditioning, EncoderAttention, EncoderConfig, GpiConfig, PredictionLoss, PredictorConfig, SigReg, Stem,
    WorldModelConfig,
};
use thinkjepa::gpi::{GoalBatch, Gpi, info_nce};
use thinkjepa::weights::{Remap, Tensors, load};
use thinkjepa::world_model::losses::{inverse_dynamics, prediction_loss, sigreg};
use thinkjepa::world_model::{Encoder, Heads, Predictor, TokenSet};

/// The same shapes over clips of three frames.
fn clip_config(residual: bool, attention: EncoderAttention) -> WorldModelConfig {
    let mut config = config(residual);
    config.clip_len = 3;
    config.encoder.attention = attention;
    config
}

fn config(residual: bool) -> WorldModelConfig {
    WorldModelConfig {
        image_size: 16,
        patch_size: 8,
        dim: 16,
        clip_len: 2,
        action_dim: 3,
        encoder: EncoderConfig {
            stem: Stem::Conv(vec![(8, 6, 4), (16, 3, 2)]),
            coordinates: true,
            depth: 1,
            heads: 2,
            mlp_ratio: 2,
            attention: EncoderAttention::Frame,
        },
        predictor: PredictorConfig {
            dim: 16,
            depth: 1,
            heads: 2,
            mlp_ratio: 2,
            conditioning: ActionConditioning::Film,
            action_hidden: 8,
            residual,
            grip_sign: true,
        },
        temporal_distance: 0,
        picture: 0,
    }
}

struct Fixture {
    tensors: Tensors,
    device: Device,
}

impl Fixture {
    fn open(device: Device) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/world_model.safetensors");
        Self {
            tensors: Tensors::open(&path).expect("the fixture is there"),
            device,
        }
    }

    fn golden<const R: usize>(&self, name: &str) -> Tensor<R> {
        let tensor = self.tensors.read(&format!("golden.{name}")).expect(name);
        let shape: [usize; R] = tensor.shape.try_into().expect(name);
        Tensor::from_data(TensorData::new(tensor.values, shape), &self.device)
    }

    /// Indices are kept as floats.
    fn token_set(&self, name: &str) -> Tensor<2, Int> {
        self.golden::<2>(name).int()
    }

    fn module<M: burn::module::Module>(&self, module: M, prefix: &str) -> M {
        load(module, &self.tensors, prefix, &Remap::none()).expect(prefix).0
    }
}

fn close<const R: usize>(what: &str, actual: Tensor<R>, expected: Tensor<R>, tolerance: f32) {
    assert_eq!(actual.dims(), expected.dims(), "{what}");
    let largest = (actual.inner() - expected.inner()).abs().max().into_scalar::<f32>();
    assert!(largest < tolerance, "{what} is off by {largest}");
}

#[test]
fn encoder_predictor_heads_and_gpi_agree_with_pytorch() {
    let fixture = Fixture::open(Device::flex());
    let device = &fixture.device;
    let encoder = fixture.module(Encoder::new(&config(true), device), "encoder.");
    let tokens = encoder.forward(fixture.golden::<4>("frames"));
    close("tokens", tokens.clone(), fixture.golden::<3>("tokens"), 1e-5);

    let predictor = fixture.module(Predictor::new(&config(true), device), "predictor.");
    let (actions, bias) = (fixture.golden::<2>("actions"), fixture.golden::<2>("bias"));
    let step = predictor.step(tokens.clone(), actions.clone(), None);
    close("step", step.clone(), fixture.golden::<3>("step"), 1e-5);
    let uniform = Tensor::<2>::zeros([1, 4], device) + 0.3 * (1.0f32 + 1e-6).ln();
    close(
        "a uniform bias",
        predictor.step(tokens.clone(), actions.clone(), Some(uniform)),
        step,
        1e-5,
    );
    let biased = predictor.step(tokens.clone(), actions.clone(), Some(bias.clone()));
    close("biased", biased, fixture.golden::<3>("biased"), 1e-5);

    let masked = fixture.module(Predictor::new(&config(false), device), "predictor.");
    let at_mask_tokens = masked.step(tokens.clone(), actions, Some(bias));
    close("masked", at_mask_tokens, fixture.golden::<3>("masked"), 1e-5);

    let heads = fixture.module(Heads::new(&config(true), device), "heads.");
    let pooled = tokens.clone().mean_dim(1).reshape([6, 16]);
    close(
        "proprioception",
        heads.proprioception(pooled.clone()),
        fixture.golden::<2>("proprio"),
        1e-5,
    );
    let idm = heads.inverse_dynamics(pooled.clone().slice([0..3]), pooled.slice([3..6]));
    close("inverse dynamics", idm.clone(), fixture.golden::<2>("idm"), 1e-5);
    let loss = inverse_dynamics(idm, fixture.golden::<2>("idm_labels"));
    close("inverse dynamics loss", loss, fixture.golden::<1>("idm_loss"), 1e-5);

    let gpi_config = GpiConfig {
        dim: 16,
        depth: 1,
        heads: 2,
        mlp_ratio: 2,
        context: true,
        unmodulated: true,
        temperature: 0.07,
        lambda_goal: 3.0,
    };
    let gpi = fixture.module(Gpi::new(&gpi_config, &config(true), 12, device), "gpi.");
    let goal = gpi.forward(fixture.golden::<2>("embedding"), fixture.golden::<2>("map"), tokens);
    close("goal", goal, fixture.golden::<3>("goal"), 1e-5);
}

/// Hidden patches are hidden from the stem, whether frames see each other or not.
#[test]
fn encoders_of_visible_tokens_agree_with_pytorch() {
    let fixture = Fixture::open(Device::flex());
    let (clips, visible) = (fixture.golden::<5>("clips"), fixture.token_set("visible"));
    let encoder = |attention, prefix: &str| {
        let encoder = Encoder::new(&clip_config(true, attention), &fixture.device);
        fixture.module(encoder, prefix)
    };
    let by_frame = encoder(EncoderAttention::Frame, "encoder.");
    let tokens = by_frame.forward_visible(clips.clone(), visible.clone());
    close("visible by frame", tokens, fixture.golden::<3>("frame_visible"), 1e-5);

    let by_clip = encoder(EncoderAttention::Clip, "clip_encoder.");
    let all = by_clip.forward_clips(clips.clone());
    close("all of a clip", all, fixture.golden::<3>("clip_tokens"), 1e-5);
    let tokens = by_clip.forward_visible(clips, visible);
    close("visible by clip", tokens, fixture.golden::<3>("clip_visible"), 1e-5);
}

/// At mask tokens, with actions and without, alone and added to what was seen last.
#[test]
fn predictions_at_hidden_tokens_agree_with_pytorch() {
    let fixture = Fixture::open(Device::flex().autodiff());
    let context_at = TokenSet {
        index: fixture.token_set("visible"),
    };
    let target_at = TokenSet {
        index: fixture.token_set("target"),
    };
    let context = fixture.golden::<3>("clip_visible");
    let predictor = |residual| {
        let config = clip_config(residual, EncoderAttention::Clip);
        fixture.module(Predictor::new(&config, &fixture.device), "clip_predictor.")
    };
    let (plain, residual) = (predictor(false), predictor(true));
    let predict = |predictor: &Predictor, actions, base| {
        predictor.predict(context.clone(), &context_at, &target_at, actions, base)
    };
    let actions = || Some(fixture.golden::<3>("clip_actions"));
    let at_mask_tokens = fixture.golden::<3>("at_mask_tokens");
    close("at mask tokens", predict(&plain, actions(), None), at_mask_tokens, 1e-5);
    let without_actions = fixture.golden::<3>("without_actions");
    close("without actions", predict(&plain, None, None), without_actions, 1e-5);

    let from_base = predict(&residual, actions(), Some(fixture.golden::<3>("base")));
    close("from base", from_base.clone(), fixture.golden::<3>("from_base"), 1e-5);
    let [b, m, _] = from_base.dims();
    let loss = from_base.slice([0..b, 0..m, 0..1]).square().sum();
    let gradient = residual.mask_token.val().grad(&loss.backward());
    let expected = fixture.golden::<2>("mask_token_grad");
    close(
        "gradient of the mask token",
        gradient.expect("it has one"),
        expected,
        1e-5,
    );
}

#[test]
fn losses_agree_with_pytorch() {
    let fixture = Fixture::open(Device::flex());
    let huber = prediction_loss(
        PredictionLoss::SmoothL1,
        fixture.golden::<3>("huber_a"),
        fixture.golden::<3>("huber_b"),
    );
    close("smooth-l1", huber, fixture.golden::<1>("huber"), 1e-5);
    let batch = GoalBatch {
        goal: fixture.golden::<2>("nce_goal"),
        achieved: fixture.golden::<2>("nce_achieved"),
        start: fixture.golden::<2>("nce_start"),
        identity: (0..5).collect(),
    };
    let nce = info_nce(&batch, None, 0.07);
    close("info-nce", nce, fixture.golden::<1>("nce"), 1e-4);
}

/// The entropy of the spectrum with constant eigenvectors has the gradient of the textbook form through an SVD.
#[test]
fn gradients_of_sigreg_and_film_agree_with_pytorch() {
    let fixture = Fixture::open(Device::flex().autodiff());
    let rows = fixture.golden::<2>("rows").require_grad();
    let loss = sigreg(SigReg::Spectral, rows.clone() - rows.clone().mean_dim(0), (0, 0));
    close("sigreg", loss.clone(), fixture.golden::<1>("sigreg"), 1e-4);
    let gradient = rows.grad(&loss.backward()).expect("rows have a gradient");
    close("gradient of sigreg", gradient, fixture.golden::<2>("sigreg_grad"), 1e-5);

    let predictor = fixture.module(Predictor::new(&config(true), &fixture.device), "predictor.");
    let tokens = fixture.golden::<3>("tokens");
    let step = predictor.step(tokens.clone(), fixture.golden::<2>("actions"), None);
    let last = tokens.clone().slice([5..6]);
    let rolled = Tensor::cat(vec![last, tokens.slice([0..5])], 0);
    let loss = prediction_loss(PredictionLoss::SmoothL1, step, rolled);
    let weight = predictor.blocks[0]
        .film
        .as_ref()
        .expect("conditioned by FiLM")
        .proj
        .weight
        .val();
    let gradient = weight.grad(&loss.backward()).expect("FiLM has a gradient");
    // PyTorch keeps [out, in].
    close(
        "gradient of FiLM",
        gradient.transpose(),
        fixture.golden::<2>("film_grad"),
        1e-5,
    );
}

/// Sketched SIGReg sees what it should: a standard normal sample is fine, a collapsed one is not.
#[test]
fn sketched_sigreg_tells_a_normal_sample_from_a_collapsed_one() {
    let device = Device::flex();
    device.seed(3);
    let normal = Tensor::<2>::random([512, 16], burn::tensor::Distribution::Normal(0.0, 1.0), &device);
    let score = |rows: Tensor<2>| sigreg(SigReg::Sketched, rows, (0, 0)).into_scalar::<f32>();
    let (fine, collapsed) = (score(normal.clone()), score(normal * 0.05));
    assert!(fine * 20.0 < collapsed, "{fine} {collapsed}");
}
