//! What stands on what, read from the geometry of a [`WorldState`] at rest.

use super::state::{BlockState, Shape, WorldState};

/// A block's bottom and what carries it may be this far apart: contacts give a little, and a block that fell askew
/// touches with an edge.
const CONTACT_M: f32 = 0.03;
/// Blocks that overlap by less than this, seen from above, stand side by side.
const OVERLAP_M: f32 = 0.005;
/// Cosine of the largest tilt (15 degrees) that still counts as standing upright.
const UPRIGHT_COS: f32 = 0.966;

/// What carries a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    Table,
    Block(usize),
    Gripper,
}

/// What carries the block: the gripper, the table as soon as it touches that, or the block that it overlaps most.
pub fn support(state: &WorldState, block: usize) -> Support {
    if state.held == Some(block) {
        return Support::Gripper;
    }
    let upper = &state.blocks[block];
    if upper.bottom_m() < CONTACT_M {
        return Support::Table;
    }
    (0..state.blocks.len())
        .filter(|&lower| rests(state, block, lower))
        .max_by(|&a, &b| overlap_m2(upper, &state.blocks[a]).total_cmp(&overlap_m2(upper, &state.blocks[b])))
        .map_or(Support::Table, Support::Block)
}

/// Nothing rests on the block, so it can be grasped and something can be put on it.
pub fn is_clear(state: &WorldState, block: usize) -> bool {
    (0..state.blocks.len()).all(|upper| !rests(state, upper, block))
}

/// The pad that the block stands on: the table carries it, and its centre is within the pad's half width per axis.
pub fn on_pad(state: &WorldState, block: usize) -> Option<usize> {
    if support(state, block) != Support::Table {
        return None;
    }
    let [x, y, _] = state.blocks[block].position_m;
    state
        .pads
        .iter()
        .position(|pad| (x - pad.position_m[0]).abs().max((y - pad.position_m[1]).abs()) < pad.half_m)
}

/// The bin that the block is in: it lies on the bin's floor, or on others that do.
pub fn in_bin(state: &WorldState, block: usize) -> Option<usize> {
    let mut base = block;
    // No longer way down than there are blocks.
    for _ in 0..state.blocks.len() {
        match support(state, base) {
            Support::Gripper => return None,
            Support::Block(lower) => base = lower,
            Support::Table => break,
        }
    }
    let [x, y, _] = state.blocks[base].position_m;
    state.bins.iter().position(|bin| bin.contains([x, y]))
}

/// The block stands on its base.
pub fn upright(state: &WorldState, block: usize) -> bool {
    state.blocks[block].axes()[2][2] > UPRIGHT_COS
}

/// `upper` lies on the top of `lower`, alone or together with other blocks.
fn rests(state: &WorldState, upper: usize, lower: usize) -> bool {
    if upper == lower || state.held == Some(upper) || state.held == Some(lower) {
        return false;
    }
    let (above, below) = (&state.blocks[upper], &state.blocks[lower]);
    (above.bottom_m() - below.top_m()).abs() < CONTACT_M
        && above.position_m[2] > below.position_m[2]
        && overlap_m2(above, below) > 0.
}

/// Area of the common part of two blocks' bounding squares, seen from above.
fn overlap_m2(a: &BlockState, b: &BlockState) -> f32 {
    let (ea, eb) = (a.extents_m(), b.extents_m());
    let side = |i: usize| (ea[i] + eb[i] - (a.position_m[i] - b.position_m[i]).abs()).min(2. * ea[i].min(eb[i]));
    if side(0) < OVERLAP_M || side(1) < OVERLAP_M || apart(a, b) || apart(b, a) {
        0.
    } else {
        side(0) * side(1)
    }
}

