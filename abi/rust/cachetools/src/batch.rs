// SPDX-License-Identifier: MIT
//! Many keys of a cache of bytes in one call.
use std::collections::HashMap;
use std::ffi::c_void;
use std::{ptr, slice};

use cachetools_sys as sys;

use crate::byte_cache::ByteCache;
use crate::callbacks::FAILED;
use crate::entry::{EntryOptions, Outcome};
use crate::error::{check, Error, Result};
use crate::load::{all_or, run_many, Output};
use crate::panics::{self, guard};
use crate::value::{at, bytes, Value};

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
        let status = options.with_raw(None, |options| unsafe {
            sys::ct_set_many(
                self.raw(),
                at(&data),
                ends.as_ptr(),
                entries.len(),
                options,
                statuses.as_mut_ptr(),
            )
        });
        panics::resume();
        if statuses.iter().all(|status| *status == sys::CT_OK) {
            options.check(self, None, status, "")?; // nothing was tried
        }
        Ok(statuses.into_iter().map(Outcome::from_status).collect())
    }

    /// [`get_or_load`](ByteCache::get_or_load) for many keys, by one query for those that are absent.
    ///
    /// The loader is called once, with the keys that nobody else is loading, each of them once. It
    /// returns what it has found in their order, so that each may be missing or fail alone; another
    /// number of answers is [`Error::Callback`] for each. After that the call waits for the loads of
    /// others. It loads a key that one of them has given up by one more call of the loader.
    ///
    /// Each key succeeds or fails alone. If it is asked for twice, only the first one tells what it
    /// failed with; the other one fails with [`Error::Load`]. If the loader itself fails, so does the
    /// call, and nothing is kept, unless old values [serve](crate::Builder::stale).
    ///
    /// ```
    /// # use cachetools::{ByteCache, Error, Policy};
    /// # fn main() -> cachetools::Result<()> {
    /// # let cache = ByteCache::new(Policy::Lru, 10)?;
    /// let shouted = cache.get_or_load_many(&["tea", "milk"], |absent| {
    ///     let found = absent.iter().map(|key| Ok(Some(key.to_ascii_uppercase())));
    ///     Ok::<_, Error>(found.collect())
    /// })?;
    /// for value in shouted {
    ///     println!("{:?}", value?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_or_load_many<K, V, E, F>(
        &self,
        keys: &[K],
        load: F,
    ) -> Result<Vec<Result<Option<Value>, E>>, E>
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
        E: From<Error>,
        F: FnMut(&[&[u8]]) -> Result<Vec<Result<Option<V>, E>>, E>,
    {
        let begun = self.begin_load_many(keys, load);
        panics::resume();
        begun.finish()
    }

    /// The same. The caller resumes panics of callbacks, then finishes.
    pub(crate) fn begin_load_many<K, V, E, F>(&self, keys: &[K], load: F) -> LoadedMany<E>
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
        E: From<Error>,
        F: FnMut(&[&[u8]]) -> Result<Vec<Result<Option<V>, E>>, E>,
    {
        struct Call<F, E> {
            load: F,
            /// Of the first call of the loader that failed.
            failure: Option<E>,
            /// Of single keys.
            failures: HashMap<Vec<u8>, E>,
        }
        unsafe extern "C" fn run<V, E, F>(
            user_data: *mut c_void,
            keys: *const sys::ct_bytes,
            count: usize,
            results: *const *mut sys::ct_result,
        ) -> sys::ct_status
        where
            V: AsRef<[u8]>,
            E: From<Error>,
            F: FnMut(&[&[u8]]) -> Result<Vec<Result<Option<V>, E>>, E>,
        {
            // SAFETY: user_data is the call below; there are count keys and results, at least one,
            // lent for this call.
            let (call, keys, results) = unsafe {
                (
                    &mut *user_data.cast::<Call<F, E>>(),
                    slice::from_raw_parts(keys, count),
                    slice::from_raw_parts(results, count),
                )
            };
            guard(FAILED, || {
                // SAFETY: as above.
                let keys = keys.iter().map(|key| unsafe { bytes(key.data, key.size) });
                let keys = keys.collect::<Vec<_>>();
                let (found, is_refused) = run_many(count, || (call.load)(&keys));
                let failed = if is_refused {
                    sys::CT_ERR_RECURSION
                } else {
                    FAILED
                };
                let found = match found {
                    Ok(found) => found,
                    Err(failure) => {
                        call.failure.get_or_insert(failure);
                        return failed;
                    }
                };
                for ((key, result), found) in keys.iter().zip(results).zip(found) {
                    // SAFETY: as above.
                    let mut output = unsafe { Output::new(*result) };
                    match found {
                        Ok(None) => (),
                        Ok(Some(value)) => {
                            output.set(value.as_ref()); // if that fails, so does the key
                        }
                        Err(failure) => {
                            output.fail(failed);
                            call.failures.insert(key.to_vec(), failure);
                        }
                    }
                }
                sys::CT_OK
            })
        }

        let (mut data, mut ends) = (Vec::new(), Vec::with_capacity(keys.len()));
        for key in keys {
            data.extend_from_slice(key.as_ref());
            ends.push(data.len());
        }
        let mut call = Call {
            load,
            failure: None,
            failures: HashMap::new(),
        };
        let user_data = &mut call as *mut Call<F, E> as *mut c_void;
        let mut values = vec![sys::ct_value::EMPTY; keys.len()];
        let mut statuses = vec![sys::CT_OK; keys.len()];
        let run: sys::ct_load_many_fn = Some(run::<V, E, F>);
        // SAFETY: there are an end, a value and a status for each key, and the ends are within data;
        // the cache is alive; the loader runs during this call only.
        let status = unsafe {
            sys::ct_get_or_load_many(
                self.raw(),
                at(&data),
                ends.as_ptr(),
                keys.len(),
                run,
                user_data,
                ptr::null(),
                values.as_mut_ptr(),
                statuses.as_mut_ptr(),
            )
        };
        // SAFETY: that call filled them in; each is taken once.
        let values = values.into_iter().map(|value| unsafe { self.own(value) });
        let values = values.collect::<Vec<_>>();
        let mut each = Vec::with_capacity(keys.len());
        for ((key, value), status) in keys.iter().zip(values).zip(statuses) {
            let failure = call.failures.remove(key.as_ref());
            each.push(match (failure, check(status)) {
                _ if value.is_held() => Ok(Some(value)),
                (Some(failure), _) => Err(failure),
                (_, Err(error)) => Err(error.into()),
                (_, Ok(sys::CT_BUSY)) => Err(Error::Busy.into()),
                (_, Ok(_)) => Ok(None),
            });
        }
        LoadedMany {
            status,
            each,
            failure: call.failure,
        }
    }
}

/// What a load of many keys has come to.
pub(crate) struct LoadedMany<E> {
    status: sys::ct_status,
    pub(crate) each: Vec<Result<Option<Value>, E>>,
    failure: Option<E>,
}

impl<E: From<Error>> LoadedMany<E> {
    /// Returns what there is of each key, unless the loader itself has failed.
    pub(crate) fn finish(self) -> Result<Vec<Result<Option<Value>, E>>, E> {
        check(self.status)?;
        all_or(self.each, self.failure)
    }
}
