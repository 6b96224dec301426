//! What the window has around its panels: panes and layouts, messages, the log, files, pictures and tables, the palette.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::accesskit::{Role, Toggled};
use egui::{Event, Key, Modifiers, PointerButton, ThemePreference};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use thinkjepa::app::{AppOptions, Studio, prepare};
use thinkjepa::engine::{Command, FileContent, Level, LogLine, Phase, RunState, Stage, TrainingState};
use thinkjepa::panels::{Pane, Workspace};
use thinkjepa::recording::Recording;
use thinkjepa::ui::file_dialog::Wanted;

use super::{Desk, builder, draw, script, synthetic, training, window};

fn episode() -> Harness<'static, Desk> {
    let mut window = window(Desk::new(synthetic::recording(), Phase::Paused));
    window.run();
    window
}

/// Runs a command by its name in the palette.
pub(super) fn command(window: &mut Harness<'_, Desk>, name: &str) {
    window.key_press_modifiers(Modifiers::COMMAND, Key::P);
    window.run();
    window.get_by_label("Find a command").type_text(name);
    window.run();
    window.key_press(Key::Enter);
    window.run();
    assert!(window.query_by_label("Find a command").is_none(), "{name}");
}

/// Presses and lets go the other button of the pointer; what comes of it is drawn in the next frame.
pub(super) fn press_secondary(window: &mut Harness<'_, Desk>, label: &str) {
    let at = window.get_by_label_contains(label).rect().center();
    for pressed in [true, false] {
        window.event(Event::PointerMoved(at));
        window.event(Event::PointerButton {
            pos: at,
            button: PointerButton::Secondary,
            pressed,
            modifiers: Modifiers::NONE,
        });
    }
}

pub(super) fn right_click(window: &mut Harness<'_, Desk>, label: &str) {
    press_secondary(window, label);
    window.run();
}

fn is_checked(window: &Harness<'_, Desk>, pane: &str) -> bool {
    let checkbox = window.get_by_role_and_label(Role::CheckBox, pane);
    checkbox.accesskit_node().toggled() == Some(Toggled::True)
}

#[test]
fn a_pane_is_closed_brought_back_from_the_menu_and_undone() {
    let mut window = episode();
    window.get_by_label("Close Camera").click();
    window.run();
    assert!(window.query_by_label_contains("Camera at step").is_none());
    window.get_by_label("View").click();
    window.run();
    assert!(!is_checked(&window, "Camera") && is_checked(&window, "CEM"));
    window.get_by_role_and_label(Role::CheckBox, "Camera").click();
    window.run();
    assert!(window.query_by_label_contains("Camera at step").is_some());
    window.get_by_label("Undo layout change").click();
    window.run();
    assert!(window.query_by_label_contains("Camera at step").is_none());
    command(&mut window, "reset layout");
    assert!(window.query_by_label_contains("Camera at step").is_some());
    right_click(&mut window, "Camera pane");
    window.get_by_label("Close this pane").click();
    window.run();
    assert!(window.query_by_label_contains("Camera at step").is_none());
}

#[test]
fn with_every_pane_closed_the_window_says_how_to_get_them_back() {
    let mut window = episode();
    for pane in Pane::of(Workspace::Episode) {
        window.get_by_label(&format!("Close {}", pane.title())).click();
        window.run();
    }
    assert!(window.query_by_label("Every pane is closed.").is_some());
    command(&mut window, "open camera");
    assert!(window.query_by_label_contains("Camera at step").is_some());
}

