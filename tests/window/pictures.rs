//! The window as pixels: the heatmap's shader is measured, and with THINKJEPA_PICTURES set to a folder the window's
//! faces are saved there, to be looked at.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use eframe::egui_wgpu::{RenderState, RendererOptions};
use egui::{Key, Theme};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use image::RgbaImage;
use thinkjepa::app::LostDevice;
use thinkjepa::engine::{
    Breakpoints, Command, Failure, FileContent, JobKind, Level, LogLine, Phase, RunState, Threshold, TrainingState,
};
use thinkjepa::panels::{Draft, MapGrid, Pin, Popup, Workspace};
use thinkjepa::recording::{PauseRecord, Recording, StepRecord};

use super::shell::command;
use super::{Desk, builder, draw, hand, reasoning, synthetic, training};

/// What pictures are drawn with; none where this machine cannot draw, not even in software.
pub(super) fn render_state() -> Option<RenderState> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let mut adapters = std::pin::pin!(instance.enumerate_adapters(wgpu::Backends::all()));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let adapters = loop {
        if let std::task::Poll::Ready(adapters) = adapters.as_mut().poll(&mut context) {
            break adapters;
        }
    };
    if adapters.is_empty() {
        eprintln!("No graphics adapter: nothing is drawn here. Install mesa-vulkan-drivers to draw in software.");
        return None;
    }
    let setup = egui_kittest::wgpu::default_wgpu_setup();
    Some(egui_kittest::wgpu::create_render_state(
        setup,
        RendererOptions::PREDICTABLE,
    ))
}

fn window(size: [f32; 2], theme: Theme, mut desk: Desk) -> Option<Harness<'static, Desk>> {
    let state = render_state()?;
    desk.state.target_format = Some(state.target_format);
    let renderer = egui_kittest::wgpu::WgpuTestRenderer::from_render_state(state);
    Some(
        builder()
            .with_size(size)
            .with_theme(theme)
            .with_render_cursor(false)
            .renderer(renderer)
            .build_ui_state(draw, desk),
    )
}

fn shoot(window: &mut Harness<'_, Desk>) -> RgbaImage {
    window.run_steps(2);
    window.render().expect("the adapter draws")
}

#[test]
fn the_heatmap_tints_where_the_vlm_looked_dims_elsewhere_and_a_uniform_map_changes_nothing() {
    let mut desk = Desk::new(synthetic::recording(), Phase::Paused);
    desk.state.camera.map = MapGrid::Off;
    (
        desk.state.camera.plans,
        desk.state.camera.goal,
        desk.state.camera.action,
    ) = (false, false, false);
    let Some(mut window) = window([1120.0, 700.0], Theme::Dark, desk) else {
        return;
    };
    let plain = shoot(&mut window);
    window.state_mut().state.camera.map = MapGrid::Vlm;
    window.state_mut().recording.sub_goals[1].map.values = vec![1.0; 64];
    let uniform = shoot(&mut window);
    window.state_mut().recording.sub_goals[1].map.values = vec![0.25; 64];
    window.state_mut().recording.sub_goals[1].map.values[0] = 48.25;
    let peak = shoot(&mut window);

    // The camera's square: its first patch is at its top left, its last at its bottom right.
    let (top_left, bottom_right) = picture_corners(&plain);
    let size = (bottom_right.0 - top_left.0) / 8;
    let first = (top_left.0 + size / 2, top_left.1 + size / 2);
    let last = (bottom_right.0 - size, bottom_right.1 - size);
    let light = |image: &RgbaImage, at: (u32, u32)| -> i32 {
        image.get_pixel(at.0, at.1).0[..3]
            .iter()
            .map(|&channel| i32::from(channel))
            .sum()
    };
    assert!((light(&uniform, first) - light(&plain, first)).abs() <= 3);
    assert!((light(&uniform, last) - light(&plain, last)).abs() <= 3);
    assert!(light(&peak, last) < light(&plain, last) - 60, "dimmed below the mean");
    let (tinted, before) = (peak.get_pixel(first.0, first.1), plain.get_pixel(first.0, first.1));
    let moved: i32 = (0..3)
        .map(|i| (i32::from(tinted[i]) - i32::from(before[i])).abs())
        .sum();
    assert!(moved > 60, "tinted at the peak: {before:?} to {tinted:?}");
}

/// The corners of the camera's square, found by the wall that only it shows.
fn picture_corners(image: &RgbaImage) -> ((u32, u32), (u32, u32)) {
    let wall = [140, 153, 168, 255];
    let found: Vec<(u32, u32)> = image
        .enumerate_pixels()
        .filter(|(_, _, pixel)| pixel.0 == wall)
        .map(|(x, y, _)| (x, y))
        .collect();
    let edges = |pick: fn(&(u32, u32)) -> u32| {
        let values = || found.iter().map(pick);
        (values().min().expect("a wall"), values().max().expect("a wall"))
    };
    let ((left, right), (top, bottom)) = (edges(|at| at.0), edges(|at| at.1));
    ((left, top), (right, bottom))
}

