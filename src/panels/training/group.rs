//! What the numbers of a run are called, what they mean, and which of them stand together.

/// Charts under one heading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    Losses,
    Latents,
    Schedules,
    Gradients,
    Machine,
}

impl Group {
    pub const ALL: [Self; 5] = [
        Self::Losses,
        Self::Latents,
        Self::Schedules,
        Self::Gradients,
        Self::Machine,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Self::Losses => "Losses",
            Self::Latents => "Latents",
            Self::Schedules => "Schedules",
            Self::Gradients => "Gradients",
            Self::Machine => "Machine",
        }
    }

    /// The group of a number; whatever is not known is taken for a part of the loss.
    pub fn of(name: &str) -> Self {
        match name {
            "error_over_persistence"
            | "comparison_over_persistence"
            | "pooled_deviation"
            | "mask_acceptance"
            | "effective_rank"
            | "effective_rank_tokens"
            | "goals_found"
            | "facts_right" => Self::Latents,
            "ema_tau" => Self::Schedules,
            "gradient_norm" => Self::Gradients,
            "secs" | "steps_per_sec" | "loader_secs" | "loader_wait" | "memory_bytes" => Self::Machine,
            name if name.starts_with("probe_") => Self::Latents,
            name if name.starts_with("learning_rate") || name.starts_with("lr.") => Self::Schedules,
            _ => Self::Losses,
        }
    }

    /// Whether values over decades are the rule, so that a logarithmic axis may be asked for.
    pub fn is_logarithmic(self) -> bool {
        matches!(self, Self::Losses | Self::Gradients)
    }
}

/// The quantity behind a name, with its symbol and equation of the method where there is one.
pub(super) fn explained(name: &str) -> &'static str {
    match name {
        "loss" => {
            "L: the loss that is minimised, the sum of all terms with their weights (method 4.7; Algorithm 1, line 18; in stage 2 \
             the total training loss)."
        }
        "prediction" | "masked_prediction" => {
            "L_pred: Smooth-L1 or squared error of predicted and target tokens, 0 or more (method 4.7; Algorithm 1, line 16)."
        }
        "sigreg" | "masked_sigreg" => {
            "L_reg, SIGReg: sum of p ln p over the normalised spectrum p of the latents' covariance, or its sketched form; −ln D at best, 0 collapsed, where it is spectral (method 4.7; Algorithm 1, line 17)."
        }
        "pooled" => "Squared error of the mean-pooled prediction, 0 or more (beyond the method).",
        "slowness" => {
            "Half the mean squared change of the pooled latent from frame t to t + 1, 0 or more (beyond the method)."
        }
        "inverse_dynamics" => "Error of the action a_t as read from s_t and s_t+1, 0 or more (beyond the method).",
        "proprioception" => {
            "Squared error of gripper x, y, suction and holding, read by a line from the pooled latent (beyond the method)."
        }
        "error_over_persistence" => {
            "Squared error of the prediction over that of \"nothing changes\": below 1 the predictor knows more than persistence."
        }
        "comparison_over_persistence" => "The same in the space in which planning compares states.",
        "pooled_deviation" => {
            "Standard deviation of the pooled latent over the batch, 0 or more: near 0 it has collapsed."
        }
        "mask_acceptance" => {
            "Share of drawn block masks whose masked share lay within its range, 0 to 1 (method 4.6; Algorithm 1, line 4)."
        }
        "effective_rank" => {
            "exp(H(p)) of the normalised spectrum p of the latents' covariance: how many directions are in use, 1 to D (p and H(p): method 4.7; Algorithm 1, line 17)."
        }
        "effective_rank_tokens" => "The same of the tokens, each about the mean of its position.",
        "probe_gripper_m" => {
            "Mean |error| per axis, metres, of the gripper's x and y as a ridge regression reads them from pooled latents; no loss sees it."
        }
        "probe_blocks_m" => "The same of the blocks.",
        "goals_found" => {
            "Share of goals of fresh scenes that are nearest to the state in which their sub-goal is achieved, by cosine."
        }
        "info_nce" => {
            "L_GPI: symmetric InfoNCE over K goals and achieved states at temperature τ_c; ln K knows nothing, 0 is best (method 4.7, \
             GPI contrastive loss; method 7, stage 2, step 5)."
        }
        "goal_regression" => {
            "Squared distance of goals to the states that were achieved, in the comparison space, 0 or more (beyond the method)."
        }
        "move" => {
            "Smooth-L1 error of dx and dy beside the expert's, in shares of a full step (stage bc; beyond the method)."
        }
        "grip" => "Cross-entropy of the grip's sign beside the expert's, nats (stage bc; beyond the method).",
        "done" => "Cross-entropy of \"the sub-goal holds\", nats (stage bc; beyond the method).",
        "learning_rate" => {
            "Rate of the predictor and the heads in stage 1, of what is trained elsewhere: warm-up, then a cosine (method 5; Algorithm 1, line 19)."
        }
        "learning_rate_encoder" => "Rate of the online encoder θ (method 5; Algorithm 1, line 19).",
        "learning_rate_lora" => "Rate of the language model's adapters (method 5; method 7, stage 2, step 8).",
        "ema_tau" => {
            "τ: momentum with which the target encoder follows, ξ ← τ ξ + (1 − τ) θ, 0 to 1 (method 4.2; Algorithm 1, lines 21 and 22)."
        }
        "gradient_norm" => {
            "Global L2 norm of the gradient ∇L before it is clipped at train.clip_norm, 0 or more (Algorithm 1, line 19)."
        }
        "secs" => "Seconds that a step took.",
        "steps_per_sec" => "Steps a second while a step computes; rests and pauses do not count.",
        "loader_secs" | "loader_wait" => "Seconds of a step that were waited for data.",
        "memory_bytes" => "Resident memory of the process that trains, bytes.",
        _ => "As the stage names it in metrics.jsonl.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_method_has_is_explained_with_its_place_in_it() {
        for (name, place) in [
            ("loss", "Algorithm 1, line 18"),
            ("prediction", "Algorithm 1, line 16"),
            ("sigreg", "Algorithm 1, line 17"),
            ("info_nce", "method 4.7, GPI contrastive loss"),
            ("effective_rank", "method 4.7"),
            ("mask_acceptance", "Algorithm 1, line 4"),
            ("learning_rate", "Algorithm 1, line 19"),
            ("learning_rate_lora", "method 7, stage 2, step 8"),
            ("ema_tau", "Algorithm 1, lines 21 and 22"),
            ("gradient_norm", "Algorithm 1, line 19"),
        ] {
            assert!(explained(name).contains(place), "{name}: {}", explained(name));
        }
    }

    #[test]
    fn what_a_stage_writes_stands_where_it_is_looked_for() {
        for (name, group) in [
            ("loss", Group::Losses),
            ("sigreg", Group::Losses),
            ("a_new_term", Group::Losses),
            ("learning_rate_encoder", Group::Schedules),
            ("ema_tau", Group::Schedules),
            ("gradient_norm", Group::Gradients),
            ("probe_gripper_m", Group::Latents),
            ("steps_per_sec", Group::Machine),
        ] {
            assert_eq!(Group::of(name), group, "{name}");
        }
    }
}
