//! Where the panes stand: a tree that the user drags about, the same as plain data that is saved, and what it was before
//! each change.

use std::collections::BTreeMap;

use egui::{Id, Rect, Vec2};
use egui_tiles::{Container, Linear, LinearDir, SimplificationOptions, Tabs, Tile, TileId, Tiles, Tree};
use serde::{Deserialize, Serialize};

use super::pane::Pane;

/// Changes that can be taken back.
const HISTORY: usize = 50;
/// Tiles of panes have the pane's own number, so that a pane is the same to egui wherever it stands.
const FIRST_CONTAINER: u64 = 1000;
/// Height of the timeline with its title, points.
const TIMELINE: f32 = 97.0;

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
    /// The layout at the first start, for this room: the camera keeps the greatest share of a small window, too.
    pub fn standard(room: Vec2) -> Self {
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

    fn leaf(&mut self, wanted: Pane) -> Option<&mut Self> {
        match self {
            Self::Pane(pane) | Self::Closed(pane) => (*pane == wanted).then_some(self),
            Self::Tabs(_, children) => children.iter_mut().find_map(|child| child.leaf(wanted)),
            Self::Row(children) | Self::Column(children) => {
                children.iter_mut().find_map(|(_, child)| child.leaf(wanted))
            }
        }
    }

    /// Makes a pane the shown one of every row of tabs above it; whether it is in here.
    fn show(&mut self, wanted: Pane) -> bool {
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
    fn append(&mut self, pane: Pane) {
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

    /// The same layout whichever tab is shown: to look at another tab is no change that anybody wants to take back.
    fn without_shown(&self) -> Self {
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
                // A tile that is dropped in later has a share of 1, which should be a fair one.
                let sum: f32 = children.iter().map(|(share, _)| share.max(0.0)).sum();
                let fair = if sum > 0.0 { children.len() as f32 / sum } else { 1.0 };
                for (id, (share, _)) in ids.into_iter().zip(children) {
                    linear.shares.set_share(id, share.max(0.0) * fair);
                }
                put(tiles, Container::Linear(linear))
            }
        }
    }

    fn of(tiles: &Tiles<Pane>, id: TileId) -> Option<Self> {
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
                // Finer than anybody drags.
                let share = |id| (linear.shares[id] * 1000.0).round() / 1000.0;
                let children = children.into_iter().map(|(id, child)| (share(id), child)).collect();
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

pub fn tile_of(pane: Pane) -> TileId {
    TileId::from_u64(pane as u64 + 1)
}

/// The panes as they stand now, and the layouts that were saved under a name.
#[derive(Debug)]
pub struct Arrangement {
    /// Out while it is drawn, since panes change what it lies beside.
    tree: Option<Tree<Pane>>,
    /// The room that the standard layout was made for; none once the user has changed it.
    standard_for: Option<Vec2>,
    /// All of the room that panes have.
    room: Vec2,
    settled: Node,
    history: Vec<(Node, Option<Vec2>)>,
    pub named: BTreeMap<String, Node>,
}

impl Default for Arrangement {
    fn default() -> Self {
        let room = Vec2::new(1600.0, 930.0);
        let (tree, settled) = grown(&Node::standard(room));
        Self {
            tree: Some(tree),
            standard_for: Some(room),
            room,
            settled,
            history: Vec::new(),
            named: BTreeMap::new(),
        }
    }
}

/// The tree of a layout, and the layout as the tree tells it: the same, with shares as the tree counts them.
fn grown(node: &Node) -> (Tree<Pane>, Node) {
    let mut tiles = Tiles::default();
    let root = node.insert(&mut tiles);
    let told = Node::of(&tiles, root).unwrap_or_else(|| node.clone());
    (Tree::new(Id::unique("panes"), root, tiles), told)
}

impl Arrangement {
    /// The layout, if the user has made one: what is saved.
    pub fn custom(&self) -> Option<&Node> {
        self.standard_for.is_none().then_some(&self.settled)
    }

    /// Starts with a saved layout.
    pub fn restore(&mut self, node: Option<&Node>) {
        if let Some(node) = node {
            self.set(node);
            self.standard_for = None;
        }
        self.history.clear();
    }

    fn set(&mut self, node: &Node) {
        let (tree, settled) = grown(node);
        (self.tree, self.settled) = (Some(tree), settled);
    }

    /// A layout that nobody has changed follows the size of the window.
    pub fn fit(&mut self, room: Vec2) {
        self.room = room;
        if self.standard_for.is_some_and(|made_for| made_for != room) {
            self.set(&Node::standard(room));
            self.standard_for = Some(room);
        }
    }

    pub fn take_tree(&mut self) -> Option<Tree<Pane>> {
        self.tree.take()
    }

    /// Puts the tree back after it was drawn. `edited`: the user has changed it and holds nothing any more.
    pub fn put_tree(&mut self, mut tree: Tree<Pane>, edited: bool) {
        if edited {
            tree.simplify(&SimplificationOptions::default());
            let now = tree.root().and_then(|root| Node::of(&tree.tiles, root));
            if let Some(now) = now {
                if now.without_shown() != self.settled.without_shown() {
                    self.remember();
                }
                if now != self.settled {
                    self.settled = now;
                    self.standard_for = None;
                }
            }
        }
        // Something else may have replaced it meanwhile.
        self.tree.get_or_insert(tree);
    }

    fn remember(&mut self) {
        if self.history.len() == HISTORY {
            self.history.remove(0);
        }
        self.history.push((self.settled.clone(), self.standard_for));
    }

    fn change(&mut self, node: &Node) {
        let node = grown(node).1;
        if node.without_shown() != self.settled.without_shown() {
            self.remember();
        }
        if node != self.settled {
            self.standard_for = None;
            self.set(&node);
        }
    }

    pub fn is_open(&self, pane: Pane) -> bool {
        matches!(self.settled.clone().leaf(pane), Some(Node::Pane(_)))
    }

    /// Where a pane was drawn in this frame, points; none if it is closed or behind another tab.
    pub fn room_of(&self, pane: Pane) -> Option<Rect> {
        self.tree.as_ref()?.tiles.rect(tile_of(pane))
    }

    /// Opens a closed pane where it was, or shows its tab.
    pub fn open(&mut self, pane: Pane) {
        let mut node = self.settled.clone();
        match node.leaf(pane) {
            Some(leaf) => *leaf = Node::Pane(pane),
            None => node.append(pane),
        }
        node.show(pane);
        self.change(&node);
    }

    pub fn close(&mut self, pane: Pane) {
        let mut node = self.settled.clone();
        if let Some(leaf) = node.leaf(pane) {
            *leaf = Node::Closed(pane);
        }
        self.change(&node);
    }

    /// Shows the tab of a pane that is open.
    pub fn show(&mut self, pane: Pane) {
        let mut node = self.settled.clone();
        node.show(pane);
        self.change(&node);
    }

    /// Back to the layout of the first start.
    pub fn reset(&mut self) {
        self.change(&Node::standard(self.room));
        self.standard_for = Some(self.room);
    }

    pub fn can_undo(&self) -> bool {
        !self.history.is_empty()
    }

    pub fn undo(&mut self) {
        if let Some((node, standard_for)) = self.history.pop() {
            self.set(&node);
            self.standard_for = standard_for;
        }
    }

    /// Keeps the layout under a name; one that has this name already is replaced.
    pub fn save_as(&mut self, name: &str) {
        self.named.insert(name.to_owned(), self.settled.clone());
    }

    pub fn use_named(&mut self, name: &str) {
        if let Some(node) = self.named.get(name).cloned() {
            self.change(&node);
        }
    }

    pub fn forget(&mut self, name: &str) {
        self.named.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Vec2 = Vec2::new(1600.0, 930.0);

    fn standard(room: Vec2) -> Node {
        grown(&Node::standard(room)).1
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
        assert_eq!(grown(&node).1, node);
        let text = ron::ser::to_string_pretty(&node, ron::ser::PrettyConfig::default()).unwrap();
        assert_eq!(ron::from_str::<Node>(&text).unwrap(), node);
    }

    #[test]
    fn every_pane_is_closed_brought_back_to_its_place_and_undone() {
        let mut panes = Arrangement::default();
        let before = panes.settled.clone();
        for &pane in Pane::ALL {
            assert!(panes.is_open(pane), "{pane:?}");
            panes.close(pane);
            assert!(!panes.is_open(pane), "{pane:?}");
        }
        assert!(panes.custom().is_some());
        panes.close(Pane::Camera);
        for &pane in Pane::ALL.iter().rev() {
            panes.open(pane);
        }
        assert_eq!(panes.settled, before, "each came back to where it was");
        for _ in 0..Pane::ALL.len() * 2 {
            assert!(panes.can_undo());
            panes.undo();
        }
        assert!(!panes.can_undo(), "to close what is closed is no change");
        assert!(panes.custom().is_none(), "as at the first start");
    }

    #[test]
    fn a_pane_that_a_saved_layout_lacks_opens_as_a_tab() {
        let mut panes = Arrangement::default();
        panes.restore(Some(&Node::Row(vec![
            (1.0, Node::Pane(Pane::Camera)),
            (1.0, Node::Pane(Pane::Cem)),
        ])));
        panes.open(Pane::Reasoning);
        let tabs = Node::Tabs(1, vec![Node::Pane(Pane::Cem), Node::Pane(Pane::Reasoning)]);
        assert_eq!(
            panes.settled,
            Node::Row(vec![(1.0, Node::Pane(Pane::Camera)), (1.0, tabs)])
        );
        panes.show(Pane::Cem);
        panes.undo();
        assert!(!panes.is_open(Pane::Reasoning), "to look at another tab is no change");
    }

    #[test]
    fn an_untouched_layout_follows_the_window_and_a_named_one_comes_back() {
        let mut panes = Arrangement::default();
        panes.fit(Vec2::new(1120.0, 630.0));
        assert_eq!(panes.settled, standard(Vec2::new(1120.0, 630.0)));
        panes.close(Pane::Cem);
        let mine = panes.settled.clone();
        panes.save_as("no plans");
        panes.fit(ROOM);
        assert_eq!(panes.settled, mine, "what the user has made stays");
        panes.reset();
        assert!(panes.custom().is_none());
        panes.use_named("no plans");
        assert_eq!(panes.custom(), Some(&mine));
        panes.undo();
        assert_eq!((panes.custom(), panes.settled.clone()), (None, standard(ROOM)));
    }
}
