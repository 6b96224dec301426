//! The whole network, and the network together with its tokenizer.

use std::{ops::Range, sync::Arc};

use burn::{
    module::Module,
    tensor::{Device, Int, Tensor},
};

use super::{
    decoder::{Decoder, Hidden, Wanted},
    error::VlmError,
    kv_cache::KvCache,
    projector::Projector,
    tokenizer::VlmTokenizer,
    tower::Tower,
};
use crate::{
    config::{Precision, VlmConfig},
    nn::{
        computing_in,
        lora::{DECODER_TARGETS, attach},
    },
};

/// Tower, projector and decoder: what is trained, saved and counted.
#[derive(Module, Debug)]
pub struct VlmModel {
    pub tower: Tower,
    pub projector: Projector,
    pub decoder: Decoder,
    #[module(skip)]
    config: VlmConfig,
}

impl VlmModel {
    /// Fresh weights, drawn from the device's generator when they are first used.
    pub fn new(config: &VlmConfig, device: &Device) -> Self {
        Self {
            tower: Tower::new(config, device),
            projector: Projector::new(config, device),
            decoder: Decoder::new(config, device),
            config: config.clone(),
        }
    }

    pub fn config(&self) -> &VlmConfig {
        &self.config
    }

    /// Freezes the network and gives the decoder's linear layers adapters (rank and alpha from the configuration) that
    /// change nothing yet. Their parameters are in [`crate::nn::lora::adapter_group`].
    pub fn with_lora(self, seed: u64) -> Self {
        let config = self.config.lora.clone();
        attach(self, &config, seed, is_lora_target)
    }

    /// Normalised pixels `[B, 3, S, S]` to image tokens `[B, P, D_VLM]`.
    pub fn image_tokens(&self, pixels: Tensor<4>) -> Tensor<3> {
        self.projector.forward(self.tower.forward(pixels))
    }

    /// Embeds tokens `[B, L]` and puts the image tokens `[B, P, D_VLM]` over the placeholders that begin at `image_at`.
    pub fn embed(&self, image: Tensor<3>, tokens: Tensor<2, Int>, image_at: usize) -> Tensor<3> {
        let [_, patches, _] = image.dims();
        let [_, length] = tokens.dims();
        let mut parts = Vec::with_capacity(3);
        if image_at > 0 {
            parts.push(self.decoder.embed(tokens.clone().slice_dim(1, 0..image_at)));
        }
        parts.push(image);
        if image_at + patches < length {
            parts.push(self.decoder.embed(tokens.slice_dim(1, image_at + patches..length)));
        }
        Tensor::cat(parts, 1)
    }

    /// A pass over image tokens `[B, P, D_VLM]` within tokens `[B, L]`.
    pub fn forward(
        &self,
        image: Tensor<3>,
        tokens: Tensor<2, Int>,
        image_at: usize,
        cache: Option<&mut KvCache>,
        wanted: Wanted,
    ) -> Hidden {
        self.decoder.forward(self.embed(image, tokens, image_at), cache, wanted)
    }

    /// Columns of the attention that are image patches.
    pub fn image_columns(&self, image_at: usize) -> Range<usize> {
        image_at..image_at + self.config.image_tokens()
    }
}

/// Whether a parameter of [`VlmModel`] takes an adapter.
pub fn is_lora_target(path: &str) -> bool {
    let mut parts = path.rsplit('.');
    path.starts_with("decoder.")
        && parts.next() == Some("weight")
        && parts.next().is_some_and(|layer| DECODER_TARGETS.contains(&layer))
}

/// A network for inference with its tokenizer.
#[derive(Clone, Debug)]
pub struct Vlm {
    pub(super) model: VlmModel,
    pub(super) tokenizer: Arc<VlmTokenizer>,
}

impl Vlm {
    /// Takes a copy for inference: off the autodiff device, adapters folded in, so that a token costs no product of
    /// adapters.
    ///
    /// # Errors
    /// The tokenizer has more tokens than the model.
    pub fn new(model: &VlmModel, tokenizer: Arc<VlmTokenizer>) -> Result<Self, VlmError> {
        let (tokens, vocab_size) = (tokenizer.vocab_size(), model.config.vocab_size);
        if tokens > vocab_size {
            return Err(VlmError::Vocabulary { tokens, vocab_size });
        }
        Ok(Self {
            model: model.valid().materialize(),
            tokenizer,
        })
    }

    /// The same with weights of a number format.
    pub fn computing_in(&self, precision: Precision) -> Self {
        Self {
            model: computing_in(&self.model, precision),
            tokenizer: self.tokenizer.clone(),
        }
    }

    pub fn model(&self) -> &VlmModel {
        &self.model
    }

    pub fn tokenizer(&self) -> &VlmTokenizer {
        &self.tokenizer
    }

    pub fn config(&self) -> &VlmConfig {
        &self.model.config
    }

