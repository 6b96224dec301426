//! Episodes side by side: each is a function of its own seed, so how many run at a time changes no number.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{ScopedJoinHandle, scope};
use std::time::Duration;

use crossbeam_channel::unbounded;

use crate::cli::CliError;
use crate::eval::EvalEpisode;

/// Runs `work` for each episode, `jobs` at a time, each on a core of its own; what came out, in the order of the episodes.
/// Those that were not begun when `cancel` was raised are left out, and so are those that it cut short.
///
/// # Errors
/// The first error of an episode; no other is begun then.
pub(super) fn run_each<'a, T: Send>(
    episodes: &'a [EvalEpisode],
    jobs: usize,
    cancel: &AtomicBool,
    work: impl Fn(&'a EvalEpisode) -> Result<T, CliError> + Sync,
    mut on_done: impl FnMut(&T),
) -> Result<Vec<(&'a EvalEpisode, T)>, CliError> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (sender, done) = unbounded();
    let take_turns = || {
        while !cancel.load(Ordering::Relaxed) && !failed.load(Ordering::Relaxed) {
            let Some(one) = episodes.get(next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            let result = work(one);
            if result.is_ok() && cancel.load(Ordering::Relaxed) {
                break;
            }
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            // The receiver outlives the workers.
            let _ = sender.send((one, result));
        }
    };
    // Work that is shared out among threads stays on the worker's own.
    let pools = (0..jobs.min(episodes.len()))
        .map(|_| rayon::ThreadPoolBuilder::new().num_threads(1).build())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|err| CliError::new(format!("Could not start a thread for episodes: {err}.")))?;
    let mut results = Vec::new();
    scope(|scope| {
        let take_turns = &take_turns;
        let workers: Vec<_> = pools
            .iter()
            .map(|pool| scope.spawn(move || pool.install(take_turns)))
            .collect();
        while results.len() < episodes.len() && !workers.iter().all(ScopedJoinHandle::is_finished) {
            if let Ok((one, result)) = done.recv_timeout(Duration::from_millis(100)) {
                if let Ok(value) = &result {
                    on_done(value);
                }
                results.push((one, result));
            }
        }
    });
    results.extend(done.try_iter());
    let mut runs = results
        .into_iter()
        .map(|(one, result)| Ok((one, result?)))
        .collect::<Result<Vec<_>, CliError>>()?;
    runs.sort_by_key(|(one, _)| one.index);
    Ok(runs)
}
