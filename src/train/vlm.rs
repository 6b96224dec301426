//! Stage `vlm`: instruction tuning of the vision-language model on frames, tasks, reasoning and sub-goals.
//!
//! First the tower alone learns facts (where each thing is, and what each block rests on), since a list can only be as
//! right as what is seen; then text, with the facts beside it. Batches hold answers of about equal length and are made by
//! a thread of their own while the step before computes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;

use super::ahead::Ahead;
use super::facts::{FactsHead, facts_losses};
use super::gradients::{Batch, gradients};
use super::optimizer::adamw;
use super::run::{Metrics, Stage, TrainError};
use super::samples::{SampleContent, answers};
use super::schedule::learning_rate;
use crate::config::Config;
use crate::data::{Facts, Instructions, fact_classes};
use crate::nn::{computing_in, wide};
use crate::sim::Frame;
use crate::sim::tasks::Phrasing;
use crate::vlm::batch::{Encoded, buckets};
use crate::vlm::loss::losses_of;
use crate::vlm::pixels::pixels;
use crate::vlm::{Example, History, SpanTarget, TokenBatch, Vlm, VlmModel, VlmTokenizer, plan_prompt, replan_prompt};

/// Batches whose examples are drawn together and sorted by length.
const POOL: usize = 8;
/// Examples whose words the tokenizer is made of.
const CORPUS: u64 = 4000;
/// The corpus has indices of its own, far from those of training.
const CORPUS_FROM: u64 = 1 << 40;
const RATE_FLOOR: f64 = 0.02;

/// What one batch is made of.
struct Lesson {
    frames: Vec<Frame>,
    facts: Vec<Facts>,
    /// Empty while facts are learnt alone.
    encoded: Vec<Encoded>,
}

pub struct StageVlm {
    config: Config,
    device: Device,
    instructions: Instructions,
    tokenizer: Arc<VlmTokenizer>,
    model: VlmModel,
    facts: FactsHead,
    optimizers: [ModuleOptimizer; 2],
    /// [`POOL`] lessons each, which follow each other.
    pools: Ahead<Vec<Lesson>>,
}

impl StageVlm {
    /// A model that was trained before, with its tokenizer; or a fresh one, with a tokenizer made of the words of the examples.
    ///
    /// # Errors
    /// The vocabulary has no room for bytes and phrases.
    pub fn new(
        config: Config,
        trained: Option<(VlmModel, Arc<VlmTokenizer>)>,
        instructions: Instructions,
        device: &Device,
    ) -> Result<Self, TrainError> {
        device.seed(config.train.seed);
        let device = device.clone().autodiff();
        let (model, tokenizer) = match trained {
            Some((model, tokenizer)) => (model.train(), tokenizer),
            None => (
                VlmModel::new(&config.vlm, &device),
                Arc::new(tokenizer_of(&config, &instructions)?),
            ),
        };
        let furniture = &instructions.sampler.furniture;
        let objects = furniture.blocks.len() + furniture.pads.len() + furniture.bins.len();
        let facts = FactsHead::new(objects, fact_classes(furniture), config.vlm.dim, &device);
        let optimizers = optimizers(&config, &model, &facts);
        Ok(Self {
            config,
            device,
            instructions,
            tokenizer,
            model,
            facts,
            optimizers,
            pools: Ahead::new("examples"),
        })
    }

    /// The model as it is now, outside of any gradient's graph.
    pub fn model(&self) -> VlmModel {
        self.model.valid()
    }

    pub fn tokenizer(&self) -> &Arc<VlmTokenizer> {
        &self.tokenizer
    }

    /// A lesson by its number in the run; the pool after it is being made meanwhile.
    fn lesson(&mut self, lesson: usize) -> Result<Lesson, TrainError> {
        let (config, instructions, tokenizer) = (&self.config, &self.instructions, &self.tokenizer);
        let pool = self.pools.fetch(lesson / POOL, || {
            let (config, instructions, tokenizer) = (config.clone(), instructions.clone(), tokenizer.clone());
            move |number| make_pool(&config, &instructions, &tokenizer, number)
        })?;
        let lesson = pool.get_mut(lesson % POOL);
        lesson
            .map(|lesson| {
                std::mem::replace(
                    lesson,
                    Lesson {
                        frames: vec![],
                        facts: vec![],
                        encoded: vec![],
                    },
                )
            })
            .ok_or_else(|| TrainError::Data("A pool of examples came out short.".into()))
    }

