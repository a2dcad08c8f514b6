// SPDX-License-Identifier: MIT
//! What a tier's listener is told of.
use std::borrow::Cow;

use cachetools::parts;
use cachetools_redis_sys as sys;

/// What has happened to a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// It is connected, and told of changes from now on.
    Online,
    /// The connection was lost, refused or given up; the text says why.
    Offline,
    /// More keys were written while offline than are remembered: this one may be stale on the server
    /// until its ttl ends.
    Overflow,
    /// This key's value on the server was not written by the library.
    UnknownTrailer,
    /// Something that only a newer library knows.
    Other(i32),
}

/// An event of a tier.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event<'a> {
    /// What has happened.
    pub kind: EventKind,
    /// The key that it happened to, without the prefix; empty if no key is concerned.
    pub key: &'a [u8],
    /// What the server or the system said; may be empty.
    pub text: Cow<'a, str>,
}

impl<'a> Event<'a> {
    /// # Safety
    ///
    /// The library has lent `raw` to a callback that runs for all of `'a`.
    pub(crate) unsafe fn from_raw(raw: &'a sys::ct_redis_event) -> Event<'a> {
        // SAFETY: lent for as long as raw is.
        let (key, text) = unsafe { (parts::bytes(&raw.key), parts::bytes(&raw.text)) };
        Event {
            kind: match raw.kind {
                sys::CT_REDIS_ONLINE => EventKind::Online,
                sys::CT_REDIS_OFFLINE => EventKind::Offline,
                sys::CT_REDIS_OVERFLOW => EventKind::Overflow,
                sys::CT_REDIS_UNKNOWN_TRAILER => EventKind::UnknownTrailer,
                other => EventKind::Other(other),
            },
            key,
            text: String::from_utf8_lossy(text),
        }
    }
}