#[test]
fn a_pane_dropped_onto_another_shares_its_title_strip() {
    let mut window = episode();
    let from = window.get_by_label("Reasoning pane").rect().center();
    // The middle of the camera's lower part is where a tab is dropped.
    let camera = window.get_by_label_contains("Camera at step").rect();
    window.drag_at(from);
    window.step();
    let to = camera.center() + egui::vec2(0.0, 12.0);
    for part in 1..=8 {
        window.hover_at(from + (to - from) * (part as f32 / 8.0));
        window.step();
    }
    window.drop_at(to);
    window.run();
    let strip = |label: &str| window.get_by_label(label).rect().center();
    let (reasoning, camera) = (strip("Reasoning pane"), strip("Camera pane"));
    assert!((reasoning.y - camera.y).abs() < 2.0, "{reasoning:?} {camera:?}");
    assert!(window.query_by_label_contains("Camera at step").is_none(), "behind it");
    window.get_by_label("Camera pane").click();
    window.run();
    assert!(window.query_by_label_contains("Camera at step").is_some());
    assert!(
        window.query_by_label("Close Reasoning").is_none(),
        "one cross, of what is shown"
    );
    command(&mut window, "undo layout");
    let camera = window.get_by_label("Camera pane").rect().center();
    assert!(window.get_by_label("Reasoning pane").rect().center().y > camera.y + 100.0);
}

#[test]
fn a_layout_is_named_used_and_forgotten() {
    let mut window = episode();
    window.get_by_label("Close CEM").click();
    window.run();
    command(&mut window, "save layout");
    window
        .get_by_role_and_label(Role::TextInput, "Layout name")
        .type_text("wide");
    window.run();
    window.key_press(Key::Enter);
    window.run();
    command(&mut window, "reset the layout");
    assert!(window.query_by_label("CEM pane").is_some());
    command(&mut window, "layout wide");
    assert!(window.query_by_label("CEM pane").is_none());
    window.get_by_label("View").click();
    window.run();
    window.get_by_label("Forget the layout wide").click();
    window.run();
    assert!(window.query_by_label("Use the layout wide").is_none());
}

#[test]
fn theme_and_zoom_are_chosen_by_menu_palette_and_keys() {
    let mut window = episode();
    let theme = |window: &Harness<'_, Desk>| window.ctx.options(|options| options.theme_preference);
    window.get_by_label("View").click();
    window.run();
    window.get_by_role_and_label(Role::RadioButton, "System").click();
    window.run();
    assert_eq!(theme(&window), ThemePreference::System);
    window.key_press(Key::Escape);
    window.run();
    command(&mut window, "theme: light");
    assert_eq!(theme(&window), ThemePreference::Light);
    window.key_press_modifiers(Modifiers::COMMAND, Key::Plus);
    window.run();
    assert!((window.ctx.zoom_factor() - 1.1).abs() < 1e-6);
    command(&mut window, "zoom to 100");
    assert!((window.ctx.zoom_factor() - 1.0).abs() < 1e-6);
}

fn say(window: &mut Harness<'_, Desk>, secs: u64, level: Level, text: &str) {
    let log = Arc::make_mut(&mut window.state_mut().board.log);
    log.push_back(LogLine {
        at: Duration::from_secs(secs),
        level,
        text: text.to_owned(),
    });
}

#[test]
fn a_message_comes_once_and_is_found_among_the_past_ones_and_in_the_log() {
    let mut window = episode();
    say(&mut window, 1, Level::Info, "Wrote plan.json.");
    window.run_steps(2);
    assert_eq!(
        window.query_all_by_label("Wrote plan.json.").count(),
        1,
        "as a message, and not in the status line as well"
    );
    window.get_by_label("Dismiss this message").click();
    window.run_steps(2);
    assert!(window.query_by_label("Dismiss this message").is_none());
    assert_eq!(
        window.query_all_by_label("Wrote plan.json.").count(),
        1,
        "in the status line"
    );
    window.get_by_label("Messages").click();
    window.run_steps(2);
    assert!(window.query_by_label("1 s  Wrote plan.json.").is_some());
    window.key_press(Key::Escape);
    window.run_steps(2);

    say(&mut window, 2, Level::Warning, "There is no purple block.");
    window.get_by_label("Log").click();
    window.run_steps(2);
    assert!(window.query_by_label("2 of 2 lines").is_some());
    window.get_by_label("Log level: Warnings").click();
    window.run_steps(2);
    assert!(window.query_by_label("1 of 2 lines").is_some());
    window.get_by_label("Log level: All").click();
    window.get_by_label("Search the log").focus();
    window.run_steps(2);
    window.get_by_label("Search the log").type_text("PLAN");
    window.run_steps(3);
    assert!(window.query_by_label("1 of 2 lines").is_some());
    window.get_by_label("Copy").click();
    let copied = (0..3).find_map(|_| {
        window.step();
        let commands = &window.output().platform_output.commands;
        commands.iter().find_map(|command| match command {
            egui::OutputCommand::CopyText(text) => Some(text.clone()),
            _ => None,
        })
    });
    assert_eq!(copied.as_deref(), Some("     1.0 s  info     Wrote plan.json."));
}

