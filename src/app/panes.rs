//! The panes in their places: how tiles look, and what a title's clicks, drags and menu do.

use std::collections::HashMap;

use egui::{Color32, Id, Response, Stroke, Style, Ui, Visuals, WidgetText};
use egui_tiles::{Behavior, Container, EditAction, ResizeState, Tabs, Tile, TileId, Tiles, Tree, UiResponse};

use crate::panels::{Pane, View, ViewState, WindowAct, tile_of};
use crate::ui::pane_title::{PaneTitle, pane_builder};
use crate::ui::{Palette, faces};

/// The panes of the workspace that is shown, in all of the room there is.
pub fn panes_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let room = ui.available_size();
    let workspace = state.workspace;
    let panes = &mut state.shell.panes[workspace];
    panes.fit(room);
    let Some(mut tree) = panes.take_tree() else {
        return;
    };
    if !Pane::of(workspace).iter().any(|&pane| state.panes().is_open(pane)) {
        let advice = "Press Ctrl+P and type reset, or bring one back from View.";
        faces::empty_ui(ui, "Every pane is closed.", advice);
    }
    let titles = titles(&tree);
    let mut shown = Shown {
        state,
        view,
        titles: &titles,
        edited: false,
    };
    tree.ui(&mut shown, ui);
    let edited = shown.edited;
    for title in titles.values().flatten() {
        title_acts(ui, title, state);
    }
    // While something is held, the layout is on its way to another one.
    let held = ui.input(|input| input.pointer.any_down());
    let pending = ui.data_mut(|data| {
        let pending = data.get_temp_mut_or_default::<bool>(Id::unique(("layout-edited", workspace)));
        *pending |= edited;
        if held { false } else { std::mem::take(pending) }
    });
    state.change_layout(workspace, |panes| panes.put_tree(tree, pending));
}

/// A pane's titles: its own, or all of those that share its place.
type Titles = HashMap<Pane, Vec<PaneTitle>>;

fn titles(tree: &Tree<Pane>) -> Titles {
    let title = |tile: TileId, pane: Pane, shown| PaneTitle {
        id: tile.egui_id(tree.id()),
        title: pane.title(),
        shown,
    };
    let mut titles: Titles = HashMap::new();
    for (&tile, pane) in panes(&tree.tiles) {
        let alone = || vec![title(tile, pane, true)];
        titles.entry(pane).or_insert_with(alone);
    }
    for tabs in tree.tiles.tiles().filter_map(as_tabs) {
        if let Some(children) = panes_of(&tree.tiles, tabs) {
            for &(_, pane) in &children {
                let shown = |&(tile, pane): &(TileId, Pane)| title(tile, pane, tabs.active == Some(tile));
                titles.insert(pane, children.iter().map(shown).collect());
            }
        } else {
            // Their titles are the tabs above them.
            let beside = tabs.children.iter().filter_map(|child| tree.tiles.get_pane(child));
            titles.extend(beside.map(|&pane| (pane, Vec::new())));
        }
    }
    titles
}

fn panes(tiles: &Tiles<Pane>) -> impl Iterator<Item = (&TileId, Pane)> {
    tiles.iter().filter_map(|(id, tile)| match tile {
        Tile::Pane(pane) => Some((id, *pane)),
        Tile::Container(_) => None,
    })
}

fn as_tabs(tile: &Tile<Pane>) -> Option<&Tabs> {
    match tile {
        Tile::Container(Container::Tabs(tabs)) => Some(tabs),
        _ => None,
    }
}

/// The open panes of these tabs; none where one of them is more than a pane.
fn panes_of(tiles: &Tiles<Pane>, tabs: &Tabs) -> Option<Vec<(TileId, Pane)>> {
    let children = tabs.children.iter().filter(|child| tiles.is_visible_in_layout(**child));
    children.map(|child| Some((*child, *tiles.get_pane(child)?))).collect()
}

fn title_acts(ui: &Ui, title: &PaneTitle, state: &mut ViewState) {
    let Some(pane) = Pane::ALL.iter().copied().find(|pane| pane.title() == title.title) else {
        return;
    };
    let clicked = |id| ui.ctx().read_response(id).is_some_and(|response| response.clicked());
    if let Some(response) = ui.ctx().read_response(title.id) {
        if response.clicked() && !title.shown {
            state.shell.acts.push(WindowAct::OpenPane(pane));
        }
        if response.middle_clicked() || clicked(title.close_id()) {
            state.shell.acts.push(WindowAct::ClosePane(pane));
        }
        menu(&response, pane, state);
    }
}

