// SPDX-License-Identifier: MIT
//! Single entries: what is special about them, what became of them, what is known of them.
use std::mem::size_of;
use std::time::Duration;

use cachetools_sys as sys;

use crate::byte_cache::ByteCache;
use crate::error::{check, text, Error, Result};
use crate::time::{finite, ticks};
use crate::value::Value;

/// What is special about one entry. What is not said, the cache decides.
///
/// ```
/// # use cachetools::EntryOptions;
/// # use std::time::Duration;
/// EntryOptions::new().ttl(Duration::from_secs(60)).if_absent();
/// ```
#[derive(Clone, Debug)]
pub struct EntryOptions {
    pub(crate) raw: sys::ct_entry_options,
    pub(crate) tags: Vec<Box<[u8]>>,
}

// SAFETY: the pointers in raw are always NULL.
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
                cost: 0,
            },
            tags: Vec::new(),
        }
    }

    /// What it costs to bring the value back, in any unit, at least 1. ADAPTIVE keeps what costs much.
    #[must_use]
    pub fn cost(mut self, cost: u64) -> EntryOptions {
        self.raw.flags |= sys::CT_ENTRY_COST;
        self.raw.cost = cost;
        self
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

    /// Lives as long as the value that it replaces would have, also without an end. Only if the key
    /// is absent, other lifetimes count. Not for loads.
    #[must_use]
    pub fn keep_ttl(mut self) -> EntryOptions {
        self.raw.flags |= sys::CT_ENTRY_KEEP_TTL;
        self
    }

    /// Gives the value a tag, in addition to others; 8 at most. See
    /// [`invalidate_tag`](crate::ByteCache::invalidate_tag).
    #[must_use]
    pub fn tag(mut self, tag: impl AsRef<[u8]>) -> EntryOptions {
        self.tags.push(tag.as_ref().into());
        self
    }

    /// Fails unless a load may have them: what the library is not told there must not be lost.
    pub(crate) fn check_for_loads(&self) -> Result<()> {
        const LIFETIME: u32 = sys::CT_ENTRY_TTL | sys::CT_ENTRY_DEADLINE;
        self.check_for_leases()?;
        if self.raw.flags & sys::CT_ENTRY_COST != 0 {
            return Err(Error::invalid("cost: that of a load is the time it takes."));
        }
        if self.raw.flags & LIFETIME == LIFETIME {
            return Err(Error::invalid("deadline: there is a ttl as well."));
        }
        Ok(())
    }

    /// The same for a lease, which takes costs.
    pub(crate) fn check_for_leases(&self) -> Result<()> {
        const REFUSED: u32 =
            sys::CT_ENTRY_IF_ABSENT | sys::CT_ENTRY_IF_PRESENT | sys::CT_ENTRY_KEEP_TTL;
        if self.raw.flags & REFUSED != 0 {
            return Err(Error::invalid(
                "options: a load takes no condition and no keep_ttl().",
            ));
        }
        Ok(())
    }

    /// Lets outcomes pass. If the cache does not take the options, says why; or else, what fewer
    /// options a call takes.
    #[inline]
    pub(crate) fn check(
        &self,
        cache: &ByteCache,
        same: Option<&Value>,
        status: sys::ct_status,
        fewer: &'static str,
    ) -> Result<sys::ct_status> {
        if status != sys::CT_ERR_INVALID {
            return check(status);
        }
        let problem = self.with_raw(same, |options| {
            // SAFETY: the cache is alive, and the answer is a static string or null.
            unsafe { text(sys::ct_entry_options_problem(cache.raw(), options)) }
        });
        Err(Error::invalid(problem.unwrap_or(fewer)))
    }

    /// Makes a call with what the library takes. With `same`, it has a condition: that value.
    pub(crate) fn with_raw<R>(
        &self,
        same: Option<&Value>,
        call: impl FnOnce(*const sys::ct_entry_options) -> R,
    ) -> R {
        if self.tags.is_empty() && same.is_none() {
            return call(&self.raw);
        }
        let tags = self.tags.iter().map(|tag| sys::ct_bytes::of(tag));
        let tags = tags.collect::<Vec<_>>();
        let mut raw = self.raw; // with pointers, for this call
        if !tags.is_empty() {
            raw.flags |= sys::CT_ENTRY_TAGS;
            raw.tags = tags.as_ptr();
            raw.tag_count = tags.len();
        }
        if let Some(same) = same {
            raw.flags |= sys::CT_ENTRY_IF_SAME;
            raw.same = same.raw();
        }
        call(&raw)
    }
}

/// What became of a value that was to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It is in the cache.
    Stored,
    /// Its lifetime is over at once: it is dead on arrival, and the old value is gone.
    NotStored,
    /// With [`EntryOptions::if_absent`] there is an entry already; with `insert_if_same` it has
    /// another value.
    Exists,
    /// With [`EntryOptions::if_present`] or `insert_if_same` there is none.
    Missing,
}

impl Outcome {
    pub(crate) fn from_status(status: sys::ct_status) -> Result<Outcome> {
        check(status).map(Outcome::of)
    }

    /// The outcome of a status that is no failure.
    pub(crate) fn of(status: sys::ct_status) -> Outcome {
        match status {
            sys::CT_OK => Outcome::Stored,
            sys::CT_EXISTS => Outcome::Exists,
            sys::CT_MISS => Outcome::Missing,
            _ => Outcome::NotStored,
        }
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
