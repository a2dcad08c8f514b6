// SPDX-License-Identifier: MIT
//! Counters.
use std::mem::size_of;
use std::time::Duration;

use cachetools::parts::finite;
use cachetools_redis_sys as sys;

/// What has happened in a tier. Hits near are counted by [`near`](crate::Tier::near).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Values, or that there is none, found on the server.
    pub server_hits: u64,
    /// Keys absent on the server, or leased by another.
    pub server_misses: u64,
    /// Calls of loaders.
    pub loads: u64,
    /// Of these, whose answers were stored on the server.
    pub fills: u64,
    /// Of these, whose answers were not, because the key was written.
    pub fills_refused: u64,
    /// Of these, without a lease, while online.
    pub unkept_loads: u64,
    /// Of these, while the server could not be reached.
    pub offline_loads: u64,
    /// Times that a call waited for the lease of another process.
    pub lease_waits: u64,
    /// Sets and deletes that were acknowledged.
    pub writes: u64,
    /// Keys that the server said were written by others.
    pub invalidations: u64,
    /// Times that it said so of all keys.
    pub flushes: u64,
    /// Times that the tier went online.
    pub connects: u64,
    /// Times that it went offline.
    pub disconnects: u64,
    /// Calls that waited for the server for too long.
    pub timeouts: u64,
    /// Values that were not written by this library.
    pub unknown_trailers: u64,
    /// Keys written while offline that could not be remembered.
    pub overflows: u64,
    /// Keys written while offline that are still to be deleted: now.
    pub remembered: u64,
    /// Bytes that wait to be sent: now.
    pub pending_bytes: u64,
    /// Whether the tier is online now.
    pub is_online: bool,
    /// Near shows all writes that were acknowledged until that long ago. None while offline.
    pub proof_age: Option<Duration>,
}

impl Stats {
    /// For the library to fill in.
    pub(crate) fn empty() -> sys::ct_redis_counters {
        sys::ct_redis_counters {
            struct_size: size_of::<sys::ct_redis_counters>(),
            server_hits: 0,
            server_misses: 0,
            loads: 0,
            fills: 0,
            fills_refused: 0,
            unkept_loads: 0,
            offline_loads: 0,
            lease_waits: 0,
            writes: 0,
            invalidations: 0,
            flushes: 0,
            connects: 0,
            disconnects: 0,
            timeouts: 0,
            unknown_trailers: 0,
            overflows: 0,
            remembered: 0,
            pending_bytes: 0,
            online: 0,
            proof_age_ns: 0,
        }
    }

    pub(crate) fn from_raw(raw: &sys::ct_redis_counters) -> Stats {
        Stats {
            server_hits: raw.server_hits,
            server_misses: raw.server_misses,
            loads: raw.loads,
            fills: raw.fills,
            fills_refused: raw.fills_refused,
            unkept_loads: raw.unkept_loads,
            offline_loads: raw.offline_loads,
            lease_waits: raw.lease_waits,
            writes: raw.writes,
            invalidations: raw.invalidations,
            flushes: raw.flushes,
            connects: raw.connects,
            disconnects: raw.disconnects,
            timeouts: raw.timeouts,
            unknown_trailers: raw.unknown_trailers,
            overflows: raw.overflows,
            remembered: raw.remembered,
            pending_bytes: raw.pending_bytes,
            is_online: raw.online != 0,
            proof_age: finite(raw.proof_age_ns),
        }
    }
}
