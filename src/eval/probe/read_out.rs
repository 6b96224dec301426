//! What can be read out of frozen latents: places of the gripper and of the blocks, and which block hangs from the cup. Of
//! the model's imagination it is asked where blocks are that were really moved: how much of the way from "they stay" to
//! what a real frame would tell does it know?

use std::collections::BTreeMap;

use serde::Serialize;

use super::ridge::Ridge;
use super::{AHEAD, Encoded, Imagined};
use crate::eval::Figure;
use crate::sim::WorldState;

/// Every so many of an episode's frames is fitted: neighbours are nearly the same.
const EVERY: usize = 2;
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

/// Everything about one kind of features.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub found: Found,
    /// By look ahead.
    pub moved: BTreeMap<usize, MovedBlocks>,
    /// Strengths of the penalty, each target's own: gripper, blocks, what is held.
    pub strengths: Vec<f64>,
}

/// A sum and what it is the sum of, episode by episode.
type Pairs = Vec<(f64, f64)>;

/// A read-out of one kind of features.
pub struct ReadOut {
    features: Features,
    ridge: Ridge,
    blocks: Vec<String>,
}

impl ReadOut {
    /// From pooled latents; none of too few episodes.
    pub fn of_pooled(training: &[Encoded]) -> Option<Self> {
        Self::fit(training, Features::Pooled)
    }

    /// From all tokens; none of too few episodes.
    pub fn of_tokens(training: &[Encoded]) -> Option<Self> {
        Self::fit(training, Features::Tokens)
    }

    fn fit(training: &[Encoded], features: Features) -> Option<Self> {
        let (mut rows, mut truth) = (Vec::new(), Vec::new());
        for episode in training {
            for (tokens, state) in episode.tokens.iter().zip(&episode.states).step_by(EVERY) {
                rows.push(features.of(tokens, episode.shape));
                truth.push(targets(state));
            }
        }
        let blocks = &training.first()?.states.first()?.blocks;
        Some(Self {
            features,
            ridge: Ridge::fit(&rows, &truth)?,
            blocks: blocks.iter().map(|block| block.name.clone()).collect(),
        })
    }

    /// Scores fresh episodes, each with what was imagined of it.
    pub fn score(&self, episodes: &[(Encoded, Vec<Imagined>)], seed: u64) -> Report {
        let figure = |pairs: Pairs| Figure::ratio(&pairs, seed);
        let per_frame = |of: &dyn Fn(&[f64], &[f64]) -> Option<f64>| -> Pairs {
            let of_episode = |episode: &Encoded| {
                let frames = episode.tokens.iter().zip(&episode.states);
                let scores =
                    frames.filter_map(|(tokens, state)| of(&self.read(tokens, episode.shape), &targets(state)));
                scores.fold((0.0, 0.0), |(sum, count), score| (sum + score, count + 1.0))
            };
            episodes.iter().map(|(episode, _)| of_episode(episode)).collect()
        };
        let chance = self.ridge.chance();
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
        Report {
            found,
            moved: far.map(|ahead| (ahead, self.moved(episodes, ahead, seed))).collect(),
            strengths: self.ridge.strengths.clone(),
        }
    }

    fn moved(&self, episodes: &[(Encoded, Vec<Imagined>)], ahead: usize, seed: u64) -> MovedBlocks {
        // Errors from the first frame, of the imagined and from the real frame, and how many blocks; by episode.
        let mut sums: Vec<([f64; 3], f64)> = Vec::new();
        for (episode, imagined) in episodes {
            let (mut errors, mut count) = ([0.0; 3], 0.0);
            for one in imagined.iter().filter(|one| one.ahead == ahead) {
                let (before, after) = (&episode.states[one.from], &episode.states[one.from + ahead]);
                let moved: Vec<usize> = (0..self.blocks.len())
                    .filter(|&block| {
                        let [x, y, _] = before.blocks[block].position_m;
                        after.blocks[block].distance_m([x, y]) > MOVED_M
                    })
                    .collect();
                if moved.is_empty() {
                    continue;
                }
                let truth = targets(after);
                let real = &episode.tokens[one.from + ahead];
                let sources = [&episode.tokens[one.from], &one.tokens, real];
                let reads = sources.map(|tokens| self.read(tokens, episode.shape));
                for &block in &moved {
                    let at = 2 + 2 * block;
                    for (sum, read) in errors.iter_mut().zip(&reads) {
                        *sum += off(read, &truth, at, at + 2);
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

    fn read(&self, tokens: &[f32], shape: [usize; 2]) -> Vec<f64> {
        self.ridge.read(&self.features.of(tokens, shape))
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
        for read_out in [ReadOut::of_pooled(&training), ReadOut::of_tokens(&training)] {
            let report = read_out.unwrap().score(&fresh, 1);
            let value = |figure: &Option<Figure>| figure.unwrap().value;
            let found = &report.found;
            assert!(
                value(&found.gripper_m) < 0.01 && value(&found.gripper_chance_m) > 0.1,
                "{found:?}"
            );
            // The first block is where the point is.
            let first = value(found.by_block_m.values().nth(2).unwrap());
            assert!(
                found.by_block_m.keys().nth(2).unwrap().starts_with("red") && first < 0.01,
                "{found:?}"
            );
            // Suction is on in every second frame, and what is held with it.
            assert!(
                value(&found.held) > 0.95 && value(&found.held_where_held) > 0.95,
                "{found:?}"
            );
            assert!(value(&found.held_chance) < 0.7);
            for moved in report.moved.values() {
                assert!(moved.blocks > 6, "{moved:?}");
                assert!(
                    value(&moved.persistence_m) > 0.1 && value(&moved.imagined_m) < 0.01,
                    "{moved:?}"
                );
                assert!((value(&moved.gap_closed) - 1.0).abs() < 0.05, "{moved:?}");
            }
        }
        assert!(ReadOut::of_pooled(&[]).is_none());
    }
}
