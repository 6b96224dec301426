//! The panels. Each is a function of the [`View`] (recording, live step, board) and the [`ViewState`] (what the user
//! selected and typed) that needs no window, so a test can draw it. What the user asks for goes into
//! [`ViewState::outbox`] as commands or into [`ViewState::acts`], the same list that the keyboard fills.

mod acts;
pub mod camera;
mod cem;
mod changes;
mod device_menu;
mod help;
mod history;
mod reasoning;
mod similarity;
mod state;
mod status;
mod sub_goals;
mod task_bar;
mod timeline;
mod training;

pub use acts::perform;
pub use camera::camera_ui;
pub use cem::{SettingsForm, cem_ui};
pub use help::{manual_ui, palette_ui};
pub use history::{Edit, History};
pub use reasoning::reasoning_ui;
pub use similarity::similarity_ui;
pub use state::{
    CameraView, MapGrid, Popup, Selection, StatusNumbers, SubGoalState, TaskBox, TrainingForm, View, ViewState,
    Workspace, sub_goal_state,
};
pub use status::{log_ui, status_ui};
pub use sub_goals::sub_goals_ui;
pub use task_bar::{examples_ui, popup_ui, task_bar_ui};
pub use timeline::timeline_ui;
pub use training::training_ui;
