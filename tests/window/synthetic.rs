//! A made-up episode with the shape of a real one, to draw panels from. Only tests see it.

use std::sync::{Arc, LazyLock};

use thinkjepa::config::preset;
use thinkjepa::device::DeviceChoice;
use thinkjepa::engine::{Answer, BoardView, Branches, Phase, Question, SessionInfo};
use thinkjepa::eval::latent::open_loop::Errors;
use thinkjepa::eval::latent::{
    Imagined, Landscape, LatentAnswer, LatentQuestion, Nearest, OpenLoop, Patches, Sensitivity,
};
use thinkjepa::recording::{
    AttentionMap, CemIteration, EndedBecause, QuestionRecord, Recording, ReplanRecord, StageSecs, StepRecord,
    SubGoalRecord, TokenRecord,
};
use thinkjepa::sim::{Action, Frame};
use thinkjepa::vlm::{AttentionQuestion, TokenAttention};

pub const EXAMPLES: [&str; 4] = [
    "stack the blocks by size on the blue pad",
    "put the red block on the blue pad",
    "clear the blue pad",
    "stack the green block on the red block",
];

const HORIZON: usize = 10;
const ELITES: usize = 8;

const STAGES: StageSecs = StageSecs {
    encode_secs: 0.01,
    sample_secs: 0.02,
    roll_out_secs: 0.5,
    score_secs: 0.06,
    refit_secs: 0.03,
};

/// The recipe's oblique camera.
pub fn project([x, y, z]: [f32; 3], height: f32) -> [f32; 2] {
    let scale = height / 64.0;
    [(32.0 + 25.0 * x) * scale, (39.0 - 19.0 * y - 15.0 * z) * scale]
}

pub fn info() -> SessionInfo {
    SessionInfo {
        preset: "nano".to_owned(),
        checkpoint: Some("nano".to_owned()),
        checkpoint_folder: Some("checkpoints/nano".into()),
        device: "cpu".to_owned(),
        device_choice: DeviceChoice::Auto,
        device_why: "there is no graphics card that this program can use".to_owned(),
        scene: "demo".to_owned(),
        scene_source: "scenes/demo.ron".to_owned(),
        plan: preset("nano").expect("the preset is compiled in").plan,
        checkpoint_plan: preset("nano").expect("the preset is compiled in").plan,
        project,
        gripper_height_m: 0.6,
        reach_m: 0.14,
        attention: Some([3, 5]),
    }
}

pub fn board(phase: Phase) -> BoardView {
    BoardView {
        phase,
        info: Some(Arc::new(info())),
        branches: Arc::new(Branches {
            at_hand: Some(0),
            ..Branches::default()
        }),
        ..BoardView::default()
    }
}

/// A tabletop with pads, blocks and a gripper, `height` pixels high.
pub fn picture(height: usize, gripper: [f32; 2], holding: bool) -> Frame {
    let scale = height as f32 / 64.0;
    let mut pixels = vec![[140u8, 153, 168]; height * height];
    let mut fill = |u0: f32, v0: f32, u1: f32, v1: f32, color: [u8; 3]| {
        let range = |a: f32, b: f32| {
            let edge = |x: f32| (x * scale).round().clamp(0.0, height as f32) as usize;
            edge(a)..edge(b)
        };
        for v in range(v0, v1) {
            for u in range(u0, u1) {
                pixels[v * height + u] = color;
            }
        }
    };
    fill(2.0, 17.7, 62.0, 60.3, [204, 194, 178]);
    fill(2.0, 60.3, 62.0, 63.0, [133, 117, 102]);
    let mut square = |[x, y]: [f32; 2], half: f32, z: f32, color: [u8; 3]| {
        let ([u, v], unit) = (project([x, y, z], 64.0), [25.0 * half, 19.0 * half]);
        fill(u - unit[0], v - unit[1], u + unit[0], v + unit[1], color);
    };
    square([-0.6, 0.55], 0.25, 0.0, [120, 170, 235]);
    square([0.6, 0.55], 0.25, 0.0, [235, 200, 120]);
    let mut block = |[x, y]: [f32; 2], half: f32, z: f32, color: [u8; 3]| {
        let dark = color.map(|c| (f32::from(c) * 0.62) as u8);
        let ([u, v], h) = (project([x, y - half, z], 64.0), 15.0 * 0.3);
        fill(u - 25.0 * half, v - h, u + 25.0 * half, v, dark);
        fill(u - 25.0 * half, v - h - 38.0 * half, u + 25.0 * half, v - h, color);
    };
    block([-0.2, -0.1], 0.16, 0.0, [60, 170, 90]);
    block([0.35, -0.4], 0.13, 0.0, [70, 90, 210]);
    block(
        if holding { gripper } else { [-0.55, 0.5] },
        0.15,
        if holding { 0.6 } else { 0.0 },
        [220, 60, 50],
    );
    let [u, v] = project([gripper[0], gripper[1], 0.6], 64.0);
    fill(u - 1.3, v - 9.0, u + 1.3, v, [64, 64, 71]);
    fill(u - 3.0, v - 2.0, u + 3.0, v + 1.5, [25, 240, 240]);
    let plane = |channel: usize| pixels.iter().map(move |pixel| pixel[channel]);
    Frame {
        width: height,
        height,
        rgb: plane(0).chain(plane(1)).chain(plane(2)).collect(),
    }
}

