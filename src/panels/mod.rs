//! The panels. Each is a function of the [`View`] (recording, live step, board) and the [`ViewState`] (what the user
//! selected and typed) that needs no window, so a test can draw it. What the user asks for goes into
//! [`ViewState::outbox`] as commands or into [`ViewState::acts`], the same list that the keyboard fills.

mod acts;
mod arrangement;
mod attention;
mod branches;
mod breakpoints;
pub mod camera;
mod cem;
mod changes;
mod compare;
mod device_menu;
mod examine;
mod files;
mod frozen;
mod help;
mod history;
mod latent;
mod layouts;
mod log;
mod marks;
mod node;
mod palette;
mod pane;
mod patch;
mod playback;
mod popups;
mod reasoning;
mod shell;
mod similarity;
mod state;
mod status;
mod sub_goal_draft;
mod sub_goal_edit;
mod sub_goals;
mod tables;
mod task_bar;
mod timeline;
mod toasts;
mod training;
mod view_menu;
mod working;

pub use acts::perform;
pub use arrangement::{Arrangement, Layout};
pub use attention::WordAt;
pub use branches::shown_branch;
pub use breakpoints::{BreakpointForm, Entry};
pub use camera::camera_ui;
pub use cem::{SettingsForm, cem_ui};
pub use compare::{Pin, compare_ui};
pub use examine::{Asking, Known, ask};
pub use files::{Dialogs, PathField, Recents, take_chosen};
pub use help::manual_ui;
pub use history::{Edit, History};
pub use latent::{LatentForm, latent_ui};
pub use layouts::Arrangements;
pub use log::{LogView, log_ui};
pub use node::{Node, tile_of};
pub use palette::palette_ui;
pub use pane::Pane;
pub use patch::Patch;
pub use playback::{Playback, play};
pub use popups::{popup_height, popup_ui};
pub use reasoning::reasoning_ui;
pub use shell::{Shell, WindowAct};
pub use similarity::similarity_ui;
pub use state::{
    CameraView, MapGrid, Popup, Selection, StatusNumbers, SubGoalState, TaskBox, View, ViewState, Workspace,
    sub_goal_state,
};
pub use status::status_ui;
pub use sub_goal_draft::Draft;
pub use sub_goals::sub_goals_ui;
pub use tables::{SamplePlot, Table};
pub use task_bar::{examples_ui, task_bar_ui};
pub use timeline::timeline_ui;
pub use toasts::{Toasts, toasts_ui};
pub use training::{SamplesView, TrainingForm, follow_runs};
