//! A checkpoint as it is put together: what a stage of training made replaces that part of an older checkpoint, and the
//! whole is written at once.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;

use super::{SystemError, stats};
use crate::config::Config;
use crate::gpi::Gpi;
use crate::nn::lora::is_adapter;
use crate::policy::Policy;
use crate::vlm::{VlmModel, VlmTokenizer};
use crate::weights::{Checkpoint, NamedTensor, WeightsError, collect, make_parent};
use crate::world_model::{LatentStats, WorldModel};

/// What a curve's section of a card begins with.
const CURVE: &str = "\n## Curves of ";

/// A checkpoint that is not written yet.
#[derive(Clone, Debug)]
pub struct Draft {
    pub config: Config,
    tensors: BTreeMap<String, NamedTensor>,
    tokenizer: Option<Vec<u8>>,
    /// The goal projection interface was put here, and is not one of an older checkpoint.
    fresh_gpi: bool,
    card: Option<String>,
    notes: Vec<String>,
    curves: Vec<(String, String)>,
}

impl Draft {
    /// With nothing in it.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            tensors: BTreeMap::new(),
            tokenizer: None,
            fresh_gpi: false,
            card: None,
            notes: Vec::new(),
            curves: Vec::new(),
        }
    }

    /// With everything that a checkpoint holds.
    ///
    /// # Errors
    /// A file of it cannot be read.
    pub fn of(checkpoint: &Checkpoint) -> Result<Self, WeightsError> {
        let mut draft = Self::new(checkpoint.config.clone());
        for name in checkpoint.tensors.names() {
            draft.tensors.insert(name.to_owned(), checkpoint.tensors.read(name)?);
        }
        if let Some(path) = checkpoint.tokenizer() {
            let bytes = std::fs::read(&path).map_err(|err| WeightsError::Read { path, err })?;
            draft.tokenizer = Some(bytes);
        }
        draft.card = std::fs::read_to_string(checkpoint.folder.join("card.md")).ok();
        Ok(draft)
    }

    /// Takes from a checkpoint what is not here yet. A policy has the sizes of its world model: one of other sizes is left.
    ///
    /// # Errors
    /// A file of it cannot be read.
    pub fn fill(&mut self, checkpoint: &Checkpoint) -> Result<(), WeightsError> {
        let other = Self::of(checkpoint)?;
        let same_sizes = other.config.world_model == self.config.world_model;
        for (name, tensor) in other.tensors {
            if same_sizes || !name.starts_with("policy.") {
                self.tensors.entry(name).or_insert(tensor);
            }
        }
        self.tokenizer = self.tokenizer.take().or(other.tokenizer);
        self.card = self.card.take().or(other.card);
        Ok(())
    }

    /// Whether the encoders here are those of the model.
    ///
    /// # Errors
    /// A tensor cannot be read back from its device.
    pub fn has_encoders_of(&self, model: &WorldModel) -> Result<bool, WeightsError> {
        let mut theirs = collect(&model.encoder, "encoder.")?;
        theirs.extend(collect(&model.target_encoder, "target_encoder.")?);
        Ok(theirs
            .iter()
            .all(|tensor| self.tensors.get(&tensor.name) == Some(tensor)))
    }

    /// Replaces encoder, target encoder, predictor and heads. A goal projection interface aims in the space of the encoder
    /// that it was trained with: where that changes, an older one goes.
    ///
    /// # Errors
    /// A tensor cannot be read back from its device.
    pub fn put_world_model(&mut self, model: &WorldModel) -> Result<(), WeightsError> {
        let before = self.matching(is_encoder);
        self.put("encoder.", &model.encoder)?;
        self.put("target_encoder.", &model.target_encoder)?;
        self.outdate_gpi(&before, is_encoder);
        self.put("heads.", &model.heads)?;
        self.put("predictor.", &model.predictor)
    }

    /// Replaces what is known about the latent space.
    pub fn put_stats(&mut self, latent_stats: &LatentStats) {
        self.remove("latent_stats.");
        self.insert(stats::to_tensors(latent_stats));
    }

    /// Replaces the goal projection interface.
    ///
    /// # Errors
    /// A tensor cannot be read back from its device.
    pub fn put_gpi(&mut self, gpi: &Gpi) -> Result<(), WeightsError> {
        self.fresh_gpi = true;
        self.put("gpi.", gpi)
    }

    /// Replaces the policy of the baseline.
    ///
    /// # Errors
    /// A tensor cannot be read back from its device.
    pub fn put_policy(&mut self, policy: &Policy) -> Result<(), WeightsError> {
        self.put("policy.", policy)
    }

    /// Replaces the vision-language model; adapters that it has are stored apart from the weights that they change. A goal
    /// projection interface reads the embeddings of the weights that it was trained with, and a policy the tokenizer's words:
    /// where those change, an older one goes.
    ///
    /// # Errors
    /// A tensor cannot be read back from its device, or the tokenizer cannot be written.
    pub fn put_vlm(&mut self, model: &VlmModel, tokenizer: &VlmTokenizer) -> Result<(), SystemError> {
        let before = self.matching(is_language);
        self.put("vlm.", model)?;
        self.outdate_gpi(&before, is_language);
        let words = tokenizer.to_json()?.into_bytes();
        if self.tokenizer.as_ref().is_some_and(|older| *older != words) {
            self.remove("policy.");
        }
        self.tokenizer = Some(words);
        Ok(())
    }

    /// A line for the card: how a part was made, the part's name first and a colon behind it. It takes the place of an
    /// older line about the same part.
    pub fn note(&mut self, line: impl Into<String>) {
        self.notes.push(line.into());
    }

    /// How training went, for the card: a table in Markdown. It takes the place of an older one about the same part.
    pub fn curve(&mut self, part: impl Into<String>, table: impl Into<String>) {
        self.curves.push((part.into(), table.into()));
    }

    /// Writes the folder whole, replacing one that is there.
    ///
    /// # Errors
    /// The folder beside it cannot be written to.
    pub fn write(&self, folder: &Path) -> Result<(), WeightsError> {
        make_parent(folder)?;
        let tensors: Vec<NamedTensor> = self.tensors.values().cloned().collect();
        let tokenizer = self.tokenizer.as_deref();
        Checkpoint::write(folder, &self.config, &tensors, tokenizer, &self.card())
    }

    /// An older card that is carried on keeps its title.
    fn card(&self) -> String {
        let card = self.card.clone().unwrap_or_else(|| {
            let preset = &self.config.name;
            format!("# {preset}\n\nA ThinkJEPA checkpoint of the preset `{preset}`.\n\n## How it was made\n\n")
        });
        // Each curve is a section of its own, behind the lines.
        let mut sections = card.split(CURVE);
        let mut lines = sections.next().unwrap_or_default().to_owned();
        if !lines.ends_with('\n') {
            lines.push('\n');
        }
        let mut curves: Vec<(&str, &str)> = sections.filter_map(|section| section.split_once('\n')).collect();
        for note in &self.notes {
            let part = note.split_inclusive(':').next().unwrap_or(note);
            let older = format!("- {part}");
            lines = lines
                .split_inclusive('\n')
                .filter(|line| !line.starts_with(&older))
                .collect();
            lines.push_str(&format!("- {note}\n"));
        }
        for (part, table) in &self.curves {
            curves.retain(|(older, _)| older != part);
            curves.push((part, table));
        }
        let curves = curves
            .iter()
            .map(|(part, table)| format!("{CURVE}{part}\n\n{}\n", table.trim()));
        lines + &curves.collect::<String>()
    }

    fn put<M: Module>(&mut self, prefix: &str, module: &M) -> Result<(), WeightsError> {
        let tensors = collect(module, prefix)?;
        self.remove(prefix);
        self.insert(tensors);
        Ok(())
    }

    fn matching(&self, wanted: fn(&str) -> bool) -> Vec<NamedTensor> {
        self.tensors
            .values()
            .filter(|tensor| wanted(&tensor.name))
            .cloned()
            .collect()
    }

    /// Removes an older goal projection interface where what it was trained with has changed.
    fn outdate_gpi(&mut self, before: &[NamedTensor], wanted: fn(&str) -> bool) {
        if !self.fresh_gpi && self.matching(wanted) != before {
            self.remove("gpi.");
        }
    }

    fn remove(&mut self, prefix: &str) {
        self.tensors.retain(|name, _| !name.starts_with(prefix));
    }

    fn insert(&mut self, tensors: Vec<NamedTensor>) {
        self.tensors
            .extend(tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor)));
    }
}

