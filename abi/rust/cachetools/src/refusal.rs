// SPDX-License-Identifier: MIT
//! Loaders that fail because a call of theirs would have waited for itself. That concerns their own
//! caller alone: nobody else fails with it. The error's type is the loader's, so the refusal is
//! noticed where it is made.
use std::cell::Cell;

use crate::error::Result;

thread_local! {
    /// Whether a call that the innermost loader of this thread has made was refused.
    static IS_REFUSED: Cell<bool> = const { Cell::new(false) };
}

/// Notes a refusal.
#[cold]
pub(crate) fn note() {
    IS_REFUSED.with(|it| it.set(true));
}

/// Runs a loader. Also returns whether it failed after a refusal.
pub(crate) fn run<T, E>(load: impl FnOnce() -> Result<T, E>) -> (Result<T, E>, bool) {
    run_many(load, Result::is_err)
}

/// The same for a loader of many keys, any of which may have failed.
pub(crate) fn run_many<T>(
    load: impl FnOnce() -> T,
    has_failed: impl FnOnce(&T) -> bool,
) -> (T, bool) {
    let outer = IS_REFUSED.with(|it| it.replace(false));
    let loaded = load();
    let is_refused = IS_REFUSED.with(Cell::get) && has_failed(&loaded);
    IS_REFUSED.with(|it| it.set(outer || is_refused)); // a loader around it fails for the same reason
    (loaded, is_refused)
}
