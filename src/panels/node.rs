//! A layout as plain data: what is saved, the standard ones, and the tree of tiles that grows from it.

use egui::{Id, Vec2};
use egui_tiles::{Container, Linear, LinearDir, Tabs, Tile, TileId, Tiles, Tree};
use serde::{Deserialize, Serialize};

use super::pane::Pane;
use super::state::Workspace;

/// Tiles of panes have the pane's own number, so that a pane is the same to egui wherever it stands.
const FIRST_CONTAINER: u64 = 1000;
/// Height of the timeline with its title, points.
const TIMELINE: f32 = 97.0;
/// Width of the form of a run, and of its samples, points.
const FORM: f32 = 370.0;
const SAMPLES: f32 = 380.0;

/// A part of a layout, as it is saved. The numbers are shares of the room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Node {
    Pane(Pane),
    /// It keeps its place until it is brought back.
    Closed(Pane),
    /// Which of them is shown, and all of them.
    Tabs(usize, Vec<Node>),
    Row(Vec<(f32, Node)>),
    Column(Vec<(f32, Node)>),
}

impl Node {
    /// The layout at the first start, for this room.
    pub fn standard(workspace: Workspace, room: Vec2) -> Self {
        match workspace {
            Workspace::Episode => Self::episode(room),
            Workspace::Training => Self::training(room),
        }
    }

    /// The camera keeps the greatest share of a small window, too.
    fn episode(room: Vec2) -> Self {
        let time = (room.y * 0.3).clamp(235.0, 280.0);
        let left = (room.x * 0.27).min(375.0);
        let right = (room.x * 0.28).min(410.0);
        let pane = |share, pane| (share, Self::Pane(pane));
        let why = [Pane::Cem, Pane::Latent, Pane::Compare].map(Self::Pane);
        let why = Self::Tabs(0, why.to_vec());
        let words = Self::Column(vec![pane(0.55, Pane::SubGoals), pane(0.45, Pane::Reasoning)]);
        Self::Column(vec![
            (
                room.y - time,
                Self::Row(vec![
                    (left, words),
                    pane(room.x - left - right, Pane::Camera),
                    (right, why),
                ]),
            ),
            (TIMELINE, Self::Pane(Pane::Timeline)),
            (time - TIMELINE, Self::Pane(Pane::Similarity)),
        ])
    }

    /// What is typed and read keeps its width; the curves have the rest.
    fn training(room: Vec2) -> Self {
        let pane = |share, pane| (share, Self::Pane(pane));
        let runs = Self::Column(vec![pane(0.4, Pane::Runs), pane(0.6, Pane::Train)]);
        let curves = (room.x - FORM - SAMPLES).max(FORM);
        Self::Row(vec![
            (FORM, runs),
            pane(curves, Pane::Metrics),
            pane(SAMPLES, Pane::Samples),
        ])
    }

    pub(super) fn leaf(&mut self, wanted: Pane) -> Option<&mut Self> {
        match self {
            Self::Pane(pane) | Self::Closed(pane) => (*pane == wanted).then_some(self),
            Self::Tabs(_, children) => children.iter_mut().find_map(|child| child.leaf(wanted)),
            Self::Row(children) | Self::Column(children) => {
                children.iter_mut().find_map(|(_, child)| child.leaf(wanted))
            }
        }
    }

    /// Makes a pane the shown one of every row of tabs above it; whether it is in here.
    pub(super) fn show(&mut self, wanted: Pane) -> bool {
        match self {
            Self::Pane(pane) | Self::Closed(pane) => *pane == wanted,
            Self::Tabs(shown, children) => {
                let found = children.iter_mut().position(|child| child.show(wanted));
                *shown = found.unwrap_or(*shown);
                found.is_some()
            }
            Self::Row(children) | Self::Column(children) => children.iter_mut().any(|(_, child)| child.show(wanted)),
        }
    }

