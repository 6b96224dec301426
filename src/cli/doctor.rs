//! `thinkjepa doctor`: what this machine can compute on, which device `auto` takes, and why.

use clap::Args;
use serde::Serialize;

use super::{CliError, CliResult, Console, Exit, ModelArgs, OutputArgs, Subcommand};
use crate::device::{self, ChoiceLine, DeviceChoice, ProbeLine, Verdict, Workload};

#[derive(Args)]
pub struct Doctor {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Measure one device in this process and print its speed, as `--device auto` does in a child
    #[arg(long, value_name = "DEVICE")]
    probe: Option<DeviceChoice>,
    /// Print the device that `--device auto` takes and why, and nothing else
    #[arg(long, hide = true, conflicts_with = "probe")]
    choose: bool,
    /// Print the devices of this machine, none of them measured, and nothing else
    #[arg(long, hide = true, conflicts_with_all = ["probe", "choose"])]
    found: bool,
    /// Sizes for `--probe` and `--choose`, as JSON
    #[arg(long, hide = true)]
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
            Some(choice) => self.probe(choice),
            None if self.choose => self.choose(),
            None if self.found => self.found(),
            None => self.examine(console),
        }
    }
}

impl Doctor {
    /// What devices are compared by: as it was given, or that of the model's configuration.
    fn workload(&self) -> Result<Workload, CliError> {
        match &self.workload {
            Some(text) => Ok(serde_json::from_str(text)?),
            None => Ok(Workload::of(&self.model.config()?)),
        }
    }

    fn choose(&self) -> CliResult {
        let verdicts = device::judge_all(&self.workload()?);
        let line = match verdicts.into_iter().find(|verdict| verdict.chosen) {
            Some(verdict) => ChoiceLine {
                id: verdict.candidate.id,
                why: verdict.why,
            },
            None => ChoiceLine {
                id: DeviceChoice::Cpu,
                why: "nothing else answered".to_owned(),
            },
        };
        Console::new(true).document(&self.output, &line)?;
        Ok(Exit::Done)
    }

    fn found(&self) -> CliResult {
        Console::new(true).document(&self.output, &device::found())?;
        Ok(Exit::Done)
    }

    fn probe(&self, choice: DeviceChoice) -> CliResult {
        if choice == DeviceChoice::Auto {
            return Err(CliError::new(
                "Could not probe auto: name one device, such as cpu or wgpu:0.",
            ));
        }
        let steps_per_sec = device::probe_here(choice, &self.workload()?)?;
        // The answer is JSON whether or not it was asked for: a parent process reads it.
        Console::new(true).document(&self.output, &ProbeLine { steps_per_sec })?;
        Ok(Exit::Done)
    }

    fn examine(&self, console: &Console) -> CliResult {
        let config = self.model.config()?;
        let workload = Workload::of(&config);
        let devices = device::judge_all(&workload);
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
