//! The panes of each workspace: one line each. A new one is added here, and every menu, the palette and saved layouts know
//! it.

use egui::Ui;
use serde::{Deserialize, Serialize};

use super::state::{View, ViewState, Workspace};
use super::training::{charts_ui, runs_ui, samples_ui, train_ui};
use super::{camera_ui, cem_ui, compare_ui, latent_ui, reasoning_ui, similarity_ui, sub_goals_ui, timeline_ui};

macro_rules! panes {
    ($($workspace:ident { $($name:ident, $title:literal, $ui:path;)* })*) => {
        /// A part of the window that can be moved, tabbed, closed and brought back. Its name is what a saved layout calls
        /// it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Pane {
            $($($name,)*)*
        }

        impl Pane {
            pub const ALL: &[Self] = &[$($(Self::$name,)*)*];

            /// The panes of a workspace.
            pub fn of(workspace: Workspace) -> &'static [Self] {
                match workspace {
                    $(Workspace::$workspace => &[$(Self::$name,)*],)*
                }
            }

            /// Where it lives: no pane is moved to another workspace.
            pub fn workspace(self) -> Workspace {
                match self {
                    $($(Self::$name)|* => Workspace::$workspace,)*
                }
            }

            /// Sentence case, short enough for a tab.
            pub fn title(self) -> &'static str {
                match self {
                    $($(Self::$name => $title,)*)*
                }
            }

            /// The pane of that title, however it is written.
            pub fn named(title: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|pane| pane.title().eq_ignore_ascii_case(title))
            }

            pub fn ui(self, ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
                match self {
                    $($(Self::$name => $ui(ui, state, view),)*)*
                }
            }
        }
    };
}

panes! {
    Episode {
        SubGoals, "Sub-goals", sub_goals_ui;
        Reasoning, "Reasoning", reasoning_ui;
        Camera, "Camera", camera_ui;
        Cem, "CEM", cem_ui;
        Latent, "Latent", latent_ui;
        Compare, "Compare", compare_ui;
        Timeline, "Timeline", timeline_ui;
        Similarity, "Similarity", similarity_ui;
    }
    Training {
        Runs, "Runs", runs_ui;
        Train, "Train", train_ui;
        Metrics, "Metrics", charts_ui;
        Samples, "Samples", samples_ui;
    }
}
