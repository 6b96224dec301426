//! The camera: what was seen at the shown step, where the VLM looked for the chosen sub-goal, and what CEM imagined.

mod heatmap;
mod overlay;
mod texture;

use std::sync::Arc;

use egui::emath::GuiRounding as _;
use egui::{
    Align, Align2, FontId, Layout, Rect, RichText, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2,
};

pub use heatmap::Heatmap;
pub use texture::FrameTexture;
pub(super) use texture::color_image;

use super::attention::{MapOf, ShownMap, lens_words, shown_map};
use super::frozen::frozen_ui;
use super::patch::PatchGrid;
use super::reasoning::text_of;
use super::state::{MapGrid, View, ViewState};
use super::working::planning_ui;
use crate::engine::{JobKind, Phase};
use crate::recording::{AttentionMap, StepRecord};
use crate::ui::icons::Icon;
use crate::ui::theme::SMALL;
use crate::ui::{Palette, faces, numbers, widgets};
use crate::vlm::Lens;

pub fn camera_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    ui.spacing_mut().item_spacing.y = 0.0;
    let looked = shown_map(ui.ctx(), state, view);
    let known = looked.as_ref().is_none_or(|looked| looked.map.is_some());
    faces::header_ui(ui, "Camera", |ui| header_controls_ui(ui, state, view, known));
    let Some(step) = view.shown(state) else {
        match view.board.jobs.iter().find(|job| job.kind == JobKind::Plan) {
            Some(job) => planning_ui(ui, state, job),
            None if view.board.phase == Phase::Closed => {
                faces::empty_ui(ui, "No model is loaded.", "Load a checkpoint with Ctrl+O.");
            }
            None => faces::empty_ui(
                ui,
                "The scene as the robot's camera sees it.",
                "Type a task and press Enter.",
            ),
        }
        return;
    };
    let footer_height = 30.0;
    let room = ui.available_size() - vec2(0.0, footer_height);
    let (area, response) = ui.allocate_exact_size(room.max(vec2(32.0, 32.0)), Sense::click());
    picture_ui(ui, area, &response, state, view, (step, looked.as_ref()));
    footer_ui(ui, state, looked.as_ref());
}

fn header_controls_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>, map_is_known: bool) {
    let p = Palette::of(ui);
    frozen_ui(ui, "Camera", state, view);
    if !view.is_past(state) && view.shown(state).is_some() && !view.recording.task.is_empty() {
        let (text, color) = match view.board.phase {
            Phase::Running | Phase::Stepping => ("Live", p.good),
            _ => ("Newest step", p.weak),
        };
        ui.label(RichText::new(text).size(SMALL).color(color));
    }
    ui.add_space(6.0);
    map_title_ui(ui, state, view, map_is_known);
    if let Some(step) = view.shown(state) {
        let vacuum = if step.vacuum { "Holding" } else { "Empty gripper" };
        ui.label(RichText::new(vacuum).size(SMALL).color(p.weak))
            .on_hover_text("Whether the vacuum holds something: the robot's own sense, part of the observation");
    }
}

/// What the map is of, where it is not the sub-goal's own, and the way back to that.
fn map_title_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>, known: bool) {
    if state.camera.map == MapGrid::Off {
        return;
    }
    let p = Palette::of(ui);
    let mut said = Vec::new();
    if let Some((_, question, tokens)) = view.shown_word(state) {
        let back = ui.add(egui::Button::new(RichText::new("Back").size(SMALL)).small());
        let back = back.accessible_name("Back to the sub-goal's map");
        if back
            .on_hover_text("Show where the VLM looked for the sub-goal\nEscape, or a second click on the word")
            .clicked()
        {
            state.selection.word = None;
        }
        let text = text_of(&question.tokens[tokens]);
        let newest = view.shown(state).is_some_and(|shown| shown.step == question.step);
        let seen = if newest {
            String::new()
        } else {
            format!(" as seen at step {}", question.step)
        };
        said.push(format!("Word “{text}”{seen}"));
    }
    said.extend(lens_words(state.lens));
    if said.is_empty() {
        return;
    }
    if !known {
        said.push("not known".to_owned());
    }
    let mut text = said.join(" · ");
    if let Some(first) = text.get(..1) {
        text.replace_range(..1, &first.to_uppercase());
    }
    widgets::chip(ui, &text, p.accent, p.selected).on_hover_text(
        "The attention of the VLM as it is shown now (method 4.4). A view: plans are made by the sub-goals' own maps, the last layer's mean of heads.",
    );
}

