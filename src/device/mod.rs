//! Where the model computes: the CPU, a graphics card through wgpu, or CUDA.
//!
//! `auto` measures instead of guessing: a small model is often faster on the CPU, because a card spends longer on
//! being told what to do than on doing it. Each candidate is tried in a child process, since a driver that is broken
//! can take its process with it. A software adapter (llvmpipe, lavapipe) is never chosen: the CPU itself is faster.

mod child;
mod found;

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use burn::tensor::wgpu::WgpuBackend;
use burn::tensor::{Device, DeviceKind, Distribution, Tensor, TensorData};
use serde::{Deserialize, Serialize};

pub use child::{ChoiceLine, ProbeLine, ask_children_of, found_in_child};
pub use found::{FoundDevice, found};

use child::{NoAnswer, choose_in_child, probe_in_child};

use crate::config::{Config, Precision, WorldModelConfig};
use crate::nn::{computing_in, dtype};
use crate::world_model::{CpuPredictor, Predictor};

/// How long a candidate is measured, after its first result.
const PROBE_SECS: f64 = 2.0;

/// What the user asked for with `--device`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The fastest, by measurement.
    Auto,
    Cpu,
    /// An adapter by its number in `thinkjepa doctor`.
    Wgpu(usize),
    Cuda(usize),
}

/// Why there is no device.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error("There is no device \"{0}\". Choose auto, cpu, wgpu, wgpu:N, cuda or cuda:N.")]
    Unknown(String),
    #[error("Device {choice} is not there. `thinkjepa doctor` lists what is: {found}.")]
    Absent { choice: DeviceChoice, found: String },
    #[error("This program was built without CUDA. Build it with `--features cuda`, or choose cpu or wgpu.")]
    WithoutCuda,
    #[error(
        "Device {choice} cannot compute in bf16, as this model's `precision` wants it. Choose cpu or cuda, or set \
         `precision: f32` in the preset or the checkpoint's config.json."
    )]
    Precision { choice: DeviceChoice },
    #[error("Device {choice} did not start: {what}. `thinkjepa doctor` says more; `--device cpu` always works.")]
    Failed { choice: DeviceChoice, what: String },
    /// In the words of the child that tried it.
    #[error("{0}")]
    Refused(String),
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let unknown = || DeviceError::Unknown(text.to_owned());
        let (kind, number) = match text.split_once(':') {
            Some((kind, number)) => (kind, Some(number.parse::<usize>().map_err(|_| unknown())?)),
            None => (text, None),
        };
        match (kind, number) {
            ("auto", None) => Ok(Self::Auto),
            ("cpu", None) => Ok(Self::Cpu),
            ("wgpu", number) => Ok(Self::Wgpu(number.unwrap_or(0))),
            ("cuda", number) => Ok(Self::Cuda(number.unwrap_or(0))),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => write!(f, "auto"),
            Self::Cpu => write!(f, "cpu"),
            Self::Wgpu(number) => write!(f, "wgpu:{number}"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl Serialize for DeviceChoice {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeviceChoice {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A device that this machine has.
#[derive(Clone, Debug, Serialize)]
pub struct Candidate {
    pub id: DeviceChoice,
    pub name: String,
    /// "cpu", "discrete gpu", "integrated gpu", "virtual gpu", "software" or "other".
    pub kind: &'static str,
    /// Graphics API and driver; empty for the CPU.
    pub driver: String,
    /// How burn is told; none for the CPU, CUDA, and what burn has no word for.
    #[serde(skip)]
    adapter: Option<(DeviceKind, WgpuBackend)>,
}

impl Candidate {
    /// Whether a processor only plays a graphics card.
    pub fn is_software(&self) -> bool {
        self.kind == "software"
    }

    /// Why it is never chosen by itself; it can be named all the same.
    pub fn drawback(&self) -> Option<&'static str> {
        self.is_software()
            .then_some("a processor plays this card; the CPU itself is faster")
    }
}

/// Every device of this machine, the CPU first. Opens none of them.
pub fn candidates() -> Vec<Candidate> {
    let mut found = vec![Candidate {
        id: DeviceChoice::Cpu,
        name: format!("{}, {} threads", cpu_name(), cpu_threads()),
        kind: "cpu",
        driver: String::new(),
        adapter: None,
    }];
    found.extend(adapters());
    found.extend(cuda_cards());
    found
}

/// Threads that may run at once.
pub fn cpu_threads() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

fn cpu_name() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name));
    model.map_or_else(
        || format!("{} processor", std::env::consts::ARCH),
        |name| name.trim().to_owned(),
    )
}

