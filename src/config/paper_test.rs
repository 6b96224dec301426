//! `paper.ron` against the method, value by value: section 5's table, and the numbers of 4.1 to 4.8 and 8 that stand
//! outside of it. Switches of our own must be off there.

use super::*;

fn paper() -> Config {
    preset("paper").unwrap()
}

#[test]
fn architecture() {
    let Config {
        world_model: model,
        vlm,
        gpi,
        precision,
        ..
    } = paper();
    // 5, 4.1: ViT-H/16, 32 layers, 16 heads, D = 1280, patches of 16, 224 x 224, N = 196; T = 16.
    assert_eq!((model.image_size, model.patch_size, model.tokens()), (224, 16, 196));
    assert_eq!(
        (
            model.dim,
            model.encoder.depth,
            model.encoder.heads,
            model.encoder.mlp_ratio
        ),
        (1280, 32, 16, 4)
    );
    assert_eq!(
        (model.clip_len, &model.encoder.stem, model.encoder.coordinates),
        (16, &Stem::Patch, false)
    );
    assert_eq!(model.encoder.attention, EncoderAttention::Clip);
    // 5, 4.3: 12 layers, 12 heads, D_p = 768, FiLM.
    let predictor = model.predictor;
    assert_eq!((predictor.depth, predictor.heads, predictor.dim), (12, 12, 768));
    assert_eq!(predictor.conditioning, ActionConditioning::Film);
    assert_eq!((predictor.residual, predictor.grip_sign), (false, false));
    // 5, 4.4: 7B, 32 layers, D = 4096, LoRA r = 16, alpha = 32; a CLIP tower (ViT-L/14 at 336).
    assert_eq!(
        (vlm.depth, vlm.dim, vlm.lora.rank, vlm.lora.alpha),
        (32, 4096, 16, 32.0)
    );
    assert_eq!((vlm.vision_depth, vlm.vision_dim, vlm.grid()), (24, 1024, 24));
    // 5, 4.5: 4 layers, D = 1280, 16 heads; language and map alone enter.
    assert_eq!((gpi.depth, gpi.dim, gpi.heads), (4, 1280, 16));
    assert_eq!((gpi.context, gpi.unmodulated, gpi.lambda_goal), (false, false, 0.0));
    // 5: mixed precision BF16.
    assert_eq!(precision, Precision::Bf16);
}

#[test]
fn stage_1() {
    let TrainConfig { betas, stage1, .. } = paper().train;
    assert_eq!(betas, (0.9, 0.95));
    assert_eq!(
        (stage1.lr.encoder, stage1.lr.predictor, stage1.lr.floor),
        (1.5e-4, 3e-4, 0.0)
    );
    assert_eq!((stage1.weight_decay, stage1.batch * stage1.accumulation), (0.05, 256));
    // 10 of 300 epochs of warm-up, in steps.
    assert!(stage1.steps > 0);
    assert_eq!(stage1.lr.warmup_steps * 300, stage1.steps * 10);
    assert_eq!(stage1.ema, (0.996, 1.0));
    // 4.6
    let mask = stage1.mask;
    assert_eq!((mask.blocks, mask.scale, mask.aspect), (4, (0.15, 0.7), (0.75, 1.5)));
    assert_eq!(
        (mask.temporal, mask.ratio, mask.causal_share),
        ((4, 8), (0.65, 0.9), 0.0)
    );
    // 4.7
    let losses = stage1.losses;
    assert_eq!(
        (losses.prediction, losses.target_scale),
        (PredictionLoss::SmoothL1, 1.0)
    );
    assert_eq!(
        (losses.sigreg, losses.lambda_reg, losses.sigreg_pooled),
        (SigReg::Spectral, 0.5, false)
    );
    // What the method does not have.
    assert_eq!(
        (losses.lambda_pooled, losses.lambda_var, losses.lambda_slow),
        (0.0, 0.0, 0.0)
    );
    assert_eq!(
        (losses.lambda_idm, losses.lambda_prop, stage1.event_share),
        (0.0, 0.0, 0.0)
    );
    assert_eq!(losses.lambda_picture, 0.0);
}

