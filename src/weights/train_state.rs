//! The whole state of a training run in one folder: modules with the identities of their parameters, optimisers,
//! and whatever else the run counts. A run that goes on from it does bit for bit what it would have done.
//!
//! A folder is written beside its place and renamed, and every file's hash is in `state.json`: a run that was killed
//! in the middle of writing finds its previous state, and a file that was damaged later is noticed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::{
    AdamW, AdamWConfig, AdamWState, LearningRate, ModuleOptimizer, Optimizer, RecordState, StateSink, StateSource,
};
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::{Bytes, Device, Tensor};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{WeightsError, atomic};

const MANIFEST: &str = "state.json";

/// What a state folder holds: a file's name and its BLAKE3 hash.
#[derive(Serialize, Deserialize)]
struct Manifest {
    files: BTreeMap<String, String>,
}

/// Collects the parts of a state while its folder is written.
pub struct StateWriter<'a> {
    folder: &'a Path,
    files: BTreeMap<String, String>,
}

/// Writes a state folder whole, replacing one that is there.
///
/// # Errors
/// Whatever `fill` answers, or the folder beside it cannot be written to.
pub fn save(
    folder: &Path,
    fill: impl FnOnce(&mut StateWriter) -> Result<(), WeightsError>,
) -> Result<(), WeightsError> {
    atomic::replace_folder(folder, |at| {
        let mut writer = StateWriter {
            folder: at,
            files: BTreeMap::new(),
        };
        fill(&mut writer)?;
        let manifest = Manifest { files: writer.files };
        let text = serde_json::to_vec_pretty(&manifest).map_err(|err| WeightsError::Write {
            path: at.join(MANIFEST),
            err: err.into(),
        })?;
        atomic::write_file(&at.join(MANIFEST), &text)
    })
}

impl StateWriter<'_> {
    /// A module with the identities of its parameters, which tie it to its optimiser's state.
    ///
    /// # Errors
    /// A tensor cannot be read from its device, or the folder cannot be written to.
    pub fn module<M: Module>(&mut self, name: &str, module: &M) -> Result<(), WeightsError> {
        let bytes = module.clone().into_record().into_bytes();
        self.put(format!("{name}.module"), bytes)
    }

    /// An optimiser's moments and step counts.
    ///
    /// # Errors
    /// A tensor cannot be read from its device, or the folder cannot be written to.
    pub fn optimiser(&mut self, name: &str, optimiser: &ModuleOptimizer) -> Result<(), WeightsError> {
        self.put(format!("{name}.optimiser"), optimiser.into_bytes())
    }

    /// Counters, seeds, running means: anything that serde can write.
    ///
    /// # Errors
    /// The value holds something JSON cannot, or the folder cannot be written to.
    pub fn json<T: Serialize>(&mut self, name: &str, value: &T) -> Result<(), WeightsError> {
        let bytes = serde_json::to_vec_pretty(value).map_err(|err| RecordError::Io(err.to_string()));
        self.put(format!("{name}.json"), bytes)
    }

    fn put<B: std::ops::Deref<Target = [u8]>>(
        &mut self,
        file: String,
        bytes: Result<B, RecordError>,
    ) -> Result<(), WeightsError> {
        let path = self.folder.join(&file);
        let bytes = bytes.map_err(|err| WeightsError::Write {
            path: path.clone(),
            err: std::io::Error::other(err.to_string()),
        })?;
        self.files.insert(file, blake3::hash(&bytes).to_hex().to_string());
        atomic::write_file(&path, &bytes)
    }
}

/// A state folder whose files are all there and unchanged.
pub struct SavedState {
    folder: PathBuf,
    files: BTreeMap<String, Vec<u8>>,
}