/// A bump of attention at a row and a column of a `side` x `side` grid, mean 1.
fn map(side: usize, [row, column]: [f32; 2]) -> Vec<f32> {
    let at = |i: usize| (i as f32 + 0.5) / side as f32;
    let raw: Vec<f32> = (0..side * side)
        .map(|i| {
            let d2 = (at(i / side) - row).powi(2) + (at(i % side) - column).powi(2);
            0.25 + 9.0 * (-d2 / 0.018).exp() + 0.15 * ((i * 37 % 11) as f32 / 11.0)
        })
        .collect();
    let mean = raw.iter().sum::<f32>() / raw.len() as f32;
    raw.iter().map(|value| value / mean).collect()
}

fn sub_goal(text: &str, objects: &[&str], at: [f32; 2], goal_m: [f32; 2]) -> SubGoalRecord {
    SubGoalRecord {
        text: text.to_owned(),
        objects: objects.iter().map(ToString::to_string).collect(),
        unmatched: Vec::new(),
        map: AttentionMap {
            grid: [8, 8],
            values: map(8, at),
            model_grid: [16, 16],
            resampled: map(16, at),
        },
        goal_made_at_step: 0,
        start_step: None,
        end_step: None,
        declared: false,
        achieved: None,
        ended_because: None,
        goal_gripper_m: Some(goal_m),
        edited: false,
    }
}

