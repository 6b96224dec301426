//! `thinkjepa inspect`: what a model is made of, counted from its own constructors without allocating a parameter.

mod work;

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::Device;
use clap::Args;
use serde::Serialize;

use super::{CliError, CliResult, Console, Exit, ModelArgs, OutputArgs, Subcommand};
use crate::config::{Config, Precision};
use crate::gpi::Gpi;
use crate::nn::{ParamShape, census};
use crate::vlm::VlmModel;
use crate::world_model::{Encoder, Heads, Predictor};

#[derive(Args)]
pub struct Inspect {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// The document.
#[derive(Debug, Serialize)]
pub struct Report {
    schema: &'static str,
    preset: String,
    precision: Precision,
    modules: Vec<ModuleReport>,
    parameters: u64,
    /// Of these, what exists twice: the target encoder is a moving average of the encoder.
    parameters_of_copies: u64,
    work: work::Work,
    memory: work::Memory,
}

/// One module, its parts and every parameter's shape.
#[derive(Debug, Serialize)]
struct ModuleReport {
    name: &'static str,
    parameters: u64,
    /// Parameters by the first name of their path.
    parts: BTreeMap<String, u64>,
    tensors: Vec<TensorReport>,
}

#[derive(Debug, Serialize)]
struct TensorReport {
    path: String,
    shape: Vec<usize>,
}

/// A module's name and its parameters, as its constructor makes them.
struct Census {
    name: &'static str,
    shapes: Vec<ParamShape>,
}

/// Every module of the system. Constructors say what they would allocate; nothing is.
fn modules(config: &Config) -> Vec<Census> {
    fn of<M: Module>(name: &'static str, module: &M) -> Census {
        Census {
            name,
            shapes: census(module),
        }
    }
    let device = Device::flex();
    let model = &config.world_model;
    let encoder = of("encoder", &Encoder::new(model, &device));
    let target = Census {
        name: "target_encoder",
        shapes: encoder.shapes.clone(),
    };
    vec![
        encoder,
        target,
        of("predictor", &Predictor::new(model, &device)),
        of("heads", &Heads::new(model, &device)),
        of("gpi", &Gpi::new(&config.gpi, model, config.vlm.dim, &device)),
        of("vlm", &VlmModel::new(&config.vlm, &device)),
    ]
}

impl Report {
    /// Counts everything.
    pub fn new(config: &Config) -> Self {
        let found = modules(config);
        let count = |name: &str| -> u64 {
            let shapes = found
                .iter()
                .filter(|module| module.name == name)
                .flat_map(|module| &module.shapes);
            shapes.map(ParamShape::count).sum()
        };
        let parameters = found
            .iter()
            .flat_map(|module| &module.shapes)
            .map(ParamShape::count)
            .sum();
        let trained = count("encoder") + count("predictor") + count("heads");
        Self {
            schema: "thinkjepa.inspect/1",
            preset: config.name.clone(),
            precision: config.precision,
            parameters,
            parameters_of_copies: count("target_encoder"),
            work: work::Work::new(config, |name| {
                found
                    .iter()
                    .find(|module| module.name == name)
                    .map_or(&[], |module| &module.shapes)
            }),
            memory: work::Memory::new(config, parameters, trained, count("target_encoder")),
            modules: found.into_iter().map(ModuleReport::new).collect(),
        }
    }
}

impl ModuleReport {
    fn new(module: Census) -> Self {
        let mut parts = BTreeMap::new();
        for shape in &module.shapes {
            let part = shape.path.split('.').next().unwrap_or_default();
            *parts.entry(part.to_owned()).or_default() += shape.count();
        }
        Self {
            name: module.name,
            parameters: module.shapes.iter().map(ParamShape::count).sum(),
            parts,
            tensors: module
                .shapes
                .into_iter()
                .map(|it| TensorReport {
                    path: it.path,
                    shape: it.shape,
                })
                .collect(),
        }
    }
}

impl Subcommand for Inspect {
    fn json(&self) -> bool {
        self.output.json
    }

    fn check(&self) -> Result<(), CliError> {
        self.output.check()
    }

