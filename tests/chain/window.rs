//! The real window with a real system behind it, driven through its widgets: a task typed, planned, run and exported is
//! the plan of the command line to the byte, and a mistake is said and touches nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use thinkjepa::app::{AppOptions, Studio, prepare};
use thinkjepa::device::{DeviceChoice, ask_children_of};
use thinkjepa::engine::{Command, Engine, Phase};
use thinkjepa::panels::ViewState;
use thinkjepa::recording::{Recording, file};
use thinkjepa::sim::DEMO_SCENE;
use thinkjepa::studio::{StudioSettings, start};

use crate::support::{TASK, planned_headless, with_list};

/// The app, made at its first frame.
pub struct Seat {
    engine: Option<Engine>,
    studio: Option<Studio>,
}

/// A file that is dropped on the window.
#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|err| err.to_string())
    }
}

/// The window, and what a user does to it.
pub struct Window(pub Harness<'static, Seat>);

impl Window {
    pub fn open(checkpoint: PathBuf, device: DeviceChoice, recordings: &Path) -> Self {
        ask_children_of(env!("CARGO_BIN_EXE_thinkjepa").into());
        let settings = StudioSettings {
            checkpoint,
            scene: DEMO_SCENE.to_owned(),
            seed: 7,
            device,
            recordings: Some(recordings.to_owned()),
        };
        let engine = start(settings, Arc::new(|| ())).unwrap();
        let seat = Seat {
            engine: Some(engine),
            studio: None,
        };
        let options = AppOptions {
            examples: vec!["pick up the green block".to_owned()],
            seed: 7,
            ..AppOptions::default()
        };
        let draw = move |ui: &mut egui::Ui, seat: &mut Seat| {
            if let Some(engine) = seat.engine.take() {
                seat.studio = Some(Studio::with_engine(ui.ctx(), &options, engine));
            }
            seat.studio.as_mut().unwrap().frame_ui(ui);
        };
        let harness = Harness::<Seat>::builder()
            .with_size([1600.0, 1000.0])
            .with_context_setup(prepare)
            .build_ui_state(draw, seat);
        let mut window = Self(harness);
        window.until("idle", |window| window.phase() == Phase::Idle);
        window
    }

    pub fn engine(&self) -> &Engine {
        self.0.state().studio.as_ref().unwrap().engine()
    }

    pub fn state(&self) -> &ViewState {
        self.0.state().studio.as_ref().unwrap().state()
    }

    pub fn phase(&self) -> Phase {
        self.engine().board().phase
    }

    /// Draws frames until it is so.
    pub fn until(&mut self, what: &str, so: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !so(self) {
            let board = self.engine().board();
            assert!(begun.elapsed() < Duration::from_secs(120), "never {what}: {board:?}");
            self.0.step();
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn says(&mut self, words: &str) {
        self.until(words, |window| {
            window.0.query_all_by_label_contains(words).next().is_some()
        });
    }

    pub fn recording(&self) -> Arc<Recording> {
        self.engine().recording()
    }

    pub fn open_recording(&mut self, path: &Path) {
        self.0.key_press_modifiers(Modifiers::COMMAND, Key::O);
        self.0.run_steps(2);
        self.fill("Recording", &path.display().to_string());
        self.press("Open recording");
    }

    pub fn dismiss(&mut self) {
        self.0.get_by_label("Dismiss the message").click();
        self.until("dismissed", |window| {
            window.0.query_by_label("Dismiss the message").is_none()
        });
    }

    /// Replaces what stands in a field.
    pub fn fill(&mut self, field: &str, words: &str) {
        self.0.get_by_role_and_label(Role::TextInput, field).focus();
        self.0.run_steps(2);
        self.0.key_press_modifiers(Modifiers::COMMAND, Key::A);
        self.0.key_press(Key::Delete);
        self.0.run_steps(2);
        if !words.is_empty() {
            self.0.get_by_role_and_label(Role::TextInput, field).type_text(words);
            self.0.run_steps(2);
        }
    }

    pub fn press(&mut self, button: &str) {
        self.click(Role::Button, button);
    }

    pub fn click(&mut self, role: Role, label: &str) {
        self.0.get_by_role_and_label(role, label).click();
        self.0.run_steps(2);
    }

    pub fn plan_to_the_end(&mut self, task: &str) {
        self.fill("Task", task);
        self.press("Plan");
        self.until("finished", |window| window.phase() == Phase::Finished);
    }

    pub fn export(&mut self, path: &Path) -> Vec<u8> {
        self.0.key_press_modifiers(Modifiers::COMMAND, Key::E);
        self.0.run_steps(2);
        self.fill("Export file", &path.display().to_string());
        self.press("Export plan");
        self.says(&format!("Wrote {}.", path.display()));
        std::fs::read(path).unwrap()
    }
}

#[test]
fn a_typed_task_is_planned_run_and_exported_as_the_command_line_does_it_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    with_list(&at("tiny"));
    let headless = planned_headless(folder.path());

    let mut window = Window::open(at("tiny"), DeviceChoice::Cpu, &at("recordings"));

    // Mistakes before there is anything to lose.
    window.fill("Task", "");
    window.0.key_press(Key::Enter);
    window.says("The task is empty");
    window.dismiss();
    for (task, words) in [
        ("stack the orange ball on the red block".to_owned(), "orange"),
        ("put the red block ".repeat(23), "413 characters"),
    ] {
        window.fill("Task", &task);
        window.press("Plan");
        window.says(words);
        window.dismiss();
        assert_eq!(window.phase(), Phase::Idle, "{task}");
    }

    window.plan_to_the_end(TASK);
    assert!(
        window.export(&at("window.json")) == headless,
        "the window made another plan"
    );

    // Mistakes that must leave the episode as it is.
    window.fill("Task", "stack the orange ball on the red block");
    window.0.key_press(Key::Enter);
    window.says("orange");
    window.dismiss();
    window.0.key_press_modifiers(Modifiers::COMMAND, Key::O);
    window.0.run_steps(2);
    window.fill("Checkpoint folder", &at("none").display().to_string());
    window.press("Load checkpoint");
    window.says("config.json");
    window.dismiss();
    window.0.key_press_modifiers(Modifiers::COMMAND, Key::E);
    window.0.run_steps(2);
    window.fill("Export file", &at("no/plan.json").display().to_string());
    window.press("Export plan");
    window.says("The episode was not touched");
    window.dismiss();
    assert!(
        window.export(&at("again.json")) == headless,
        "a mistake changed the episode"
    );
}

#[test]
fn a_device_that_is_chosen_in_the_title_bar_plans_and_one_that_is_not_there_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    with_list(&at("tiny"));
    let headless = planned_headless(folder.path());

    let mut window = Window::open(at("tiny"), DeviceChoice::Auto, &at("recordings"));
    let choice = |window: &Window| window.engine().board().info.unwrap().device_choice;
    assert_eq!(choice(&window), DeviceChoice::Auto);
    // The engine may be a frame ahead of what is drawn.
    window.0.run_steps(2);
    window.press("Device: cpu");
    window.click(Role::RadioButton, "cpu: the processor");
    window.until("on the chosen device", |window| {
        choice(window) == DeviceChoice::Cpu && window.phase() == Phase::Idle
    });

    window.plan_to_the_end(TASK);
    assert!(
        window.export(&at("window.json")) == headless,
        "the chosen device made another plan"
    );

    assert!(window.engine().send(Command::SetDevice(DeviceChoice::Wgpu(999))));
    window.says("Device wgpu:999 is not there");
    window.says("What was loaded before is still in use. Choose another device.");
    window.dismiss();
    assert_eq!(choice(&window), DeviceChoice::Cpu);
    assert!(
        window.export(&at("again.json")) == headless,
        "a device that is not there changed the episode"
    );
}

#[test]
fn an_episode_is_recorded_as_it_happens_and_is_the_same_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    with_list(&at("tiny"));
    let headless = planned_headless(folder.path());
    let mut window = Window::open(at("tiny"), DeviceChoice::Cpu, &at("recordings"));
    window.plan_to_the_end(TASK);
    let episode = window.recording();
    let recorded = at("recordings/episode-0001.tjrec");
    let on_disk = file::open(&recorded).unwrap();
    assert!(on_disk.recording == *episode && on_disk.cut_at.is_none());
    window.export(&at("saved.tjrec"));

    window.open_recording(&at("none.tjrec"));
    window.says("none.tjrec");
    window.dismiss();
    assert!(window.recording() == episode, "a mistake changed the episode");

    window.press("Reset");
    window.until("idle again", |window| window.phase() == Phase::Idle);
    assert!(window.recording().steps.is_empty());
    window.open_recording(&at("saved.tjrec"));
    window.until("opened", |window| window.phase() == Phase::Opened);
    assert!(window.recording() == episode, "it is another when it is opened again");
    assert!(window.export(&at("again.json")) == headless);

    // What a program that was killed leaves: the steps that were whole.
    let bytes = std::fs::read(&recorded).unwrap();
    std::fs::write(at("cut.tjrec"), &bytes[..bytes.len() / 2]).unwrap();
    let dropped = Arc::new(Dropped(at("cut.tjrec")));
    window.0.input_mut().dropped_files.push(dropped);
    window.until("the cut one opened", |window| {
        window.phase() == Phase::Opened && window.recording().steps.len() < episode.steps.len()
    });
    let cut = window.recording();
    assert!(!cut.steps.is_empty());
    assert_eq!(cut.steps[..], episode.steps[..cut.steps.len()]);
    // Nothing can be done that goes on from there, and nothing is said about a mistake.
    window.0.run_steps(2);
    for button in ["Run", "Step"] {
        assert!(window.0.get_by_label(button).accesskit_node().is_disabled(), "{button}");
    }
    assert!(window.engine().board().failure.is_none());
    assert!(window.recording() == cut);
}
