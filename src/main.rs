//! The program `thinkjepa`: everything is in the library.

use std::process::ExitCode;

// Freed tensors stay in the process: glibc hands them back to the kernel and faults them in again at every step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    thinkjepa::cli::run()
}
