//! The panes of the episode: one line each. A new one is added here, and every menu, the palette and saved layouts know
//! it.

use egui::Ui;
use serde::{Deserialize, Serialize};

use super::state::{View, ViewState};
use super::{camera_ui, cem_ui, compare_ui, latent_ui, reasoning_ui, similarity_ui, sub_goals_ui, timeline_ui};

macro_rules! panes {
    ($($name:ident, $title:literal, $ui:path;)*) => {
        /// A part of the window that can be moved, tabbed, closed and brought back. Its name is what a saved layout calls
        /// it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Pane {
            $($name,)*
        }

        impl Pane {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Sentence case, short enough for a tab.
            pub fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)*
                }
            }

            /// The pane of that title, however it is written.
            pub fn named(title: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|pane| pane.title().eq_ignore_ascii_case(title))
            }

            pub fn ui(self, ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
                match self {
                    $(Self::$name => $ui(ui, state, view),)*
                }
            }
        }
    };
}

panes! {
    SubGoals, "Sub-goals", sub_goals_ui;
    Reasoning, "Reasoning", reasoning_ui;
    Camera, "Camera", camera_ui;
    Cem, "CEM", cem_ui;
    Latent, "Latent", latent_ui;
    Compare, "Compare", compare_ui;
    Timeline, "Timeline", timeline_ui;
    Similarity, "Similarity", similarity_ui;
}