impl SavedState {
    /// Reads and checks the whole folder.
    ///
    /// # Errors
    /// It does not exist, or a file is missing or damaged.
    pub fn open(folder: &Path) -> Result<Self, WeightsError> {
        let path = folder.join(MANIFEST);
        let text = std::fs::read(&path).map_err(WeightsError::read(&path))?;
        let manifest: Manifest = serde_json::from_slice(&text).map_err(|err| WeightsError::State {
            path: path.clone(),
            what: err.to_string(),
        })?;
        let mut files = BTreeMap::new();
        for (name, hash) in manifest.files {
            let path = folder.join(&name);
            let bytes = std::fs::read(&path).map_err(WeightsError::read(&path))?;
            if blake3::hash(&bytes).to_hex().as_str() != hash {
                return Err(WeightsError::State {
                    path,
                    what: "its content has changed since it was saved".to_owned(),
                });
            }
            files.insert(name, bytes);
        }
        Ok(Self {
            folder: folder.to_owned(),
            files,
        })
    }

    /// `module` with the saved parameters and their identities.
    ///
    /// # Errors
    /// The state has no such module, or one of another shape.
    pub fn module<M: Module>(&self, name: &str, module: M) -> Result<M, WeightsError> {
        let file = format!("{name}.module");
        let wrong = |err: RecordError| self.wrong(&file, err.to_string());
        let record = ModuleRecord::from_bytes(self.bytes(&file)?).map_err(wrong)?;
        module.try_load_record(record).map_err(wrong)
    }

    /// `optimiser`, made as it was for the run, with the saved moments. Use [`adamw`]: burn's own state would be
    /// rebuilt on burn's default device, which may be a graphics card that this machine does not have.
    ///
    /// # Errors
    /// The state has no such optimiser.
    pub fn optimiser(&self, name: &str, optimiser: ModuleOptimizer) -> Result<ModuleOptimizer, WeightsError> {
        let file = format!("{name}.optimiser");
        optimiser
            .from_bytes(self.bytes(&file)?)
            .map_err(|err| self.wrong(&file, err.to_string()))
    }

    /// # Errors
    /// The state has no such part, or one of another shape.
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, WeightsError> {
        let file = format!("{name}.json");
        let bytes = self
            .files
            .get(&file)
            .ok_or_else(|| self.wrong(&file, "it is not part of this state".to_owned()))?;
        serde_json::from_slice(bytes).map_err(|err| self.wrong(&file, err.to_string()))
    }

    fn bytes(&self, file: &str) -> Result<Bytes, WeightsError> {
        match self.files.get(file) {
            Some(bytes) => Ok(Bytes::from_bytes_vec(bytes.clone())),
            None => Err(self.wrong(file, "it is not part of this state".to_owned())),
        }
    }

    fn wrong(&self, file: &str, what: String) -> WeightsError {
        WeightsError::State {
            path: self.folder.join(file),
            what,
        }
    }
}

/// AdamW for a whole module whose state can be saved and resumed on any machine. Groups of parameters with settings
/// of their own are added with [`ModuleOptimizer::with_group`] and [`Resumable`].
pub fn adamw(config: &AdamWConfig) -> ModuleOptimizer {
    ModuleOptimizer::from(Resumable::new(config))
}

/// burn's AdamW, except that a saved state is rebuilt in main memory and moves to its parameter's device with the
/// next step. Its numbers are burn's.
#[derive(Clone)]
pub struct Resumable {
    inner: AdamW,
}

impl Resumable {
    pub fn new(config: &AdamWConfig) -> Self {
        Self { inner: config.build() }
    }
}

/// State of one parameter of rank `R`.
#[derive(Clone)]
pub struct ResumableState<const R: usize>(AdamWState<R>);

impl<const R: usize> RecordState for ResumableState<R> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        self.0.state_flatten(prefix, out);
    }

    fn state_unflatten(prefix: &str, src: &mut StateSource, _default: &Device) -> Option<Self> {
        AdamWState::state_unflatten(prefix, src, &Device::flex()).map(Self)
    }
}

