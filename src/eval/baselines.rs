//! What stands in the place of the language model's list, to see what that is worth: the whole task as one sub-goal, with
//! its goal made of its words or of a picture, the teacher's list, and no thought at all.

use std::cell::RefCell;
use std::rc::Rc;

use burn::tensor::Tensor;
use rand_chacha::ChaCha8Rng;

use crate::planner::{
    Answer, Goal, GoalMaker, GoalRequest, GoalSource, LatentModel, ModelError, OnText, Question, Reasoner, SubGoal,
};
use crate::random::{Stream, rng};
use crate::recording::AttentionMap;
use crate::sim::tasks::{Task, decompose};
use crate::sim::{Action, Frame, RandomMotion, WorldState};
use crate::vlm::maps::attention_map;

/// Keeps the random motion's numbers apart from others of the stream.
const MOTION: u64 = 4;
/// The grip's strength; only its sign counts.
const GRIP: f32 = 0.6;

/// The true state of a world while an episode runs in it: for what is allowed to know it, never for a model or the planner.
pub type Truth = Rc<RefCell<WorldState>>;

/// Answers every question with the task itself as the only sub-goal: planning without decomposition.
pub struct WholeTask;

impl Reasoner for WholeTask {
    fn reason(&self, question: &Question, on_text: &mut OnText) -> Result<Answer, ModelError> {
        let sub_goal = SubGoal {
            text: question.task.to_owned(),
            // Naming the objects would be a thought.
            objects: Vec::new(),
        };
        Ok(spoken(vec![sub_goal], on_text))
    }
}

/// The same goal whatever is asked: an encoded picture, without a word of language.
pub struct GoalPicture {
    tokens: Tensor<3>,
    map: AttentionMap,
}

impl GoalPicture {
    /// `grid` is the side of the world model's patch grid.
    ///
    /// # Errors
    /// The picture has not the encoder's size.
    pub fn new(world: &dyn LatentModel, picture: &Frame, grid: usize) -> Result<Self, ModelError> {
        Ok(Self {
            tokens: world.encode(std::slice::from_ref(picture))?,
            map: attention_map(&vec![1.0; grid * grid], [grid; 2], [grid; 2]),
        })
    }
}

impl GoalMaker for GoalPicture {
    fn source(&self) -> GoalSource {
        GoalSource::Image
    }

    fn goal(&self, _request: &GoalRequest) -> Result<Goal, ModelError> {
        Ok(Goal {
            tokens: self.tokens.clone(),
            map: self.map.clone(),
        })
    }
}

/// Answers with the shortest list that solves the task from the true state of that moment.
pub struct Teacher {
    pub task: Task,
    pub truth: Truth,
}

impl Teacher {
    /// The list; empty where all is done, or nothing can be.
    pub fn list(&self) -> Vec<SubGoal> {
        let plan = decompose(&self.task, &self.truth.borrow());
        let sub_goals = plan.into_iter().flat_map(|plan| plan.sub_goals);
        sub_goals
            .map(|sub_goal| SubGoal {
                text: sub_goal.text,
                objects: sub_goal.objects,
            })
            .collect()
    }
}

impl Reasoner for Teacher {
    fn reason(&self, question: &Question, on_text: &mut OnText) -> Result<Answer, ModelError> {
        let mut list = self.list();
        // All is done, or nothing can be: what failed is tried again, since an answer has to say something.
        let failed = question.history.and_then(|history| history.failed.last());
        if let Some(failed) = failed.filter(|_| list.is_empty()) {
            list.push(SubGoal {
                text: failed.clone(),
                objects: Vec::new(),
            });
        }
        Ok(spoken(list, on_text))
    }
}

fn spoken(sub_goals: Vec<SubGoal>, on_text: &mut OnText) -> Answer {
    let lines: Vec<String> = sub_goals
        .iter()
        .enumerate()
        .map(|(i, sub_goal)| format!("{}. [{}] | [{}]", i + 1, sub_goal.text, sub_goal.objects.join(", ")))
        .collect();
    let text = lines.join("\n");
    on_text(&text, None);
    Answer {
        prompt: String::new(),
        text,
        reasoning: String::new(),
        sub_goals,
        unread: Vec::new(),
    }
}

/// The random part of the training data's motion, without a thought.
#[derive(Clone, Debug)]
pub struct RandomPolicy {
    rng: ChaCha8Rng,
    motion: RandomMotion,
}

