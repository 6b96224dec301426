//! What a scene must be: sizes that the gripper and the camera are made for, names that sub-goals can say, objects that
//! do not overlap. Errors name the field.

use super::scene::{Place, Scene, SceneBlock, SceneError};
use super::scene_start::chebyshev;
use super::tasks::TaskBook;
use super::world::{CARRY_M, REACH_LIMIT_M};

/// Smallest and largest half width and height that the gripper and the camera are made for.
const HALF_RANGE_M: (f32, f32) = (0.05, 0.17);
const HEIGHT_RANGE_M: (f32, f32) = (0.05, 0.40);
const PAD_RANGE_M: (f32, f32) = (0.10, 0.40);
const BIN_RANGE_M: (f32, f32) = (0.15, 0.35);
const WALL_RANGE_M: (f32, f32) = (0.03, 0.12);
const MAX_BLOCKS: usize = 8;
const MAX_PADS: usize = 6;
const MAX_BINS: usize = 4;

impl Scene {
    /// Checks every value that a type cannot check.
    ///
    /// # Errors
    /// The first field that is out of range, or the first two objects that overlap.
    pub fn validate(&self, source_name: &str) -> Result<(), SceneError> {
        let refuse = |field: String, value: String, expected: String| {
            Err(SceneError::Value {
                source_name: source_name.to_owned(),
                field,
                value,
                expected,
            })
        };
        let number = |field: String, value: f32, (low, high): (f32, f32)| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                refuse(field, value.to_string(), format!("a number from {low} to {high}"))
            }
        };
        let on_table = |field: String, place: &Place| match place {
            Place::On(_) => refuse(field, "On(...)".into(), "Random or At(x, y)".into()),
            Place::Random | Place::At(..) => Ok(()),
        };
        number("stacked_share".into(), self.stacked_share, (0., 1.))?;
        number("held_share".into(), self.held_share, (0., 1.))?;
        number("binned_share".into(), self.binned_share, (0., 1.))?;
        if !TaskBook::NAMES.contains(&self.tasks.as_str()) {
            let expected = format!("one of {}", TaskBook::NAMES.join(", "));
            return refuse("tasks".into(), format!("{:?}", self.tasks), expected);
        }
        if !(1..=MAX_BLOCKS).contains(&self.blocks.len()) {
            return refuse(
                "blocks".into(),
                self.blocks.len().to_string(),
                format!("1 to {MAX_BLOCKS} blocks"),
            );
        }
        if self.pads.len() > MAX_PADS {
            return refuse(
                "pads".into(),
                self.pads.len().to_string(),
                format!("at most {MAX_PADS} pads"),
            );
        }
        if self.bins.len() > MAX_BINS {
            return refuse(
                "bins".into(),
                self.bins.len().to_string(),
                format!("at most {MAX_BINS} bins"),
            );
        }
        if let Some(storeys) = self.storeys.filter(|storeys| !(2..=MAX_BLOCKS).contains(storeys)) {
            return refuse("storeys".into(), storeys.to_string(), format!("2 to {MAX_BLOCKS}"));
        }
        if matches!(self.gripper, Place::On(_)) {
            return refuse("gripper".into(), "On(...)".into(), "Random or At(x, y)".into());
        }
        let blocks =
            (self.blocks.iter().enumerate()).map(|(i, b)| (format!("blocks[{i}]"), &b.name, b.colour, &b.place));
        let pads = (self.pads.iter().enumerate()).map(|(i, p)| (format!("pads[{i}]"), &p.name, p.colour, &p.place));
        let bins = (self.bins.iter().enumerate()).map(|(i, b)| (format!("bins[{i}]"), &b.name, b.colour, &b.place));
        let looks = self.blocks.iter().enumerate().flat_map(|(i, block)| {
            let looks = block.looks.iter().enumerate();
            looks.map(move |(j, look)| {
                (
                    format!("blocks[{i}].looks[{j}]"),
                    &look.name,
                    look.colour,
                    &Place::Random,
                )
            })
        });
        let mut seen: Vec<&str> = vec![];
        for (field, name, colour, place) in blocks.chain(pads).chain(bins).chain(looks) {
            let words: Vec<&str> = name.split(' ').collect();
            let plain = words.iter().all(|word| {
                !word.is_empty()
                    && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
                    && !["the", "a", "on", "onto", "in", "into", "table"].contains(word)
            });
            if !plain || words.len() > 4 {
                let expected = "one to four lower-case words other than the, a, on, onto, in, into, table".to_owned();
                return refuse(format!("{field}.name"), format!("{name:?}"), expected);
            }
            if seen.contains(&name.as_str()) {
                return refuse(
                    format!("{field}.name"),
                    format!("{name:?}"),
                    "a name that no other object has".into(),
                );
            }
            seen.push(name);
            for channel in colour {
                number(format!("{field}.colour"), channel, (0., 1.))?;
            }
            if let Place::At(x, y) = place {
                for value in [*x, *y] {
                    number(format!("{field}.place"), value, (-REACH_LIMIT_M, REACH_LIMIT_M))?;
                }
            }
        }
        if let Place::At(x, y) = self.gripper {
            for value in [x, y] {
                number("gripper".into(), value, (-REACH_LIMIT_M, REACH_LIMIT_M))?;
            }
        }
        for (i, block) in self.blocks.iter().enumerate() {
            number(format!("blocks[{i}].half_m"), block.half_m, HALF_RANGE_M)?;
            number(format!("blocks[{i}].height_m"), block.height_m, HEIGHT_RANGE_M)?;
            self.validate_tower(i, source_name)?;
        }
        for (i, pad) in self.pads.iter().enumerate() {
            number(format!("pads[{i}].half_m"), pad.half_m, PAD_RANGE_M)?;
            on_table(format!("pads[{i}].place"), &pad.place)?;
        }
        for (i, bin) in self.bins.iter().enumerate() {
            number(format!("bins[{i}].half_m"), bin.half_m, BIN_RANGE_M)?;
            number(format!("bins[{i}].wall_m"), bin.wall_m, WALL_RANGE_M)?;
            on_table(format!("bins[{i}].place"), &bin.place)?;
        }
        if !self.sizes.is_empty() && self.sizes.len() != self.blocks.len() {
            let expected = format!("none, or one for each of the {} blocks", self.blocks.len());
            return refuse("sizes".into(), format!("{} sizes", self.sizes.len()), expected);
        }
        for (i, (half_m, height_m)) in self.sizes.iter().enumerate() {
            number(format!("sizes[{i}].0"), *half_m, HALF_RANGE_M)?;
            number(format!("sizes[{i}].1"), *height_m, HEIGHT_RANGE_M)?;
        }
        self.validate_held_out(source_name)?;
        let tower = self.tallest_tower_m();
        if tower > CARRY_M + 1e-4 && self.blocks.len() > 1 {
            let expected =
                format!("heights of which all but the smallest sum to at most {CARRY_M}, the carrying height");
            return refuse("blocks".into(), format!("a set that stacks to {tower:.2}"), expected);
        }
        self.validate_overlaps(source_name)
    }

    /// The tallest tower that something may be carried over.
    fn tallest_tower_m(&self) -> f32 {
        let of_blocks: Vec<f32> = self.blocks.iter().map(|block| block.height_m).collect();
        let mut heights: Vec<f32> = if self.sizes.is_empty() {
            of_blocks
        } else {
            self.sizes.iter().map(|(_, height_m)| *height_m).collect()
        };
        if let Some(storeys) = self.storeys {
            heights.sort_by(|a, b| b.total_cmp(a));
            return heights.iter().take(storeys).sum();
        }
        // All but the lowest block under the carried one.
        heights.iter().sum::<f32>() - heights.iter().copied().fold(f32::INFINITY, f32::min)
    }

    /// What is held out is there, and every block keeps a look for training.
    fn validate_held_out(&self, source_name: &str) -> Result<(), SceneError> {
        let refuse = |field: String, value: String, expected: String| {
            Err(SceneError::Value {
                source_name: source_name.to_owned(),
                field,
                value,
                expected,
            })
        };
        let names = |block: &SceneBlock| -> Vec<String> {
            let own = std::iter::once(block.name.clone());
            own.chain(block.looks.iter().map(|look| look.name.clone())).collect()
        };
        for (i, name) in self.held_out.iter().enumerate() {
            if !self.blocks.iter().any(|block| names(block).contains(name)) {
                return refuse(
                    format!("held_out[{i}]"),
                    format!("{name:?}"),
                    "the name of a look".into(),
                );
            }
        }
        for block in &self.blocks {
            if names(block).iter().all(|name| self.held_out.contains(name)) {
                let expected = format!("a list that leaves {} a look for training", block.name);
                return refuse("held_out".into(), format!("{:?}", self.held_out), expected);
            }
        }
        Ok(())
    }

    /// A block's place names another block, and following the names ends on the table.
    fn validate_tower(&self, block: usize, source_name: &str) -> Result<(), SceneError> {
        let refuse = |value: &str, expected: &str| {
            Err(SceneError::Value {
                source_name: source_name.to_owned(),
                field: format!("blocks[{block}].place"),
                value: format!("On({value:?})"),
                expected: expected.to_owned(),
            })
        };
        let mut place = &self.blocks[block].place;
        let mut taken = vec![block];
        while let Place::On(below) = place {
            let Some(lower) = self.blocks.iter().position(|other| other.name == *below) else {
                return refuse(below, "the name of another block");
            };
            if taken.contains(&lower) {
                return refuse(below, "a tower that ends on the table");
            }
            taken.push(lower);
            place = &self.blocks[lower].place;
        }
        if let Place::On(below) = &self.blocks[block].place
            && self
                .blocks
                .iter()
                .filter(|other| other.place == self.blocks[block].place)
                .count()
                > 1
        {
            return refuse(below, "a block that carries no other");
        }
        Ok(())
    }

    fn validate_overlaps(&self, source_name: &str) -> Result<(), SceneError> {
        let check = |objects: Vec<(&String, &Place, f32)>| {
            for (j, (second, place, half)) in objects.iter().enumerate() {
                for (first, other, other_half) in &objects[..j] {
                    if let (Place::At(x, y), Place::At(u, v)) = (place, other)
                        && chebyshev([*x, *y], [*u, *v]) < half + other_half
                    {
                        let (first, second) = (first.to_string(), second.to_string());
                        return Err(SceneError::Overlap {
                            source_name: source_name.to_owned(),
                            first,
                            second,
                        });
                    }
                }
            }
            Ok(())
        };
        check(self.blocks.iter().map(|b| (&b.name, &b.place, b.half_m)).collect())?;
        let pads = self.pads.iter().map(|p| (&p.name, &p.place, p.half_m));
        check(
            pads.chain(self.bins.iter().map(|b| (&b.name, &b.place, b.half_m)))
                .collect(),
        )
    }
}