#[test]
fn a_lost_card_closes_the_window_and_says_where_the_episode_is() {
    let Some(state) = render_state() else { return };
    let ctx = egui::Context::default();
    let lost = LostDevice::watch(&state.device, &ctx);
    assert_eq!(lost.problem(), None);
    state.device.destroy();
    for _ in 0..100 {
        let _ = state.device.poll(wgpu::PollType::Poll);
        if lost.problem().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let said = lost.problem().expect("a destroyed device is a lost one");
    assert!(said.contains("was lost") && said.contains("newest recording"), "{said}");
    let mut output = ctx.run_ui(egui::RawInput::default(), |_| ());
    output.textures_delta.clear();
    let asked = output.viewport_output.values().flat_map(|viewport| &viewport.commands);
    assert!(
        asked
            .into_iter()
            .any(|command| *command == egui::ViewportCommand::Close)
    );
}

#[test]
fn a_pane_of_either_workspace_is_saved_as_a_picture() {
    let episode = Desk::new(synthetic::recording(), Phase::Paused);
    for (name, least, desk) in [("Camera", 700, episode), ("Metrics", 800, training_desk())] {
        let Some(mut window) = window([1600.0, 1000.0], Theme::Dark, desk) else {
            return;
        };
        window.run_steps(3);
        window.state_mut().take();
        command(&mut window, &format!("picture of the pane {name}"));
        let mut sent = window.state_mut().take();
        for _ in 0..10 {
            window.step();
            sent.append(&mut window.state_mut().take());
        }
        let picture = sent.into_iter().find_map(|command| match command {
            Command::Write {
                path,
                content: FileContent::Picture { size, rgb },
            } => Some((path, size, rgb)),
            _ => None,
        });
        let (path, [width, height], rgb) = picture.expect("a picture");
        assert!(path.ends_with(format!("{}.png", name.to_lowercase())), "{path:?}");
        assert!(
            (least..1000).contains(&width) && (500..1000).contains(&height),
            "{name}: {width} x {height}"
        );
        assert_eq!(rgb.len(), 3 * (width * height) as usize);
    }
}

#[test]
fn the_past_does_not_look_like_the_present() {
    let Some(mut live) = window(
        [1120.0, 700.0],
        Theme::Light,
        Desk::new(synthetic::recording(), Phase::Paused),
    ) else {
        return;
    };
    let present = shoot(&mut live);
    live.key_press(Key::ArrowLeft);
    live.run_steps(2);
    assert_ne!(shoot(&mut live), present);
    if let Some(folder) = std::env::var_os("THINKJEPA_PICTURES") {
        for theme in [Theme::Dark, Theme::Light] {
            album(Path::new(&folder), theme);
        }
    }
}

/// Saves the window's faces.
fn album(folder: &Path, theme: Theme) {
    let save = |name: &str, desk: Desk, keys: &[Key], clicks: &[&str]| {
        let mut window = window([1600.0, 1000.0], theme, desk).expect("this machine draws");
        for &key in keys {
            window.key_press(key);
            window.run_steps(2);
        }
        for label in clicks {
            window.get_by_label(label).click();
            window.run_steps(2);
        }
        let theme = if theme == Theme::Dark { "dark" } else { "light" };
        shoot(&mut window)
            .save(folder.join(format!("{name}-{theme}.png")))
            .expect("the picture is saved");
    };
    let episode = || Desk::new(synthetic::recording(), Phase::Paused);
    save("episode", episode(), &[], &[]);
    let mut early = episode();
    early.state.selection.iteration = Some(0);
    save("past", early, &[Key::Home, Key::ArrowRight, Key::ArrowRight], &[]);
    let mut first = Desk::new(Recording::default(), Phase::Idle);
    let seen = &synthetic::recording().steps[0];
    first.live = Some(StepRecord {
        sub_goal: None,
        similarities: Vec::new(),
        cem: Vec::new(),
        action: None,
        ..(**seen).clone()
    });
    save("first", first, &[], &[]);
    save("reasoning", reasoning::looked_at(), &[], &[]);
    save("branches", episode(), &[Key::Home], &["Branches"]);
    save("edit", edited(), &[], &[]);
    save("compare", compared(), &[], &[]);
    save("training", training_desk(), &[], &[]);
    let mut idle = training_desk();
    (idle.board.training, idle.board.jobs) = (TrainingState::Idle, Vec::new());
    save("training-form", idle, &[], &[]);
    save("failure", failed(), &[], &[]);
    save(
        "palette",
        {
            let mut desk = episode();
            desk.state.palette = Some("step".to_owned());
            desk
        },
        &[],
        &[],
    );
    save(
        "manual",
        {
            let mut desk = episode();
            desk.state.manual_open = true;
            desk
        },
        &[],
        &[],
    );
    save("time", in_time(), &[Key::Home], &["Breakpoints, 4 set"]);
}

/// Breakpoints, one of them mistyped, what they did, and a loop.
fn in_time() -> Desk {
    let mut desk = Desk::new(synthetic::recording(), Phase::Paused);
    desk.state.breakpoints = Breakpoints {
        steps: [9].into(),
        switch: true,
        above: Threshold::new(0.5).ok(),
        not_finite: true,
        ..Breakpoints::default()
    };
    let form = &mut desk.state.breakpoint_form;
    (form.above.on, form.above.text) = (true, "0.5".to_owned());
    (form.falling.on, form.falling.text) = (true, "2.5".to_owned());
    desk.state.playback.range = Some([2, 6]);
    let pause = |step, why: &str| PauseRecord {
        step,
        why: why.to_owned(),
    };
    desk.recording.pauses = vec![
        pause(3, "the similarity to sub-goal 1 rose above 0.5, 0.46 to 0.51"),
        pause(7, "sub-goal 1 was declared reached"),
    ];
    desk
}

fn edited() -> Desk {
    let mut desk = Desk::new(synthetic::recording(), Phase::Paused);
    let mut draft = Draft::of(&desk.recording);
    let key = draft.insert(1);
    draft.lines[1].text = "place the red block on the moon".to_owned();
    draft.insert(3);
    let editor = &mut desk.state.sub_goal_editor;
    editor.follow(&desk.recording, Some(0), 0);
    (editor.draft, editor.focus) = (Some(draft), Some(key));
    desk
}

fn compared() -> Desk {
    let mut desk = hand::branched();
    for branch in &desk.board.branches.list {
        let pin = Pin::new(branch.name(), Arc::clone(&branch.recording));
        desk.state.pin(pin);
    }
    let settings = |population| {
        let mut plan = synthetic::info().plan;
        plan.cem.population = population;
        plan
    };
    Arc::make_mut(&mut desk.state.pins[1].recording).settings = Some(settings(100));
    desk.recording.settings = Some(settings(200));
    desk
}

fn training_desk() -> Desk {
    let mut desk = Desk::new(Recording::default(), Phase::Idle);
    desk.state.workspace = Workspace::Training;
    desk.state.task.focus = false;
    desk.board.training = TrainingState::Running {
        title: "Stage 1 · first".to_owned(),
    };
    desk.board.jobs.push(thinkjepa::engine::Job {
        id: 1,
        kind: JobKind::Train,
        what: "Training".to_owned(),
        done: 3999,
        total: Some(8000),
        started: std::time::Instant::now() - Duration::from_secs(2400),
        first: 0,
        waits_since: None,
        pausing: false,
    });
    desk.metrics.listed = vec![
        training::facts("runs/first", RunState::Here, 4000),
        training::facts("runs/sketched", RunState::Elsewhere, 2600),
        training::facts("runs/mask-4000", RunState::Finished, 8000),
        training::facts("runs/high-rate", RunState::Failed, 1790),
    ];
    for (name, steps, scale, wrong) in [
        ("first", 4000, 1.0, None),
        ("sketched", 2600, 1.25, None),
        ("high-rate", 1790, 1.9, Some(1790)),
    ] {
        let run = training::run(steps, scale, wrong);
        desk.metrics.watched.insert(PathBuf::from("runs").join(name), run);
    }
    desk.state.training.smoothing = 100.0;
    desk.state
        .training
        .edits
        .insert("train.stage1.batch".to_owned(), "0".to_owned());
    desk
}

fn failed() -> Desk {
    let mut desk = Desk::new(synthetic::recording(), Phase::Paused);
    let message = "Could not read model.safetensors: tensor encoder.blocks.3.attn.qkv.weight is [384, 128], expected \
                   [384, 192]."
        .to_owned();
    desk.board.failure = Some(Failure {
        level: Level::Error,
        what: message.clone(),
        kept: "The recording of 12 steps was kept.".to_owned(),
        advice: "Choose the preset it was made with, or another file.".to_owned(),
    });
    desk.state.log_open = true;
    desk.state.task.popup = Some(Popup::Open);
    let line = |secs, level, text: &str| LogLine {
        at: Duration::from_secs_f64(secs),
        level,
        text: text.to_owned(),
    };
    desk.board.log = Arc::new(
        [
            line(0.8, Level::Info, "Loaded checkpoints/nano."),
            line(12.4, Level::Info, "Paused at step 4: a breakpoint is set here."),
            line(31.0, Level::Warning, "There is no purple block in this scene."),
            line(47.2, Level::Error, &message),
        ]
        .into(),
    );
    desk
}
