//! `thinkjepa doctor`: what this machine can compute on, which device `auto` takes, and why.

use clap::Args;
use serde::Serialize;

use super::{CliError, CliResult, Console, Exit, ModelArgs, OutputArgs, Subcommand};
use crate::device::{self, DeviceChoice, ProbeLine, Verdict, Workload};

#[derive(Args)]
pub struct Doctor {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Measure one device in this process and print its speed, as `--device auto` does in a child
    #[arg(long, value_name = "DEVICE")]
    probe: Option<DeviceChoice>,
    /// Sizes for `--probe`, as JSON
    #[arg(long, hide = true, requires = "probe")]
    workload: Option<String>,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    version: &'static str,
    /// Whether this program can use CUDA.
    cuda: bool,
    threads: usize,
    preset: String,
    /// The work that devices are compared by.
    workload: Workload,
    devices: Vec<Verdict>,
    chosen: Option<DeviceChoice>,
    why: String,
}

impl Subcommand for Doctor {
    fn json(&self) -> bool {
        self.output.json
    }

    fn check(&self) -> Result<(), CliError> {
        self.output.check()
    }

    fn run(&self, console: &Console) -> CliResult {
        match self.probe {
            Some(choice) => self.probe(choice, console),
            None => self.examine(console),
        }
    }
}

impl Doctor {
    fn probe(&self, choice: DeviceChoice, _console: &Console) -> CliResult {
        if choice == DeviceChoice::Auto {
            return Err(CliError::new(
                "Could not probe auto: name one device, such as cpu or wgpu:0.",
            ));
        }
        let workload = match &self.workload {
            Some(text) => serde_json::from_str(text)?,
            None => Workload::of(&self.model.config()?),
        };
        let steps_per_sec = device::probe_here(choice, workload)?;
        // The answer is JSON whether or not it was asked for: a parent process reads it.
        Console::new(true).document(&self.output, &ProbeLine { steps_per_sec })?;
        Ok(Exit::Done)
    }

    fn examine(&self, console: &Console) -> CliResult {
        let config = self.model.config()?;
        let workload = Workload::of(&config);
        let devices = device::judge(device::candidates(), |id| device::probe_in_child(id, workload));
        let chosen = devices.iter().find(|verdict| verdict.chosen);
        let report = Report {
            schema: "thinkjepa.doctor/1",
            version: env!("CARGO_PKG_VERSION"),
            cuda: cfg!(feature = "cuda"),
            threads: device::cpu_threads(),
            preset: config.name,
            workload,
            chosen: chosen.map(|verdict| verdict.candidate.id),
            why: chosen.map(|verdict| verdict.why.clone()).unwrap_or_default(),
            devices,
        };
        console.line(&format!("thinkjepa {}, {} threads", report.version, report.threads));
        console.line(if report.cuda {
            "built with CUDA"
        } else {
            "built without CUDA (feature `cuda`)"
        });
        for verdict in &report.devices {
            let found = &verdict.candidate;
            let mark = if verdict.chosen { "*" } else { " " };
            let speed = match verdict.steps_per_sec {
                Some(speed) => format!("{speed:.1} steps/s, "),
                None => String::new(),
            };
            console.line(&format!(
                "{mark} {:<7} {} ({}) {}",
                found.id.to_string(),
                found.name,
                found.kind,
                found.driver
            ));
            console.line(&format!("          {speed}{}", verdict.why));
        }
        console.document(&self.output, &report)?;
        Ok(Exit::Done)
    }
}
