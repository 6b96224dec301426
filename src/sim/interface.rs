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

    /// The same picture at `size` x `size`, each pixel the mean of those that it takes the place of; none where the sides
    /// are no multiple of `size`.
    pub fn shrunk(&self, size: usize) -> Option<Self> {
        let times = self.width.checked_div(size).filter(|&times| times > 0)?;
        if [self.width, self.height] != [times * size; 2] {
            return None;
        }
        if times == 1 {
            return Some(self.clone());
        }
        let area = times * times;
        let mean = |plane: &[u8], x: usize, y: usize| {
            let rows = plane.chunks_exact(self.width).skip(y * times).take(times);
            let sum: usize = rows
                .flat_map(|row| &row[x * times..(x + 1) * times])
                .map(|&value| usize::from(value))
                .sum();
            ((sum + area / 2) / area) as u8
        };
        let planes = self.rgb.chunks_exact(self.width * self.height);
        let rgb = planes.flat_map(|plane| (0..size * size).map(move |at| mean(plane, at % size, at / size)));
        Some(Self {
            width: size,
            height: size,
            rgb: rgb.collect(),
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shrunk_frame_has_the_means_of_its_blocks_plane_by_plane() {
        let frame = Frame {
            width: 4,
            height: 4,
            rgb: (0..48).collect(),
        };
        let half = frame.shrunk(2).unwrap();
        // Of 0, 1, 4 and 5: 2.5, rounded up.
        assert_eq!(half.rgb[..], [3, 5, 11, 13, 19, 21, 27, 29, 35, 37, 43, 45]);
        assert_eq!(frame.shrunk(4), Some(frame.clone()));
        for size in [0, 3, 8] {
            assert_eq!(frame.shrunk(size), None, "{size}");
        }
    }
}
