//! What can be read out of frozen latents: places of the gripper and of the blocks, and which block hangs from the cup. Of
//! the model's imagination it is asked where blocks are that were really moved: how much of the way from "they stay" to
//! what a real frame would tell does it know?

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use serde::Serialize;

use super::perceptron::Perceptron;
use super::ridge::Ridge;
use super::{AHEAD, Encoded, Imagined};
use crate::eval::Figure;
use crate::sim::WorldState;

/// Every so many of an episode's frames is fitted by a line: neighbours are nearly the same.
const EVERY: usize = 2;
/// A perceptron is trained on all of them.
const EVERY_OF_PERCEPTRON: usize = 1;
/// A block that lies this far from where it was has moved.
pub const MOVED_M: f32 = 0.25;

/// What a latent is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Features {
    /// Mean over the patches, `[D]`.
    Pooled,
    /// All patches side by side, `[N * D]`.
    Tokens,
}

impl Features {
    fn of(self, tokens: &[f32], shape: [usize; 2]) -> Vec<f32> {
        match self {
            Self::Pooled => Encoded::pooled(tokens, shape),
            Self::Tokens => tokens.to_vec(),
        }
    }
}

/// Gripper x and y, each block's x and y, then one number for "nothing is held" and one for each block: 1 where it is so.
fn targets(state: &WorldState) -> Vec<f64> {
    let blocks = state
        .blocks
        .iter()
        .flat_map(|block| [block.position_m[0], block.position_m[1]]);
    let places = state.gripper_m.into_iter().chain(blocks).map(f64::from);
    let held = std::iter::once(None).chain((0..state.blocks.len()).map(Some));
    places
        .chain(held.map(|held| f64::from(u8::from(state.held == held))))
        .collect()
}

/// Mean |error| per axis, metres, and how often the held block is read right.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    pub gripper_m: Option<Figure>,
    pub blocks_m: Option<Figure>,
    pub by_block_m: BTreeMap<String, Option<Figure>>,
    /// The same for whoever knows nothing but the mean.
    pub gripper_chance_m: Option<Figure>,
    pub blocks_chance_m: Option<Figure>,
    /// Share of frames in which it is read right which block is held, or that none is.
    pub held: Option<Figure>,
    /// The same among frames in which one is.
    pub held_where_held: Option<Figure>,
    /// What always saying the commonest would be right in.
    pub held_chance: Option<Figure>,
}

/// Where blocks are that moved by more than [`MOVED_M`], mean |error| per axis, metres.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MovedBlocks {
    /// Of them.
    pub blocks: usize,
    /// Read from the first frame: as if nothing had happened.
    pub persistence_m: Option<Figure>,
    pub imagined_m: Option<Figure>,
    /// Read from the frame that really came.
    pub real_m: Option<Figure>,
    /// Share of the gap between the first and the last that imagination closes.
    pub gap_closed: Option<Figure>,
}

/// Everything about one read-out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub found: Found,
    /// By look ahead.
    pub moved: BTreeMap<usize, MovedBlocks>,
}

/// One episode, read.
struct Frames {
    /// `[T + 1][K]`.
    real: Vec<Vec<f64>>,
    /// In the order in which it was imagined.
    imagined: Vec<Vec<f64>>,
    truth: Vec<Vec<f64>>,
}

fn line(rows: &[Vec<f32>], truth: &[Vec<f64>]) -> Option<Reader> {
    Ridge::fit(rows, truth).map(Reader::Line)
}

/// A sum and what it is the sum of, episode by episode.
type Pairs = Vec<(f64, f64)>;

/// How a latent is read.
enum Reader {
    Line(Ridge),
    Perceptron(Box<Perceptron>),
}

/// A read-out of one kind of features.
pub struct ReadOut {
    features: Features,
    reader: Reader,
    /// Mean of the targets over the frames that were fitted: what is read where nothing is known.
    chance: Vec<f64>,
    blocks: Vec<String>,
}

impl ReadOut {
    /// A line from pooled latents; none of too few episodes.
    pub fn of_pooled(training: &[Encoded]) -> Option<Self> {
        Self::fit(training, Features::Pooled, EVERY, line)
    }

    /// The same where episodes have few frames, far apart: each of them is fitted.
    pub fn of_few_pooled(training: &[Encoded]) -> Option<Self> {
        Self::fit(training, Features::Pooled, 1, line)
    }

    /// A line from all tokens; none of too few episodes.
    pub fn of_tokens(training: &[Encoded]) -> Option<Self> {
        Self::fit(training, Features::Tokens, EVERY, line)
    }

