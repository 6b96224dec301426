//! The numbers of a view, for other programs.

use std::fmt::Write as _;

use crate::eval::latent::{LatentAnswer, Part};

/// A row a cell, a patch or a step ahead; what is not known is an empty cell.
pub(super) fn table(step: usize, answer: &LatentAnswer) -> String {
    let mut text = String::new();
    let mut row = |cells: &[String]| {
        let _ = writeln!(text, "{step},{}", cells.join(","));
    };
    let cell = |value: Option<&f64>| {
        let finite = value.filter(|value| value.is_finite());
        finite.map_or_else(String::new, f64::to_string)
    };
    let title;
    match answer {
        LatentAnswer::Landscape(found) => {
            title = "dx,dy,grip,similarity,cost";
            let side = found.axis.len();
            for (at, (similarity, cost)) in found.similarity.iter().zip(&found.cost).enumerate() {
                let [dx, dy] = [found.axis[at % side], found.axis[at / side]];
                row(&[dx, dy, found.grip, *similarity, *cost].map(|value| value.to_string()));
            }
        }
        LatentAnswer::Patches(found) => {
            title = "row,column,red,green,blue";
            for (at, rgb) in found.rgb.iter().enumerate() {
                let place = [at / found.grid[1], at % found.grid[1]].map(|value| value.to_string());
                row(&[&place[..], &rgb.map(|value| value.to_string())[..]].concat());
            }
        }
        LatentAnswer::OpenLoop(found) => {
            title = "ahead,tokens,tokens_persistence,content,content_persistence,gripper_m,gripper_persistence_m";
            for h in 0..found.known() {
                let errors = [Part::Tokens, Part::Content, Part::Gripper].map(|part| found.errors(part));
                let values = errors
                    .iter()
                    .flat_map(|errors| [cell(errors.imagined.get(h)), cell(errors.persistence.get(h))]);
                row(&std::iter::once((h + 1).to_string()).chain(values).collect::<Vec<_>>());
            }
        }
        LatentAnswer::Sensitivity(found) => {
            title = "ahead,moved,still,shuffled";
            for h in 0..found.moved.len() {
                let shuffled = found.shuffled.as_ref().and_then(|shuffled| shuffled.get(h));
                let values = [found.moved.get(h), found.still.get(h), shuffled].map(cell);
                row(&[&[(h + 1).to_string()][..], &values[..]].concat());
            }
        }
        LatentAnswer::Imagined(found) => {
            title = "ahead,nearest_step,distance,real_distance";
            for (h, state) in found.states.iter().enumerate() {
                let values = [Some(&state.distance), state.real.as_ref()].map(cell);
                let place = [h + 1, state.step].map(|value| value.to_string());
                row(&[&place[..], &values[..]].concat());
            }
        }
    }
    format!("step,{title}\n{text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::latent::{Imagined, Nearest};

    #[test]
    fn a_row_a_step_ahead_and_nothing_for_what_has_not_come() {
        let state = |step, real| Nearest {
            step,
            distance: 0.25,
            real,
        };
        let answer = LatentAnswer::Imagined(Imagined {
            states: vec![state(3, Some(0.5)), state(4, None)],
            frames: 9,
            pictures: Vec::new(),
        });
        assert_eq!(
            table(2, &answer),
            "step,ahead,nearest_step,distance,real_distance\n2,1,3,0.25,0.5\n2,2,4,0.25,\n"
        );
    }
}
