// SPDX-License-Identifier: MIT
//! Single flight for caches of `Arc`: who loads which key, and who waits.
//!
//! The library can let callers wait, too. But it would hand a value that is loaded and not kept to
//! all who wait, and tell nobody when the last of them has it, so that nobody would know when to give
//! its count back. So nobody waits there: who finds a key leased waits here until the load is over,
//! and has its failure if it has failed, else looks again. A value that is not kept is for its loader
//! alone. A thread waits, or a future.
use std::collections::HashMap;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};

use cachetools_sys as sys;

use crate::callbacks::FAILED;
use crate::error::{check, Result};
use crate::load::Lease;
use crate::panics::{self, guard};

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
    /// `None`: a future.
    by: Option<ThreadId>,
    /// Tells loads of one key apart, too.
    end: Arc<End>,
    /// Of the futures that wait, each at a place of its own.
    wakers: Vec<Waker>,
}

impl Load {
    /// Tells all who wait that this is no longer the load of its key. Not under the lock, as wakers
    /// are code of others.
    fn tell(self) {
        self.end.over.notify_all();
        self.wakers
            .into_iter()
            .for_each(|waker| guard((), || waker.wake()));
    }
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
                Some(Load { by: Some(by), .. }) => *by,
                _ => return false,
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

    /// Begins the load of a key by this thread.
    pub(crate) fn begin<'it>(&'it self, key: &[u8], lease: Lease<'it>) -> Flight<'it> {
        self.enter(key, lease, Some(thread::current().id()), FAILED)
    }

    /// Begins the load of a key by a future. If that is dropped, the load is given up.
    pub(crate) fn begin_async<'it>(&'it self, key: &[u8], lease: Lease<'it>) -> Flight<'it> {
        self.enter(key, lease, None, sys::CT_OK)
    }

    /// Enters a load. One that was overtaken gives its place up.
    fn enter<'it>(
        &'it self,
        key: &[u8],
        lease: Lease<'it>,
        by: Option<ThreadId>,
        failure: sys::ct_status,
    ) -> Flight<'it> {
        let (key, end) = (Box::<[u8]>::from(key), Arc::<End>::default());
        let load = Load {
            by,
            end: end.clone(),
            wakers: Vec::new(),
        };
        let overtaken = self.lock().loads.insert(key.clone(), load);
        overtaken.into_iter().for_each(Load::tell);
        Flight {
            flights: self,
            key,
            end,
            lease: Some(lease),
            failure,
        }
    }

    /// `wait` for a future.
    pub(crate) fn landing<'it>(&'it self, key: &'it [u8]) -> Landing<'it> {
        Landing {
            flights: self,
            key,
            load: None,
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

/// A future that waits. What it has left in the wakers when it is dropped wakes in vain.
pub(crate) struct Landing<'it> {
    flights: &'it Flights,
    key: &'it [u8],
    /// The load that it waits for, and its place in the wakers.
    load: Option<(Arc<End>, usize)>,
}

impl Future for Landing<'_> {
    type Output = sys::ct_status;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<sys::ct_status> {
        let mut waker = context.waker().clone(); // code of others, as is to drop one
        let this = &mut *self;
        let mut state = this.flights.lock();
        match (state.loads.get_mut(this.key), &this.load) {
            (Some(load), None) => {
                this.load = Some((load.end.clone(), load.wakers.len()));
                load.wakers.push(waker);
            }
            (Some(load), Some((end, place))) if Arc::ptr_eq(&load.end, end) => {
                mem::swap(&mut load.wakers[*place], &mut waker);
                drop(state);
            }
            (_, Some((end, _))) => return Poll::Ready(end.status.load(Relaxed)),
            (None, None) => {
                // The load is over, or its thread has the lease and is about to come here.
                drop(state);
                thread::yield_now();
                return Poll::Ready(sys::CT_OK);
            }
        }
        Poll::Pending
    }
}

/// The load of a key, until it is dropped. If the lease has not been taken by then, the load has
/// failed, and so do all who wait; or it is given up, and they look again.
pub(crate) struct Flight<'it> {
    flights: &'it Flights,
    key: Box<[u8]>,
    end: Arc<End>,
    lease: Option<Lease<'it>>,
    /// CT_OK: it is given up.
    failure: sys::ct_status,
}

impl<'it> Flight<'it> {
    /// There is no such value, for those who wait either.
    pub(crate) fn find_nothing(mut self) {
        self.failure = sys::CT_MISS;
    }

    /// The load has failed. Returns its key.
    pub(crate) fn fail(mut self) -> Box<[u8]> {
        self.failure = FAILED;
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
        let mut status = sys::CT_OK;
        match self.lease.take() {
            Some(lease) if self.failure == sys::CT_OK => drop(lease),
            Some(lease) => {
                lease.end(self.failure);
                status = self.failure;
            }
            None => (),
        }
        let mut state = self.flights.lock();
        let mut over = None;
        if state.is_running(&self.key, &self.end) {
            self.end.status.store(status, Relaxed);
            over = state.loads.remove(&self.key);
        }
        drop(state);
        over.into_iter().for_each(Load::tell);
        panics::resume_in_drop();
    }
}