    fn run(&self, console: &Console) -> CliResult {
        let config = self.model.config()?;
        let report = Report::new(&config);
        print(&report, console);
        console.document(&self.output, &report)?;
        Ok(Exit::Done)
    }
}

fn print(report: &Report, console: &Console) {
    let precision = match report.precision {
        Precision::F32 => "f32",
        Precision::Bf16 => "bf16",
    };
    console.line(&format!("{}, {precision}", report.preset));
    for module in &report.modules {
        console.line(&format!("{:<16} {:>8}", module.name, si(module.parameters as f64)));
        for (part, parameters) in &module.parts {
            console.line(&format!(
                "  {part:<14} {:>8}  {}",
                si(*parameters as f64),
                shapes(module, part)
            ));
        }
    }
    let own = report.parameters - report.parameters_of_copies;
    console.line(&format!(
        "parameters       {:>8}, {} without the target encoder",
        si(report.parameters as f64),
        si(own as f64)
    ));
    for (what, flops) in report.work.lines() {
        console.line(&format!("{what:<34} {:>8}FLOP", si(flops)));
    }
    for (what, bytes) in report.memory.lines() {
        console.line(&format!("{what:<34} {:>8}B", si(bytes)));
    }
}

/// The distinct shapes of a part with how often each occurs, in order of appearance.
fn shapes(module: &ModuleReport, part: &str) -> String {
    let mut counted: Vec<(&[usize], usize)> = Vec::new();
    for tensor in &module.tensors {
        if tensor.path.split('.').next() == Some(part) {
            match counted.iter_mut().find(|(shape, _)| *shape == tensor.shape) {
                Some((_, times)) => *times += 1,
                None => counted.push((&tensor.shape, 1)),
            }
        }
    }
    let text = |(shape, times): &(&[usize], usize)| match times {
        1 => format!("{shape:?}"),
        _ => format!("{times} x {shape:?}"),
    };
    counted.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// Three significant digits and a prefix.
fn si(value: f64) -> String {
    let mut value = value;
    for prefix in ["", "k", "M", "G", "T", "P"] {
        if value < 999.5 {
            let digits = if prefix.is_empty() || value >= 99.95 {
                0
            } else if value >= 9.995 {
                1
            } else {
                2
            };
            return format!("{value:.digits$} {prefix}");
        }
        value /= 1000.0;
    }
    format!("{value:.0} E")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::preset;
    use crate::nn::parameter_bytes;

    #[test]
    fn counts_equate_with_allocated_parameters_at_three_sizes() {
        for (scale, preset_name) in [(1, "nano"), (2, "nano"), (8, "paper")] {
            let mut config = preset(preset_name).unwrap();
            let model = &mut config.world_model;
            if preset_name == "paper" {
                (model.dim, model.predictor.dim, model.predictor.action_hidden) = (32, 48, 24);
                (model.encoder.depth, model.predictor.depth) = (3, 2);
                (config.gpi.dim, config.gpi.depth) = (48, 1);
                let vlm = &mut config.vlm;
                (vlm.dim, vlm.mlp, vlm.depth, vlm.vocab_size, vlm.kv_heads) = (64, 96, 2, 300, 8);
                (vlm.vision_dim, vlm.vision_mlp, vlm.vision_depth) = (32, 64, 3);
            } else {
                (model.encoder.depth, model.predictor.depth) = (scale, scale + 1);
            }
            config.validate("test").unwrap();
            let device = Device::flex();
            let model = &config.world_model;
            let allocated = [
                ("encoder", parameter_bytes(&Encoder::new(model, &device))),
                ("target_encoder", parameter_bytes(&Encoder::new(model, &device))),
                ("predictor", parameter_bytes(&Predictor::new(model, &device))),
                ("heads", parameter_bytes(&Heads::new(model, &device))),
                (
                    "gpi",
                    parameter_bytes(&Gpi::new(&config.gpi, model, config.vlm.dim, &device)),
                ),
                ("vlm", parameter_bytes(&VlmModel::new(&config.vlm, &device))),
            ];
            let counted = modules(&config);
            for (name, bytes) in allocated {
                let module = counted.iter().find(|module| module.name == name).unwrap();
                assert_eq!(
                    4 * module.shapes.iter().map(ParamShape::count).sum::<u64>(),
                    bytes,
                    "{name}"
                );
            }
        }
    }

    /// What is counted is what a system of that precision holds.
    #[test]
    fn memory_of_the_weights_is_that_of_allocated_modules() {
        use crate::nn::computing_in;
        let mut config = preset("nano").unwrap();
        let device = Device::flex();
        let world = crate::world_model::WorldModel::new(&config.world_model, &device);
        let gpi = Gpi::new(&config.gpi, &config.world_model, config.vlm.dim, &device);
        let vlm = VlmModel::new(&config.vlm, &device);
        let mut weights = Vec::new();
        for precision in [Precision::F32, Precision::Bf16] {
            config.precision = precision;
            let held = parameter_bytes(&computing_in(&world, precision))
                + parameter_bytes(&computing_in(&gpi, precision))
                + parameter_bytes(&computing_in(&vlm, precision));
            let report = Report::new(&config);
            assert_eq!(report.memory.weights, held as f64);
            weights.push(held);
        }
        assert_eq!(weights[0], 2 * weights[1]);
    }

    /// ViT-H/16 has 632 M parameters with its class token, head and positions; the rest is ours to explain.
    #[test]
    fn the_paper_s_sizes_are_what_the_method_says() {
        let report = Report::new(&preset("paper").unwrap());
        let of = |name: &str| {
            report
                .modules
                .iter()
                .find(|module| module.name == name)
                .unwrap()
                .parameters as f64
                / 1e6
        };
        assert!((of("encoder") - 631.0).abs() < 2.0, "{}", of("encoder"));
        // 12 blocks of 768 without norms of their own are 85 M; FiLM's heads come on top.
        assert!((of("predictor") - 115.0).abs() < 3.0, "{}", of("predictor"));
        // A 7B decoder (6.74 G) with the tower of CLIP ViT-L/14 (304 M, one block unused) and a two-layer projector.
        assert!((of("vlm") - 7060.0).abs() < 30.0, "{}", of("vlm"));
        // Each of its four blocks at this width is 19.7 M, so that the method's "~85 M" is nearly met.
        assert!((of("gpi") - 87.0).abs() < 3.0, "{}", of("gpi"));
    }

    #[test]
    fn numbers_keep_three_digits() {
        for (value, text) in [
            (0.0, "0 "),
            (999.0, "999 "),
            (1234.0, "1.23 k"),
            (99_960.0, "100 k"),
            (1.7e15, "1.70 P"),
        ] {
            assert_eq!(si(value), text);
        }
    }
}