/// A number from 0 to 1 that looks drawn.
fn noise(seed: usize) -> f32 {
    let hashed = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((hashed ^ (hashed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f32 / (1u64 << 24) as f32
}

fn cem(step: usize, from: [f32; 2], to: [f32; 2]) -> Vec<CemIteration> {
    let along = [to[0] - from[0], to[1] - from[1]];
    let direction = |h: usize| -> Action {
        let fade = (1.0 - h as f32 / HORIZON as f32).max(0.15);
        [
            (along[0] * 3.0 * fade).clamp(-1.0, 1.0),
            (along[1] * 3.0 * fade).clamp(-1.0, 1.0),
            if h > 6 { 0.8 } else { -0.6 },
        ]
    };
    (0..4)
        .map(|iteration| {
            let spread = 0.5f32.powi(iteration);
            let costs: Vec<f32> = (0..64)
                .map(|i| {
                    let draw = noise(step * 999 + iteration as usize * 77 + i);
                    0.12 + 0.2 * spread + 0.6 * draw * draw * spread
                })
                .collect();
            let mut sorted = costs.clone();
            sorted.sort_by(f32::total_cmp);
            let elites: Vec<Vec<Action>> = (0..ELITES)
                .map(|e| {
                    (0..HORIZON)
                        .map(|h| {
                            let swing = |k: usize| (noise(step * 31 + e * 17 + h * 3 + k) - 0.5) * spread;
                            let [x, y, grip] = direction(h);
                            [x + swing(1), y + swing(2), grip]
                        })
                        .collect()
                })
                .collect();
            let path = |actions: &Vec<Action>| {
                let mut at = from;
                actions
                    .iter()
                    .map(|action| {
                        at = [
                            (at[0] + 0.1 * action[0]).clamp(-0.92, 0.92),
                            (at[1] + 0.1 * action[1]).clamp(-0.92, 0.92),
                        ];
                        at
                    })
                    .collect()
            };
            CemIteration {
                mean: (0..HORIZON).map(direction).collect(),
                sigma: (0..HORIZON)
                    .map(|h| [0.6 * spread, 0.5 * spread + 0.01 * h as f32, 0.4 * spread])
                    .collect(),
                elite_paths_m: elites.iter().map(path).collect(),
                elite_costs: sorted[..ELITES].to_vec(),
                elites,
                costs,
            }
        })
        .collect()
}

/// Twelve steps of a three-sub-goal episode: the first reached, the second under way.
pub fn recording() -> Recording {
    static RECORDING: LazyLock<Recording> = LazyLock::new(make_recording);
    RECORDING.clone()
}

fn make_recording() -> Recording {
    let mut sub_goals = vec![
        sub_goal("pick up the red block", &["red block"], [0.46, 0.29], [-0.55, 0.5]),
        sub_goal(
            "place the red block on the blue pad",
            &["red block", "blue pad"],
            [0.38, 0.27],
            [-0.6, 0.55],
        ),
        sub_goal("pick up the green block", &["green block"], [0.62, 0.42], [-0.2, -0.1]),
    ];
    sub_goals[0].start_step = Some(0);
    sub_goals[0].end_step = Some(7);
    sub_goals[0].declared = true;
    sub_goals[0].achieved = Some(true);
    sub_goals[0].ended_because = Some(EndedBecause::Reached);
    sub_goals[1].start_step = Some(7);
    sub_goals[1].goal_made_at_step = 7;
    let path = |step: usize| {
        let t = step as f32 / 11.0;
        [0.55 - 1.1 * t, -0.45 + 0.95 * t]
    };
    let steps = (0..12)
        .map(|step| {
            let current = usize::from(step >= 7);
            let at = path(step);
            let to = if current == 0 { [-0.55, 0.5] } else { [-0.6, 0.55] };
            let near = 1.0 - ((at[0] - to[0]).hypot(at[1] - to[1]) / 1.8).min(1.0);
            let last = step == 11;
            let holding = step >= 7;
            Arc::new(StepRecord {
                step,
                frame: picture(64, at, holding),
                view: picture(512, at, holding),
                vacuum: holding,
                sub_goal: Some(current),
                similarities: vec![
                    Some(0.2 + 0.75 * near),
                    Some(0.15 + 0.66 * near),
                    Some(0.34 - 0.1 * near),
                ],
                predicted_similarity: (0..HORIZON)
                    .map(|h| 0.15 + 0.66 * (near + 0.02 * h as f32).min(1.0))
                    .collect(),
                predicted_others: vec![
                    (0..HORIZON)
                        .map(|h| 0.2 + 0.75 * (near + 0.02 * h as f32).min(1.0))
                        .collect(),
                    Vec::new(),
                    (0..HORIZON).map(|h| 0.34 - 0.1 * near - 0.01 * h as f32).collect(),
                ],
                gripper_m: at,
                cem: if last { Vec::new() } else { cem(step, at, to) },
                action: (!last).then_some([-0.9, 0.7, if holding { 1.0 } else { -1.0 }]),
                cost: (!last).then_some(0.2),
                plan_secs: if last { 0.0 } else { 0.62 },
                stages: if last { StageSecs::default() } else { STAGES },
                draw: 0,
                open_loop_from: None,
            })
        })
        .collect();
    Recording {
        task: EXAMPLES[0].to_owned(),
        scene: "demo".to_owned(),
        seed: 7,
        checkpoint_name: "nano".to_owned(),
        checkpoint_hash: "0".repeat(64),
        delta_goal: 0.85,
        reasoning: "The red block is the largest and lies beside the blue pad, so it goes first. The green block is \
                    free and fits on top of it. Nothing is held."
            .to_owned(),
        answer: "The red block is the largest.\n1. [pick up the red block] | [red block]\n".to_owned(),
        unread: vec![],
        sub_goals,
        steps,
        replans: vec![ReplanRecord {
            step: 4,
            reason: "\"pick up the red block\" was not reached in 20 steps".to_owned(),
            reasoning: "The red block was missed.".to_owned(),
            answer: "The red block was missed.\n1. [pick up the red block] | [red block]".to_owned(),
            unread: vec![],
            sub_goals: vec!["pick up the red block".to_owned()],
        }],
        outcome: None,
        task_achieved: None,
        settings: Some(info().plan),
        ..Recording::default()
    }
}

/// The step that is being planned after [`recording`].
pub fn live(recording: &Recording) -> StepRecord {
    let last = recording.steps.last().expect("the episode has steps");
    StepRecord {
        cem: cem(11, last.gripper_m, [-0.6, 0.55])[..2].to_vec(),
        ..(**last).clone()
    }
}

/// [`recording`] with its first answer token by token: one word is in doubt.
pub fn recording_with_tokens() -> Recording {
    let tokens = [
        "The", " red", " block", " is", " free", ".\n", "1. [", "pick", " up", " the", " red", " block", "] | [",
        "red", " block", "]\n", "2. [", "place", " the", " red", " block", " on", " the", " blue", " pad", "] | [",
        "red", " block", ",", " blue", " pad", "]",
    ];
    let token = |(id, text): (usize, &&str)| TokenRecord {
        id: id as u32,
        text: (*text).to_owned(),
        probability: if *text == " free" { 0.4 } else { 0.93 },
        others: [("green", 0.05), ("end of answer", 0.001)]
            .map(|(text, p)| (text.to_owned(), p))
            .into(),
    };
    let question = QuestionRecord {
        step: 0,
        prompt: "Task: stack the blocks by size on the blue pad".to_owned(),
        first_sub_goal: Some(0),
        tokens: tokens.iter().enumerate().map(token).collect(),
    };
    Recording {
        questions: vec![question],
        ..recording()
    }
}

/// Each layer, head and token looks at a patch of its own more than at the others.
fn attention(asked: &AttentionQuestion) -> TokenAttention {
    let (layers, heads) = (3, 5);
    let tokens = match asked {
        AttentionQuestion::Answer { tokens, .. } => tokens.len(),
        AttentionQuestion::SubGoal { .. } => 4,
    };
    let values = (0..layers * heads * tokens * 64).map(|at| {
        let (patch, row) = (at % 64, at / 64);
        let (token, head, layer) = (row % tokens, row / tokens % heads, row / tokens / heads);
        // The last layer looks where the token's number says, whatever the head.
        let looked_at = if layer + 1 == layers { token } else { 8 * layer + head };
        if patch == looked_at { 0.3 } else { 0.005 }
    });
    TokenAttention {
        layers,
        heads,
        tokens,
        grid: [8, 8],
        values: values.collect(),
    }
}

/// What a model might say of a step of [`recording`].
pub fn answer(question: &Question) -> Answer {
    let rising = |from: f64, by: f64| (0..5).map(|h| from + by * f64::from(h)).collect::<Vec<f64>>();
    let question = match question {
        Question::Latent(question) => question,
        Question::Attention(asked) => return Answer::Attention(attention(asked)),
    };
    Answer::Latent(match *question {
        LatentQuestion::Landscape { sub_goal, rest } => {
            let axis: Vec<f32> = (0..15).map(|i| i as f32 / 7.0 - 1.0).collect();
            let gap = |at: usize| (axis[at % 15] + 0.8).hypot(axis[at / 15] - 0.6);
            LatentAnswer::Landscape(Landscape {
                sub_goal,
                rest,
                grip: -1.0,
                similarity: (0..225).map(|at| (-gap(at)).exp()).collect(),
                cost: (0..225).map(gap).collect(),
                axis,
                now: 0.4,
                horizon: 5,
                expert: Ok([-1.0, 0.5, -1.0]),
            })
        }
        LatentQuestion::Patches(centre) => LatentAnswer::Patches(Patches {
            centre,
            grid: [4, 4],
            rgb: (0..16).map(|i| [i as f32 / 15.0, 0.5, 1.0 - i as f32 / 15.0]).collect(),
            shares: [0.5, 0.2, 0.1],
            frames: 12,
        }),
        LatentQuestion::OpenLoop => {
            let errors = || Errors {
                imagined: rising(0.01, 0.01),
                persistence: rising(0.1, 0.1),
            };
            LatentAnswer::OpenLoop(OpenLoop {
                horizon: 5,
                errors: [errors(), errors(), errors()],
            })
        }
        LatentQuestion::Sensitivity => LatentAnswer::Sensitivity(Sensitivity {
            executed: 3,
            moved: rising(0.2, 0.2),
            still: rising(0.2, 0.2),
            shuffled: Some(rising(0.3, 0.3)),
        }),
        LatentQuestion::Imagined => LatentAnswer::Imagined(Imagined {
            states: (0..5)
                .map(|h| Nearest {
                    step: h + 2,
                    distance: 0.1,
                    real: (h < 3).then_some(0.2),
                })
                .collect(),
            frames: 12,
            pictures: (0..5).map(|_| recording().steps[0].frame.clone()).collect(),
        }),
    })
}
