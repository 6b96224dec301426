//! What a command says, and where: results on stdout, everything else on stderr.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::{CliError, OutputArgs};
use crate::weights::write_file;

/// One command's voice, and whether it was told to stop.
pub struct Console {
    json: bool,
    stop: Arc<AtomicBool>,
}

impl Console {
    pub(super) fn new(json: bool) -> Self {
        Self {
            json,
            stop: Arc::new(AtomicBool::new(false)),
        }
    }

    /// A line of results for people; silent with `--json`.
    pub fn line(&self, text: &str) {
        if !self.json {
            print(text);
        }
    }

    /// A line that is no result, on stderr.
    pub fn note(&self, text: &str) {
        // Nothing can be done about a closed pipe.
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// The command's one document: to stdout with `--json`, and to `--out`. It must be called once.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn document<T: Serialize>(&self, output: &OutputArgs, document: &T) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(document)?;
        if let Some(path) = &output.out {
            write_file(path, format!("{text}\n").as_bytes())?;
        }
        if self.json {
            print(&text);
        }
        Ok(())
    }

    pub(super) fn error(&self, message: &str) {
        if self.json {
            print(&serde_json::json!({ "schema": "thinkjepa.error/1", "error": message }).to_string());
        }
        self.note(message);
    }

    /// A bar on stderr with a count and an estimate; hidden where stderr is no terminal.
    pub fn progress(&self, length: u64, what: &'static str) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:32} {pos}/{len} {per_sec} eta {eta} {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(what);
        bar
    }

    /// From now on Ctrl+C sets the flag, which long work reads at every step; a second one ends the program.
    ///
    /// # Errors
    /// The system refuses a handler.
    pub fn on_interrupt(&self) -> Result<Arc<AtomicBool>, CliError> {
        let stop = Arc::clone(&self.stop);
        ctrlc::set_handler(move || {
            if stop.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        })?;
        Ok(Arc::clone(&self.stop))
    }
}

/// One line on stdout. A reader that went away (`| head`) is no error of ours.
fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