#[test]
fn stage_2() {
    let Config {
        train: TrainConfig { stage1b, stage2, .. },
        gpi,
        ..
    } = paper();
    assert_eq!((stage2.lr_gpi, stage2.lr_lora, stage2.weight_decay), (5e-5, 2e-5, 0.01));
    // 128 language-state pairs a step.
    assert_eq!(stage2.scenes * stage2.sub_goals_per_scene, 128);
    // 2 of 50 epochs of warm-up, in steps.
    assert!(stage2.steps > 0);
    assert_eq!(stage2.warmup_steps * 50, stage2.steps * 2);
    assert_eq!(
        (stage2.lambda_gpi, stage2.joint_rate, gpi.temperature),
        (1.0, 0.0, 0.07)
    );
    // The method has no stage between the two.
    assert_eq!(stage1b.steps, 0);
}

#[test]
fn planning() {
    let PlanConfig {
        horizon,
        cem,
        cost,
        encoder,
        goals,
        similarity,
        delta_goal,
        t_max,
        max_replans,
        reasoning_alpha,
        reasoning_eps,
    } = paper().plan;
    // 8: I = 5, P = 512, rho = 0.1, H = 10, delta_goal = 0.85, T_max = 100.
    assert_eq!(
        (cem.iterations, cem.population, cem.elite_fraction, horizon),
        (5, 512, 0.1, 10)
    );
    assert_eq!((delta_goal, t_max, max_replans), (0.85, 100, 3));
    // Algorithm 2: mu = 0 and Sigma = I at each start, refitted without a floor; f_theta observes; goals from x_0.
    assert_eq!((cem.sd0, cem.sigma_floor, cem.warm_start), (1.0, 0.0, false));
    assert_eq!((cem.noise_common, cem.switch_once), ([0.0; 3], false));
    assert_eq!(
        (encoder, goals, similarity),
        (PlanEncoder::Online, GoalTiming::Once, SimilarityKind::Cosine)
    );
    assert_eq!((cost.term, cost.aggregation), (CostTerm::Similarity, Aggregation::End));
    // 4.8
    assert_eq!((reasoning_alpha, reasoning_eps), (0.3, 1e-6));
}

/// Section 9's smaller encoder is the same system with ViT-L/16.
#[test]
fn vit_l_differs_in_its_width_and_depth_alone() {
    let mut config = preset("vit-l").unwrap();
    assert_eq!(
        (config.world_model.dim, config.world_model.encoder.depth, config.gpi.dim),
        (1024, 24, 1024)
    );
    let paper = paper();
    config.name.clone_from(&paper.name);
    (config.world_model.dim, config.world_model.encoder.depth, config.gpi.dim) = (1280, 32, 1280);
    assert_eq!(config, paper);
}

/// The record of Algorithm 1 as written: the masks, losses and momentum are the method's, the widths are nano's.
#[test]
fn algorithm_1_at_nano_size_has_the_method_s_masks_and_losses() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/presets/nano-algorithm-1.ron");
    let (config, paper, nano) = (load(&path).unwrap(), paper(), preset("nano").unwrap());
    let (stage, method) = (&config.train.stage1, &paper.train.stage1);
    assert_eq!((&stage.mask, &stage.losses), (&method.mask, &method.losses));
    assert_eq!((stage.ema, stage.weight_decay), (method.ema, method.weight_decay));
    assert_eq!((stage.lr.predictor / stage.lr.encoder, stage.steps), (2.0, 500));
    let (model, wide) = (&config.world_model, &paper.world_model);
    assert_eq!(model.clip_len, wide.clip_len);
    assert_eq!(
        (&model.encoder.stem, model.encoder.attention),
        (&Stem::Patch, EncoderAttention::Clip)
    );
    assert!(!model.encoder.coordinates && !model.predictor.residual && !model.predictor.grip_sign);
    assert_eq!(
        (model.dim, model.predictor.dim),
        (nano.world_model.dim, nano.world_model.predictor.dim)
    );
}
