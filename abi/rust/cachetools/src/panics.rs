// SPDX-License-Identifier: MIT
//! Panics of callbacks. None may unwind through the library, which would never end what the call has
//! begun. So a panic stops at the callback's end, waits in a place of its thread, and goes on when
//! the call that ran the callback has returned.
use std::any::Any;
use std::cell::Cell;
use std::mem;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::thread;

type Panic = Box<dyn Any + Send>;

thread_local! {
    /// Whether there is one: a read of this is all that a call without panics costs.
    static IS_PENDING: Cell<bool> = const { Cell::new(false) };
    static PENDING: Cell<Option<Panic>> = const { Cell::new(None) };
}

/// Runs a callback. If it panics, returns `fallback` to the library.
///
/// What an earlier callback of the same call has panicked with does not come up in calls that this
/// callback makes.
pub(crate) fn guard<T>(fallback: T, callback: impl FnOnce() -> T) -> T {
    let earlier = take();
    let (value, panic) = match catch_unwind(AssertUnwindSafe(callback)) {
        Ok(value) => (value, None),
        Err(panic) => (fallback, Some(panic)),
    };
    earlier.into_iter().chain(panic).for_each(keep);
    value
}

/// Lets the panic of a callback of the last call go on.
#[inline]
pub(crate) fn resume() {
    if IS_PENDING.with(Cell::get) {
        if let Some(panic) = take() {
            resume_unwind(panic);
        }
    }
}

/// The same at the end of a `Drop`. If the thread panics already, this panic is discarded, so that
/// no later call resumes it.
pub(crate) fn resume_in_drop() {
    if thread::panicking() {
        take().into_iter().for_each(discard);
    } else {
        resume();
    }
}

#[inline]
fn take() -> Option<Panic> {
    if !IS_PENDING.with(|is_pending| is_pending.replace(false)) {
        return None;
    }
    PENDING.try_with(Cell::take).ok().flatten()
}

/// Keeps the first of several. A thread that ends has no place any more.
#[cold]
fn keep(panic: Panic) {
    let mut panic = Some(panic);
    let kept = PENDING.try_with(|pending| {
        let first = pending.take().or_else(|| panic.take());
        pending.set(first);
    });
    IS_PENDING.with(|is_pending| is_pending.set(kept.is_ok()));
    panic.into_iter().for_each(discard);
}

/// Drops a panic's payload, which may panic, too.
fn discard(panic: Panic) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        mem::forget(another); // there is no end to this otherwise
    }
}