fn picture_ui(
    ui: &mut Ui,
    area: Rect,
    response: &egui::Response,
    state: &mut ViewState,
    view: &View<'_>,
    (step, looked): (&StepRecord, Option<&ShownMap>),
) {
    let p = Palette::of(ui);
    let painter = ui.painter_at(area);
    painter.rect_filled(area, 0.0, p.gap);
    let frame = if state.camera.models_eye {
        &step.frame
    } else {
        &step.view
    };
    let aspect = frame.width.max(1) as f32 / frame.height.max(1) as f32;
    let room = area.shrink(8.0);
    let height = room.height().min(room.width() / aspect);
    // The shader draws whole pixels: on a fraction of one, the picture would stick out under the map.
    let rect = Rect::from_center_size(room.center(), vec2(height * aspect, height))
        .round_to_pixels(ui.ctx().pixels_per_point());
    let Some(texture) = state.camera.texture.get(ui.ctx(), frame, state.camera.models_eye) else {
        let text = format!(
            "This frame has {} bytes, not 3 x {} x {}.",
            frame.rgb.len(),
            frame.height,
            frame.width
        );
        painter.text(
            rect.center(),
            Align2::CENTER_CENTER,
            text,
            FontId::proportional(SMALL),
            p.bad,
        );
        return;
    };
    let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    painter.image(texture, rect, uv, egui::Color32::WHITE);
    let sub_goal = view.shown_sub_goal(state);
    response.widget_info(|| {
        let map = looked.map_or_else(String::new, |looked| {
            let through = lens_words(state.lens).map_or_else(String::new, |lens| format!(" through {lens}"));
            let unknown = if looked.map.is_some() { "" } else { ", not known" };
            format!(", attention map of {}{through}{unknown}", of_whom(&looked.of))
        });
        WidgetInfo::labeled(Role::Image, true, format!("Camera at step {}{map}", step.step))
    });

    let map = looked.and_then(|looked| on_grid(state, looked.map.as_ref()?));
    if let (Some(looked), Some((grid, values)), Some(format)) = (looked, &map, state.target_format) {
        let color = map_color(Palette::theme(true), &looked.of);
        let heatmap = Heatmap {
            grid: *grid,
            values: Arc::from(*values),
            color,
            opacity: state.camera.opacity,
        };
        if let Some(shape) = heatmap.shape(rect, format) {
            painter.add(shape);
        }
    }
    let painter = painter.with_clip_rect(rect);
    if let Some(info) = view.board.info.as_deref() {
        let lens = overlay::Lens { rect, info };
        // Where nothing is planned from the frame yet: the plan that led to it, as in the panel beside it.
        if state.camera.plans
            && let (Some(planned), Some((_, cem))) = (view.planned(state), view.iteration(state))
        {
            overlay::fans(&painter, p, &lens, planned, cem, state.selection.elite);
        }
        if state.camera.goal
            && let Some(index) = sub_goal
            && let Some(at) = view.recording.sub_goals[index].goal_gripper_m
        {
            overlay::goal(&painter, p, &lens, at, Palette::theme(true).sub_goal(index));
        }
        if state.camera.action && !view.recording.task.is_empty() {
            if let Some(action) = step.action {
                overlay::action(&painter, p, &lens, step.gripper_m, action);
            }
            overlay::gripper(&painter, p, &lens, step.gripper_m);
        }
    }
    if let (Some(looked), Some(map)) = (looked, map) {
        patch_ui(&painter, rect, response, state, (&looked.of, map), p);
    }
    painter.rect_stroke(rect, 0.0, Stroke::new(1.0, p.edge), StrokeKind::Outside);
}

fn of_whom(of: &MapOf) -> String {
    match of {
        MapOf::SubGoal(index) => format!("sub-goal {}", index + 1),
        MapOf::Word { text, .. } => format!("the word “{text}”"),
    }
}

/// A word's map has no sub-goal's colour: it may be of none.
fn map_color(p: &Palette, of: &MapOf) -> egui::Color32 {
    match of {
        MapOf::SubGoal(index) => p.sub_goal(*index),
        MapOf::Word { .. } => p.over,
    }
}

fn on_grid<'a>(state: &ViewState, map: &'a AttentionMap) -> Option<([usize; 2], &'a [f32])> {
    let (grid, values) = match state.camera.map {
        MapGrid::Off => return None,
        MapGrid::Vlm => (map.grid, map.values.as_slice()),
        MapGrid::Model => (map.model_grid, map.resampled.as_slice()),
    };
    (grid[0] > 0 && grid[1] > 0 && values.len() == grid[0] * grid[1]).then_some((grid, values))
}

