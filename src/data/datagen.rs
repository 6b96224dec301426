//! Makes training data: episodes of the data policy in a scene, the same bytes for the same seed with any number of
//! threads. Stopped half way, it goes on with the first shard that is missing.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rand::RngExt;
use rayon::prelude::*;

use super::format::{ShardData, StoreError, StoreMeta, has_shard};
use crate::random::{Stream, rng};
use crate::sim::{DataPolicy, Environment, Scene, SceneError, World};

/// Share of episodes that start with a block in the gripper.
const START_HOLDING: f64 = 0.3;

/// What is to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerateSettings {
    pub episodes: usize,
    /// Actions per episode.
    pub steps: usize,
    pub seed: u64,
    /// Height and width of the frames.
    pub frame_px: usize,
    pub episodes_per_shard: usize,
    pub threads: usize,
}

impl Default for GenerateSettings {
    fn default() -> Self {
        Self {
            episodes: 3000,
            steps: 40,
            seed: 1,
            frame_px: 64,
            episodes_per_shard: 100,
            threads: 2,
        }
    }
}

/// Why no data was made.
#[derive(Debug, thiserror::Error)]
pub enum DatagenError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Scene(#[from] SceneError),
    #[error("{field} is {value}, expected {expected}.")]
    Value {
        field: &'static str,
        value: usize,
        expected: &'static str,
    },
    #[error("{folder} already holds other episodes: {field} is {have}, asked for {asked}. Choose another folder.")]
    Other {
        folder: String,
        field: &'static str,
        have: String,
        asked: String,
    },
    #[error("Stopped after {done} of {total} episodes. Run the same command again to go on.")]
    Cancelled { done: usize, total: usize },
    #[error("Could not start {threads} threads: {err}.")]
    Threads {
        threads: usize,
        err: rayon::ThreadPoolBuildError,
    },
}

/// Writes episodes of `scene` to the folder `out`, which is made if it is missing. `progress` hears (done, total) in
/// episodes, from any thread; `cancel` stops it at the next episode, and whole shards are kept.
///
/// # Errors
/// Values out of range, a folder with other episodes, a disk that fails, or `cancel`.
pub fn generate(
    out: &Path,
    scene: &Scene,
    settings: &GenerateSettings,
    progress: &(dyn Fn(usize, usize) + Sync),
    cancel: &AtomicBool,
) -> Result<(), DatagenError> {
    let meta = meta_of(scene, settings)?;
    prepare(out, &meta)?;
    let threads = settings.threads.max(1);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("datagen-{index}"))
        .build()
        .map_err(|err| DatagenError::Threads { threads, err })?;
    let total = meta.episodes;
    let present = (0..meta.shards()).filter(|&shard| has_shard(out, shard));
    let done = AtomicUsize::new(present.map(|shard| meta.shard_episodes(shard).len()).sum());
    progress(done.load(Ordering::Relaxed), total);
    for shard in (0..meta.shards()).filter(|&shard| !has_shard(out, shard)) {
        let before = done.load(Ordering::Relaxed);
        let made: Result<Vec<ShardData>, DatagenError> = pool.install(|| {
            let episodes = meta.shard_episodes(shard).into_par_iter();
            let made = episodes.map(|index| {
                if cancel.load(Ordering::Relaxed) {
                    return Err(DatagenError::Cancelled { done: before, total });
                }
                let data = episode(scene, settings, index as u64)?;
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
                Ok(data)
            });
            made.collect()
        });
        let mut data = ShardData::default();
        for episode in &made? {
            data.append(episode);
        }
        data.write(out, shard)?;
    }
    Ok(())
}

/// One episode: a function of the scene, the seed and its index.
fn episode(scene: &Scene, settings: &GenerateSettings, index: u64) -> Result<ShardData, SceneError> {
    let mut start = rng(settings.seed, Stream::Scene, index, 1);
    let mut state = scene.draw(&mut start)?;
    if state.held.is_none() && start.random_bool(START_HOLDING) {
        state.hold_any(&mut start);
    }
    let mut world = World::from_state(&state, settings.frame_px);
    let keyed = |iteration| rng(settings.seed, Stream::Expert, index, iteration);
    let mut policy = DataPolicy::new(keyed(0), keyed(1), world.state());
    let variety = scene.variety();
    let mut data = ShardData::default();
    data.push(&world.observe().frame.rgb, world.state(), &variety);
    for _ in 0..settings.steps {
        let action = policy.act(world.state());
        world.step(action);
        policy.after(world.state());
        data.actions.extend(action);
        data.push(&world.observe().frame.rgb, world.state(), &variety);
    }
    Ok(data)
}

