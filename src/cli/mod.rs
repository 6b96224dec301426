//! The command line: one file a subcommand. A new one is a file, its `mod`, and its line in [`commands!`].
//!
//! Exit codes: 0 done (and, for a plan, reached); 1 not reached, or the model's answer could not be read; 2 bad input
//! or set-up; 130 interrupted. With `--json`, stdout is exactly one JSON document, on errors too; progress and logs go
//! to stderr.

mod args;
mod bench;
mod checkpoint;
mod console;
mod datagen;
mod doctor;
mod downstream;
mod eval;
mod extract;
mod finetune;
mod inspect;
mod plan;
mod probe;
mod reopen;
mod report;
mod train;
mod window;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;

use crate::engine::panic_message;

pub use args::{DeviceArgs, ModelArgs, OutputArgs, WorldArgs, command_line};
pub use console::Console;

/// How a command ended when nothing was wrong with its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done,
    /// A plan that did not reach its task, or an answer that could not be read.
    NotReached,
    /// Ctrl+C; what was made until then is kept.
    Interrupted,
}

impl Exit {
    /// Of a command that may have been interrupted.
    fn after(interrupted: bool) -> Self {
        if interrupted { Self::Interrupted } else { Self::Done }
    }

    fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::NotReached => 1,
            Self::Interrupted => 130,
        }
    }
}

/// Bad input or set-up: exit code 2. Anything that is an error becomes one.
pub struct CliError(anyhow::Error);

impl CliError {
    pub fn new(message: impl Into<String>) -> Self {
        Self(anyhow::Error::msg(message.into()))
    }
}

impl<E: Into<anyhow::Error>> From<E> for CliError {
    fn from(err: E) -> Self {
        Self(err.into())
    }
}

pub type CliResult = Result<Exit, CliError>;

/// What every subcommand is.
pub trait Subcommand {
    /// Whether stdout is for one JSON document alone.
    fn json(&self) -> bool;

    /// Says before the work what would otherwise be said after it.
    ///
    /// # Errors
    /// Bad input.
    fn check(&self) -> Result<(), CliError> {
        Ok(())
    }

    /// # Errors
    /// Bad input or set-up.
    fn run(&self, console: &Console) -> CliResult;
}

macro_rules! commands {
    ($($(#[$about:meta])* $name:ident($args:ty),)*) => {
        #[derive(clap::Subcommand)]
        enum Commands {
            $($(#[$about])* $name(Box<$args>),)*
        }

        impl Commands {
            fn get(&self) -> &dyn Subcommand {
                match self {
                    $(Self::$name(args) => args.as_ref(),)*
                }
            }
        }
    };
}

commands! {
    /// Open the window with a checkpoint, a scene or a task of your own, or let it drive itself
    Window(window::Window),
    /// Plan and carry out a task in a scene, without a window
    Plan(plan::Plan),
    /// Make training data: episodes of a scripted policy in a scene
    Datagen(datagen::Datagen),
    /// Train a stage, or go on with a run
    Train(train::Train),
    /// Measure how often planning reaches what it should
    Eval(eval::Eval),
    /// Measure how well a line and an attentive head tell events in clips from the encoder's features
    Probe(probe::Probe),
    /// Train the encoder end to end to tell events in clips
    Finetune(finetune::Finetune),
    /// Write what the encoder makes of pictures or episodes to a file for other programs
    Extract(extract::Extract),
    /// Time the parts of planning and training on this machine
    Bench(bench::Bench),
    /// Make the README's table from the committed records
    Report(report::Report),
    /// Show a model's modules, shapes, parameters, work and memory, without building it
    Inspect(inspect::Inspect),
    /// Show the devices of this machine, and which one `--device auto` takes and why
    Doctor(doctor::Doctor),
}

/// ThinkJEPA Studio: type a task, watch a world model and a vision-language model think and act.
#[derive(Parser)]
#[command(
    name = "thinkjepa",
    version,
    after_help = "Without a command, the window opens with the demo."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Commands>,
}

/// Runs the command line that the program was started with.
pub fn run() -> ExitCode {
    env_logger::Builder::from_env(
        env_logger::Env::default().default_filter_or("warn,wgpu_core=error,wgpu_hal=off,naga=error"),
    )
    .init();
    // Known before the arguments are parsed, so that a mistake in them is a JSON document as well.
    let json = std::env::args_os().any(|arg| arg == "--json");
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(err) => return refused(&err, json),
    };
    let command = cli.command.as_ref().map(Commands::get);
    let console = Console::new(command.is_some_and(Subcommand::json));
    let result = catch_unwind(AssertUnwindSafe(|| match command {
        Some(command) => {
            command.check()?;
            command.run(&console)
        }
        None => window::open_demo(&console),
    }));
    match result {
        Ok(Ok(exit)) => exit.code().into(),
        Ok(Err(err)) => {
            console.error(&format!("{:#}", err.0));
            2.into()
        }
        Err(panic) => {
            let said = panic_message(&*panic);
            console.error(&format!("Something went wrong inside: {}.", said.trim_end_matches('.')));
            2.into()
        }
    }
}

/// Help and version are no mistakes; everything else is bad input.
fn refused(err: &clap::Error, json: bool) -> ExitCode {
    if !err.use_stderr() {
        // Nothing can be done about a closed pipe.
        let _ = err.print();
        return ExitCode::SUCCESS;
    }
    if json {
        // The first paragraph says what is wrong, the rest how the command is used.
        let said = err.to_string();
        let said = said.split("\n\n").next().unwrap_or_default();
        let words: Vec<&str> = said.trim_start_matches("error: ").split_whitespace().collect();
        Console::new(true).error(&words.join(" "));
    } else {
        let _ = err.print();
    }
    2.into()
}
