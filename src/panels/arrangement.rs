//! Where the panes of a workspace stand: a tree that the user drags about, the layout that it had when it was last let go,
//! and the layouts that have a name.

use std::collections::BTreeMap;

use egui::{Rect, Vec2};
use egui_tiles::{SimplificationOptions, Tree};

use super::node::{Node, grown, tile_of};
use super::pane::Pane;
use super::state::Workspace;

/// A layout, and the room that it was made for if it is the standard one; none once the user has changed it.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    node: Node,
    standard_for: Option<Vec2>,
}

impl Layout {
    /// Whether panes stand otherwise. To look at another tab is no change that anybody wants to take back.
    pub fn is_another_than(&self, before: &Self) -> bool {
        self.node.without_shown() != before.node.without_shown()
    }
}

/// The panes of a workspace as they stand now, and the layouts that were saved under a name.
#[derive(Debug)]
pub struct Arrangement {
    workspace: Workspace,
    /// Out while it is drawn, since panes change what it lies beside.
    tree: Option<Tree<Pane>>,
    /// All of the room that panes have.
    room: Vec2,
    /// What the tree was when nothing of it was held.
    settled: Layout,
    pub named: BTreeMap<String, Node>,
}

impl Arrangement {
    /// The standard layout.
    pub fn new(workspace: Workspace) -> Self {
        let room = Vec2::new(1600.0, 930.0);
        let (tree, node) = grown(workspace, &Node::standard(workspace, room));
        let settled = Layout {
            node,
            standard_for: Some(room),
        };
        Self {
            workspace,
            tree: Some(tree),
            room,
            settled,
            named: BTreeMap::new(),
        }
    }

    /// The layout, if the user has made one: what is saved.
    pub fn custom(&self) -> Option<&Node> {
        self.settled.standard_for.is_none().then_some(&self.settled.node)
    }

    /// Starts with a saved layout.
    pub fn restore(&mut self, node: Option<&Node>) {
        if let Some(node) = node {
            self.set(node, None);
        }
    }

    /// What to come back to with [`Self::set_layout`].
    pub fn layout(&self) -> &Layout {
        &self.settled
    }

    pub fn set_layout(&mut self, layout: &Layout) {
        self.set(&layout.node, layout.standard_for);
    }

    fn set(&mut self, node: &Node, standard_for: Option<Vec2>) {
        let (tree, node) = grown(self.workspace, node);
        self.tree = Some(tree);
        self.settled = Layout { node, standard_for };
    }

    /// A layout that nobody has changed follows the size of the window.
    pub fn fit(&mut self, room: Vec2) {
        self.room = room;
        if self.settled.standard_for.is_some_and(|made_for| made_for != room) {
            self.reset();
        }
    }

    /// Back to the layout of the first start.
    pub fn reset(&mut self) {
        self.set(&Node::standard(self.workspace, self.room), Some(self.room));
    }

    pub fn take_tree(&mut self) -> Option<Tree<Pane>> {
        self.tree.take()
    }

    /// Puts the tree back after it was drawn. `edited`: the user has changed it and holds nothing any more.
    pub fn put_tree(&mut self, mut tree: Tree<Pane>, edited: bool) {
        if edited {
            tree.simplify(&SimplificationOptions::default());
            let now = tree.root().and_then(|root| Node::of(&tree.tiles, root));
            if let Some(node) = now.filter(|now| *now != self.settled.node) {
                self.settled = Layout {
                    node,
                    standard_for: None,
                };
            }
        }
        // Something else may have replaced it meanwhile.
        self.tree.get_or_insert(tree);
    }

    fn change(&mut self, node: &Node) {
        if grown(self.workspace, node).1 != self.settled.node {
            self.set(node, None);
        }
    }

    pub fn is_open(&self, pane: Pane) -> bool {
        matches!(self.settled.node.clone().leaf(pane), Some(Node::Pane(_)))
    }

