//! The window's hand: colours, type, numbers, icons, keys, charts and the faces that all panels share. Nothing here
//! knows an episode.

pub mod capture;
pub mod chart;
pub mod color;
pub mod faces;
pub mod file_dialog;
pub mod fuzzy;
pub mod icons;
pub mod keys;
pub mod numbers;
pub mod pane_title;
pub mod theme;
pub mod widgets;

pub use theme::Palette;
