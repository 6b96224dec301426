//! The window's hand: colours, type, numbers, icons, keys, charts and the faces that all panels share. Nothing here
//! knows an episode.

pub mod chart;
pub mod color;
pub mod faces;
pub mod icons;
pub mod keys;
pub mod numbers;
pub mod theme;
pub mod widgets;

pub use theme::Palette;
