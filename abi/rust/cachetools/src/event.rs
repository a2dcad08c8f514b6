// SPDX-License-Identifier: MIT
//! Entries that left a cache of bytes, and why.
use cachetools_sys as sys;

use crate::value::bytes;

/// Why an entry left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Room was needed, or the victim was popped.
    Evicted,
    /// Its deadline had passed, whichever call removed it.
    Expired,
    /// Another value was stored under its key.
    Replaced,
    /// It was removed, popped or matched, or replaced by a value that is dead on arrival.
    Removed,
    /// The cache was cleared.
    Cleared,
    /// A cause that only a newer library knows.
    Other(i32),
}

impl Cause {
    fn from_raw(cause: i32) -> Cause {
        match cause {
            sys::CT_CAUSE_EVICTED => Cause::Evicted,
            sys::CT_CAUSE_EXPIRED => Cause::Expired,
            sys::CT_CAUSE_REPLACED => Cause::Replaced,
            sys::CT_CAUSE_REMOVED => Cause::Removed,
            sys::CT_CAUSE_CLEARED => Cause::Cleared,
            other => Cause::Other(other),
        }
    }
}

/// An entry that left a [`ByteCache`](crate::ByteCache).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ByteEvent<'a> {
    /// Its key.
    pub key: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
    /// The weight that counted against `maxsize`.
    pub weight: u64,
    /// Why it left.
    pub cause: Cause,
}

impl<'a> ByteEvent<'a> {
    /// # Safety
    ///
    /// The library has lent `raw` to a callback that runs for all of `'a`.
    pub(crate) unsafe fn from_raw(raw: &'a sys::ct_event) -> ByteEvent<'a> {
        ByteEvent {
            // SAFETY: lent for as long as raw is.
            key: unsafe { bytes(raw.key.data, raw.key.size) },
            // SAFETY: as the key.
            value: unsafe { bytes(raw.value.data, raw.value.size) },
            weight: raw.weight,
            cause: Cause::from_raw(raw.cause),
        }
    }
}