impl RandomPolicy {
    /// The motion of one episode's seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = rng(seed, Stream::Eval, 0, MOTION);
        let motion = RandomMotion::new(&mut rng);
        Self { rng, motion }
    }

    pub fn act(&mut self) -> Action {
        self.motion.act(GRIP, &mut self.rng)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::eval::demo_suite;
    use crate::planner::toy::{ToyModel, ToyWorld, frame_of, toy_config};
    use crate::planner::{Episode, EpisodeSetup, Models, run_episode};
    use crate::recording::Outcome;
    use crate::sim::Scene;
    use crate::sim::tasks::{Phrasing, TaskBook, list_is_right};
    use crate::vlm::History;

    fn ask(reasoner: &dyn Reasoner, task: &str, history: Option<&History>) -> Vec<String> {
        let frame = crate::sim::Frame {
            width: 1,
            height: 1,
            rgb: std::sync::Arc::new([0u8; 3]),
        };
        let question = Question {
            frame: &frame,
            task,
            history,
            temperature: 0.0,
            seed: 0,
            cancel: &AtomicBool::new(false),
        };
        let mut said = String::new();
        let answer = reasoner
            .reason(&question, &mut |piece, _| said.push_str(piece))
            .unwrap();
        assert_eq!(said, answer.text);
        answer.sub_goals.into_iter().map(|sub_goal| sub_goal.text).collect()
    }

    #[test]
    fn the_whole_task_is_one_sub_goal() {
        assert_eq!(ask(&WholeTask, "clear the yellow pad", None), ["clear the yellow pad"]);
    }

    #[test]
    fn a_goal_picture_is_pursued_whatever_the_task_s_words() {
        let model = ToyModel::new();
        let picture = GoalPicture::new(&model, &frame_of(0.5, 0.2, false), 2).unwrap();
        let models = Models {
            world: &model,
            goals: &picture,
            reasoner: &WholeTask,
        };
        let setup = EpisodeSetup {
            task: "sing".to_owned(),
            seed: 7,
            view_height_px: 1,
            ..EpisodeSetup::default()
        };
        let (mut episode, mut world) = (Episode::new(setup, toy_config()), ToyWorld::new());
        let cancel = AtomicBool::new(false);
        let outcome = run_episode(
            &mut episode,
            &mut world,
            &models,
            Some(20),
            &mut |_| (),
            &mut |_, _| (),
            &cancel,
        );
        assert_eq!(outcome.unwrap(), Outcome::Reached);
        assert!((world.x - 0.5).hypot(world.y - 0.2) < 0.15, "{} {}", world.x, world.y);
        let recording = episode.recording().snapshot();
        assert_eq!(recording.sub_goals.len(), 1);
        assert!(recording.sub_goals[0].map.resampled.iter().all(|weight| *weight == 1.0));
    }

    #[test]
    fn the_teacher_s_list_is_right_from_wherever_the_world_is() {
        let furniture = Scene::load("three-blocks").unwrap().start(0).unwrap();
        let suite = demo_suite(&TaskBook::built_in().unwrap(), &furniture, 3, 20, Phrasing::Seen, None);
        for one in &suite {
            let mut world = one.world(8);
            let truth = Rc::new(RefCell::new(world.state().clone()));
            let teacher = Teacher {
                task: one.task.clone(),
                truth: truth.clone(),
            };
            let list = ask(&teacher, &one.task.text, None);
            assert!(
                list.len() == one.horizon && list_is_right(&list, &world, &one.task),
                "{list:?}"
            );
            // One sub-goal further, one sub-goal less.
            assert!(crate::sim::tasks::run_primitive(&mut world, one.primitives[0]));
            truth.replace(world.state().clone());
            let rest = ask(&teacher, &one.task.text, None);
            assert_eq!(rest.len(), list.len() - 1);
            assert!(list_is_right(&rest, &world, &one.task), "{rest:?}");
        }
        let one = &suite[0];
        let mut world = one.world(8);
        for &primitive in &one.primitives {
            assert!(crate::sim::tasks::run_primitive(&mut world, primitive));
        }
        let teacher = Teacher {
            task: one.task.clone(),
            truth: Rc::new(RefCell::new(world.state().clone())),
        };
        let history = History {
            reached: vec![],
            failed: vec!["pick up the red block".to_owned()],
        };
        assert_eq!(
            ask(&teacher, &one.task.text, Some(&history)),
            ["pick up the red block"],
            "nothing is left"
        );
    }

    #[test]
    fn random_motion_is_the_seed_s_smooth_and_within_bounds() {
        let actions = |seed| {
            let mut motion = RandomPolicy::new(seed);
            (0..200).map(|_| motion.act()).collect::<Vec<Action>>()
        };
        let first = actions(1);
        assert_eq!(first, actions(1));
        assert_ne!(first, actions(2));
        assert!(first.iter().flatten().all(|value| value.abs() <= 1.0));
        // Neighbouring steps go the same way far more often than not.
        let same = first.windows(2).filter(|pair| pair[0][0] * pair[1][0] > 0.0).count();
        assert!(same > 130, "{same}");
        assert!(first.iter().any(|action| action[2] > 0.0) && first.iter().any(|action| action[2] < 0.0));
    }
}