/// Adapters of the first graphics API that has a card, or else of the first that has anything: the same card on two
/// APIs is one card.
fn adapters() -> Vec<Candidate> {
    let apis = [
        (wgpu::Backend::Metal, WgpuBackend::Metal),
        (wgpu::Backend::Vulkan, WgpuBackend::Vulkan),
        (wgpu::Backend::Dx12, WgpuBackend::Dx12),
        (wgpu::Backend::Gl, WgpuBackend::Gl),
    ];
    let mut software_only = Vec::new();
    for (api, pinned) in apis {
        let found = adapters_on(api, pinned);
        if found.iter().any(|adapter| !adapter.is_software()) {
            return found;
        }
        if software_only.is_empty() {
            software_only = found;
        }
    }
    software_only
}

fn adapters_on(api: wgpu::Backend, pinned: WgpuBackend) -> Vec<Candidate> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: api.into(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    // burn counts the adapters of each kind by themselves.
    let mut counts = [0usize; 3];
    let mut next = |kind: usize| {
        counts[kind] += 1;
        counts[kind] - 1
    };
    let adapters = wait(instance.enumerate_adapters(api.into()));
    let candidate = |(number, adapter): (usize, wgpu::Adapter)| {
        let info = adapter.get_info();
        let (kind, burn_kind) = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => ("discrete gpu", Some(DeviceKind::DiscreteGpu(next(0)))),
            wgpu::DeviceType::IntegratedGpu => ("integrated gpu", Some(DeviceKind::IntegratedGpu(next(1)))),
            wgpu::DeviceType::VirtualGpu => ("virtual gpu", Some(DeviceKind::VirtualGpu(next(2)))),
            wgpu::DeviceType::Cpu => ("software", Some(DeviceKind::Cpu)),
            wgpu::DeviceType::Other => ("other", None),
        };
        // OpenGL reports Mesa's software renderer as an unknown kind of card.
        let kind = if ["llvmpipe", "lavapipe", "swiftshader"]
            .iter()
            .any(|name| info.name.to_lowercase().contains(name))
        {
            "software"
        } else {
            kind
        };
        Candidate {
            id: DeviceChoice::Wgpu(number),
            name: info.name,
            kind,
            driver: format!("{} {} {}", info.backend, info.driver, info.driver_info)
                .trim()
                .to_owned(),
            adapter: burn_kind.map(|kind| (kind, pinned)),
        }
    };
    adapters.into_iter().enumerate().map(candidate).collect()
}

/// Drives a future to its end. Adapters are listed at the first poll on every native API, so nothing waits here.
fn wait<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

#[cfg(feature = "cuda")]
fn cuda_cards() -> Vec<Candidate> {
    let cards = Device::enumerate(burn::tensor::DeviceType::Cuda);
    (0..cards.len())
        .map(|number| Candidate {
            id: DeviceChoice::Cuda(number),
            name: format!("CUDA card {number}"),
            kind: "discrete gpu",
            driver: "CUDA".to_owned(),
            adapter: None,
        })
        .collect()
}

#[cfg(not(feature = "cuda"))]
fn cuda_cards() -> Vec<Candidate> {
    Vec::new()
}

/// Opens a device that was named, in this process and without a trial; `auto` is decided by [`select`].
///
/// # Errors
/// It is not there, or this build cannot reach it.
pub fn open(choice: DeviceChoice) -> Result<Device, DeviceError> {
    match choice {
        DeviceChoice::Auto | DeviceChoice::Cpu => Ok(Device::flex()),
        DeviceChoice::Wgpu(_) => open_wgpu(choice),
        DeviceChoice::Cuda(number) => open_cuda(choice, number),
    }
}

