//! The samples of a run by their labels: which run and which step is asked for, and what each stage's sample shows.

use std::path::PathBuf;
use std::sync::Arc;

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use thinkjepa::engine::{Command, Phase, RunSamples, RunState, Stage, TrainingCommand};
use thinkjepa::panels::Workspace;
use thinkjepa::recording::Recording;
use thinkjepa::train::{
    AnswerSample, LatentKind, MapSample, MaskedClip, MaskedFrame, Masks, OpenLoopError, Pairs, PictureRow,
    PictureSample, PlanSample, ProbeErrors, Sample, SampleContent, Spectrum, TokenRole,
};

use super::{Desk, synthetic, training, window};

/// What a stage's sample holds, made up.
pub(super) fn sample(stage: Stage, step: usize) -> Sample {
    let frame = || synthetic::recording().steps[0].frame.clone();
    let masked = |roles: [TokenRole; 4]| MaskedFrame {
        frame: frame(),
        roles: roles.to_vec(),
    };
    let (context, target) = (TokenRole::Context, TokenRole::Target);
    let content = match stage {
        Stage::One => SampleContent {
            spectra: [(LatentKind::Pooled, 0.55f32), (LatentKind::Tokens, 0.75)]
                .map(|(of, fall)| {
                    let shares: Vec<f32> = (0..32).map(|i| (1.0 - fall) * fall.powi(i)).collect();
                    Spectrum {
                        of,
                        shares,
                        effective_rank: if of == LatentKind::Pooled { 3.96 } else { 8.2 },
                        rows: 320,
                    }
                })
                .to_vec(),
            masks: Some(Masks {
                causal: false,
                grid: 2,
                clips: vec![MaskedClip {
                    frames: vec![
                        masked([context, context, target, context]),
                        masked([target, TokenRole::Unused, target, context]),
                    ],
                }],
            }),
            pictures: vec![PictureRow {
                episode: 2994,
                from: 12,
                steps: [0, 4]
                    .map(|ahead| PictureSample {
                        ahead,
                        seen: frame(),
                        read: frame(),
                    })
                    .to_vec(),
            }],
            probe: Some(ProbeErrors {
                gripper_m: 0.041,
                blocks_m: 0.18,
                gripper_chance_m: 0.42,
                blocks_chance_m: 0.39,
                by_block_m: vec![("red block".to_owned(), 0.12), ("blue block".to_owned(), 0.24)],
                episodes: [24, 8],
            }),
            ..SampleContent::default()
        },
        Stage::OneB => SampleContent {
            open_loop: (1..=8)
                .map(|ahead| OpenLoopError {
                    ahead,
                    tokens: 0.3 + 0.04 * ahead as f64,
                    comparison: 0.1 + 0.02 * ahead as f64,
                })
                .collect(),
            plans: vec![
                PlanSample {
                    what: "pick".to_owned(),
                    reached: true,
                    steps: 5,
                    budget: 12,
                },
                PlanSample {
                    what: "place".to_owned(),
                    reached: false,
                    steps: 12,
                    budget: 12,
                },
            ],
            ..SampleContent::default()
        },
        Stage::Vlm => SampleContent {
            answers: vec![AnswerSample {
                frame: frame(),
                task: "put the red block on the blue pad".to_owned(),
                teacher: "red is free.\n1. [pick up the red block] | [red block]".to_owned(),
                answer: "red is free.\n1. [pick up the green block] | [green block]".to_owned(),
                same_list: false,
                ended: true,
                maps: vec![MapSample {
                    text: "pick up the red block".to_owned(),
                    mass: 0.62,
                    chance: 0.08,
                }],
            }],
            ..SampleContent::default()
        },
        Stage::Two => SampleContent {
            pairs: Some(Pairs {
                labels: vec![
                    "1: pick up the red block".to_owned(),
                    "1: pick up the blue block".to_owned(),
                ],
                identity: vec![0, 1],
                columns: 3,
                cosines: vec![0.9, 0.2, 0.1, 0.7, 0.5, 0.1],
                temperature: 0.07,
            }),
            ..SampleContent::default()
        },
        Stage::Bc => SampleContent {
            plans: vec![PlanSample {
                what: "pick up the red block".to_owned(),
                reached: true,
                steps: 4,
                budget: 20,
            }],
            ..SampleContent::default()
        },
    };
    Sample::new(stage, step, 0.31, content)
}

fn shown(run: &str, stage: Stage, steps: &[usize], step: usize) -> RunSamples {
    RunSamples {
        run: run.into(),
        steps: steps.to_vec(),
        shown: Some(Arc::new(sample(stage, step))),
        problem: None,
    }
}

pub(super) fn desk(stage: Stage) -> Desk {
    let mut desk = Desk::new(Recording::default(), Phase::Idle);
    desk.state.workspace = Workspace::Training;
    desk.state.task.focus = false;
    desk.metrics.listed = vec![
        training::facts("runs/first", RunState::Stopped, 300),
        training::facts("runs/other", RunState::Elsewhere, 300),
    ];
    desk.metrics
        .watched
        .insert("runs/first".into(), training::run(300, 1.3, None));
    let mut run = training::run(300, 1.0, None);
    for step in [100, 200, 300] {
        run.push("probe_gripper_m".to_owned(), f64::from(step), 4.0 / f64::from(step));
        run.push(
            "probe_blocks_m".to_owned(),
            f64::from(step),
            0.2 + 10.0 / f64::from(step),
        );
    }
    desk.metrics.watched.insert("runs/other".into(), run);
    desk.metrics.samples = shown("runs/other", stage, &[1, 100, 200, 300], 300);
    desk
}

