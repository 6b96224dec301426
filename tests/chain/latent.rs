//! A real episode of the shipped checkpoint, looked into: every view of one of its steps has what a broken one would lack,
//! the same is found when the episode is opened again, and the plan is the one that is made without any of it.

use thinkjepa::engine::{Answer, Command, Examination, Phase, Question, Topic};
use thinkjepa::eval::latent::{Centre, LatentAnswer, LatentQuestion, Part, Rest};

use crate::branch::Desk;
use crate::support::with_list;

const QUESTIONS: [LatentQuestion; 6] = [
    LatentQuestion::OpenLoop,
    LatentQuestion::Sensitivity,
    LatentQuestion::Landscape {
        sub_goal: 0,
        rest: Rest::Held,
    },
    LatentQuestion::Landscape {
        sub_goal: 0,
        rest: Rest::Planned,
    },
    LatentQuestion::Patches(Centre::Patch),
    LatentQuestion::Imagined,
];

impl Desk {
    fn look_into(&self, step: usize, question: LatentQuestion) -> Result<LatentAnswer, String> {
        let question = Question::Latent(question);
        let asked = Examination::new(question, &self.0.recording(), step, None);
        assert!(self.0.send(Command::Examine(asked.clone())));
        let mut found = None;
        self.until("answered", |board| {
            let known = board
                .examined
                .get(&Topic::Latent)
                .is_some_and(|known| known.asked == asked);
            known && board.examining.is_empty()
        });
        if let Some(known) = self.0.board().examined.get(&Topic::Latent) {
            found = Some(known.answer.clone());
        }
        found.unwrap().map(|found| match found {
            Answer::Latent(answer) => answer,
            other @ Answer::Attention(_) => panic!("{other:?}"),
        })
    }
}