/// An adapter is initialised once in a process; burn refuses a second time.
fn open_wgpu(choice: DeviceChoice) -> Result<Device, DeviceError> {
    static OPENED: Mutex<Vec<(DeviceChoice, Device)>> = Mutex::new(Vec::new());
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, device)) = opened.iter().find(|(id, _)| *id == choice) {
        return Ok(device.clone());
    }
    let found = candidates();
    let candidate = found
        .iter()
        .find(|candidate| candidate.id == choice)
        .ok_or_else(|| absent(choice, &found))?;
    let failed = |what: String| DeviceError::Failed { choice, what };
    let (kind, api) = candidate
        .adapter
        .clone()
        .ok_or_else(|| failed(format!("{} is of no known kind", candidate.name)))?;
    let options = Device::wgpu_options().device_kind(kind).graphics_api(api);
    let device = options.init().map_err(|err| failed(err.to_string()))?;
    opened.push((choice, device.clone()));
    Ok(device)
}

#[cfg(feature = "cuda")]
fn open_cuda(choice: DeviceChoice, number: usize) -> Result<Device, DeviceError> {
    let found = candidates();
    if found.iter().any(|candidate| candidate.id == choice) {
        Ok(Device::cuda(number))
    } else {
        Err(absent(choice, &found))
    }
}

#[cfg(not(feature = "cuda"))]
fn open_cuda(_choice: DeviceChoice, _number: usize) -> Result<Device, DeviceError> {
    Err(DeviceError::WithoutCuda)
}

fn absent(choice: DeviceChoice, found: &[Candidate]) -> DeviceError {
    let found: Vec<String> = found.iter().map(|candidate| candidate.id.to_string()).collect();
    DeviceError::Absent {
        choice,
        found: found.join(", "),
    }
}

/// A device, and why it is this one.
#[derive(Clone, Debug)]
pub struct Selected {
    pub id: DeviceChoice,
    pub device: Device,
    pub why: String,
}

/// Opens what the user asked for. Cards are looked for and tried in a child process first, so that a driver that fails is
/// an error and not the end of the program, and that what it prints is nobody's concern.
///
/// # Errors
/// What was named is not there or does not work. `auto` always answers.
pub fn select(choice: DeviceChoice, workload: &Workload) -> Result<Selected, DeviceError> {
    match choice {
        DeviceChoice::Auto => {
            let ChoiceLine { id, why } = choose_in_child(workload).unwrap_or_else(|what| ChoiceLine {
                id: DeviceChoice::Cpu,
                why: format!("the search for graphics cards failed: {what}"),
            });
            Ok(Selected {
                id,
                device: open(id)?,
                why,
            })
        }
        DeviceChoice::Cpu => Ok(Selected {
            id: choice,
            device: Device::flex(),
            why: "asked for".to_owned(),
        }),
        DeviceChoice::Wgpu(_) | DeviceChoice::Cuda(_) => {
            probe_in_child(choice, workload).map_err(|no_answer| match no_answer {
                NoAnswer::Refused(what) => DeviceError::Refused(what),
                NoAnswer::Failed(what) => DeviceError::Failed { choice, what },
            })?;
            Ok(Selected {
                id: choice,
                device: open(choice)?,
                why: "asked for".to_owned(),
            })
        }
    }
}

/// WGSL, for one, has no half precision of eight binary digits.
fn computes_in(precision: Precision, choice: DeviceChoice, device: &Device) -> Result<(), DeviceError> {
    if device.supports_dtype(dtype(precision)) {
        Ok(())
    } else {
        Err(DeviceError::Precision { choice })
    }
}

/// What was found out about a device.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    #[serde(flatten)]
    pub candidate: Candidate,
    /// Rollout steps of the workload a second; none where it was not measured.
    pub steps_per_sec: Option<f64>,
    pub chosen: bool,
    pub why: String,
}

/// [`judge`]s every device of this machine, each measured in a child process.
pub fn judge_all(workload: &Workload) -> Vec<Verdict> {
    judge(candidates(), |id| {
        probe_in_child(id, workload).map_err(|no_answer| no_answer.to_string())
    })
}