/// The patch under the pointer says its weight; a click keeps it outlined.
fn patch_ui(
    painter: &egui::Painter,
    rect: Rect,
    response: &egui::Response,
    state: &mut ViewState,
    (of, (grid, values)): (&MapOf, ([usize; 2], &[f32])),
    p: &Palette,
) {
    let patches = PatchGrid { rect, grid };
    if let Some([row, column]) = patches.select_ui(painter, response, &mut state.selection.patch, p) {
        let weight = numbers::sig3(f64::from(values[row * grid[1] + column]));
        let weight = match of {
            MapOf::SubGoal(_) if state.lens == Lens::default() => format!("Attention weight w_k {weight}"),
            of => format!("Attention weight of {} {weight}", of_whom(of)),
        };
        response.clone().on_hover_text_at_pointer(format!(
            "Patch row {row}, column {column}\n{weight} (method 4.4; mean 1)\nClick to mark the words that looked here"
        ));
    }
}

fn footer_ui(ui: &mut Ui, state: &mut ViewState, looked: Option<&ShownMap>) {
    let p = Palette::of(ui);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 30.0), Sense::hover());
    ui.painter()
        .hline(rect.x_range(), rect.top() + 0.5, Stroke::new(1.0, p.line));
    let inner = rect.shrink2(vec2(10.0, 3.0));
    let layout = Layout::left_to_right(Align::Center);
    let mut ui = ui.new_child(egui::UiBuilder::new().max_rect(inner).layout(layout));
    let ui = &mut ui;
    ui.spacing_mut().interact_size.y = 22.0;
    if ui.available_width() > 440.0 {
        ui.label(RichText::new("Attention").size(SMALL).color(p.weak));
    }
    for (grid, text, tip) in [
        (MapGrid::Off, "Off", "Show the picture alone"),
        (
            MapGrid::Vlm,
            "VLM",
            "The VLM's last-layer attention over its image patches, w_k (method 4.4)",
        ),
        (
            MapGrid::Model,
            "Patches",
            "w_k resampled to the world model's patches, as the GPI (4.5) and the attention bias (4.8) use it",
        ),
    ] {
        if widgets::toggle(ui, state.camera.map == grid, text, &format!("Attention map: {text}"))
            .on_hover_text(tip)
            .clicked()
        {
            state.camera.map = grid;
        }
    }
    ui.add_space(8.0);
    let camera = &mut state.camera;
    for (on, text, tip) in [
        (
            &mut camera.plans,
            "Plans",
            "The elites' imagined gripper paths at the shown CEM iteration; the best is brightest, its end a ghost",
        ),
        (
            &mut camera.action,
            "Action",
            "The executed action a* (Algorithm 2 line 27) as an arrow: its full head means suction on. The cross is the gripper as the model reads it out of the latent.",
        ),
        (
            &mut camera.goal,
            "Goal",
            "The gripper position that the latent goal g_k reads as (method 4.5)",
        ),
    ] {
        if widgets::toggle(ui, *on, text, &format!("Show {}", text.to_lowercase()))
            .on_hover_text(tip)
            .clicked()
        {
            *on = !*on;
        }
    }
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        // Words go first where there is no room.
        let word = if ui.available_width() > 115.0 {
            "Model's eye"
        } else {
            ""
        };
        let eye = widgets::icon_toggle(ui, true, state.camera.models_eye, Icon::Live, word, "Model's eye");
        if eye
            .on_hover_text("The frame x_t at the resolution that the encoder gets")
            .clicked()
        {
            state.camera.models_eye = !state.camera.models_eye;
        }
        if ui.available_width() > 190.0 {
            map_scale_ui(ui, state, looked);
        }
    });
}

/// What the tint means, in numbers.
fn map_scale_ui(ui: &mut Ui, state: &ViewState, looked: Option<&ShownMap>) {
    let p = Palette::of(ui);
    let Some((looked, map)) = looked.and_then(|looked| Some((looked, looked.map.as_ref()?))) else {
        return;
    };
    let Some((_, values)) = on_grid(state, map) else {
        return;
    };
    let peak = values
        .iter()
        .copied()
        .filter(|value| value.is_finite())
        .fold(0.0f32, f32::max);
    ui.add_space(6.0);
    let (whose, color) = match &looked.of {
        MapOf::SubGoal(index) => (format!("sub-goal {}", index + 1), p.sub_goal(*index)),
        MapOf::Word { text, .. } => (format!("“{text}”"), p.text),
    };
    let text = format!("{whose} · peak {} × mean", numbers::sig3(f64::from(peak)));
    ui.label(RichText::new(text).size(SMALL).color(color))
        .on_hover_text("Dimmed below the map's mean, tinted above it; the thin line stands at half of the way from the mean to the peak.");
}