    /// The loss of one lesson, which took `loader_secs` to come by.
    fn batch(&self, lesson: &Lesson, loader_secs: f64) -> Result<Batch, TrainError> {
        let stage = &self.config.train.vlm;
        let frames: Vec<&Frame> = lesson.frames.iter().collect();
        let model = computing_in(&self.model, self.config.precision);
        let image = model.image_tokens(pixels(&frames, &self.config.vlm, &self.device));
        let facts = facts_losses(&self.facts, wide(image.clone()), &lesson.facts, self.config.vlm.grid());
        let mut named = vec![
            ("facts_where", facts.centre.clone().into_scalar::<f64>()),
            ("facts_place", facts.place.clone().into_scalar::<f64>()),
            ("facts_size", facts.size.clone().into_scalar::<f64>()),
            ("facts_shape", facts.shape.clone().into_scalar::<f64>()),
            ("facts_colour", facts.colour.clone().into_scalar::<f64>()),
            ("facts_right", facts.right),
        ];
        let form = facts.size + facts.shape + facts.colour;
        let mut loss = facts.centre + facts.place + form * stage.lambda_form;
        if !lesson.encoded.is_empty() {
            let members: Vec<&Encoded> = lesson.encoded.iter().collect();
            let batch = TokenBatch::new(&members, &self.tokenizer, &self.config.vlm, &self.device)
                .map_err(|err| TrainError::Data(err.to_string()))?;
            named.push(("tokens", batch.tokens.dims()[1] as f64));
            let terms = losses_of(&model, image, &batch, stage.lambda_attention);
            named.push(("answer", terms.answer.into_scalar::<f64>()));
            if let Some(attention) = terms.attention {
                named.push(("attention", attention.into_scalar::<f64>()));
            }
            loss = loss * stage.lambda_facts + terms.total;
        }
        Ok(Batch {
            loss,
            loader_secs,
            named,
        })
    }
}

impl Stage for StageVlm {
    fn steps(&self) -> usize {
        self.config.train.vlm.facts_steps + self.config.train.vlm.steps
    }

    fn step(&mut self, step: usize) -> Result<Metrics, TrainError> {
        let parts = self.config.train.vlm.accumulation;
        let lessons = (step * parts..(step + 1) * parts)
            .map(|number| {
                let began = Instant::now();
                let lesson = self.lesson(number)?;
                Ok((lesson, began.elapsed().as_secs_f64()))
            })
            .collect::<Result<Vec<_>, TrainError>>()?;
        let stage = &self.config.train.vlm;
        let trained = (&self.model, &self.facts);
        let ((of_model, of_facts), mut metrics) = gradients(&trained, parts, self.config.train.clip_norm, |part| {
            let (lesson, loader_secs) = &lessons[part];
            self.batch(lesson, *loader_secs)
        })?;
        let rate = learning_rate(
            step,
            stage.facts_steps + stage.steps,
            stage.warmup_steps,
            stage.lr,
            RATE_FLOOR,
        );
        let [optimizer, optimizer_facts] = &mut self.optimizers;
        self.model = optimizer.step(rate, self.model.clone(), of_model);
        self.facts = optimizer_facts.step(rate, self.facts.clone(), of_facts);
        metrics.push(("learning_rate", rate));
        Ok(metrics)
    }

    /// Nothing before the first text: facts alone teach no answer.
    fn sample(&self, steps: usize, _plans: Option<&AtomicBool>) -> Result<SampleContent, TrainError> {
        if steps < self.config.train.vlm.facts_steps {
            return Ok(SampleContent::default());
        }
        let vlm = Vlm::new(&self.model, self.tokenizer.clone())
            .map_err(|err| TrainError::Data(err.to_string()))?
            .computing_in(self.config.precision);
        Ok(SampleContent {
            answers: answers(&vlm, &self.instructions, &self.config)?,
            ..SampleContent::default()
        })
    }

    fn save(&self, folder: &Path) -> Result<(), TrainError> {
        let wrong = |err: burn::store::RecordError| TrainError::io("write", folder, err);
        self.model.clone().save_file(folder.join("model.bpk")).map_err(wrong)?;
        self.facts.clone().save_file(folder.join("facts.bpk")).map_err(wrong)?;
        self.tokenizer
            .save(&folder.join("tokenizer.json"))
            .map_err(|err| TrainError::io("write", folder, err))?;
        let [model, facts] = &self.optimizers;
        model.save(folder.join("optimizer-model.bpk")).map_err(wrong)?;
        facts.save(folder.join("optimizer-facts.bpk")).map_err(wrong)
    }