    pub(super) fn device(&self) -> Device {
        self.model.decoder.device()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::HashMap;

    use burn::{
        module::ModuleVisitor,
        store::{ModuleSnapshot, PyTorchToBurnAdapter, SafetensorsStore},
        tensor::TensorData,
    };
    use safetensors::{SafeTensors, tensor::TensorView};

    use super::*;
    use crate::{
        config::{LoraConfig, Stem},
        vlm::{remap::from_llava, tokenizer::tests::tabletop},
    };

    /// A network with every part of the nano one, small enough to be checked by finite differences.
    pub fn tiny_config(vocab_size: usize) -> VlmConfig {
        let nano = crate::config::preset("nano").unwrap().vlm;
        VlmConfig {
            image_size: 16,
            patch_size: 4,
            stem: Stem::Conv(vec![(6, 3, 2), (8, 3, 2)]),
            vision_dim: 8,
            vision_depth: 1,
            vision_heads: 2,
            vision_mlp: 16,
            dim: 16,
            depth: 2,
            heads: 4,
            kv_heads: 2,
            mlp: 24,
            vocab_size,
            max_tokens: 128,
            lora: LoraConfig { rank: 2, alpha: 4.0 },
            ..nano
        }
    }

    /// A tiny model with the tabletop's tokenizer.
    pub fn tiny(seed: u64) -> Vlm {
        let device = Device::flex();
        let tokenizer = Arc::new(tabletop());
        device.seed(seed);
        Vlm::new(&VlmModel::new(&tiny_config(400), &device), tokenizer).unwrap()
    }

    /// The configuration of tests/fixtures/make_llava.py.
    fn llava_config() -> VlmConfig {
        VlmConfig {
            image_size: 24,
            patch_size: 8,
            stem: Stem::Patch,
            vision_dim: 24,
            vision_depth: 3,
            vision_heads: 4,
            vision_mlp: 48,
            class_token: true,
            pre_norm: true,
            quick_gelu: true,
            unused_blocks: 1,
            feature_norm: false,
            tied_head: false,
            dim: 32,
            depth: 2,
            heads: 4,
            kv_heads: 2,
            mlp: 56,
            vocab_size: 64,
            rms_eps: 1e-5,
            max_tokens: 64,
            ..tiny_config(64)
        }
    }

    fn largest_difference<const R: usize>(a: Tensor<R>, b: Tensor<R>) -> f32 {
        assert_eq!(a.dims(), b.dims());
        (a - b).abs().max().into_scalar::<f32>()
    }

    #[test]
    fn agrees_with_transformers() {
        let fixture = include_bytes!("../../tests/fixtures/llava.safetensors");
        let tensors = SafeTensors::deserialize(fixture).unwrap();
        let mut ours: HashMap<String, TensorView> = HashMap::new();
        for (key, view) in tensors.tensors() {
            let unused = key.contains("encoder.layers.2.") || key.starts_with("golden.");
            if let Some(name) = from_llava(&key).filter(|_| !unused) {
                ours.insert(name, view);
            }
        }
        let renamed = safetensors::serialize(&ours, None).unwrap();
        let device = Device::flex();
        let mut model = VlmModel::new(&llava_config(), &device);
        let mut store = SafetensorsStore::from_bytes(Some(renamed)).with_from_adapter(PyTorchToBurnAdapter);
        let result = model.load_from(&mut store).unwrap();
        assert!(result.missing.is_empty() && result.unused.is_empty(), "{result}");

        let golden = |name: &str| {
            let view = tensors.tensor(&format!("golden.{name}")).unwrap();
            let values: Vec<f32> = bytemuck::pod_collect_to_vec(view.data());
            TensorData::new(values, view.shape().to_vec())
        };
        let tokens = Tensor::<2>::from_data(golden("tokens"), &device).int();
        let features = model.tower.forward(Tensor::from_data(golden("pixels"), &device));
        assert!(largest_difference(features.clone(), Tensor::from_data(golden("tower"), &device)) < 1e-4);
        let image = model.projector.forward(features);
        assert!(largest_difference(image.clone(), Tensor::from_data(golden("image_tokens"), &device)) < 1e-4);
        let hidden = model.forward(
            image,
            tokens,
            4,
            None,
            Wanted {
                rows_from: 0,
                attention: true,
            },
        );
        assert!(largest_difference(hidden.states.clone(), Tensor::from_data(golden("hidden"), &device)) < 1e-4);
        let attention = hidden.attention.unwrap().on(0..20);
        assert!(largest_difference(attention, Tensor::from_data(golden("attention"), &device)) < 1e-4);
        let logits = model.decoder.head(hidden.states);
        assert!(largest_difference(logits, Tensor::from_data(golden("logits"), &device)) < 1e-4);
    }

    #[test]
    fn old_and_new_checkpoints_have_the_same_names() {
        let same = [
            (
                "model.language_model.layers.3.self_attn.q_proj.weight",
                "language_model.model.layers.3.self_attn.q_proj.weight",
            ),
            ("lm_head.weight", "language_model.lm_head.weight"),
            (
                "model.multi_modal_projector.linear_1.bias",
                "multi_modal_projector.linear_1.bias",
            ),
        ];
        for (new, old) in same {
            assert_eq!(from_llava(new), from_llava(old));
            assert!(from_llava(new).is_some());
        }
        assert_eq!(from_llava("vision_tower.vision_model.post_layernorm.weight"), None);
    }

    #[test]
    fn adapters_go_on_the_decoder_alone() {
        struct Names(Vec<String>, Vec<String>);
        impl ModuleVisitor for Names {
            fn enter_module(&mut self, name: &str, _: &str) {
                self.0.push(name.to_owned());
            }
            fn exit_module(&mut self, _: &str, _: &str) {
                self.0.pop();
            }
            fn visit_float<const D: usize>(&mut self, _: &burn::module::Param<Tensor<D>>) {
                self.1.push(self.0.join("."));
            }
        }
        let model = VlmModel::new(&tiny_config(400), &Device::flex()).with_lora(1);
        let mut names = Names(Vec::new(), Vec::new());
        model.visit(&mut names);
        let adapters: Vec<&String> = names
            .1
            .iter()
            .filter(|name| crate::nn::lora::is_adapter(name))
            .collect();
        assert_eq!(adapters.len(), 2 * 7 * 2);
        assert!(adapters.iter().all(|name| name.starts_with("decoder.layers.")));
        assert!(
            adapters
                .iter()
                .any(|name| *name == "decoder.layers.1.mlp.up_proj.weight.lora.b")
        );
    }
}
