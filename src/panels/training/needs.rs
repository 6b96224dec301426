//! What a run will need: memory from its shapes, time from the pace of a run that was trained before.

use std::time::Duration;

use egui::{Label, RichText, Ui};

use super::state::Checked;
use crate::config::Config;
use crate::engine::{RunFacts, RunMetrics, Stage, run_name};
use crate::ui::theme::SMALL;
use crate::ui::{Palette, numbers};

pub(super) fn needs_ui(ui: &mut Ui, checked: &Checked, stage: Stage, metrics: &RunMetrics) {
    let p = Palette::of(ui);
    ui.add_space(4.0);
    let memory = &checked.memory;
    let size = |bytes: f64| numbers::bytes(bytes as u64);
    let text = format!(
        "About {} of memory for {} parameters",
        size(memory.total()),
        millions(memory.parameters)
    );
    let tip = format!(
        "Resident memory at its highest: {} of weights, gradients and AdamW's two moments; {} of weights that stay as they are; \
         {} that a batch keeps for its way back, with gradients on their way; {} of data (latents of all frames in stage 1b, \
         for as many episodes as are made by default; scenes in stage 2); {} of the program itself. Within about a quarter for nano's stages on a CPU.",
        size(memory.state),
        size(memory.frozen),
        size(memory.activations),
        size(memory.data),
        size(memory.program)
    );
    ui.add(Label::new(RichText::new(text).size(SMALL).color(p.text)).wrap())
        .on_hover_text(tip);
    let text = time_text(checked.steps, stage, &checked.edited.config, &metrics.listed);
    ui.add(Label::new(RichText::new(text).size(SMALL).color(p.weak)).wrap());
}

/// The time of the steps at the pace of a run of this stage: of one whose steps are as long if there is one, else of the
/// newest one of the preset, and then what is different there.
fn time_text(steps: Option<usize>, stage: Stage, config: &Config, listed: &[RunFacts]) -> String {
    let of_stage = listed
        .iter()
        .filter(|facts| facts.stage == Some(stage) && facts.steps_per_sec.is_some());
    let told = |facts: &RunFacts| {
        let have = facts.config.as_deref();
        have.map(|have| difference(stage, have, config))
    };
    let last = of_stage
        .map(|facts| (facts, told(facts)))
        .filter(|(facts, told)| *told == Some(None) || facts.preset.as_deref() == Some(&config.name))
        .max_by_key(|(facts, told)| (*told == Some(None), facts.changed));
    let time = last.zip(steps).and_then(|((facts, told), steps)| {
        let secs = steps as f64 / facts.steps_per_sec?;
        let time = numbers::duration(Duration::try_from_secs_f64(secs).ok()?);
        let but = match told {
            Some(None) => String::new(),
            Some(Some((field, have))) => format!(", whose steps take another time: {field} is {have} there"),
            None => ", which does not say its settings".to_owned(),
        };
        Some(format!(
            "About {time} for {} steps, at the pace of {}{but}",
            numbers::grouped(steps as i64),
            run_name(&facts.run)
        ))
    });
    time.unwrap_or_else(|| {
        "The time is known after the first steps: no run of this stage and preset is listed that it could be told from"
            .to_owned()
    })
}

/// The first setting that the length of a step depends on and that two configurations have not in common, and what it is
/// in the first one.
fn difference(stage: Stage, have: &Config, asked: &Config) -> Option<(String, String)> {
    let models: &[&str] = match stage {
        Stage::One | Stage::OneB | Stage::Bc => &["world_model"],
        Stage::Vlm => &["vlm"],
        Stage::Two => &["world_model", "vlm", "gpi"],
    };
    let of_stage: &[&str] = match stage {
        Stage::One => &["batch", "accumulation", "mask"],
        Stage::OneB => &["batch", "accumulation", "rollout"],
        Stage::Vlm => &["batch", "accumulation", "facts_batch", "facts_steps"],
        Stage::Bc => &["batch", "accumulation"],
        Stage::Two => &[
            "scenes",
            "sub_goals_per_scene",
            "accumulation",
            "lora_scenes",
            "joint_rate",
        ],
    };
    let of_stage = of_stage.iter().map(|name| format!("{}.{name}", stage.settings()));
    let paths = models.iter().map(|&path| path.to_owned()).chain(of_stage);
    let mut both = paths
        .chain(["precision".to_owned()])
        .flat_map(|path| have.fields(&path).into_iter().zip(asked.fields(&path)));
    both.find(|(have, asked)| have.text != asked.text)
        .map(|(have, _)| (have.path, have.text))
}

fn millions(parameters: u64) -> String {
    format!("{} M", numbers::sig3(parameters as f64 / 1e6))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::time::SystemTime;

    use super::*;
    use crate::config::preset;
    use crate::engine::RunState;

    fn facts(run: &str, config: Option<&Config>, steps_per_sec: f64, changed: u64) -> RunFacts {
        RunFacts {
            run: PathBuf::from(run),
            stage: Some(Stage::One),
            preset: Some("nano".to_owned()),
            config: config.cloned().map(Arc::new),
            from: None,
            scene: None,
            data: None,
            state: RunState::Finished,
            step: 100,
            steps: Some(100),
            steps_per_sec: Some(steps_per_sec),
            changed: SystemTime::UNIX_EPOCH + Duration::from_secs(changed),
        }
    }

    #[test]
    fn the_time_is_that_of_steps_as_long_or_says_what_is_different() {
        let nano = preset("nano").unwrap();
        let mut wide = nano.clone();
        wide.train.stage1.batch += 8;
        let mut slow = nano.clone();
        slow.train.stage1.lr.encoder *= 0.5;
        slow.train.stage1.steps = 7;
        let time = |config: &Config, listed: &[RunFacts]| time_text(Some(1000), Stage::One, config, listed);

        assert!(time(&nano, &[]).starts_with("The time is known after the first steps"));
        // Another rate and number of steps make no step longer.
        let listed = [
            facts("runs/a/1", Some(&slow), 10.0, 1),
            facts("runs/b/1", Some(&wide), 5.0, 9),
        ];
        assert_eq!(
            time(&nano, &listed),
            "About 1 min 40 s for 1\u{202f}000 steps, at the pace of a/1"
        );
        assert!(time(&wide, &listed).ends_with("at the pace of b/1"));
        let batch = wide.train.stage1.batch;
        assert!(
            time(&nano, &listed[1..]).ends_with(&format!(
                "at the pace of b/1, whose steps take another time: train.stage1.batch is {batch} there"
            )),
            "{}",
            time(&nano, &listed[1..])
        );
        assert!(time(&nano, &[facts("runs/old", None, 1.0, 1)]).ends_with("which does not say its settings"));
    }
}
