//! `thinkjepa train`: one stage of training, resumable at any step.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;

use super::{CliResult, Console, DeviceArgs, Exit, ModelArgs, OutputArgs, Subcommand};
use crate::config::Config;
use crate::sim::DEMO_SCENE;
use crate::train::StageKind;
use crate::train::job::{Job, JobProgress, configuration, run};

/// Time between two lines where stderr is no terminal.
const SPEAK_EVERY: Duration = Duration::from_secs(20);

#[derive(Args)]
pub struct Train {
    /// 1: world model. 1b: its predictor on rollouts. vlm: language model. 2: goals (GPI and LoRA). bc: the policy of the
    /// baseline that clones the expert's behaviour
    #[arg(long, value_name = "1|1b|vlm|2|bc")]
    stage: StageKind,
    /// The run's folder, such as runs/first, made if need be; a run that is there is continued
    #[arg(long, value_name = "FOLDER")]
    run: PathBuf,
    /// Folder of episodes, data/SCENE by default (`thinkjepa datagen` makes them)
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// The scene that tasks are drawn in: a name under scenes/, or a RON file of your own
    #[arg(long, value_name = "NAME|FILE", default_value = DEMO_SCENE)]
    scene: String,
    /// Steps of the whole schedule, instead of the preset's
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// What to go on from: a checkpoint, or a run of stage 1. Stage 1 takes its first weights from it, if it is given
    #[arg(long, value_name = "FOLDER")]
    from: Option<PathBuf>,
    /// Checkpoint folder to write at the end, made if need be; what it holds of other stages is kept
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// nano, vit-l or paper, or a RON file of your own; without it, what --from was made with
    #[arg(long, value_name = "NAME|FILE")]
    preset: Option<String>,
    /// One setting of the preset, such as train.stage1.mask.causal_share=0.7; may be given several times
    #[arg(long, value_name = "FIELD=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Print one JSON document on stdout and nothing else
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    stage: StageKind,
    run: PathBuf,
    steps: usize,
    done: usize,
    /// The checkpoint that was written.
    checkpoint: Option<PathBuf>,
    /// Numbers of the last step; empty if every step was done before.
    metrics: serde_json::Map<String, serde_json::Value>,
}

impl Train {
    fn config(&self) -> Result<Config, super::CliError> {
        let mut config = None;
        if let (None, Some(from)) = (&self.preset, &self.from) {
            config = configuration(from)?;
        }
        let mut config = match config {
            Some(config) => config,
            None => ModelArgs {
                preset: self.preset.clone(),
                checkpoint: None,
            }
            .config()?,
        };
        config = config.with_settings(&self.set)?;
        if let Some(steps) = self.steps {
            if steps == 0 {
                let settings = self.stage.settings();
                return Err(super::CliError::new(format!(
                    "--steps: {settings}.steps is 0, expected at least 1."
                )));
            }
            self.stage.set_steps(&mut config.train, steps);
            config.validate("--steps")?;
        }
        Ok(config)
    }
}

impl Subcommand for Train {
    fn json(&self) -> bool {
        self.json
    }

    fn run(&self, console: &Console) -> CliResult {
        let config = self.config()?;
        let selected = self.device.open(&config)?;
        let scene_name = crate::sim::Scene::load(&self.scene)?.name;
        let job = Job {
            stage: self.stage,
            config,
            data: self
                .data
                .clone()
                .unwrap_or_else(|| PathBuf::from("data").join(scene_name)),
            scene: self.scene.clone(),
            run: self.run.clone(),
            from: self.from.clone(),
            out: self.out.clone(),
            reins: Arc::default(),
        };
        let cancel = console.on_interrupt()?;
        let mut last = serde_json::Map::new();
        let mut bar: Option<(&'static str, ProgressBar)> = None;
        let mut spoken = Instant::now();
        let mut observe = |progress: &JobProgress<'_>| {
            let (what, done, total, said) = match progress {
                JobProgress::Preparing { what, done, total } => (*what, *done, *total, String::new()),
                JobProgress::Step(step) => {
                    if let Some(what) = step.warning {
                        log::warn!("{what}");
                    }
                    last = step
                        .metrics
                        .iter()
                        .map(|&(name, value)| (name.to_owned(), value.into()))
                        .collect();
                    ("steps", step.step, step.steps, numbers(step.metrics))
                }
            };
            // A new phase has a pace of its own.
            let bar = match &bar {
                Some((current, bar)) if *current == what => bar.clone(),
                _ => {
                    let fresh = console.progress(total as u64, what);
                    fresh.set_position(done.saturating_sub(1) as u64);
                    fresh.reset_eta();
                    if let Some((_, old)) = bar.replace((what, fresh.clone())) {
                        old.finish_and_clear();
                    }
                    fresh
                }
            };
            bar.set_position(done as u64);
            // A log has no use for a bar, but wants to hear that work goes on.
            if bar.is_hidden() && (spoken.elapsed() > SPEAK_EVERY || done == total) {
                spoken = Instant::now();
                console.note(&format!("{what} {done}/{total}, {}s left  {said}", bar.eta().as_secs()));
            }
            bar.set_message(said);
        };
        let done = run(&job, &selected.device, &cancel, &mut observe)?;
        if let Some((_, bar)) = bar {
            bar.finish_and_clear();
        }
        let run = self.run.display();
        if done.done < done.steps {
            console.note(&format!(
                "Stopped after step {} of {}. The same command goes on from there.",
                done.done, done.steps
            ));
        } else {
            console.line(&format!("Stage {}: {} steps in {run}", self.stage, done.steps));
        }
        if let Some(written) = &done.written {
            console.line(&format!("checkpoint {}", written.display()));
        }
        let exit = Exit::after(done.done < done.steps);
        console.document(
            &OutputArgs {
                json: self.json,
                out: None,
            },
            &Report {
                schema: "thinkjepa.train/1",
                stage: self.stage,
                run: self.run.clone(),
                steps: done.steps,
                done: done.done,
                checkpoint: done.written,
                metrics: last,
            },
        )?;
        Ok(exit)
    }
}

/// The loss and what stands out of a step, in a few words.
fn numbers(metrics: &[(&'static str, f64)]) -> String {
    const SHOWN: usize = 3;
    let shown = metrics
        .iter()
        .filter(|(name, _)| !["learning_rate", "gradient_norm", "loader_secs"].contains(name));
    shown
        .take(SHOWN)
        .map(|(name, value)| format!("{name} {value:.4}"))
        .collect::<Vec<_>>()
        .join(" ")
}