    /// A pane that no layout knows yet goes behind the last one, as a tab.
    pub(super) fn append(&mut self, pane: Pane) {
        match self {
            Self::Row(children) | Self::Column(children) if !children.is_empty() => {
                if let Some((_, last)) = children.last_mut() {
                    last.append(pane);
                }
            }
            Self::Tabs(_, children) => children.push(Self::Pane(pane)),
            other => {
                let before = std::mem::replace(other, Self::Pane(pane));
                *other = Self::Tabs(1, vec![before, Self::Pane(pane)]);
            }
        }
    }

    /// The same layout whichever tab is shown.
    pub(super) fn without_shown(&self) -> Self {
        let each = |children: &[(f32, Self)]| {
            let child = |(share, child): &(f32, Self)| (*share, child.without_shown());
            children.iter().map(child).collect()
        };
        match self {
            Self::Tabs(_, children) => Self::Tabs(0, children.iter().map(Self::without_shown).collect()),
            Self::Row(children) => Self::Row(each(children)),
            Self::Column(children) => Self::Column(each(children)),
            leaf => leaf.clone(),
        }
    }

    fn insert(&self, tiles: &mut Tiles<Pane>) -> TileId {
        let put = |tiles: &mut Tiles<Pane>, container: Container| {
            let id = (FIRST_CONTAINER..)
                .map(TileId::from_u64)
                .find(|id| tiles.get(*id).is_none());
            let id = id.unwrap_or_else(|| tiles.next_free_id());
            tiles.insert(id, Tile::Container(container));
            id
        };
        match self {
            Self::Pane(pane) | Self::Closed(pane) => {
                let id = tile_of(*pane);
                tiles.insert(id, Tile::Pane(*pane));
                tiles.set_visible(id, matches!(self, Self::Pane(_)));
                id
            }
            Self::Tabs(shown, children) => {
                let children: Vec<TileId> = children.iter().map(|child| child.insert(tiles)).collect();
                let mut tabs = Tabs::new(children);
                tabs.active = tabs.children.get(*shown).copied().or(tabs.active);
                put(tiles, Container::Tabs(tabs))
            }
            Self::Row(children) | Self::Column(children) => {
                let direction = match self {
                    Self::Row(_) => LinearDir::Horizontal,
                    _ => LinearDir::Vertical,
                };
                let ids: Vec<TileId> = children.iter().map(|(_, child)| child.insert(tiles)).collect();
                let mut linear = Linear::new(direction, ids.clone());
                let shares = children.iter().map(|(share, _)| share.max(0.0)).collect();
                for (id, share) in ids.into_iter().zip(fair(shares)) {
                    linear.shares.set_share(id, share);
                }
                put(tiles, Container::Linear(linear))
            }
        }
    }

    pub(super) fn of(tiles: &Tiles<Pane>, id: TileId) -> Option<Self> {
        let all = |children: &[TileId]| -> Vec<(TileId, Self)> {
            let known = |&child: &TileId| Some((child, Self::of(tiles, child)?));
            children.iter().filter_map(known).collect()
        };
        Some(match tiles.get(id)? {
            Tile::Pane(pane) if tiles.is_visible(id) => Self::Pane(*pane),
            Tile::Pane(pane) => Self::Closed(*pane),
            Tile::Container(Container::Tabs(tabs)) => {
                let children = all(&tabs.children);
                let shown = children.iter().position(|(child, _)| tabs.active == Some(*child));
                Self::Tabs(
                    shown.unwrap_or(0),
                    children.into_iter().map(|(_, child)| child).collect(),
                )
            }
            Tile::Container(Container::Linear(linear)) => {
                let children = all(&linear.children);
                let shares = fair(children.iter().map(|(id, _)| linear.shares[*id]).collect());
                // Finer than anybody drags.
                let shares = shares.into_iter().map(|share| (share * 1000.0).round() / 1000.0);
                let children = shares.zip(children.into_iter().map(|(_, child)| child)).collect();
                match linear.dir {
                    LinearDir::Horizontal => Self::Row(children),
                    LinearDir::Vertical => Self::Column(children),
                }
            }
            // Nothing makes one; should one come up, its tiles stand in a row.
            Tile::Container(Container::Grid(grid)) => {
                let children: Vec<TileId> = grid.children().copied().collect();
                Self::Row(all(&children).into_iter().map(|(_, child)| (1.0, child)).collect())
            }
        })
    }
}