#[test]
fn a_message_goes_by_itself_unless_it_is_pointed_at() {
    let mut window = episode();
    say(&mut window, 1, Level::Info, "Stopped.");
    window.run_steps(2);
    let at = window.get_by_label("Dismiss this message").rect().center();
    window.hover_at(at);
    // A step of the test is a quarter of a second.
    window.run_steps(30);
    assert!(window.query_by_label("Dismiss this message").is_some(), "held");
    window.hover_at(egui::pos2(10.0, 10.0));
    window.run_steps(22);
    assert!(window.query_by_label("Dismiss this message").is_none());
}

#[test]
fn a_file_dialog_fills_the_field_beside_it_and_one_that_is_not_there_is_said() {
    let mut window = episode();
    window.state_mut().state.shell.dialogs.choose = Arc::new(|wanted: &Wanted, _: &Path| match wanted {
        Wanted::Folder => Some(PathBuf::from("checkpoints/chosen")),
        Wanted::File(_) | Wanted::NewFile => None,
    });
    window.key_press_modifiers(Modifiers::COMMAND, Key::O);
    window.run();
    window.get_by_label("Choose a checkpoint folder…").click();
    let begun = Instant::now();
    while window.state().sent.is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        window.step();
    }
    assert_eq!(
        window.state_mut().take(),
        [Command::LoadCheckpoint(PathBuf::from("checkpoints/chosen"))]
    );
    assert_eq!(window.state().state.task.checkpoint, "checkpoints/chosen");

    window.key_press_modifiers(Modifiers::COMMAND, Key::E);
    window.run();
    window.get_by_label("Choose where to export to…").click();
    let begun = Instant::now();
    while window.state().state.shell.warnings.is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        window.step();
    }
    assert_eq!(window.state_mut().take(), [], "the field is as it was");
    assert_eq!(window.state().state.task.export, "plan.json");
}

#[test]
fn what_was_opened_last_is_opened_again() {
    let mut window = episode();
    let old = Command::OpenRecording(PathBuf::from("old.tjrec"));
    window.state_mut().state.shell.recents.note(&old);
    window.key_press_modifiers(Modifiers::COMMAND, Key::O);
    window.run();
    window.get_by_label("Recent: Recording").click();
    window.run();
    window.get_by_label("old.tjrec").click();
    window.run();
    assert_eq!(window.state_mut().take(), std::slice::from_ref(&old));
    command(&mut window, "open old");
    assert_eq!(window.state_mut().take(), [old]);
}

#[test]
fn an_export_replaces_a_file_only_when_told_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.json");
    std::fs::write(&path, "precious").unwrap();
    let mut window = episode();
    window.state_mut().state.task.export = path.display().to_string();
    window.key_press_modifiers(Modifiers::COMMAND, Key::E);
    window.run();
    window.get_by_label("Export plan").click();
    window.run();
    assert_eq!(window.state_mut().take(), []);
    assert!(window.query_by_label("This file is there already").is_some());
    window.get_by_label("Replace it").click();
    window.run();
    assert_eq!(window.state_mut().take(), [Command::Export { path, steps: None }]);
    command(&mut window, "export gif");
    assert!(window.state().state.task.export.ends_with("episode.gif"));
}

