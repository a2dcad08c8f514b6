// SPDX-License-Identifier: MIT
//! Many keys of a cache of bytes in one call.
use cachetools_sys as sys;

use crate::byte_cache::ByteCache;
use crate::entry::{EntryOptions, Outcome};
use crate::error::{check, Result};
use crate::panics;
use crate::value::{at, Value};

/// How many keys go into one call. Their look-ups overlap, and more of them save nothing more.
const AT_ONCE: usize = 64;

/// These calls are not atomic: each key is read or written on its own.
impl ByteCache {
    /// [`get`](ByteCache::get) for many keys.
    pub fn get_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Value>>> {
        let mut found = Vec::with_capacity(keys.len());
        for some in keys.chunks(AT_ONCE) {
            let mut raw_keys = [sys::ct_bytes::EMPTY; AT_ONCE];
            let mut values = [sys::ct_value::EMPTY; AT_ONCE];
            let mut statuses = [0; AT_ONCE];
            for (raw, key) in raw_keys.iter_mut().zip(some) {
                *raw = sys::ct_bytes::of(key.as_ref());
            }
            // SAFETY: the arrays have room for as many as there are keys, which live for the call.
            let status = unsafe {
                sys::ct_get_many(
                    self.raw(),
                    raw_keys.as_ptr(),
                    some.len(),
                    values.as_mut_ptr(),
                    statuses.as_mut_ptr(),
                )
            };
            if status == sys::CT_OK {
                let answers = values.iter().zip(statuses).take(some.len());
                found.extend(answers.map(|(value, status)| {
                    // SAFETY: that call filled it in; each is taken once.
                    let value = unsafe { self.own(*value) };
                    Some(value).filter(|_| status == sys::CT_OK)
                }));
            }
            panics::resume();
            check(status)?;
        }
        Ok(found)
    }

    /// [`insert_with`](ByteCache::insert_with) for many pairs, in order. Each succeeds or fails
    /// alone. The call itself fails only if nothing was tried, as the options are not allowed.
    pub fn insert_many<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        entries: &[(K, V)],
        options: &EntryOptions,
    ) -> Result<Vec<Result<Outcome>>> {
        let mut data = Vec::new();
        let mut ends = Vec::with_capacity(2 * entries.len());
        for (key, value) in entries {
            for part in [key.as_ref(), value.as_ref()] {
                data.extend_from_slice(part);
                ends.push(data.len());
            }
        }
        let mut statuses = vec![0; entries.len()];
        // SAFETY: there are two ends and a status for each pair, and the ends are within data.
        let status = unsafe {
            sys::ct_set_many(
                self.raw(),
                at(&data),
                ends.as_ptr(),
                entries.len(),
                options.raw(),
                statuses.as_mut_ptr(),
            )
        };
        panics::resume();
        if statuses.iter().all(|status| *status == sys::CT_OK) {
            check(status)?; // nothing was tried
        }
        Ok(statuses.into_iter().map(Outcome::from_status).collect())
    }
}
