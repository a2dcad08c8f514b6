// SPDX-License-Identifier: MIT
//! Single entries: what is special about them, what became of them, what is known of them.
use std::mem::size_of;
use std::time::Duration;

use cachetools_sys as sys;

use crate::error::{check, Result};
use crate::time::{finite, ticks};

/// What is special about one entry. What is not said, the cache decides.
///
/// ```
/// # use cachetools::EntryOptions;
/// # use std::time::Duration;
/// EntryOptions::new().ttl(Duration::from_secs(60)).if_absent();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct EntryOptions {
    raw: sys::ct_entry_options,
}

// SAFETY: the pointers in it are always NULL.
unsafe impl Send for EntryOptions {}
// SAFETY: as above.
unsafe impl Sync for EntryOptions {}

impl Default for EntryOptions {
    fn default() -> EntryOptions {
        EntryOptions::new()
    }
}

impl EntryOptions {
    /// Says nothing special.
    pub const fn new() -> EntryOptions {
        EntryOptions {
            raw: sys::ct_entry_options {
                struct_size: size_of::<sys::ct_entry_options>(),
                flags: 0,
                reserved: 0,
                ttl: 0,
                deadline: 0,
                weight: 0,
                same: core::ptr::null(),
                tags: core::ptr::null(),
                tag_count: 0,
            },
        }
    }

    /// Time to live from now on. Zero is dead on arrival; [`Duration::MAX`] has no end.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> EntryOptions {
        self.raw.flags |= sys::CT_ENTRY_TTL;
        self.raw.ttl = ticks(ttl);
        self
    }

    /// When it expires, by the cache's timer. Not together with a ttl.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> EntryOptions {
        self.raw.flags |= sys::CT_ENTRY_DEADLINE;
        self.raw.deadline = ticks(deadline);
        self
    }

    /// What it weighs, in units of `maxsize`; then no weigher is asked.
    #[must_use]
    pub fn weight(mut self, weight: u64) -> EntryOptions {
        self.raw.flags |= sys::CT_ENTRY_WEIGHT;
        self.raw.weight = weight;
        self
    }

    /// Stores only if the key is absent or expired. Not for loads.
    #[must_use]
    pub fn if_absent(mut self) -> EntryOptions {
        self.raw.flags |= sys::CT_ENTRY_IF_ABSENT;
        self
    }

    /// Stores only if the key is there. Not for loads.
    #[must_use]
    pub fn if_present(mut self) -> EntryOptions {
        self.raw.flags |= sys::CT_ENTRY_IF_PRESENT;
        self
    }

    pub(crate) fn raw(&self) -> &sys::ct_entry_options {
        &self.raw
    }
}

/// What became of a value that was to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It is in the cache.
    Stored,
    /// Its lifetime is over at once: it is dead on arrival, and the old value is gone.
    NotStored,
    /// With [`EntryOptions::if_absent`]: there is an entry already.
    Exists,
    /// With [`EntryOptions::if_present`]: there is none.
    Missing,
}

impl Outcome {
    pub(crate) fn from_status(status: sys::ct_status) -> Result<Outcome> {
        Ok(match check(status)? {
            sys::CT_OK => Outcome::Stored,
            sys::CT_EXISTS => Outcome::Exists,
            sys::CT_MISS => Outcome::Missing,
            _ => Outcome::NotStored,
        })
    }
}

/// What is known of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryInfo {
    /// In units of `maxsize`.
    pub weight: u64,
    /// When it expires, by the cache's timer.
    pub deadline: Option<Duration>,
    /// How long it still lives.
    pub remaining: Option<Duration>,
    /// How often it was stored or used, if the policy counts; otherwise 0.
    pub frequency: u64,
    /// The bytes of its key.
    pub key_size: u64,
    /// The bytes of its value.
    pub value_size: u64,
}

impl EntryInfo {
    /// For the library to fill in.
    pub(crate) fn empty() -> sys::ct_entry_info {
        sys::ct_entry_info {
            struct_size: size_of::<sys::ct_entry_info>(),
            weight: 0,
            deadline: 0,
            remaining: 0,
            frequency: 0,
            key_size: 0,
            value_size: 0,
        }
    }

    pub(crate) fn from_raw(raw: &sys::ct_entry_info) -> EntryInfo {
        EntryInfo {
            weight: raw.weight,
            deadline: finite(raw.deadline),
            remaining: finite(raw.remaining),
            frequency: raw.frequency,
            key_size: raw.key_size,
            value_size: raw.value_size,
        }
    }
}