#[test]
fn the_steps_of_the_loop_are_exported_alone() {
    let mut window = episode();
    window.key_press_modifiers(Modifiers::COMMAND, Key::E);
    window.run();
    assert!(
        window
            .get_by_label("A range of steps alone")
            .accesskit_node()
            .is_disabled()
    );
    window.state_mut().state.playback.range = Some([2, 5]);
    window.run();
    assert!(
        window.get_by_label("Steps 2 to 5 alone").accesskit_node().is_disabled(),
        "a plan is written whole"
    );
    window.key_press(Key::Escape);
    window.run();
    window.key_press(Key::Escape);
    window.run();
    command(&mut window, "export loop");
    assert!(window.state().state.task.export.ends_with("steps-2-5.tjrec"));
    window.get_by_label("Export plan").click();
    window.run();
    let path = PathBuf::from("steps-2-5.tjrec");
    let steps = Some([2, 5]);
    assert_eq!(window.state_mut().take(), [Command::Export { path, steps }]);
}

fn written(window: &mut Harness<'_, Desk>) -> (PathBuf, String) {
    match window.state_mut().take().pop() {
        Some(Command::Write {
            path,
            content: FileContent::Text(text),
        }) => (path, text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn plots_give_their_numbers_by_right_click_and_by_palette() {
    let mut window = episode();
    right_click(&mut window, "Similarity curves of");
    window.get_by_label("Save the similarity curves as CSV").click();
    window.run();
    let (path, text) = written(&mut window);
    assert_eq!(path, PathBuf::from("similarity.csv"));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 13, "a head and twelve steps");
    assert!(
        lines[0].starts_with("step,sub_goal,\"1 pick up the red block\""),
        "{}",
        lines[0]
    );
    let first = window.state().recording.steps[0].similarities[0].expect("a similarity");
    assert!(lines[1].starts_with(&format!("0,1,{first}")), "{}", lines[1]);

    window.state_mut().state.time_range = Some([2.6, 5.4]);
    command(&mut window, "similarity visible");
    let (_, text) = written(&mut window);
    let steps: Vec<&str> = text.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    assert_eq!(steps, ["3", "4", "5"]);

    right_click(&mut window, "Cost over");
    window.get_by_label("Save the CEM costs as CSV, this step").click();
    window.run();
    let (path, text) = written(&mut window);
    assert_eq!(path, PathBuf::from("cem-costs.csv"));
    assert_eq!(
        text.lines().next(),
        Some("step,iteration,best,elite,mean,sigma,mean_shift")
    );
    assert_eq!(text.lines().count(), 5, "four iterations: {text}");

    command(&mut window, "training csv");
    assert_eq!(window.state_mut().take(), []);
    assert_eq!(
        window.state_mut().state.shell.warnings.pop().as_deref(),
        Some("training.csv: there is nothing in it yet.")
    );
}

#[test]
fn the_palette_walks_with_arrows_and_finds_by_initials() {
    let mut window = episode();
    window.key_press_modifiers(Modifiers::COMMAND, Key::P);
    window.run();
    window.key_press(Key::ArrowDown);
    window.key_press(Key::ArrowDown);
    window.run();
    window.key_press(Key::ArrowUp);
    window.run();
    window.key_press(Key::Enter);
    window.run();
    assert_eq!(window.state_mut().take(), [Command::Step], "the second line");
    command(&mut window, "show training");
    assert_eq!(window.state().state.workspace, Workspace::Training);
    window.key_press_modifiers(Modifiers::COMMAND, Key::P);
    window.run();
    window.get_by_label("Find a command").type_text("qqq");
    window.run();
    assert!(window.query_by_label_contains("No command is called that").is_some());
    window.key_press(Key::Escape);
    window.run();
    assert!(window.query_by_label("Find a command").is_none());
}

/// A window with an engine and a settings file of its own.
pub(super) fn studio(settings: PathBuf) -> Harness<'static, Option<Studio>> {
    studio_with(AppOptions {
        examples: vec!["stack".to_owned()],
        seed: 7,
        settings: Some(settings),
        ..AppOptions::default()
    })
}

pub(super) fn studio_with(options: AppOptions) -> Harness<'static, Option<Studio>> {
    let mut engine = Some(script::engine(Arc::new(|| ())));
    let draw = move |ui: &mut egui::Ui, studio: &mut Option<Studio>| {
        if let Some(engine) = engine.take() {
            *studio = Some(Studio::with_engine(ui.ctx(), &options, engine));
        }
        if let Some(studio) = studio {
            studio.frame_ui(ui);
        }
    };
    Harness::<Option<Studio>>::builder()
        .with_size([1600.0, 1000.0])
        .with_context_setup(prepare)
        .build_ui_state(draw, None)
}