fn is_encoder(name: &str) -> bool {
    name.starts_with("encoder.") || name.starts_with("target_encoder.")
}

/// Adapters come with a goal projection interface and do not outdate it.
fn is_language(name: &str) -> bool {
    name.starts_with("vlm.") && !is_adapter(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::preset;

    #[test]
    fn a_card_is_titled_by_its_preset_and_an_older_title_stays() {
        let mut draft = Draft::new(preset("nano").unwrap());
        draft.note("Stage 1: 3 steps.");
        let card = draft.card();
        assert!(card.starts_with("# nano\n\nA ThinkJEPA checkpoint"), "{card}");
        draft.card = Some(card.replace("# nano", "# Mine"));
        draft.note("Stage 1: 5 steps.");
        let card = draft.card();
        assert!(
            card.starts_with("# Mine\n") && card.ends_with("- Stage 1: 5 steps.\n"),
            "{card}"
        );
        assert!(!card.contains("3 steps"), "{card}");
    }

    #[test]
    fn curves_stand_behind_the_lines_and_replace_older_ones_of_their_part() {
        let mut draft = Draft::new(preset("nano").unwrap());
        draft.note("Stage 1: 3 steps.");
        draft.curve("stage 1", "| loss | 9 |\n");
        draft.curve("stage 2", "| loss | 5 |");
        draft.card = Some(draft.card());
        (draft.notes, draft.curves) = (vec![], vec![]);
        assert_eq!(Some(draft.card()), draft.card, "it is carried on as it is");
        draft.note("Stage 1b: 2 steps.");
        draft.curve("stage 1", "| loss | 7 |");
        let card = draft.card();
        let tail = "- Stage 1: 3 steps.\n- Stage 1b: 2 steps.\n\n## Curves of stage 2\n\n| loss | 5 |\n\n## Curves of \
                    stage 1\n\n| loss | 7 |\n";
        assert!(card.ends_with(tail), "{card}");
    }
}