    /// A perceptron on all tokens; none of too few episodes, or once `cancel` is set.
    pub fn perceptron(training: &[Encoded], seed: u64, cancel: &AtomicBool) -> Option<Self> {
        Self::fit(training, Features::Tokens, EVERY_OF_PERCEPTRON, |rows, truth| {
            let truth: Vec<Vec<f32>> = truth
                .iter()
                .map(|row| row.iter().map(|&value| value as f32).collect())
                .collect();
            Perceptron::fit(rows, &truth, seed, cancel).map(|fitted| Reader::Perceptron(Box::new(fitted)))
        })
    }

    fn fit(
        training: &[Encoded],
        features: Features,
        every: usize,
        fit: impl FnOnce(&[Vec<f32>], &[Vec<f64>]) -> Option<Reader>,
    ) -> Option<Self> {
        let (mut rows, mut truth) = (Vec::new(), Vec::new());
        for episode in training {
            for (tokens, state) in episode.tokens.iter().zip(&episode.states).step_by(every) {
                rows.push(features.of(tokens, episode.shape));
                truth.push(targets(state));
            }
        }
        let blocks = &training.first()?.states.first()?.blocks;
        let mut chance = vec![0.0; truth.first()?.len()];
        for row in &truth {
            let share = 1.0 / truth.len() as f64;
            chance
                .iter_mut()
                .zip(row)
                .for_each(|(mean, value)| *mean += value * share);
        }
        Some(Self {
            features,
            reader: fit(&rows, &truth)?,
            chance,
            blocks: blocks.iter().map(|block| block.name.clone()).collect(),
        })
    }

    /// Scores fresh episodes, each with what was imagined of it; none where the device failed.
    pub fn score(&self, episodes: &[(Encoded, Vec<Imagined>)], seed: u64) -> Option<Report> {
        let figure = |pairs: Pairs| Figure::ratio(&pairs, seed);
        let frames: Vec<Frames> = episodes
            .iter()
            .map(|(episode, imagined)| self.frames(episode, imagined))
            .collect::<Option<_>>()?;
        let per_frame = |of: &dyn Fn(&[f64], &[f64]) -> Option<f64>| -> Pairs {
            let of_episode = |frames: &Frames| {
                let scores = frames
                    .real
                    .iter()
                    .zip(&frames.truth)
                    .filter_map(|(read, truth)| of(read, truth));
                scores.fold((0.0, 0.0), |(sum, count), score| (sum + score, count + 1.0))
            };
            frames.iter().map(of_episode).collect()
        };
        let chance = &self.chance;
        let held_at = 2 + 2 * self.blocks.len();
        let by_block = self.blocks.iter().enumerate().map(|(block, name)| {
            let at = 2 + 2 * block;
            (
                name.clone(),
                figure(per_frame(&|read, truth| Some(off(read, truth, at, at + 2)))),
            )
        });
        let found = Found {
            gripper_m: figure(per_frame(&|read, truth| Some(off(read, truth, 0, 2)))),
            blocks_m: figure(per_frame(&|read, truth| Some(off(read, truth, 2, held_at)))),
            by_block_m: by_block.collect(),
            gripper_chance_m: figure(per_frame(&|_, truth| Some(off(chance, truth, 0, 2)))),
            blocks_chance_m: figure(per_frame(&|_, truth| Some(off(chance, truth, 2, held_at)))),
            held: figure(per_frame(&|read, truth| {
                Some(agree(&read[held_at..], &truth[held_at..]))
            })),
            held_where_held: figure(per_frame(&|read, truth| {
                (truth[held_at] == 0.0).then(|| agree(&read[held_at..], &truth[held_at..]))
            })),
            held_chance: figure(per_frame(&|_, truth| {
                Some(agree(&chance[held_at..], &truth[held_at..]))
            })),
        };
        let far = AHEAD.into_iter().filter(|&ahead| ahead > 1);
        let moved = far.map(|ahead| (ahead, self.moved(episodes, &frames, ahead, seed)));
        Some(Report {
            moved: moved.collect(),
            found,
        })
    }

    /// Reads all frames of an episode, and all that was imagined of it.
    fn frames(&self, episode: &Encoded, imagined: &[Imagined]) -> Option<Frames> {
        let features = |tokens: &Vec<f32>| self.features.of(tokens, episode.shape);
        let real: Vec<Vec<f32>> = episode.tokens.iter().map(features).collect();
        let imagined: Vec<Vec<f32>> = imagined.iter().map(|one| features(&one.tokens)).collect();
        Some(Frames {
            real: self.read(&real)?,
            imagined: self.read(&imagined)?,
            truth: episode.states.iter().map(targets).collect(),
        })
    }

    fn read(&self, rows: &[Vec<f32>]) -> Option<Vec<Vec<f64>>> {
        match &self.reader {
            Reader::Line(ridge) => Some(rows.iter().map(|row| ridge.read(row)).collect()),
            Reader::Perceptron(perceptron) => perceptron.read(rows),
        }
    }