#[test]
fn a_window_finds_its_layout_again_and_survives_a_broken_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("window.ron");
    let mut first = studio(path.clone());
    first.run_steps(3);
    first.get_by_label("Close CEM").click();
    first.run_steps(3);
    first.state_mut().as_mut().unwrap().close();
    drop(first);

    let mut second = studio(path.clone());
    second.run_steps(2);
    assert!(second.query_by_label("CEM pane").is_none());
    assert!(second.query_by_label("Camera pane").is_some());
    drop(second);

    std::fs::write(&path, "(layout: Some(Pane(NoSuch").unwrap();
    let mut third = studio(path);
    third.run_steps(2);
    assert!(third.query_by_label("CEM pane").is_some());
    assert!(folder.path().join("window.broken.ron").exists());
    let log = third.state().as_ref().unwrap().engine().board().log;
    assert!(
        log.iter()
            .any(|line| line.level == Level::Warning && line.text.contains("were put aside"))
    );
}

#[test]
fn files_of_the_window_are_written_and_never_over_another() {
    let folder = tempfile::tempdir().unwrap();
    let engine = script::engine(Arc::new(|| ()));
    let path = folder.path().join("table.csv");
    let picture = folder.path().join("camera.png");
    let text = |text: &str| Command::Write {
        path: path.clone(),
        content: FileContent::Text(text.to_owned()),
    };
    engine.send(text("a"));
    engine.send(text("b"));
    engine.send(Command::Write {
        path: picture.clone(),
        content: FileContent::Picture {
            size: [2, 1],
            rgb: vec![255, 0, 0, 0, 255, 0],
        },
    });
    engine.send(Command::Write {
        path: folder.path().join("none").join("x.csv"),
        content: FileContent::Text(String::new()),
    });
    let begun = Instant::now();
    while engine.board().failure.is_none() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", engine.board());
        engine.wait(Duration::from_millis(20));
    }
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(
        (read("table.csv"), read("table-2.csv")),
        ("a".to_owned(), "b".to_owned())
    );
    let pixels = image::open(&picture).unwrap().to_rgb8();
    assert_eq!((pixels.dimensions(), pixels.get_pixel(1, 0).0), ((2, 1), [0, 255, 0]));
    let log = engine.board().log;
    assert!(log.iter().any(|line| line.text.ends_with("table-2.csv.")), "{log:?}");
}

#[test]
fn an_empty_window_says_what_to_press() {
    let mut desk = Desk::new(Recording::default(), Phase::Idle);
    desk.state.task.focus = false;
    let mut window = window(desk);
    window.run();
    assert!(window.query_all_by_label_contains("press Enter").count() >= 3);
}

/// Everything that can be clicked, typed into or dragged has a name: what has none cannot be reached without seeing it.
fn unnamed(window: &Harness<'_, Desk>) -> Vec<String> {
    let nodes = window.root().children_recursive().map(|node| node.accesskit_node());
    let open = nodes.filter(|node| !node.is_hidden());
    open.filter(|node| {
        let data = node.data();
        let acts = [egui::accesskit::Action::Click, egui::accesskit::Action::SetValue];
        // What parts two panes, and what scrolls one, belongs to the pane and is moved by dragging.
        let of_pane = [egui::accesskit::Role::Unknown, egui::accesskit::Role::ScrollBar].contains(&node.role());
        acts.iter().any(|&act| data.supports_action(act)) && !data.is_read_only() && !of_pane
    })
    .filter(|node| {
        let text = node.label().or_else(|| node.value());
        let named = text.is_some_and(|text| !text.trim().is_empty());
        !named && node.data().placeholder().is_none_or(str::is_empty)
    })
    .map(|node| format!("{:?} at {:?}", node.role(), node.raw_bounds()))
    .collect()
}

