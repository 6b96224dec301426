//! Names of public LLaVA checkpoints in terms of our modules. Values keep their PyTorch layout; burn's PyTorch adapter
//! turns linear weights and renames norm parameters while loading.

/// The name under which [`super::VlmModel`] holds a tensor of a Hugging Face LLaVA checkpoint, old or new naming; none
/// for tensors that LLaVA does not use (the tower's last norm).
pub fn from_llava(key: &str) -> Option<String> {
    let key = key.strip_prefix("model.").unwrap_or(key);
    if let Some(rest) = key.strip_prefix("vision_tower.vision_model.") {
        return tower(rest).map(|name| format!("tower.{name}"));
    }
    if let Some(rest) = key.strip_prefix("multi_modal_projector.") {
        return Some(format!("projector.{rest}"));
    }
    if let Some(rest) = key.strip_prefix("language_model.") {
        let rest = rest.strip_prefix("model.").unwrap_or(rest);
        let rest = rest
            .replace("input_layernorm", "input_norm")
            .replace("post_attention_layernorm", "mlp_norm")
            .replace("self_attn", "attention");
        return Some(format!("decoder.{rest}"));
    }
    key.starts_with("lm_head.").then(|| format!("decoder.{key}"))
}

fn tower(key: &str) -> Option<String> {
    match key {
        "embeddings.class_embedding" => Some("class_token".to_owned()),
        "embeddings.patch_embedding.weight" => Some("stem.0.weight".to_owned()),
        "embeddings.position_embedding.weight" => Some("position".to_owned()),
        _ => {
            if let Some(rest) = key.strip_prefix("pre_layrnorm.") {
                return Some(format!("pre_norm.{rest}"));
            }
            let rest = key.strip_prefix("encoder.layers.")?;
            Some(format!("blocks.{}", rest.replace("self_attn.", "").replace("mlp.", "")))
        }
    }
}