impl Optimizer for Resumable {
    type State<const R: usize> = ResumableState<R>;

    fn step<const R: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<R>,
        grad: Tensor<R>,
        state: Option<Self::State<R>>,
    ) -> (Tensor<R>, Option<Self::State<R>>) {
        let (tensor, state) = self.inner.step(lr, tensor, grad, state.map(|state| state.0));
        (tensor, state.map(ResumableState))
    }

    fn to_device<const R: usize>(state: Self::State<R>, device: &Device) -> Self::State<R> {
        ResumableState(AdamW::to_device(state.0, device))
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::optim::GradientsParams;

    use super::*;

    #[derive(Module, Debug)]
    struct Net {
        first: Linear,
        second: Linear,
    }

    fn net() -> Net {
        let device = Device::flex().autodiff();
        Net {
            first: LinearConfig::new(3, 8).init(&device),
            second: LinearConfig::new(8, 1).init(&device),
        }
    }

    fn optimiser() -> ModuleOptimizer {
        adamw(&AdamWConfig::new().with_beta_2(0.95).with_weight_decay(0.05))
    }

    /// Each step sees its own data, so a step that is skipped or done twice shows.
    fn train(mut net: Net, optimiser: &mut ModuleOptimizer, steps: std::ops::Range<usize>) -> Net {
        let device = Device::flex().autodiff();
        for step in steps {
            let x = Tensor::<2>::from_floats([[step as f32 * 0.1, 1.0, -0.5], [0.3, (step % 3) as f32, 0.7]], &device);
            let loss = (net.second.forward(net.first.forward(x).tanh()) - 1.0).square().mean();
            let gradients = GradientsParams::from_grads(loss.backward(), &net);
            net = optimiser.step(1e-2, net, gradients);
        }
        net
    }

    fn bits(net: &Net) -> Vec<u32> {
        let tensors = crate::weights::collect(net, "").unwrap();
        tensors
            .iter()
            .flat_map(|tensor| tensor.values.iter().map(|v| v.to_bits()))
            .collect()
    }

    #[test]
    fn a_run_that_was_stopped_goes_on_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut through = optimiser();
        let half = train(net(), &mut through, 0..7);
        save(&path, |state| {
            state.module("net", &half)?;
            state.optimiser("adamw", &through)?;
            state.json("progress", &7usize)
        })
        .unwrap();
        let expected = train(half.clone(), &mut through, 7..20);

        let saved = SavedState::open(&path).unwrap();
        let step: usize = saved.json("progress").unwrap();
        let mut resumed = saved.optimiser("adamw", optimiser()).unwrap();
        let actual = train(saved.module("net", net()).unwrap(), &mut resumed, step..20);
        assert_eq!(bits(&actual), bits(&expected));
        // Without the moments it would not be the same run.
        let forgetful = train(saved.module("net", net()).unwrap(), &mut optimiser(), step..20);
        assert_ne!(bits(&forgetful), bits(&expected));
    }

    #[test]
    fn a_damaged_or_foreign_state_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        save(&path, |state| state.module("net", &net())).unwrap();
        let saved = SavedState::open(&path).unwrap();
        assert!(saved.optimiser("adamw", optimiser()).is_err());
        assert!(
            saved
                .json::<usize>("progress")
                .unwrap_err()
                .to_string()
                .contains("progress.json")
        );
        let device = Device::flex();
        let narrow = Net {
            first: LinearConfig::new(3, 4).init(&device),
            second: LinearConfig::new(4, 1).init(&device),
        };
        assert!(
            saved
                .module("net", narrow)
                .unwrap_err()
                .to_string()
                .contains("net.module")
        );

        let file = path.join("net.module");
        let mut bytes = std::fs::read(&file).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        let err = SavedState::open(&path).err().unwrap().to_string();
        assert!(
            err.contains("net.module") && err.contains("changed since it was saved"),
            "{err}"
        );
    }
}