fn meta_of(scene: &Scene, settings: &GenerateSettings) -> Result<StoreMeta, DatagenError> {
    let in_range = |field, value: usize, low, high, expected| {
        if (low..=high).contains(&value) {
            Ok(())
        } else {
            Err(DatagenError::Value { field, value, expected })
        }
    };
    in_range("episodes", settings.episodes, 1, 10_000_000, "1 to 10000000")?;
    in_range("steps", settings.steps, 1, 10_000, "1 to 10000")?;
    in_range("frame_px", settings.frame_px, 16, 1024, "16 to 1024")?;
    in_range(
        "episodes_per_shard",
        settings.episodes_per_shard,
        1,
        100_000,
        "1 to 100000",
    )?;
    let sample = episode(scene, settings, 0)?;
    let mut hash = blake3::Hasher::new();
    hash.update(&sample.frames);
    hash.update(bytemuck::cast_slice(&sample.actions));
    let (objects, variety) = (scene.start(settings.seed)?, scene.variety());
    Ok(StoreMeta {
        schema: StoreMeta::schema_of(&objects, &variety),
        scene: scene.name.clone(),
        seed: settings.seed,
        episodes: settings.episodes,
        steps: settings.steps,
        frame_px: settings.frame_px,
        episodes_per_shard: settings.episodes_per_shard,
        fingerprint: hash.finalize().to_hex()[..16].to_owned(),
        objects,
        variety,
    })
}

