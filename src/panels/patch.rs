//! The patches of a picture: one of them selected, and where it lies on any grid that is drawn over the picture.

use egui::{Painter, Pos2, Rect, Response, Stroke, StrokeKind, vec2};

use crate::ui::Palette;

/// A patch of one of the models' grids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Rows and columns of its grid.
    pub grid: [usize; 2],
    /// Its row and column.
    pub at: [usize; 2],
}

impl Patch {
    /// Row and column of another grid's patch that holds the middle of this one.
    pub fn on(self, grid: [usize; 2]) -> [usize; 2] {
        std::array::from_fn(|axis| (2 * self.at[axis] + 1) * grid[axis] / (2 * self.grid[axis]).max(1))
    }
}

/// A grid of patches over a picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct PatchGrid {
    /// Of the picture.
    pub rect: Rect,
    /// Rows and columns.
    pub grid: [usize; 2],
}

impl PatchGrid {
    pub fn cell(&self, [row, column]: [usize; 2]) -> Rect {
        let size = vec2(
            self.rect.width() / self.grid[1] as f32,
            self.rect.height() / self.grid[0] as f32,
        );
        let min = self.rect.min + vec2(column as f32 * size.x, row as f32 * size.y);
        Rect::from_min_size(min, size)
    }

    /// Row and column of the patch at `pos`.
    pub fn under(&self, pos: Pos2) -> Option<[usize; 2]> {
        let [rows, columns] = self.grid;
        let inside = (pos - self.rect.min) / self.rect.size();
        let of = |share: f32, count: usize| ((share * count as f32) as usize).min(count - 1);
        self.rect
            .contains(pos)
            .then(|| [of(inside.y, rows), of(inside.x, columns)])
    }

    /// Outlines the selected patch and the one under the pointer, and selects by clicks, a second click taking it back.
    /// Row and column of the one under the pointer.
    pub fn select_ui(
        &self,
        painter: &Painter,
        response: &Response,
        selected: &mut Option<Patch>,
        p: &Palette,
    ) -> Option<[usize; 2]> {
        let under = response.hover_pos().and_then(|pos| self.under(pos));
        if response.clicked() {
            let before = selected.map(|patch| patch.on(self.grid));
            *selected = under
                .filter(|_| before != under)
                .map(|at| Patch { grid: self.grid, at });
        }
        if let Some(patch) = selected {
            let cell = self.cell(patch.on(self.grid));
            painter.rect_stroke(cell, 0.0, Stroke::new(3.0, p.over_edge), StrokeKind::Middle);
            painter.rect_stroke(cell, 0.0, Stroke::new(1.2, p.over), StrokeKind::Middle);
        }
        if let Some(at) = under {
            painter.rect_stroke(self.cell(at), 0.0, Stroke::new(1.0, p.over), StrokeKind::Inside);
        }
        under
    }
}

#[cfg(test)]
mod tests {
    use egui::pos2;

    use super::*;

    #[test]
    fn a_patch_lies_at_the_same_place_on_every_grid() {
        let patch = Patch {
            grid: [8, 8],
            at: [3, 7],
        };
        assert_eq!(patch.on([8, 8]), [3, 7]);
        assert_eq!(patch.on([4, 4]), [1, 3]);
        assert_eq!(patch.on([16, 16]), [7, 15]);
        assert_eq!(patch.on([1, 1]), [0, 0]);
    }

    #[test]
    fn every_point_of_a_cell_lies_in_it() {
        let rect = Rect::from_min_max(pos2(10.0, 20.0), pos2(90.0, 60.0));
        let patches = PatchGrid { rect, grid: [2, 4] };
        for row in 0..2 {
            for column in 0..4 {
                let cell = patches.cell([row, column]).shrink(0.1);
                for pos in [cell.min, cell.center(), cell.max] {
                    assert_eq!(patches.under(pos), Some([row, column]));
                }
            }
        }
        assert_eq!(patches.under(rect.max), Some([1, 3]), "the edge belongs to the picture");
        assert_eq!(patches.under(rect.max + vec2(1.0, 0.0)), None);
    }
}