/// The first is an upright cylinder, and seen from above the second is beside its disc.
fn apart(a: &BlockState, b: &BlockState) -> bool {
    let stands = |block: &BlockState| block.shape == Shape::Cylinder && block.axes()[2][2].abs() > UPRIGHT_COS;
    if !stands(a) {
        return false;
    }
    let eb = b.extents_m();
    let off: [f32; 2] = std::array::from_fn(|i| (a.position_m[i] - b.position_m[i]).abs());
    // A root is the same on every machine, a hypotenuse need not be: pictures depend on this.
    let length = |x: f32, y: f32| (x * x + y * y).sqrt();
    let distance = if stands(b) {
        length(off[0], off[1]) - eb[0]
    } else {
        length((off[0] - eb[0]).max(0.), (off[1] - eb[1]).max(0.))
    };
    distance > a.half_m - OVERLAP_M
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::sim::state::PadState;

    /// Red, green and blue stand apart on the table; the yellow pad lies under red.
    pub(crate) fn three_blocks() -> WorldState {
        let block = |name: &str, half_m: f32, height_m: f32, x: f32| BlockState {
            name: format!("{name} block"),
            colour: [0.5; 3],
            shape: Shape::Cuboid,
            half_m,
            height_m,
            position_m: [x, 0., height_m / 2.],
            rotation: [0., 0., 0., 1.],
        };
        let pad = |name: &str, x: f32, y: f32| PadState {
            name: format!("{name} pad"),
            colour: [0.5; 3],
            half_m: 0.21,
            position_m: [x, y],
        };
        WorldState {
            gripper_m: [0., 0.5],
            suction: false,
            held: None,
            blocks: vec![
                block("red", 0.15, 0.24, -0.6),
                block("green", 0.13, 0.21, 0.),
                block("blue", 0.17, 0.27, 0.6),
            ],
            pads: vec![pad("yellow", -0.6, 0.1), pad("purple", 0.6, 0.7)],
            bins: vec![],
        }
    }

    fn put(state: &mut WorldState, upper: usize, lower: usize) {
        let [x, y, _] = state.blocks[lower].position_m;
        let z = state.blocks[lower].top_m() + state.blocks[upper].extents_m()[2];
        state.blocks[upper].position_m = [x + 0.05, y, z];
    }

    #[test]
    fn a_tower_is_read_from_its_geometry() {
        let mut state = three_blocks();
        assert_eq!(
            (0..3).map(|i| support(&state, i)).collect::<Vec<_>>(),
            [Support::Table; 3]
        );
        assert_eq!((on_pad(&state, 0), on_pad(&state, 1)), (Some(0), None));
        put(&mut state, 1, 0);
        put(&mut state, 2, 1);
        assert_eq!(support(&state, 1), Support::Block(0));
        assert_eq!(support(&state, 2), Support::Block(1));
        assert_eq!([0, 1, 2].map(|i| is_clear(&state, i)), [false, false, true]);
        // Above the pad, but not carried by the table.
        assert_eq!(on_pad(&state, 1), None);
        state.held = Some(2);
        state.blocks[2].position_m[2] += 0.3;
        assert_eq!(support(&state, 2), Support::Gripper);
        assert!(is_clear(&state, 1));
    }

    #[test]
    fn a_bridge_burdens_both_of_its_pillars() {
        let mut state = three_blocks();
        state.blocks[2].position_m = [-0.3, 0., 0.24 + 0.135];
        state.blocks[0].position_m[0] = -0.47;
        state.blocks[1].position_m[0] = -0.15;
        state.blocks[1].height_m = 0.24;
        state.blocks[1].position_m[2] = 0.12;
        assert_eq!([0, 1, 2].map(|i| is_clear(&state, i)), [false, false, true]);
    }

    #[test]
    fn discs_overlap_less_than_the_squares_round_them() {
        let mut state = three_blocks();
        // Corner to corner: a box lies on the box below, a cylinder beside the cylinder.
        state.blocks[1].position_m = [-0.6 + 0.26, 0.26, 0.24 + 0.105];
        assert_eq!(support(&state, 1), Support::Block(0));
        (state.blocks[0].shape, state.blocks[1].shape) = (Shape::Cylinder, Shape::Cylinder);
        assert_eq!(support(&state, 1), Support::Table);
        assert!(is_clear(&state, 0));
        state.blocks[1].position_m = [-0.6 + 0.15, 0.15, 0.24 + 0.105];
        assert_eq!(support(&state, 1), Support::Block(0));
        // A cylinder that lies on its side is as long as it was high, and as high as it was wide.
        let half_turn = std::f32::consts::FRAC_1_SQRT_2;
        state.blocks[2].shape = Shape::Cylinder;
        state.blocks[2].rotation = [half_turn, 0., 0., half_turn];
        let extents = state.blocks[2].extents_m();
        for (extent, expected) in extents.into_iter().zip([0.17, 0.135, 0.17]) {
            assert!((extent - expected).abs() < 1e-3, "{extents:?}");
        }
    }

    #[test]
    fn what_stands_on_something_in_a_bin_is_in_it_too() {
        let mut state = three_blocks();
        state.bins.push(crate::sim::BinState {
            name: "blue bin".to_owned(),
            colour: [0.5; 3],
            half_m: 0.3,
            wall_m: 0.06,
            position_m: [0., 0.1],
        });
        assert_eq!([0, 1, 2].map(|i| in_bin(&state, i)), [None, Some(0), None]);
        put(&mut state, 0, 1);
        assert_eq!(in_bin(&state, 0), Some(0));
        state.held = Some(1);
        assert_eq!(in_bin(&state, 1), None);
    }

    #[test]
    fn a_block_on_its_side_is_not_upright() {
        let mut state = three_blocks();
        let half_turn = std::f32::consts::FRAC_1_SQRT_2;
        state.blocks[0].rotation = [half_turn, 0., 0., half_turn];
        state.blocks[0].position_m[2] = 0.15;
        assert!(!upright(&state, 0) && upright(&state, 1));
        assert_eq!(support(&state, 0), Support::Table);
        assert!((state.blocks[0].top_m() - 0.30).abs() < 1e-6);
    }
}