/// Makes the folder, or checks that it holds the beginning of the same episodes.
fn prepare(out: &Path, meta: &StoreMeta) -> Result<(), DatagenError> {
    std::fs::create_dir_all(out).map_err(|err| StoreError::Write {
        path: out.display().to_string(),
        err,
    })?;
    let have = match StoreMeta::read(out) {
        Err(StoreError::Missing { .. }) => return Ok(meta.write(out)?),
        other => other?,
    };
    let fields = [
        ("scene", have.scene.clone(), meta.scene.clone()),
        ("seed", have.seed.to_string(), meta.seed.to_string()),
        ("episodes", have.episodes.to_string(), meta.episodes.to_string()),
        ("steps", have.steps.to_string(), meta.steps.to_string()),
        ("frame_px", have.frame_px.to_string(), meta.frame_px.to_string()),
        (
            "episodes_per_shard",
            have.episodes_per_shard.to_string(),
            meta.episodes_per_shard.to_string(),
        ),
        ("fingerprint", have.fingerprint.clone(), meta.fingerprint.clone()),
    ];
    for (field, have, asked) in fields {
        if have != asked {
            return Err(DatagenError::Other {
                folder: out.display().to_string(),
                field,
                have,
                asked,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::EpisodeStore;

    fn small(threads: usize) -> GenerateSettings {
        GenerateSettings {
            episodes: 7,
            steps: 12,
            seed: 3,
            frame_px: 32,
            episodes_per_shard: 3,
            threads,
        }
    }

    fn make(settings: &GenerateSettings, folder: &Path, cancel_after: usize) -> Result<(), DatagenError> {
        make_in("three-blocks", settings, folder, cancel_after)
    }

    fn make_in(
        scene: &str,
        settings: &GenerateSettings,
        folder: &Path,
        cancel_after: usize,
    ) -> Result<(), DatagenError> {
        let cancel = AtomicBool::new(false);
        let scene = Scene::load(scene)?;
        let watch = |done: usize, _| cancel.store(done >= cancel_after, Ordering::Relaxed);
        generate(folder, &scene, settings, &watch, &cancel)
    }

    fn hash(folder: &Path) -> blake3::Hash {
        let mut hash = blake3::Hasher::new();
        for shard in 0..3 {
            for file in ["frames.u8", "actions.f32", "proprio.f32", "states.f32"] {
                hash.update(&std::fs::read(folder.join(format!("shard-{shard:05}")).join(file)).unwrap());
            }
        }
        hash.finalize()
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_with_one_or_two_threads_or_a_pause() {
        let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
        make(&small(1), folders[0].path(), usize::MAX).unwrap();
        make(&small(2), folders[1].path(), usize::MAX).unwrap();
        let stopped = make(&small(1), folders[2].path(), 4).unwrap_err();
        assert!(
            matches!(stopped, DatagenError::Cancelled { done: 3, total: 7 }),
            "{stopped}"
        );
        let unfinished = EpisodeStore::open(folders[2].path()).unwrap_err().to_string();
        assert!(unfinished.contains("3 of its 7 episodes"), "{unfinished}");
        make(&small(2), folders[2].path(), usize::MAX).unwrap();
        let hashes: Vec<_> = folders.iter().map(|folder| hash(folder.path())).collect();
        assert!(hashes[0] == hashes[1] && hashes[1] == hashes[2]);
        let other = GenerateSettings { seed: 4, ..small(1) };
        let refused = make(&other, folders[0].path(), usize::MAX).unwrap_err().to_string();
        assert!(refused.contains("seed is 3, asked for 4"), "{refused}");
    }

    #[test]
    fn bins_cylinders_and_looks_are_stored_too() {
        let folder = tempfile::tempdir().unwrap();
        make_in("thinkbench", &small(2), folder.path(), usize::MAX).unwrap();
        let store = EpisodeStore::open(folder.path()).unwrap();
        assert_eq!(store.meta().schema, "thinkjepa.episodes/2");
        let bytes = store.meta().frame_bytes();
        let mut frames = vec![0; 13 * bytes];
        let (mut names, mut sizes) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
        for episode in 0..7 {
            store.read_frames(episode, 0..13, &mut frames).unwrap();
            for frame in 0..13 {
                let state = store.state(episode, frame).unwrap();
                let shown = crate::sim::render(&state, 32);
                assert_eq!(
                    &shown.rgb[..],
                    &frames[frame * bytes..(frame + 1) * bytes],
                    "{episode} {frame}"
                );
                names.extend(state.blocks.iter().map(|block| block.name.clone()));
                sizes.insert(state.blocks[0].half_m.to_bits());
            }
        }
        assert!(names.len() > 6 && !names.contains("orange block"), "{names:?}");
        assert!(sizes.len() > 1);
    }

    #[test]
    fn what_is_read_back_is_what_the_world_did() {
        let folder = tempfile::tempdir().unwrap();
        make(&small(2), folder.path(), usize::MAX).unwrap();
        let store = EpisodeStore::open(folder.path()).unwrap();
        assert_eq!(store.meta().schema, "thinkjepa.episodes/1");
        let meta = std::fs::read_to_string(folder.path().join("meta.json")).unwrap();
        assert!(
            ["bins", "shape", "variety"].iter().all(|new| !meta.contains(new)),
            "{meta}"
        );
        assert_eq!((store.episodes(), store.steps()), (7, 12));
        let bytes = store.meta().frame_bytes();
        let mut frames = vec![0; 13 * bytes];
        for episode in 0..7 {
            store.read_frames(episode, 0..13, &mut frames).unwrap();
            for frame in 0..12 {
                let state = store.state(episode, frame).unwrap();
                let shown = crate::sim::render(&state, 32);
                assert_eq!(&shown.rgb[..], &frames[frame * bytes..(frame + 1) * bytes]);
                let [x, y, suction, holding] = store.proprio(episode, frame);
                assert_eq!([x, y], state.gripper_m);
                assert_eq!((suction > 0., holding > 0.), (state.suction, state.held.is_some()));
                let next = store.proprio(episode, frame + 1);
                let [dx, dy, grip] = store.action(episode, frame);
                assert_eq!(next[2] > 0., grip > 0.);
                let limit = |value: f32| value.clamp(-0.92, 0.92);
                assert!((limit(x + 0.14 * dx) - next[0]).abs() < 1e-5 && (limit(y + 0.14 * dy) - next[1]).abs() < 1e-5);
            }
        }
        assert!(store.read_frames(7, 0..1, &mut frames[..bytes]).is_err());
        assert!(store.read_frames(0, 12..14, &mut frames[..2 * bytes]).is_err());
        let path = folder.path().join("shard-00001/frames.u8");
        std::fs::OpenOptions::new()
            .write(true)
            .open(path)
            .unwrap()
            .set_len(100)
            .unwrap();
        let message = EpisodeStore::open(folder.path()).unwrap_err().to_string();
        assert!(message.contains("shard-00001/frames.u8 has 100 bytes"), "{message}");
    }
}
