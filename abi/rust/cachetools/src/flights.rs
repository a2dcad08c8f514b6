// SPDX-License-Identifier: MIT
//! Single flight for caches of `Arc`: who loads which key, and who waits.
//!
//! The library can let callers wait, too. But it would hand a value that is loaded and not kept to
//! all who wait, and tell nobody when the last of them has it, so that nobody would know when to give
//! its count back. So nobody waits there: who finds a key leased waits here until the load is over,
//! and has its failure if it has failed, else
//! looks again. A value that is not kept is for its loader alone.
use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use cachetools_sys as sys;

use crate::callbacks::FAILED;
use crate::error::{check, Result};
use crate::load::Lease;
use crate::panics;

#[derive(Default)]
pub(crate) struct Flights {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    loads: HashMap<Box<[u8]>, Load>,
    /// Which key each thread waits for.
    waits: HashMap<ThreadId, Box<[u8]>>,
}

struct Load {
    by: ThreadId,
    /// Tells loads of one key apart, too.
    end: Arc<End>,
}

#[derive(Default)]
struct End {
    /// Told when this is no longer the load of its key.
    over: Condvar,
    /// What those who wait fail with, or CT_OK. Written and read under the lock.
    status: AtomicI32,
}

impl State {
    fn is_running(&self, key: &[u8], end: &Arc<End>) -> bool {
        let load = self.loads.get(key);
        load.map_or(false, |load| Arc::ptr_eq(&load.end, end))
    }

    /// Whether a thread that waited for a key would wait for itself, by whatever ring of threads.
    fn would_close_a_ring<'a>(&'a self, mut key: &'a [u8], me: ThreadId) -> bool {
        // Those who are about to notice that their load is over may seem to wait in a ring.
        for _ in 0..=self.waits.len() {
            let by = match self.loads.get(key) {
                Some(load) => load.by,
                None => return false,
            };
            if by == me {
                return true;
            }
            key = match self.waits.get(&by) {
                Some(next) => next,
                None => return false,
            };
        }
        false
    }
}

impl Flights {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of others runs under the lock, so nothing is half done after a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the load of a key. A load that was overtaken gives its place up.
    pub(crate) fn begin<'it>(&'it self, key: &[u8], lease: Lease<'it>) -> Flight<'it> {
        let (key, end) = (Box::<[u8]>::from(key), Arc::<End>::default());
        let load = Load {
            by: thread::current().id(),
            end: end.clone(),
        };
        if let Some(overtaken) = self.lock().loads.insert(key.clone(), load) {
            overtaken.end.over.notify_all();
        }
        Flight {
            flights: self,
            key,
            end,
            lease: Some(lease),
            failure: FAILED,
        }
    }

    /// Waits until the load of a key, which was found leased, is over. Returns what it has failed
    /// with, or CT_OK: look again.
    pub(crate) fn wait(&self, key: &[u8]) -> Result<sys::ct_status> {
        let me = thread::current().id();
        let mut state = self.lock();
        let end = match state.loads.get(key) {
            Some(load) => load.end.clone(),
            None => {
                // The load is over, or its thread has the lease and is about to come here.
                drop(state);
                thread::yield_now();
                return Ok(sys::CT_OK);
            }
        };
        if state.would_close_a_ring(key, me) {
            return check(sys::CT_ERR_RECURSION);
        }
        state.waits.insert(me, key.into());
        while state.is_running(key, &end) {
            state = (end.over.wait(state)).unwrap_or_else(PoisonError::into_inner);
        }
        state.waits.remove(&me);
        Ok(end.status.load(Relaxed))
    }
}

/// The load of a key by this thread, until it is dropped. If the lease has not been taken by then,
/// the load has failed, and so do all who wait.
pub(crate) struct Flight<'it> {
    flights: &'it Flights,
    key: Box<[u8]>,
    end: Arc<End>,
    lease: Option<Lease<'it>>,
    failure: sys::ct_status,
}

impl<'it> Flight<'it> {
    /// There is no such value, for those who wait either.
    pub(crate) fn find_nothing(mut self) {
        self.failure = sys::CT_MISS;
    }

    /// Ends the flight, and returns its key.
    pub(crate) fn end(self) -> Box<[u8]> {
        let key = self.key.clone();
        drop(self);
        key
    }

    /// The lease, to be ended before the flight ends: who waits then finds it ended.
    pub(crate) fn take_lease(&mut self) -> Lease<'it> {
        self.lease.take().expect("a lease is taken once")
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let status = match self.lease.take() {
            Some(lease) => {
                lease.end(self.failure);
                self.failure
            }
            None => sys::CT_OK,
        };
        let mut state = self.flights.lock();
        if state.is_running(&self.key, &self.end) {
            self.end.status.store(status, Relaxed);
            state.loads.remove(&self.key);
            self.end.over.notify_all();
        }
        drop(state);
        panics::resume_in_drop();
    }
}