    /// Where a pane was drawn in this frame, points; none if it is closed or behind another tab.
    pub fn room_of(&self, pane: Pane) -> Option<Rect> {
        self.tree.as_ref()?.tiles.rect(tile_of(pane))
    }

    /// Opens a closed pane where it was, or shows its tab.
    pub fn open(&mut self, pane: Pane) {
        let mut node = self.settled.node.clone();
        match node.leaf(pane) {
            Some(leaf) => *leaf = Node::Pane(pane),
            None => node.append(pane),
        }
        node.show(pane);
        self.change(&node);
    }

    pub fn close(&mut self, pane: Pane) {
        let mut node = self.settled.node.clone();
        if let Some(leaf) = node.leaf(pane) {
            *leaf = Node::Closed(pane);
        }
        self.change(&node);
    }

    /// Shows the tab of a pane that is open.
    pub fn show(&mut self, pane: Pane) {
        let mut node = self.settled.node.clone();
        node.show(pane);
        self.change(&node);
    }

    /// Keeps the layout under a name; one that has this name already is replaced.
    pub fn save_as(&mut self, name: &str) {
        self.named.insert(name.to_owned(), self.settled.node.clone());
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
    const EACH: [Workspace; 2] = [Workspace::Episode, Workspace::Training];

    #[test]
    fn every_pane_is_closed_brought_back_to_its_place_and_undone() {
        for workspace in EACH {
            let mut panes = Arrangement::new(workspace);
            let before = panes.layout().clone();
            for &pane in Pane::of(workspace) {
                assert!(panes.is_open(pane), "{pane:?}");
                panes.close(pane);
                assert!(!panes.is_open(pane), "{pane:?}");
            }
            assert!(panes.custom().is_some());
            let closed = panes.layout().clone();
            panes.close(Pane::of(workspace)[0]);
            assert!(!panes.layout().is_another_than(&closed), "it is closed already");
            for &pane in Pane::of(workspace).iter().rev() {
                panes.open(pane);
            }
            assert_eq!(panes.settled.node, before.node, "each came back to where it was");
            panes.set_layout(&before);
            assert!(panes.custom().is_none(), "as at the first start");
        }
    }

    #[test]
    fn a_pane_that_a_saved_layout_lacks_opens_as_a_tab() {
        let mut panes = Arrangement::new(Workspace::Episode);
        panes.restore(Some(&Node::Row(vec![
            (1.0, Node::Pane(Pane::Camera)),
            (1.0, Node::Pane(Pane::Cem)),
        ])));
        panes.open(Pane::Reasoning);
        let tabs = Node::Tabs(1, vec![Node::Pane(Pane::Cem), Node::Pane(Pane::Reasoning)]);
        assert_eq!(
            panes.settled.node,
            Node::Row(vec![(1.0, Node::Pane(Pane::Camera)), (1.0, tabs)])
        );
        let before = panes.layout().clone();
        panes.show(Pane::Cem);
        assert_ne!(panes.layout(), &before);
        assert!(
            !panes.layout().is_another_than(&before),
            "to look at another tab is no change"
        );
    }

    #[test]
    fn an_untouched_layout_follows_the_window_and_a_named_one_comes_back() {
        for (workspace, pane) in EACH.into_iter().zip([Pane::Cem, Pane::Samples]) {
            let standard = |room| grown(workspace, &Node::standard(workspace, room)).1;
            let mut panes = Arrangement::new(workspace);
            panes.fit(Vec2::new(1120.0, 630.0));
            assert_eq!(panes.settled.node, standard(Vec2::new(1120.0, 630.0)));
            panes.close(pane);
            let mine = panes.settled.node.clone();
            panes.save_as("less");
            panes.fit(ROOM);
            assert_eq!(panes.settled.node, mine, "what the user has made stays");
            panes.reset();
            assert_eq!((panes.custom(), &panes.settled.node), (None, &standard(ROOM)));
            panes.use_named("less");
            assert_eq!(panes.custom(), Some(&mine));
            panes.forget("less");
            assert!(panes.named.is_empty());
        }
    }
}
