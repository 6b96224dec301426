//! Rigid bodies: from a state of the table to the state in which everything has come to rest.
//!
//! The simulation is built anew from the plain state each time something is let go or taken away. So a world has no
//! hidden history (contact caches, sleeping islands): what happens is a function of what is where and how it moves,
//! and a copy, a replay and an edited state behave alike, bit for bit.

use rapier3d::parry::query::{ShapeCastOptions, cast_shapes};
use rapier3d::parry::shape::{Cuboid, Cylinder, Shape as Solid};
use rapier3d::prelude::*;

use super::bin::{BinState, Wall};
use super::state::{BlockState, Shape, WorldState};

/// One step of the simulation.
const STEP_SECS: f32 = 1. / 60.;
/// Steps of one action, 1.2 s: a block that topples has come to rest. A world at rest before that stays as it is, so
/// the rest of its steps need not be computed.
const STEPS: usize = 72;
const GRAVITY: f32 = -9.81;
/// Wood on wood or so: towers stand, and a block that lies half over an edge slides down only when it tips.
const FRICTION: f32 = 0.6;
/// kg / m3.
const DENSITY: f32 = 400.;
/// So long a body must be still to be at rest.
const REST_SECS: f32 = 0.2;
/// An invisible rim: a block's side can come no further from the middle of the table.
const RIM_M: f32 = 1.12;
/// A block is let go so high above what is beneath it.
const CLEARANCE_M: f32 = 0.015;
/// On its way down a block may brush past others so closely.
const BRUSH_M: f32 = 0.002;

/// How soon a cylinder on its side stops rolling, 1/s: the table is not that smooth.
const ROLLING_DAMPING: f32 = 6.;
/// Quarter of a turn about x: parry's cylinders stand along y, ours along z.
const UPRIGHT: [f32; 4] = [std::f32::consts::FRAC_1_SQRT_2, 0., 0., std::f32::consts::FRAC_1_SQRT_2];

/// How a block moves: metres and radians a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Velocity {
    linear: [f32; 3],
    angular: [f32; 3],
}

impl Velocity {
    pub(super) const REST: Self = Self {
        linear: [0.; 3],
        angular: [0.; 3],
    };

    /// Along the table, without turning; metres a second.
    pub(super) fn along_table([x, y]: [f32; 2]) -> Self {
        Self {
            linear: [x, y, 0.],
            ..Self::REST
        }
    }
}

/// Lets the blocks that are not held fall, topple and slide for the [`STEPS`] of one action.
pub(super) fn settle(state: &mut WorldState, velocities: &mut [Velocity]) {
    let mut physics = PhysicsWorld::new();
    physics.gravity = Vector::new(0., 0., GRAVITY);
    physics.integration_parameters.dt = STEP_SECS;
    let wall = |half: [f32; 3], centre: [f32; 3]| {
        ColliderBuilder::cuboid(half[0], half[1], half[2])
            .translation(Vector::from_array(centre))
            .friction(FRICTION)
    };
    physics.insert_collider(wall([2., 2., 0.5], [0., 0., -0.5]), None);
    for side in [-1., 1.] {
        physics.insert_collider(wall([0.5, 2., 2.], [side * (RIM_M + 0.5), 0., 1.9]), None);
        physics.insert_collider(wall([2., 0.5, 2.], [0., side * (RIM_M + 0.5), 1.9]), None);
    }
    for Wall { half_m, centre_m } in state.bins.iter().flat_map(BinState::walls) {
        physics.insert_collider(wall(half_m, centre_m), None);
    }
    let free = (0..state.blocks.len()).filter(|&block| state.held != Some(block));
    let bodies: Vec<(usize, RigidBodyHandle)> = free
        .map(|index| {
            let (block, velocity) = (&state.blocks[index], velocities[index]);
            let mut body = RigidBodyBuilder::dynamic()
                .pose(pose(block))
                .linvel(Vector::from_array(velocity.linear))
                .angvel(Vector::from_array(velocity.angular))
                .build();
            body.activation_mut().time_until_sleep = REST_SECS;
            let [x, y, z] = block.half_extents_m();
            let shape = match block.shape {
                Shape::Cuboid => ColliderBuilder::cuboid(x, y, z),
                Shape::Cylinder => {
                    body.set_angular_damping(ROLLING_DAMPING);
                    ColliderBuilder::cylinder(z, x)
                        .position(Pose::from_parts(Vector::ZERO, Rotation::from_array(UPRIGHT)))
                }
            };
            let collider = shape.friction(FRICTION).restitution(0.).density(DENSITY);
            (index, physics.insert(body, collider).0)
        })
        .collect();
    for _ in 0..STEPS {
        physics.step();
        if bodies.iter().all(|&(_, handle)| physics.bodies[handle].is_sleeping()) {
            break;
        }
    }
    velocities.fill(Velocity::REST);
    for (index, handle) in bodies {
        let body = &physics.bodies[handle];
        let block = &mut state.blocks[index];
        block.position_m = body.translation().to_array();
        block.rotation = body.rotation().normalize().to_array();
        if !body.is_sleeping() {
            velocities[index] = Velocity {
                linear: body.linvel().to_array(),
                angular: body.angvel().to_array(),
            };
        }
    }
}