    fn moved(&self, episodes: &[(Encoded, Vec<Imagined>)], frames: &[Frames], ahead: usize, seed: u64) -> MovedBlocks {
        // Errors from the first frame, of the imagined and from the real frame, and how many blocks; by episode.
        let mut sums: Vec<([f64; 3], f64)> = Vec::new();
        for ((episode, imagined), frames) in episodes.iter().zip(frames) {
            let (mut errors, mut count) = ([0.0; 3], 0.0);
            let of_ahead = imagined
                .iter()
                .zip(&frames.imagined)
                .filter(|(one, _)| one.ahead == ahead);
            for (one, read) in of_ahead {
                let (before, after) = (&episode.states[one.from], &episode.states[one.from + ahead]);
                let reads = [&frames.real[one.from], read, &frames.real[one.from + ahead]];
                let truth = &frames.truth[one.from + ahead];
                for block in 0..self.blocks.len() {
                    let [x, y, _] = before.blocks[block].position_m;
                    if after.blocks[block].distance_m([x, y]) <= MOVED_M {
                        continue;
                    }
                    let at = 2 + 2 * block;
                    for (sum, read) in errors.iter_mut().zip(reads) {
                        *sum += off(read, truth, at, at + 2);
                    }
                    count += 1.0;
                }
            }
            sums.push((errors, count));
        }
        let figure = |above: &dyn Fn(&[f64; 3]) -> f64, below: &dyn Fn(&([f64; 3], f64)) -> f64| {
            let pairs: Pairs = sums.iter().map(|sum| (above(&sum.0), below(sum))).collect();
            Figure::ratio(&pairs, seed)
        };
        MovedBlocks {
            blocks: sums.iter().map(|(_, count)| *count as usize).sum(),
            persistence_m: figure(&|errors| errors[0], &|(_, count)| *count),
            imagined_m: figure(&|errors| errors[1], &|(_, count)| *count),
            real_m: figure(&|errors| errors[2], &|(_, count)| *count),
            gap_closed: figure(&|errors| errors[0] - errors[1], &|(errors, _)| errors[0] - errors[2]),
        }
    }
}

/// Mean |error| over some of the targets.
fn off(read: &[f64], truth: &[f64], from: usize, to: usize) -> f64 {
    let gaps = read[from..to]
        .iter()
        .zip(&truth[from..to])
        .map(|(read, truth)| (read - truth).abs());
    gaps.sum::<f64>() / (to - from) as f64
}

/// 1 where the largest of both is at the same place.
fn agree(read: &[f64], truth: &[f64]) -> f64 {
    let largest = |values: &[f64]| (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b]));
    f64::from(u8::from(largest(read) == largest(truth)))
}

#[cfg(test)]
mod tests {
    use super::super::{imagine, tests::toy_episode};
    use super::*;
    use crate::planner::toy::ToyModel;

    fn episodes(first_turn: f32, count: usize) -> Vec<(Encoded, Vec<Imagined>)> {
        (0..count)
            .map(|i| {
                let episode = toy_episode(17, first_turn + 0.05 * i as f32);
                let imagined = imagine(&ToyModel::new(), &episode).unwrap();
                (episode, imagined)
            })
            .collect()
    }

    #[test]
    fn what_the_latent_holds_is_found_and_what_it_does_not_hold_is_not() {
        let training: Vec<Encoded> = episodes(0.11, 12).into_iter().map(|(episode, _)| episode).collect();
        let fresh = episodes(0.135, 6);
        let cancel = AtomicBool::new(false);
        for (read_out, close_m) in [
            (ReadOut::of_pooled(&training), 0.01),
            (ReadOut::of_tokens(&training), 0.01),
            (ReadOut::perceptron(&training, 3, &cancel), 0.06),
        ] {
            let report = read_out.unwrap().score(&fresh, 1).unwrap();
            let value = |figure: &Option<Figure>| figure.unwrap().value;
            let found = &report.found;
            assert!(
                value(&found.gripper_m) < close_m && value(&found.gripper_chance_m) > 0.1,
                "{found:?}"
            );
            // The first block is where the point is.
            let first = value(found.by_block_m.values().nth(2).unwrap());
            assert!(
                found.by_block_m.keys().nth(2).unwrap().starts_with("red") && first < close_m,
                "{found:?}"
            );
            // Suction is on in every third frame, and what is held with it.
            assert!(
                value(&found.held) > 0.95 && value(&found.held_where_held) > 0.95,
                "{found:?}"
            );
            assert!(value(&found.held_chance) < 0.7);
            for moved in report.moved.values() {
                assert!(moved.blocks > 6, "{moved:?}");
                assert!(
                    value(&moved.persistence_m) > 0.1 && value(&moved.imagined_m) < close_m,
                    "{moved:?}"
                );
                assert!((value(&moved.gap_closed) - 1.0).abs() < 0.1, "{moved:?}");
            }
        }
        assert!(ReadOut::of_pooled(&[]).is_none());
    }
}