    fn load(&mut self, folder: &Path) -> Result<(), TrainError> {
        let wrong = |err: burn::store::RecordError| TrainError::io("read", folder, err);
        self.model = self
            .model
            .clone()
            .try_load_file(folder.join("model.bpk"))
            .map_err(wrong)?;
        self.facts = self
            .facts
            .clone()
            .try_load_file(folder.join("facts.bpk"))
            .map_err(wrong)?;
        let path = folder.join("tokenizer.json");
        self.tokenizer = Arc::new(VlmTokenizer::load(&path).map_err(|err| TrainError::io("read", &path, err))?);
        let [model, facts] = optimizers(&self.config, &self.model, &self.facts);
        self.optimizers = [
            model.load(folder.join("optimizer-model.bpk")).map_err(wrong)?,
            facts.load(folder.join("optimizer-facts.bpk")).map_err(wrong)?,
        ];
        self.pools.forget();
        Ok(())
    }
}

/// Of the words of many examples.
fn tokenizer_of(config: &Config, instructions: &Instructions) -> Result<VlmTokenizer, TrainError> {
    let mut texts = Vec::new();
    for index in CORPUS_FROM..CORPUS_FROM + CORPUS {
        if let Some(example) = instructions.example(config.train.seed, index, Phrasing::Seen) {
            texts.push(example.task);
            texts.push(example.answer);
        }
    }
    VlmTokenizer::train(texts.iter().map(String::as_str), config.vlm.vocab_size)
        .map_err(|err| TrainError::Data(err.to_string()))
}

fn optimizers(config: &Config, model: &VlmModel, facts: &FactsHead) -> [ModuleOptimizer; 2] {
    let (betas, decay) = (config.train.betas, config.train.vlm.weight_decay);
    [adamw(model, betas, decay), adamw(facts, betas, decay)]
}

/// The lessons `number * POOL` and on: a function of the seed and the number.
fn make_pool(
    config: &Config,
    instructions: &Instructions,
    tokenizer: &VlmTokenizer,
    number: usize,
) -> Result<Vec<Lesson>, TrainError> {
    let (stage, seed) = (&config.train.vlm, config.train.seed);
    let first = number * POOL;
    let mut lessons = Vec::with_capacity(POOL);
    // A pool that holds the first lesson on text is on text from its beginning.
    if first + POOL <= stage.facts_steps * stage.accumulation {
        for lesson in first..first + POOL {
            let drawn =
                (0..stage.facts_batch).map(|i| instructions.facts(seed, (lesson * stage.facts_batch + i) as u64));
            let (frames, facts) = drawn.unzip();
            lessons.push(Lesson {
                frames,
                facts,
                encoded: Vec::new(),
            });
        }
        return Ok(lessons);
    }
    let wanted = POOL * stage.batch;
    let mut examples = Vec::with_capacity(wanted);
    let mut index = (number * wanted) as u64;
    let last = index + 4 * wanted as u64;
    while examples.len() < wanted && index < last {
        if let Some(example) = instructions.example(seed, index, Phrasing::Seen) {
            let prompt = match &example.history {
                None => plan_prompt(&example.task),
                Some(history) => {
                    let history = History {
                        reached: history.reached.clone(),
                        failed: history.failed.clone(),
                    };
                    replan_prompt(&example.task, &history)
                }
            };
            let spans = example
                .spans
                .into_iter()
                .map(|span| SpanTarget {
                    range: span.text,
                    map: span.map,
                })
                .collect();
            let text = Example {
                frame: example.frame,
                prompt,
                answer: example.answer,
                spans,
            };
            let encoded = text
                .encode(tokenizer, &config.vlm)
                .map_err(|err| TrainError::Data(err.to_string()))?;
            examples.push((encoded, example.facts));
        }
        index += 1;
    }
    let lengths: Vec<usize> = examples.iter().map(|(encoded, _)| encoded.tokens.len()).collect();
    let mut examples: Vec<_> = examples.into_iter().map(Some).collect();
    for members in buckets(&lengths, stage.batch, seed, number as u64) {
        let (encoded, facts): (Vec<Encoded>, Vec<Facts>) = members.iter().filter_map(|&i| examples[i].take()).unzip();
        let frames = encoded.iter().map(|encoded| encoded.frame.clone()).collect();
        lessons.push(Lesson { frames, facts, encoded });
    }
    Ok(lessons)
}