/// The height of the block's centre at which it is let go, when it comes down from where it is: a little above the
/// first thing that it would touch.
pub(super) fn letting_go_height(state: &WorldState, block: usize) -> f32 {
    let others = || (0..state.blocks.len()).filter(|&other| other != block);
    let mut falling = state.blocks[block].clone();
    // It may have been carried into a tower that is higher than what is carried: then it comes down on top of that.
    let highest = others().map(|other| state.blocks[other].top_m()).fold(0., f32::max);
    falling.position_m[2] += (highest - falling.bottom_m()).max(0.);
    let (shape, from) = solid(&falling, BRUSH_M);
    let floor = falling.extents_m()[2] + CLEARANCE_M;
    let reach = (falling.position_m[2] - floor).max(0.);
    let options = ShapeCastOptions::with_max_time_of_impact(reach);
    let until = |obstacle: &dyn Solid, at: &Pose| {
        let down = Vector::new(0., 0., -1.);
        // Convex shapes can always be cast against each other.
        let hit = cast_shapes(&from, down, shape.as_ref(), at, Vector::ZERO, obstacle, options)
            .ok()
            .flatten()?;
        Some(hit.time_of_impact - CLEARANCE_M)
    };
    let blocks = others().filter_map(|other| {
        let (obstacle, at) = solid(&state.blocks[other], 0.);
        until(obstacle.as_ref(), &at)
    });
    let walls = state.bins.iter().flat_map(BinState::walls).filter_map(|wall| {
        let at = Pose::from_parts(Vector::from_array(wall.centre_m), Rotation::IDENTITY);
        until(&Cuboid::new(Vector::from_array(wall.half_m)), &at)
    });
    let way = blocks.chain(walls).fold(reach, f32::min);
    falling.position_m[2] - way.max(0.)
}

/// The block's shape, thinner by so much on every side, and where it is.
fn solid(block: &BlockState, thinner_m: f32) -> (Box<dyn Solid>, Pose) {
    let [x, y, z] = block.half_extents_m().map(|half_m| half_m - thinner_m);
    match block.shape {
        Shape::Cuboid => (Box::new(Cuboid::new(Vector::new(x, y, z))), pose(block)),
        Shape::Cylinder => {
            let standing = Pose::from_parts(Vector::ZERO, Rotation::from_array(UPRIGHT));
            (Box::new(Cylinder::new(z, x)), pose(block) * standing)
        }
    }
}

fn pose(block: &BlockState) -> Pose {
    Pose::from_parts(
        Vector::from_array(block.position_m),
        Rotation::from_array(block.rotation).normalize(),
    )
}
