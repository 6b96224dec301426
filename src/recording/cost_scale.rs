//! What a cost's colour is measured by: one scale for all iterations of a plan, so that the same cost looks the same in each.

use super::StepRecord;

/// The least and the greatest cost of a plan that are finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CostScale {
    pub low: f32,
    pub high: f32,
}

impl CostScale {
    /// Of whole populations; none where no cost is finite.
    pub fn of_populations(step: &StepRecord) -> Option<Self> {
        Self::of(step.cem.iter().flat_map(|iteration| &iteration.costs))
    }

    /// Of the elites alone, which lie close together; none where no cost is finite.
    pub fn of_elites(step: &StepRecord) -> Option<Self> {
        Self::of(step.cem.iter().flat_map(|iteration| &iteration.elite_costs))
    }

    fn of<'a>(costs: impl Iterator<Item = &'a f32>) -> Option<Self> {
        let finite = costs.copied().filter(|cost| cost.is_finite());
        finite.fold(None, |scale: Option<Self>, cost| {
            Some(scale.map_or(Self { low: cost, high: cost }, |scale| Self {
                low: scale.low.min(cost),
                high: scale.high.max(cost),
            }))
        })
    }

    /// 1 for the least cost, 0 for the greatest and for one that is not finite.
    pub fn goodness(self, cost: f32) -> f32 {
        let room = self.high - self.low;
        if !cost.is_finite() {
            0.0
        } else if room > 0.0 {
            (1.0 - (cost - self.low) / room).clamp(0.0, 1.0)
        } else {
            1.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_cost_is_best_and_what_is_not_finite_is_worst() {
        let scale = CostScale::of([3.0, f32::NAN, 1.0, f32::INFINITY].iter()).unwrap();
        assert_eq!(scale, CostScale { low: 1.0, high: 3.0 });
        let goodness = [1.0, 2.0, 3.0, 9.0, f32::NAN, f32::NEG_INFINITY].map(|cost| scale.goodness(cost));
        assert_eq!(goodness, [1.0, 0.5, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(CostScale::of([2.0].iter()).unwrap().goodness(2.0), 1.0);
        assert_eq!(CostScale::of([f32::NAN].iter()), None);
    }
}
