// SPDX-License-Identifier: MIT
//! Keys from typed arguments, as the library builds them.
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};

use cachetools_sys as sys;

use crate::error::{check, text, Error, Result};
use crate::problem::Problem;
use crate::value::{at, bytes};

/// Builds a key from typed arguments: bytes that are equal if and only if the arguments are, in
/// every language that uses the library. The functions of [`KeyRef`] add arguments.
///
/// Equal numbers of different types are one argument: 1, 1.0 and true. Named arguments come last, in
/// any order. Mistakes are remembered, and [`data`](KeyRef::data) returns them.
///
/// ```
/// # fn main() -> cachetools::Result<()> {
/// let mut key = cachetools::KeyBuilder::new()?;
/// key.text("tea").int(7);
/// println!("{:?}", key.data()?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct KeyBuilder(KeyRef<'static>);

// SAFETY: a builder belongs to no thread, and is used by one at a time, as all takes &mut.
unsafe impl Send for KeyBuilder {}

impl KeyBuilder {
    /// Makes an empty builder.
    pub fn new() -> Result<KeyBuilder> {
        KeyBuilder::with_flags(0)
    }

    /// Makes a builder for which 1, 1.0 and true are three arguments.
    pub fn typed() -> Result<KeyBuilder> {
        KeyBuilder::with_flags(sys::CT_KEY_TYPED)
    }

    fn with_flags(flags: u32) -> Result<KeyBuilder> {
        // SAFETY: takes any flags.
        let handle = NonNull::new(unsafe { sys::ct_key_new(flags) }).ok_or(Error::NoMemory)?;
        // SAFETY: the handle is this builder's until it is dropped.
        Ok(KeyBuilder(unsafe { KeyRef::new(handle) }))
    }

    /// Empties the builder.
    pub fn reset(&mut self) -> &mut KeyRef<'static> {
        // SAFETY: the builder is alive.
        self.0.add(|key| unsafe { sys::ct_key_reset(key) })
    }

    pub(crate) fn raw(&mut self) -> *mut sys::ct_key {
        self.0.handle.as_ptr()
    }
}

impl Deref for KeyBuilder {
    type Target = KeyRef<'static>;

    fn deref(&self) -> &KeyRef<'static> {
        &self.0
    }
}

impl DerefMut for KeyBuilder {
    fn deref_mut(&mut self) -> &mut KeyRef<'static> {
        &mut self.0
    }
}

impl Drop for KeyBuilder {
    fn drop(&mut self) {
        // SAFETY: made by ct_key_new. Two builders may have swapped their KeyRefs, so that each
        // still frees one.
        unsafe { sys::ct_key_free(self.0.handle.as_ptr()) };
    }
}

/// A borrowed [`KeyBuilder`], also the one that a memo's key function gets for a call. It frees
/// nothing. Its lifetime prevents that it is swapped with another one.
pub struct KeyRef<'lent> {
    handle: NonNull<sys::ct_key>,
    lent: PhantomData<Cell<&'lent ()>>,
}

// In what follows, the builder is alive, as it is borrowed, and slices live for the call.
impl KeyRef<'_> {
    /// # Safety
    ///
    /// The builder is alive, and nobody else uses it, for as long as this is.
    pub(crate) unsafe fn new(handle: NonNull<sys::ct_key>) -> Self {
        KeyRef {
            handle,
            lent: PhantomData,
        }
    }

    /// Adds the absence of a value.
    pub fn null(&mut self) -> &mut Self {
        // SAFETY: see above.
        self.add(|key| unsafe { sys::ct_key_null(key) })
    }

    /// Adds a truth value, which equals 0 or 1 unless typed.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        // SAFETY: see above.
        self.add(|key| unsafe { sys::ct_key_bool(key, value) })
    }

    /// Adds an integer.
    pub fn int(&mut self, value: i64) -> &mut Self {
        // SAFETY: see above.
        self.add(|key| unsafe { sys::ct_key_int(key, value) })
    }

    /// Adds an integer, of the same type as that of [`int`](KeyRef::int).
    pub fn uint(&mut self, value: u64) -> &mut Self {
        // SAFETY: see above.
        self.add(|key| unsafe { sys::ct_key_uint(key, value) })
    }

    /// Adds a number, which equals an integer of the same value unless typed. All NaNs are one.
    pub fn float(&mut self, value: f64) -> &mut Self {
        // SAFETY: see above.
        self.add(|key| unsafe { sys::ct_key_double(key, value) })
    }

    /// Adds text.
    pub fn text(&mut self, value: &str) -> &mut Self {
        // SAFETY: see above.
        self.add(|key| unsafe { sys::ct_key_text(key, value.as_ptr().cast(), value.len()) })
    }

    /// Adds bytes, which never equal text.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        // SAFETY: see above.
        self.add(|key| unsafe { sys::ct_key_bytes(key, at(value), value.len()) })
    }

    /// Adds a tuple of what the closure adds.
    pub fn tuple(&mut self, elements: impl FnOnce(&mut Self)) -> &mut Self {
        // SAFETY: see above.
        self.add(|key| unsafe { sys::ct_key_tuple_begin(key) });
        elements(self);
        // SAFETY: see above.
        self.add(|key| unsafe { sys::ct_key_tuple_end(key) })
    }

    /// Names the next value.
    pub fn name(&mut self, name: &str) -> &mut Self {
        // SAFETY: see above.
        self.add(|key| unsafe { sys::ct_key_name(key, name.as_ptr().cast(), name.len()) })
    }

    /// Returns the key, or the error for a mistake in what was added.
    pub fn data(&mut self) -> Result<&[u8]> {
        let (mut data, mut size) = (ptr::null(), 0);
        // SAFETY: see above.
        let status = unsafe { sys::ct_key_data(self.handle.as_ptr(), &mut data, &mut size) };
        check(status).map_err(|error| match (error, self.problem()) {
            (Error::Invalid(_), Some(problem)) => Error::Invalid(problem),
            _ => error,
        })?;
        // SAFETY: valid until the builder is changed, which takes &mut self.
        Ok(unsafe { bytes(data, size) })
    }

    /// Says why [`data`](KeyRef::data) would fail; `None` if it would not.
    pub fn problem(&self) -> Option<Problem> {
        // SAFETY: the handle is live, and the sentence is static.
        unsafe { text(sys::ct_key_problem(self.handle.as_ptr())) }.map(Problem::new)
    }

    fn add(&mut self, add: impl FnOnce(*mut sys::ct_key)) -> &mut Self {
        add(self.handle.as_ptr());
        self
    }
}

impl fmt::Debug for KeyRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRef").finish_non_exhaustive()
    }
}