#[test]
fn a_real_step_is_looked_into_from_every_side_and_no_plan_is_another_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let desk = Desk::open(folder.path());
    desk.plan();
    desk.finish();
    let plan = desk.exported(&at("plan.json"));
    let recording = desk.0.recording();
    let horizon = recording.steps[0].cem[0].mean.len();
    // The step of the first sub-goal at which the gripper goes farthest.
    let end = recording.sub_goals[0]
        .end_step
        .unwrap()
        .min(recording.steps.len() - horizon);
    let way = |step: usize| recording.steps[step].action.map_or(0.0, |[x, y, _]| x.hypot(y));
    let step = (0..end).max_by(|&a, &b| way(a).total_cmp(&way(b))).unwrap();
    assert!(way(step) > 0.5, "step {step} of {end}");

    let answers = QUESTIONS.map(|question| desk.look_into(step, question).unwrap());
    let [open_loop, sensitivity, held, planned, patches, imagined] = &answers;
    let LatentAnswer::OpenLoop(open_loop) = open_loop else {
        panic!("{open_loop:?}");
    };
    assert_eq!(open_loop.known(), horizon);
    for part in [Part::Tokens, Part::Gripper] {
        let errors = open_loop.errors(part);
        assert!(errors.imagined[0] < errors.persistence[0], "{part:?}: {errors:?}");
    }
    let LatentAnswer::Sensitivity(sensitivity) = sensitivity else {
        panic!("{sensitivity:?}");
    };
    assert!(sensitivity.ratio().unwrap() > 0.2, "{sensitivity:?}");
    assert!(sensitivity.moved[horizon - 1] > sensitivity.moved[0], "{sensitivity:?}");
    for landscape in [held, planned] {
        let LatentAnswer::Landscape(found) = landscape else {
            panic!("{landscape:?}");
        };
        // The cell of what CEM chose is among the best fifth, and the expert goes the same way.
        let [x, y, _] = recording.steps[step].cem.last().unwrap().mean[0];
        let side = found.axis.len();
        let cell = |value: f32| ((value + 1.0) / 2.0 * (side - 1) as f32).round() as usize;
        let own = found.cost[cell(y) * side + cell(x)];
        let better = found.cost.iter().filter(|cost| **cost < own).count();
        assert!(
            better < side * side / 5,
            "{better} cells are better than what was chosen"
        );
        let [expert_x, expert_y, _] = *found.expert.as_ref().expect("the demo scene can be brought back");
        assert!(
            x * expert_x + y * expert_y > 0.0,
            "{x}, {y} against {expert_x}, {expert_y}"
        );
        assert!(
            found
                .similarity
                .iter()
                .any(|similarity| *similarity != found.similarity[0])
        );
    }
    let LatentAnswer::Patches(patches) = patches else {
        panic!("{patches:?}");
    };
    let [rows, columns] = patches.grid;
    assert_eq!(
        (rows * columns, patches.frames),
        (patches.rgb.len(), recording.steps.len())
    );
    assert!(patches.shares[0] > patches.shares[2] && patches.shares.iter().sum::<f64>() < 1.0);
    assert!(patches.rgb.iter().any(|rgb| *rgb != patches.rgb[0]));
    let LatentAnswer::Imagined(imagined) = imagined else {
        panic!("{imagined:?}");
    };
    assert_eq!(imagined.states.len(), horizon);
    let first = imagined.states[0];
    assert!(first.step.abs_diff(step + 1) <= 2, "{first:?} for step {}", step + 1);
    assert!(desk.exported(&at("after.json")) == plan);

    // Looked into while it is under way, the episode is the same.
    desk.plan();
    for _ in 0..3 {
        assert!(desk.0.send(Command::Step));
    }
    desk.until("three steps", |board| {
        board.phase == Phase::Paused && desk.0.recording().steps.len() == 4
    });
    for question in QUESTIONS {
        desk.look_into(1, question).unwrap();
    }
    desk.finish();
    assert!(desk.exported(&at("looked-into.json")) == plan, "it did something else");

    // Opened again, the episode looks the same; to another checkpoint it is closed.
    assert!(desk.0.send(Command::OpenRecording(at("episode-0001.tjrec"))));
    desk.until("opened", |board| board.phase == Phase::Opened);
    assert!(QUESTIONS.map(|question| desk.look_into(step, question).unwrap()) == answers);
    with_list(&at("tiny"));
    assert!(desk.0.send(Command::LoadCheckpoint(at("tiny"))));
    desk.until("loaded", |board| board.phase == Phase::Idle);
    assert!(desk.0.send(Command::OpenRecording(at("episode-0001.tjrec"))));
    desk.until("opened", |board| board.phase == Phase::Opened);
    let refused = desk.look_into(step, LatentQuestion::OpenLoop).unwrap_err();
    assert!(refused.contains("was made with the checkpoint nano"), "{refused}");
}

#[test]
fn the_expert_is_found_in_a_scene_of_ones_own_also_when_its_file_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let text = std::fs::read_to_string("scenes/three-blocks.ron").unwrap();
    std::fs::write(at("mine.ron"), text.replace("0.24", "0.22")).unwrap();
    let desk = Desk::open(folder.path());
    assert!(desk.0.send(Command::LoadScene(at("mine.ron"))));
    desk.until("loaded", |board| {
        board.phase == Phase::Idle && board.info.as_ref().is_some_and(|info| info.scene == "mine")
    });
    desk.plan();
    let expert = || match desk.look_into(0, QUESTIONS[2]).unwrap() {
        LatentAnswer::Landscape(found) => found.expert,
        other => panic!("{other:?}"),
    };
    let known = expert();
    assert!(known.is_ok(), "{known:?}");
    std::fs::remove_file(at("mine.ron")).unwrap();
    assert!(desk.0.send(Command::OpenRecording(at("episode-0001.tjrec"))));
    desk.until("opened", |board| board.phase == Phase::Opened);
    assert_eq!(expert(), known);
}