#[test]
fn everything_that_can_be_used_has_a_name() {
    for workspace in [Workspace::Episode, Workspace::Training] {
        for keys in [&[][..], &[Key::O], &[Key::E], &[Key::P]] {
            let mut desk = Desk::new(synthetic::recording(), Phase::Paused);
            desk.state.workspace = workspace;
            desk.state.log_open = true;
            let mut window = window(desk);
            say(&mut window, 1, Level::Info, "Wrote plan.json.");
            for &key in keys {
                window.key_press_modifiers(Modifiers::COMMAND, key);
            }
            window.run_steps(3);
            assert_eq!(unnamed(&window), Vec::<String>::new(), "{workspace:?} {keys:?}");
        }
    }
    for stage in Stage::ALL {
        let mut desk = Desk::new(Recording::default(), Phase::Idle);
        (desk.state.workspace, desk.state.task.focus) = (Workspace::Training, false);
        desk.state.training.stage = stage;
        // What was changed has a button of its own.
        desk.state.training.edits = [("train.clip_norm".to_owned(), "0.25".to_owned())].into();
        let mut window = builder().with_size([1600.0, 2600.0]).build_ui_state(draw, desk);
        window.run_steps(3);
        let fields = |window: &Harness<'_, Desk>| window.get_all_by_role(Role::TextInput).count();
        let closed = fields(&window);
        let headings = [
            "Stage",
            "Optimiser and run",
            "World model",
            "Language model",
            "Goal projection",
            "World model, where joint_rate is above 0",
        ];
        for heading in headings {
            let is_heading = |node: &egui_kittest::Node<'_>| node.accesskit_node().role() == Role::DisclosureTriangle;
            let found = window.query_all_by_label(heading).find(is_heading);
            if let Some(heading) = found {
                heading.click();
            }
            window.run_steps(6);
        }
        assert!(fields(&window) > closed + 11, "the groups of stage {stage:?} are open");
        assert!(window.query_by_label("Reset train.clip_norm").is_some());
        assert_eq!(unnamed(&window), Vec::<String>::new(), "{stage:?}");
    }
    for paused in [false, true] {
        let mut desk = Desk::new(Recording::default(), Phase::Idle);
        (desk.state.workspace, desk.state.task.focus) = (Workspace::Training, false);
        let title = "Stage 1 · first".to_owned();
        desk.board.training = if paused {
            TrainingState::Paused { title }
        } else {
            TrainingState::Running { title }
        };
        desk.metrics.listed = vec![
            training::facts("runs/first", RunState::Here, 400),
            training::facts("runs/old", RunState::Stopped, 10),
        ];
        desk.metrics
            .watched
            .insert("runs/first".into(), training::run(400, 1.0, Some(60)));
        let mut window = window(desk);
        window.run_steps(3);
        let button = if paused { "Resume training" } else { "Pause training" };
        assert!(window.query_by_label(button).is_some());
        assert_eq!(unnamed(&window), Vec::<String>::new(), "{button}");
    }
    let mut window = episode();
    window.key_press(Key::F1);
    window.run_steps(3);
    for pane in Pane::ALL {
        assert!(
            window.query_all_by_label(pane.title()).count() > 0,
            "the manual has {pane:?}"
        );
    }
    assert!(window.query_by_label("sim(s, g_k)").is_some());
    window.get_by_label("View").click();
    window.run_steps(3);
    assert_eq!(unnamed(&window), Vec::<String>::new());
}

#[test]
fn the_manual_explains_training_its_quantities_and_excerpts() {
    let mut window = episode();
    window.key_press(Key::F1);
    window.run_steps(3);
    for words in [
        "τ",
        "exp H(p)",
        "L_pred",
        "L_reg",
        "L_GPI",
        "Training",
        "Exports and excerpts",
    ] {
        assert!(window.query_all_by_label(words).count() > 0, "{words}");
    }
    for words in [
        "Just stop drops what was done",
        "to watch it",
        "Right click a curve",
        "Steps N to M alone",
    ] {
        assert!(window.query_by_label_contains(words).is_some(), "{words}");
    }
}