/// Measures whatever may be chosen and chooses the fastest. With nothing but the CPU there is nothing to measure.
pub fn judge(found: Vec<Candidate>, mut probe: impl FnMut(DeviceChoice) -> Result<f64, String>) -> Vec<Verdict> {
    let rivals = found.iter().filter(|candidate| !candidate.is_software()).count();
    let mut verdicts: Vec<Verdict> = found
        .into_iter()
        .map(|candidate| {
            let (steps_per_sec, why) = if let Some(drawback) = candidate.drawback() {
                (None, drawback.to_owned())
            } else if rivals < 2 {
                (None, String::new())
            } else {
                match probe(candidate.id) {
                    Ok(speed) => (Some(speed), String::new()),
                    Err(what) => (None, format!("its probe failed: {what}")),
                }
            };
            Verdict {
                candidate,
                steps_per_sec,
                chosen: false,
                why,
            }
        })
        .collect();
    let speed = |verdict: &Verdict| verdict.steps_per_sec.unwrap_or(0.0);
    let best = verdicts.iter().map(speed).fold(0.0, f64::max);
    let measured = best > 0.0;
    let mut taken = false;
    for verdict in &mut verdicts {
        let is_cpu = verdict.candidate.id == DeviceChoice::Cpu;
        verdict.chosen = !taken && if measured { speed(verdict) == best } else { is_cpu };
        taken |= verdict.chosen;
        if verdict.chosen {
            verdict.why = if measured {
                "the fastest in the probe".to_owned()
            } else if rivals < 2 {
                "there is no graphics card that this program can use".to_owned()
            } else {
                "no other device answered its probe".to_owned()
            };
        } else if let Some(speed) = verdict.steps_per_sec {
            verdict.why = format!("{:.1} times slower than the fastest", best / speed);
        }
    }
    verdicts
}

/// The work that devices are compared by: one rollout step of a population.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// Candidates at once.
    pub batch: usize,
    /// The predictor that is rolled out, with random weights.
    pub world_model: WorldModelConfig,
    pub precision: Precision,
}

impl Workload {
    /// The predictor of a configuration; a large population is probed by a part of it.
    pub fn of(config: &Config) -> Self {
        Self {
            batch: config.plan.cem.population.min(64),
            world_model: config.world_model.clone(),
            precision: config.precision,
        }
    }
}

/// Measures a device in this process as planning uses it: rollout steps a second.
///
/// # Errors
/// The device is not there, or cannot do the work.
pub fn probe_here(choice: DeviceChoice, workload: &Workload) -> Result<f64, DeviceError> {
    let device = open(choice)?;
    computes_in(workload.precision, choice, &device)?;
    let Workload {
        batch,
        world_model,
        precision,
    } = workload;
    let predictor = computing_in(&Predictor::new(world_model, &device), *precision);
    let fast = CpuPredictor::new(&predictor, &device);
    let shape = [*batch, world_model.tokens(), world_model.dim];
    let state = Tensor::<3>::random(shape, Distribution::Default, &device);
    let actions = Tensor::<2>::random(
        [*batch, world_model.action_dim],
        Distribution::Uniform(-1.0, 1.0),
        &device,
    );
    let failed = |what: String| DeviceError::Failed { choice, what };
    let read = |tensor: TensorData| tensor.try_into_vec_as::<f32>().map_err(|err| failed(err.to_string()));
    let (rows, commands) = (read(state.to_data())?, read(actions.to_data())?);
    let step = || -> Result<(), DeviceError> {
        if let Some(fast) = &fast {
            std::hint::black_box(fast.step(&rows, &commands, None));
            return Ok(());
        }
        let next = predictor.step(state.clone(), actions.clone(), None);
        // Planning reads a cost for every candidate.
        let costs: Tensor<3> = next.mean_dim(2).mean_dim(1);
        costs.try_into_data().map(drop).map_err(|err| failed(err.to_string()))
    };
    step()?;
    let began = Instant::now();
    let mut steps = 0u32;
    while began.elapsed().as_secs_f64() < PROBE_SECS || steps == 0 {
        step()?;
        steps += 1;
    }
    Ok(f64::from(steps) / began.elapsed().as_secs_f64())
}

