//! All that passes between a world and those who see and act in it. Neither the model nor the planner can reach
//! anything of a simulator but this.

use std::sync::Arc;

/// dx, dy, grip, each in [-1, 1]: move by that share of a step's reach, then suction on (grip > 0) or off.
pub type Action = [f32; 3];

/// An RGB picture, planar u8 `[3, height, width]`, rows from the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub width: usize,
    pub height: usize,
    /// `3 * height * width` bytes: the red plane, the green, the blue.
    pub rgb: Arc<[u8]>,
}

impl Frame {
    /// Red, green and blue of each pixel, row by row.
    pub fn pixels(&self) -> impl Iterator<Item = [u8; 3]> {
        let plane = self.width * self.height;
        let (red, rest) = self.rgb.split_at(plane);
        let (green, blue) = rest.split_at(plane);
        red.iter()
            .zip(green)
            .zip(blue)
            .map(|((&red, &green), &blue)| [red, green, blue])
    }
}

/// What a robot knows: a picture, what it last told its gripper, and whether its vacuum holds something.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub frame: Frame,
    pub last_grip_command: bool,
    pub vacuum: bool,
}

/// A world that can be looked at and acted in.
pub trait Environment {
    fn observe(&self) -> Observation;
    /// The camera's picture for people, `height` pixels high; never shown to a model.
    fn view(&self, height: usize) -> Frame;
    fn step(&mut self, action: Action);
}

/// The physical truth about a sub-goal, for measurements alone: neither model nor planner asks it.
pub trait Judge {
    /// Whether the sub-goal's predicate holds now; none where no template knows the text.
    fn holds(&self, sub_goal: &str) -> Option<bool>;
}
