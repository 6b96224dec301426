//! The numbers of a sample's plots as CSV.

use std::fmt::Write as _;

use super::SamplesView;
use crate::engine::{Run, RunMetrics};
use crate::panels::tables::{SamplePlot, quoted};
use crate::train::{OpenLoopError, Pairs, Spectrum};

impl SamplesView {
    /// What the sample that is shown has for this plot; none where it has nothing.
    pub(in crate::panels) fn table(&self, plot: SamplePlot, metrics: &RunMetrics) -> Option<String> {
        let run = self.run.as_ref().filter(|run| metrics.samples.run == **run)?;
        let sample = metrics.samples.shown.as_ref()?;
        let (step, content) = (sample.step, &sample.content);
        match plot {
            SamplePlot::Spectrum => spectrum(step, &content.spectra),
            SamplePlot::ReadOut => content.probe.as_ref().and(read_out(metrics.watched.get(run)?)),
            SamplePlot::OpenLoop => open_loop(step, &content.open_loop),
            SamplePlot::Pairs => pairs(step, content.pairs.as_ref().filter(|pairs| pairs.is_whole())?),
        }
    }
}

/// A row a direction, the largest share first.
fn spectrum(step: usize, spectra: &[Spectrum]) -> Option<String> {
    let mut text = "step,latents,direction,share\n".to_owned();
    for spectrum in spectra {
        let name = super::spectrum::name(spectrum.of);
        for (at, share) in spectrum.shares.iter().enumerate() {
            let _ = writeln!(text, "{step},{name},{},{share}", at + 1);
        }
    }
    (!spectra.is_empty()).then_some(text)
}

/// A row a step at which the read-out was asked.
fn read_out(run: &Run) -> Option<String> {
    let mut text = "step,gripper_m,blocks_m\n".to_owned();
    let points = |name| run.series.get(name).map_or(&[][..], |series| series.points());
    let blocks = points("probe_blocks_m");
    for [step, gripper] in points("probe_gripper_m") {
        let block = blocks.iter().find(|block| block[0] == *step);
        let block = block.map_or_else(String::new, |block| block[1].to_string());
        let _ = writeln!(text, "{step},{gripper},{block}");
    }
    (text.lines().count() > 1).then_some(text)
}

/// A row a step ahead.
fn open_loop(step: usize, errors: &[OpenLoopError]) -> Option<String> {
    let mut text = "step,ahead,tokens_over_persistence,comparison_over_persistence\n".to_owned();
    for error in errors {
        let OpenLoopError {
            ahead,
            tokens,
            comparison,
        } = error;
        let _ = writeln!(text, "{step},{ahead},{tokens},{comparison}");
    }
    (!errors.is_empty()).then_some(text)
}

/// A row a goal and a state; a start state has no name of a sub-goal.
fn pairs(step: usize, pairs: &Pairs) -> Option<String> {
    let mut text = "step,goal,state,cosine\n".to_owned();
    for (row, goal) in pairs.labels.iter().enumerate() {
        for column in 0..pairs.columns {
            let state = match pairs.labels.get(column) {
                Some(label) => label.clone(),
                None => format!("start of scene {}", column - pairs.rows() + 1),
            };
            let cosine = pairs.cosine(row, column);
            let _ = writeln!(text, "{step},{},{},{cosine}", quoted(goal), quoted(&state));
        }
    }
    (pairs.rows() > 0).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_a_pair_with_the_start_states_after_the_achieved_ones() {
        let matrix = Pairs {
            labels: vec!["1: pick, up".to_owned()],
            identity: vec![1],
            columns: 2,
            cosines: vec![0.5, 0.25],
            temperature: 0.07,
        };
        assert_eq!(
            pairs(7, &matrix).unwrap(),
            "step,goal,state,cosine\n7,\"1: pick, up\",\"1: pick, up\",0.5\n7,\"1: pick, up\",\"start of scene 1\",0.25\n"
        );
    }

    #[test]
    fn a_read_out_has_its_two_errors_beside_each_other() {
        let mut run = Run::default();
        assert_eq!(read_out(&run), None);
        for (step, gripper) in [(10.0, 0.5), (20.0, 0.25)] {
            run.push("probe_gripper_m".to_owned(), step, gripper);
        }
        run.push("probe_blocks_m".to_owned(), 20.0, 0.125);
        assert_eq!(
            read_out(&run).as_deref(),
            Some("step,gripper_m,blocks_m\n10,0.5,\n20,0.25,0.125\n")
        );
    }
}