/// The same shares with a mean of 1, which is what a tile has that is dropped in later. Rounded ones that had it before stay as
/// they are, so that a layout is the same however often it goes through a tree.
fn fair(shares: Vec<f32>) -> Vec<f32> {
    let (sum, count) = (shares.iter().sum::<f32>(), shares.len() as f32);
    let by = if sum > 0.0 && (sum / count - 1.0).abs() > 1e-3 {
        count / sum
    } else {
        1.0
    };
    shares.into_iter().map(|share| share * by).collect()
}

pub fn tile_of(pane: Pane) -> TileId {
    TileId::from_u64(pane as u64 + 1)
}

/// The tree of a layout, and the layout as the tree tells it: the same, with shares as the tree counts them.
pub(super) fn grown(workspace: Workspace, node: &Node) -> (Tree<Pane>, Node) {
    let mut tiles = Tiles::default();
    let root = node.insert(&mut tiles);
    let told = Node::of(&tiles, root).unwrap_or_else(|| node.clone());
    (Tree::new(Id::unique(("panes", workspace)), root, tiles), told)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Vec2 = Vec2::new(1600.0, 930.0);
    const SMALL_ROOM: Vec2 = Vec2::new(1120.0, 630.0);

    fn told(node: &Node) -> Node {
        grown(Workspace::Episode, node).1
    }

    #[test]
    fn a_layout_goes_through_the_tree_and_through_text_unchanged() {
        let node = Node::Row(vec![
            (
                1.2,
                Node::Tabs(1, vec![Node::Pane(Pane::Cem), Node::Pane(Pane::Camera)]),
            ),
            (
                0.8,
                Node::Column(vec![
                    (0.5, Node::Pane(Pane::Timeline)),
                    (1.5, Node::Closed(Pane::Similarity)),
                ]),
            ),
        ]);
        assert_eq!(told(&node), node);
        let text = ron::ser::to_string_pretty(&node, ron::ser::PrettyConfig::default()).unwrap();
        assert_eq!(ron::from_str::<Node>(&text).unwrap(), node);
    }

    /// Widths of what stands in a row, points.
    fn widths(row: &Node, room: f32) -> Vec<f32> {
        let Node::Row(children) = row else {
            panic!("{row:?}");
        };
        let sum: f32 = children.iter().map(|(share, _)| share).sum();
        children.iter().map(|(share, _)| (share / sum * room).round()).collect()
    }

    #[test]
    fn the_standard_layouts_give_the_most_room_to_what_is_looked_at() {
        for room in [ROOM, SMALL_ROOM] {
            let Node::Column(rows) = Node::standard(Workspace::Episode, room) else {
                panic!("the episode has rows");
            };
            let heights: Vec<f32> = rows.iter().map(|(height, _)| *height).collect();
            assert!((heights.iter().sum::<f32>() - room.y).abs() < 0.1, "{heights:?}");
            let [left, camera, right] = widths(&rows[0].1, room.x)[..] else {
                panic!("{rows:?}");
            };
            assert!(camera > left && camera > right && heights[0] > 0.6 * room.y);
        }
        for (room, curves) in [(ROOM, 850.0), (SMALL_ROOM, 370.0)] {
            let node = Node::standard(Workspace::Training, room);
            assert_eq!(widths(&node, room.x), [370.0, curves, 380.0]);
        }
    }
}
