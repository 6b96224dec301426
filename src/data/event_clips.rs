//! Clips that each show one event, of a scene and a seed: as many of every event, labelled by what happened in them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::sim::{EVENT_FRAMES, Event, Scene, SceneError, WorldState, event_attempt, render};

/// Attempts at one clip before its event counts as one that cannot be in the scene.
const ATTEMPTS: u64 = 300;

/// Which clips of a seed: no clip is in both parts, nor in a part of another seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClipSplit {
    Train,
    Test,
}

impl ClipSplit {
    /// Even numbers for training, odd ones for tests.
    fn seed(self, seed: u64) -> u64 {
        (seed << 1) | u64::from(self == Self::Test)
    }
}

/// Clips with the event of each; clip `i` shows event `i % 5`.
#[derive(Clone, Debug, PartialEq)]
pub struct EventClips {
    frame_px: usize,
    /// `[C, T, 3, px, px]`
    frames: Vec<u8>,
}

impl EventClips {
    pub fn len(&self) -> usize {
        self.frames.len() / self.clip_bytes()
    }

    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Height and width of the frames.
    pub fn frame_px(&self) -> usize {
        self.frame_px
    }

    /// `[T, 3, px, px]` of one clip.
    pub fn frames(&self, clip: usize) -> &[u8] {
        &self.frames[clip * self.clip_bytes()..(clip + 1) * self.clip_bytes()]
    }

    /// The number of each clip's event in [`Event::ALL`].
    pub fn labels(&self) -> impl Iterator<Item = usize> {
        (0..self.len()).map(|clip| shown(clip).number())
    }

    fn clip_bytes(&self) -> usize {
        EVENT_FRAMES * 3 * self.frame_px * self.frame_px
    }
}

/// Why there are no clips.
#[derive(Debug, thiserror::Error)]
pub enum EventClipsError {
    #[error(transparent)]
    Scene(#[from] SceneError),
    #[error(
        "In the scene {scene} no clip of the event {} came about in {ATTEMPTS} attempts. Choose a scene with two or more \
         blocks that stand free, such as three-blocks.", event.name()
    )]
    Missing { scene: String, event: Event },
    /// The cancel flag was set.
    #[error("Stopped.")]
    Cancelled,
}

fn shown(clip: usize) -> Event {
    Event::ALL[clip % Event::ALL.len()]
}

/// `of_each` clips of every event. The same for the same arguments with any number of threads. `watch` hears (done, total)
/// in clips, from any thread.
///
/// # Errors
/// An event does not come about in the scene, the scene has no start, or `cancel` was set.
pub fn event_clips(
    scene: &Scene,
    of_each: usize,
    seed: u64,
    split: ClipSplit,
    frame_px: usize,
    watch: &(dyn Fn(usize, usize) + Sync),
    cancel: &AtomicBool,
) -> Result<EventClips, EventClipsError> {
    let total = of_each * Event::ALL.len();
    let done = AtomicUsize::new(0);
    let made: Result<Vec<Vec<u8>>, EventClipsError> = (0..total)
        .into_par_iter()
        .map(|clip| {
            if cancel.load(Ordering::Relaxed) {
                return Err(EventClipsError::Cancelled);
            }
            let states = clip_states(scene, shown(clip), split.seed(seed), clip as u64)?;
            let frames = states.iter().map(|state| render(state, frame_px));
            let bytes = frames.flat_map(|frame| frame.rgb.to_vec()).collect();
            watch(done.fetch_add(1, Ordering::Relaxed) + 1, total);
            Ok(bytes)
        })
        .collect();
    Ok(EventClips {
        frame_px,
        frames: made?.concat(),
    })
}

/// The first attempt that shows the event.
fn clip_states(scene: &Scene, event: Event, seed: u64, clip: u64) -> Result<Vec<WorldState>, EventClipsError> {
    for attempt in 0..ATTEMPTS {
        if let Some(states) = event_attempt(scene, event, seed, clip, attempt)? {
            return Ok(states);
        }
    }
    Err(EventClipsError::Missing {
        scene: scene.name.clone(),
        event,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::sim::event;

    fn made(of_each: usize, seed: u64, split: ClipSplit) -> EventClips {
        let scene = Scene::load("three-blocks").unwrap();
        event_clips(&scene, of_each, seed, split, 16, &|_, _| {}, &AtomicBool::new(false)).unwrap()
    }

    #[test]
    fn every_event_has_as_many_clips_and_no_clip_is_in_two_parts() {
        let train = made(3, 7, ClipSplit::Train);
        assert_eq!((train.len(), train.frames(2).len()), (15, EVENT_FRAMES * 3 * 16 * 16));
        for number in 0..Event::ALL.len() {
            assert_eq!(train.labels().filter(|&label| label == number).count(), 3);
        }
        assert_eq!(train, made(3, 7, ClipSplit::Train));
        // The first clips of many are those of a few.
        let few = made(1, 7, ClipSplit::Train);
        assert_eq!(few.frames(4), train.frames(4));
        let others = [made(3, 7, ClipSplit::Test), made(3, 8, ClipSplit::Train)];
        let all: BTreeSet<&[u8]> = others
            .iter()
            .chain([&train])
            .flat_map(|clips| (0..clips.len()).map(|clip| clips.frames(clip)))
            .collect();
        assert_eq!(all.len(), 45);
    }

    #[test]
    fn one_thread_or_two_make_the_same_clips() {
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| made(2, 3, ClipSplit::Train))
        };
        assert_eq!(with(1), with(2));
    }

    /// What the label says happened in the states that were drawn, in every scene that has what it takes.
    #[test]
    fn labels_are_what_happened() {
        for name in ["three-blocks", "two-blocks", "four-small-blocks", "thinkbench"] {
            let scene = Scene::load(name).unwrap();
            for clip in 0..10 {
                let states = clip_states(&scene, shown(clip), 5, clip as u64).unwrap();
                assert_eq!(states.len(), EVENT_FRAMES, "{name}");
                assert_eq!(event(&states), Some(shown(clip)), "{name} {clip}");
            }
        }
    }

    #[test]
    fn a_scene_without_what_it_takes_is_named_and_a_stop_is_heard() {
        let mut scene = Scene::load("two-blocks").unwrap();
        scene.blocks.truncate(1);
        let run = |cancel: bool| {
            let cancel = AtomicBool::new(cancel);
            event_clips(&scene, 1, 1, ClipSplit::Train, 16, &|_, _| {}, &cancel).unwrap_err()
        };
        let said = run(false).to_string();
        assert!(
            said.contains("two-blocks") && said.contains("topple") && said.contains("three-blocks"),
            "{said}"
        );
        assert!(matches!(run(true), EventClipsError::Cancelled));
    }
}
