//! The system's file dialog, on a thread of its own: the window goes on while it is open, and where there is none it just
//! comes back with nothing. It gives nothing for a dialog that was cancelled and for one that could not be opened alike.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, TryRecvError, bounded};
use egui::Context;

/// Nobody cancels a dialog faster than this.
const BLINK: Duration = Duration::from_millis(300);

/// What a path is wanted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    Folder,
    /// A file that is there, with one of these extensions.
    File(&'static [&'static str]),
    /// A place to write to.
    NewFile,
}

/// Opens a dialog near a path and waits for its answer.
pub type Choose = Arc<dyn Fn(&Wanted, &Path) -> Option<PathBuf> + Send + Sync>;

/// What came of a dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Chosen(PathBuf),
    Cancelled,
    /// It came back before anybody could have seen it.
    NotThere,
    /// The system had no thread to give; why, in its words.
    NotOpened(String),
}

/// What a dialog gave, and how long it was open.
type Closed = (Option<PathBuf>, Duration);

/// One dialog at a time, opened for a `Field`.
pub struct FileDialog<Field> {
    /// The system's own; tests put another in its place.
    pub choose: Choose,
    waiting: Option<(Field, Receiver<Closed>)>,
    refused: Option<(Field, String)>,
}

impl<Field> Default for FileDialog<Field> {
    fn default() -> Self {
        Self {
            choose: Arc::new(choose),
            waiting: None,
            refused: None,
        }
    }
}

impl<Field> FileDialog<Field> {
    pub fn is_open(&self) -> bool {
        self.waiting.is_some()
    }

    /// Opens the dialog, unless one is open already.
    pub fn ask(&mut self, ctx: &Context, field: Field, wanted: Wanted, near: &str) {
        if self.waiting.is_some() {
            return;
        }
        let (sender, answer) = bounded(1);
        let (choose, waker, near) = (Arc::clone(&self.choose), ctx.clone(), PathBuf::from(near.trim()));
        let started = std::thread::Builder::new()
            .name("file-dialog".to_owned())
            .spawn(move || {
                let opened = Instant::now();
                let given = choose(&wanted, &near);
                // The window may be closed by now; then nobody waits.
                let _ = sender.send((given, opened.elapsed()));
                waker.request_repaint();
            });
        match started {
            Ok(_) => self.waiting = Some((field, answer)),
            Err(err) => self.not_opened(field, &err),
        }
    }

    /// The answer will be that there was no dialog.
    pub fn not_opened(&mut self, field: Field, err: &std::io::Error) {
        self.refused = Some((field, err.to_string()));
    }

    /// The answer, once there is one.
    pub fn answer(&mut self) -> Option<(Field, Answer)> {
        if let Some((field, err)) = self.refused.take() {
            return Some((field, Answer::NotOpened(err)));
        }
        let (_, answer) = self.waiting.as_ref()?;
        let answer = match answer.try_recv() {
            Err(TryRecvError::Empty) => return None,
            Ok((Some(path), _)) => Answer::Chosen(path),
            Ok((None, open)) if open >= BLINK => Answer::Cancelled,
            // Its thread panicked, which is as good as no dialog.
            Ok((None, _)) | Err(TryRecvError::Disconnected) => Answer::NotThere,
        };
        let (field, _) = self.waiting.take()?;
        Some((field, answer))
    }
}

fn choose(wanted: &Wanted, near: &Path) -> Option<PathBuf> {
    let mut dialog = rfd::FileDialog::new();
    let near = std::path::absolute(near).unwrap_or_default();
    if let Some(folder) = near.ancestors().find(|folder| folder.is_dir()) {
        dialog = dialog.set_directory(folder);
    }
    match wanted {
        Wanted::Folder => dialog.pick_folder(),
        Wanted::File(extensions) => dialog.add_filter(extensions.join(", "), extensions).pick_file(),
        Wanted::NewFile => {
            if let Some(name) = near.file_name() {
                dialog = dialog.set_file_name(name.to_string_lossy());
            }
            dialog.save_file()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(dialog: &mut FileDialog<u8>) -> (u8, Answer) {
        let begun = Instant::now();
        loop {
            if let Some(answer) = dialog.answer() {
                return answer;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "the dialog never came back");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn a_dialog_that_is_not_there_or_panics_comes_back_and_another_can_be_asked() {
        let ctx = Context::default();
        let mut dialog = FileDialog::default();
        for (choose, expected) in [
            (Arc::new(|_: &Wanted, _: &Path| None) as Choose, Answer::NotThere),
            (Arc::new(|_: &Wanted, _: &Path| panic!("no portal")), Answer::NotThere),
            (
                Arc::new(|_: &Wanted, _: &Path| {
                    std::thread::sleep(BLINK);
                    None
                }),
                Answer::Cancelled,
            ),
            (
                Arc::new(|_: &Wanted, near: &Path| Some(near.join("a"))),
                Answer::Chosen(PathBuf::from("x/a")),
            ),
        ] {
            dialog.choose = choose;
            dialog.ask(&ctx, 7, Wanted::Folder, " x ");
            assert!(dialog.is_open());
            assert_eq!(wait(&mut dialog), (7, expected));
            assert!(!dialog.is_open());
        }
    }
}