fn menu(response: &Response, pane: Pane, state: &mut ViewState) {
    response.context_menu(|ui| {
        for (text, act) in [
            ("Close this pane", WindowAct::ClosePane(pane)),
            ("Save a picture of this pane", WindowAct::Picture(pane)),
            ("Reset the layout", WindowAct::ResetLayout),
        ] {
            if ui.button(text).clicked() {
                state.shell.acts.push(act);
                ui.close();
            }
        }
    });
}

struct Shown<'a, 'v> {
    state: &'a mut ViewState,
    view: &'a View<'v>,
    titles: &'a Titles,
    edited: bool,
}

impl Shown<'_, '_> {
    /// Tabs of plain panes stand in the panes' own title strip.
    fn in_strip(&self, tabs: &Tabs) -> bool {
        let is_pane = |child: &TileId| Pane::ALL.iter().any(|&pane| tile_of(pane) == *child);
        tabs.children.iter().all(is_pane)
    }
}

impl Behavior<Pane> for Shown<'_, '_> {
    fn pane_ui(&mut self, ui: &mut Ui, _tile: TileId, pane: &mut Pane) -> UiResponse {
        let p = Palette::of(ui);
        let room = ui.max_rect();
        ui.painter().rect_filled(room, 0.0, p.panel);
        let titles = self.titles.get(pane).cloned().unwrap_or_default();
        // The same to egui wherever it stands, so that what was scrolled or unfolded stays so.
        let builder = pane_builder(titles)
            .scope_id(Id::unique(("pane", *pane)))
            .max_rect(room);
        ui.scope_builder(builder, |ui| {
            pane.ui(ui, self.state, self.view);
        });
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, pane: &Pane) -> WidgetText {
        pane.title().into()
    }

    /// A tab that is more than a pane is called by what it holds.
    fn tab_title_for_tile(&mut self, tiles: &Tiles<Pane>, tile: TileId) -> WidgetText {
        fn names(tiles: &Tiles<Pane>, tile: TileId, into: &mut Vec<&'static str>) {
            match tiles.get(tile) {
                Some(Tile::Pane(pane)) if tiles.is_visible(tile) => into.push(pane.title()),
                Some(Tile::Container(container)) => {
                    container.children().for_each(|&child| names(tiles, child, into));
                }
                _ => {}
            }
        }
        let mut all = Vec::new();
        names(tiles, tile, &mut all);
        all.join(", ").into()
    }

    fn drag_ui(&mut self, tiles: &Tiles<Pane>, ui: &mut Ui, tile: TileId) {
        let title = self.tab_title_for_tile(tiles, tile);
        egui::Frame::popup(ui.style()).show(ui, |ui| ui.label(title));
    }

    fn is_tab_bar_visible(&self, _tile: TileId, tabs: &Tabs) -> bool {
        !self.in_strip(tabs)
    }

    fn on_edit(&mut self, _action: EditAction) {
        self.edited = true;
    }

    fn min_size(&self) -> f32 {
        64.0
    }

    fn tab_bar_color(&self, visuals: &Visuals) -> Color32 {
        Palette::theme(visuals.dark_mode).header
    }

    fn tab_outline_stroke(
        &self,
        _visuals: &Visuals,
        _tiles: &Tiles<Pane>,
        _tile: TileId,
        _state: &egui_tiles::TabState,
    ) -> Stroke {
        Stroke::NONE
    }

    fn tab_text_color(
        &self,
        visuals: &Visuals,
        _tiles: &Tiles<Pane>,
        _tile: TileId,
        state: &egui_tiles::TabState,
    ) -> Color32 {
        let p = Palette::theme(visuals.dark_mode);
        if state.active { p.strong } else { p.weak }
    }

    fn resize_stroke(&self, style: &Style, resize: ResizeState) -> Stroke {
        let p = Palette::theme(style.visuals.dark_mode);
        match resize {
            ResizeState::Idle => Stroke::new(1.0, p.line),
            ResizeState::Hovering => Stroke::new(2.0, p.edge),
            ResizeState::Dragging => Stroke::new(2.0, p.accent),
        }
    }

    fn drag_preview_color(&self, visuals: &Visuals) -> Color32 {
        Palette::theme(visuals.dark_mode).accent.gamma_multiply(0.15)
    }

    fn dragged_overlay_color(&self, visuals: &Visuals) -> Color32 {
        Palette::theme(visuals.dark_mode).panel.gamma_multiply(0.6)
    }
}