/// Resident memory of this process, where the system tells it.
pub fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_as_they_are_written() {
        for text in ["auto", "cpu", "wgpu:0", "wgpu:3", "cuda:1"] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap().to_string(), text);
        }
        assert_eq!("wgpu".parse::<DeviceChoice>().unwrap(), DeviceChoice::Wgpu(0));
        for text in [
            "",
            "gpu",
            "cpu:0",
            "auto:1",
            "wgpu:",
            "wgpu:-1",
            "wgpu:x",
            "cuda:99999999999999999999",
        ] {
            assert!(text.parse::<DeviceChoice>().is_err(), "{text}");
        }
    }

    fn candidate(id: DeviceChoice, kind: &'static str) -> Candidate {
        Candidate {
            id,
            name: String::new(),
            kind,
            driver: String::new(),
            adapter: None,
        }
    }

    fn chosen(found: Vec<Candidate>, speeds: &[(DeviceChoice, Result<f64, String>)]) -> (DeviceChoice, usize) {
        let mut probes = 0;
        let verdicts = judge(found, |id| {
            probes += 1;
            speeds.iter().find(|(of, _)| *of == id).unwrap().1.clone()
        });
        let chosen: Vec<_> = verdicts.iter().filter(|verdict| verdict.chosen).collect();
        assert_eq!(chosen.len(), 1);
        assert!(verdicts.iter().all(|verdict| !verdict.why.is_empty()));
        (chosen[0].candidate.id, probes)
    }

    #[test]
    fn the_fastest_is_chosen_and_never_a_software_adapter() {
        use DeviceChoice::{Cpu, Wgpu};
        let cpu = || candidate(Cpu, "cpu");
        let card = |number| candidate(Wgpu(number), "discrete gpu");
        let software = candidate(Wgpu(0), "software");
        assert_eq!(chosen(vec![cpu()], &[]), (Cpu, 0));
        assert_eq!(chosen(vec![cpu(), software.clone()], &[]), (Cpu, 0));
        assert_eq!(
            chosen(vec![cpu(), card(0)], &[(Cpu, Ok(9.0)), (Wgpu(0), Ok(90.0))]),
            (Wgpu(0), 2)
        );
        assert_eq!(
            chosen(vec![cpu(), card(0)], &[(Cpu, Ok(9.0)), (Wgpu(0), Ok(3.0))]),
            (Cpu, 2)
        );
        let broken = Err("no driver".to_owned());
        assert_eq!(
            chosen(vec![cpu(), card(0)], &[(Cpu, Ok(9.0)), (Wgpu(0), broken.clone())]),
            (Cpu, 2)
        );
        assert_eq!(
            chosen(vec![cpu(), card(0)], &[(Cpu, broken.clone()), (Wgpu(0), broken)]),
            (Cpu, 2)
        );
        let speeds = [(Cpu, Ok(9.0)), (Wgpu(1), Ok(10.0)), (Wgpu(2), Ok(10.0))];
        assert_eq!(chosen(vec![cpu(), software, card(1), card(2)], &speeds), (Wgpu(1), 3));
    }

    #[test]
    fn a_listed_device_says_what_speaks_against_it() {
        let listed = |kind| FoundDevice::from(candidate(DeviceChoice::Wgpu(0), kind));
        assert_eq!(listed("discrete gpu").drawback, None);
        let software = listed("software");
        assert!(
            software
                .drawback
                .as_deref()
                .is_some_and(|why| why.contains("the CPU itself is faster"))
        );
        let line = serde_json::to_string(&software).unwrap();
        assert_eq!(serde_json::from_str::<FoundDevice>(&line).unwrap(), software);
        assert_eq!(found()[0].id, DeviceChoice::Cpu);
    }

    #[test]
    fn what_is_not_there_is_said_with_what_is() {
        let err = open(DeviceChoice::Wgpu(999)).unwrap_err().to_string();
        assert!(err.contains("wgpu:999 is not there") && err.contains("cpu"), "{err}");
        #[cfg(not(feature = "cuda"))]
        assert!(
            open(DeviceChoice::Cuda(0))
                .unwrap_err()
                .to_string()
                .contains("--features cuda")
        );
    }
}
