// SPDX-License-Identifier: MIT
//! Single flight for caches of `Arc`: who loads which key, and who waits.
//!
//! The library can let callers wait, too. But it would hand a value that is loaded and not kept to
//! all who wait, and tell nobody when the last of them has it, so that nobody would know when to give
//! its count back. So nobody waits there: who finds a key leased waits here until the load is over,
//! then looks again. A value that is not kept is for its loader alone.
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use crate::error::{Error, Result};

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
    /// Told when this is no longer the load of its key. Tells loads of one key apart, too.
    over: Arc<Condvar>,
}

impl State {
    fn is_running(&self, key: &[u8], over: &Arc<Condvar>) -> bool {
        let load = self.loads.get(key);
        load.map_or(false, |load| Arc::ptr_eq(&load.over, over))
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

    /// Begins the load of a key, whose lease the caller holds until after the flight has ended. A
    /// load that was overtaken gives its place up.
    pub(crate) fn begin(&self, key: &[u8]) -> Flight<'_> {
        let (key, over) = (Box::<[u8]>::from(key), Arc::new(Condvar::new()));
        let load = Load {
            by: thread::current().id(),
            over: over.clone(),
        };
        if let Some(overtaken) = self.lock().loads.insert(key.clone(), load) {
            overtaken.over.notify_all();
        }
        Flight {
            flights: self,
            key,
            over,
        }
    }

    /// Waits until the load of a key, which was found leased, is over.
    pub(crate) fn wait(&self, key: &[u8]) -> Result<()> {
        let me = thread::current().id();
        let mut state = self.lock();
        let over = match state.loads.get(key) {
            Some(load) => load.over.clone(),
            None => {
                // The load is over, or its thread has the lease and is about to come here.
                drop(state);
                thread::yield_now();
                return Ok(());
            }
        };
        if state.would_close_a_ring(key, me) {
            return Err(Error::RECURSION);
        }
        state.waits.insert(me, key.into());
        while state.is_running(key, &over) {
            state = over.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waits.remove(&me);
        Ok(())
    }
}

/// The load of a key by this thread, until it is dropped.
pub(crate) struct Flight<'flights> {
    flights: &'flights Flights,
    key: Box<[u8]>,
    over: Arc<Condvar>,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut state = self.flights.lock();
        if state.is_running(&self.key, &self.over) {
            state.loads.remove(&self.key);
            self.over.notify_all();
        }
    }
}