fn asked(window: &mut Harness<'_, Desk>) -> Vec<(PathBuf, Option<usize>)> {
    let sent = window.state_mut().take();
    let asked = sent.into_iter().filter_map(|command| match command {
        Command::Training(TrainingCommand::ShowSample { run, step }) => Some((run, step)),
        _ => None,
    });
    asked.collect()
}

fn has(window: &Harness<'_, Desk>, words: &str) -> bool {
    window.query_all_by_label_contains(words).next().is_some()
}

#[test]
fn the_run_that_goes_on_is_sampled_and_its_steps_are_leafed_through() {
    let mut window = window(desk(Stage::One));
    window.run_steps(3);
    assert_eq!(asked(&mut window), [("runs/other".into(), None)]);
    assert!(has(&window, "After step 300 of stage 1 · took 310 ms"));
    window.get_by_label("Sample before this one").click();
    window.run_steps(2);
    assert_eq!(asked(&mut window), [("runs/other".into(), Some(200))]);
    // Another one comes; who looks at the past stays there.
    window.state_mut().metrics.samples = shown("runs/other", Stage::One, &[1, 100, 200, 300, 400], 200);
    window.run_steps(2);
    assert!(has(&window, "After step 200") && asked(&mut window).is_empty());
    window.get_by_label("Sample before this one").click();
    window.run_steps(2);
    window.get_by_label("Sample before this one").click();
    window.run_steps(2);
    window.state_mut().metrics.samples.shown = Some(Arc::new(sample(Stage::One, 1)));
    window.run_steps(2);
    assert!(has(&window, "After step 1 of stage 1"));
    window.get_by_label("Newest sample").click();
    window.run_steps(2);
    let steps: Vec<Option<usize>> = asked(&mut window).into_iter().map(|(_, step)| step).collect();
    assert_eq!(steps, [Some(100), Some(1), None]);
    // A run that is not watched any more is left for one that is.
    window
        .state_mut()
        .metrics
        .watched
        .remove(std::path::Path::new("runs/other"));
    window.run_steps(2);
    assert_eq!(asked(&mut window), [("runs/first".into(), None)]);
    assert!(
        has(&window, "This run has no sample"),
        "what is known is of the other run"
    );
}

#[test]
fn each_stage_shows_its_own() {
    let words: [(Stage, &[&str]); 4] = [
        (
            Stage::One,
            &[
                "pooled latent: effective rank 3.96 of 32; 90 % of the variance in 4",
                "Spectrum of 32 directions",
                "gripper 4.10 cm (mean alone 42.0 cm); blocks 18.0 cm (mean alone 39.0 cm)",
                "red block 12.0 cm · blue block 24.0 cm",
                "Read-out errors over steps, metres",
                "Block masks: 43 % of the tokens used in these frames are target",
                "Mask of clip 1, frame 2",
                "Episode 2994 from step 12: +0, +4",
                "Read in episode 2994, 4 steps ahead",
            ],
        ),
        (
            Stage::OneB,
            &[
                "tokens 0.340 after 1 step, 0.620 after 8",
                "Open-loop error by steps ahead",
                "pick: reached after 5 steps",
                "place: not reached within 12 steps",
            ],
        ),
        (
            Stage::Vlm,
            &[
                "0 of 1 lists are the teacher's",
                "Frame of answer 1",
                "another list",
                "pick up the red block: 62 % on its objects, even 8 %",
                "pick up the green block",
            ],
        ),
        (
            Stage::Two,
            &[
                "1 of 2 goals are nearest to their own state; mean rank 1.50 of 3, worst 2",
                "Cosines of 2 goals with 3 states",
                "1: pick up the blue block, rank 2",
            ],
        ),
    ];
    for (stage, words) in words {
        let mut window = window(desk(stage));
        window.run_steps(3);
        for word in words {
            assert!(has(&window, word), "stage {stage}: {word}");
        }
    }
}

#[test]
fn without_a_sample_it_is_said_why_and_a_damaged_one_is_no_end() {
    let mut none = Desk::new(Recording::default(), Phase::Idle);
    none.state.workspace = Workspace::Training;
    let mut window = window(none);
    window.run_steps(3);
    assert!(has(&window, "every train.samples_every steps"));
    assert!(asked(&mut window).is_empty());
    let mut desk = desk(Stage::One);
    desk.metrics.samples.shown = None;
    desk.metrics.samples.problem = Some("Could not read 0000300.cbor: it ends early.".to_owned());
    let mut window = super::window(desk);
    window.run_steps(3);
    assert!(has(&window, "Could not read 0000300.cbor"));
    window.get_by_label("Sample before this one").click();
    window.run_steps(2);
    assert_eq!(asked(&mut window).last().unwrap().1, Some(200));
}
