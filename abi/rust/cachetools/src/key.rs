// SPDX-License-Identifier: MIT
//! How typed keys become bytes, and come back.
use std::mem::size_of;

/// A key, or what stands for a key of type `K` in a look-up: `str` for `String`, and
/// `(&str, u64)` for `(String, u64)`.
///
/// There are keys of text, bytes, integers, `bool` and `char`, and tuples of up to six of them.
/// Implement it for a type of yours by one of these:
///
/// ```
/// use cachetools::Key;
///
/// struct Product {
///     shop: String,
///     number: u32,
/// }
///
/// impl Key for Product {
///     fn with_bytes<R>(&self, with: impl FnOnce(&[u8]) -> R) -> R {
///         Key::<(&str, u32)>::with_bytes(&(&*self.shop, self.number), with)
///     }
/// }
/// ```
///
/// Among all that stands for keys of one type `K`, equal keys must have equal bytes, and different
/// keys different bytes. Otherwise one key's value is found under another. Nothing worse happens.
#[cfg_attr(
    has_diagnostics,
    diagnostic::on_unimplemented(
        message = "`{Self}` does not serve as a key of type `{K}`",
        label = "no key of this cache",
        note = "keys are text, bytes, integers, `bool`, `char`, and tuples of up to six of them",
        note = "floating-point numbers are none, as equal ones may have different bytes",
        note = "for a type of yours, implement `cachetools::Key`: its documentation has an example"
    )
)]
pub trait Key<K: ?Sized = Self> {
    /// Calls a closure with the bytes of this key, once.
    fn with_bytes<R>(&self, with: impl FnOnce(&[u8]) -> R) -> R;

    /// Adds this key to the bytes of a tuple. The end must be found from the beginning: so this
    /// adds the length and then the bytes, unless all keys of this type have the same length.
    fn append(&self, tuple: &mut TupleBytes) {
        self.with_bytes(|bytes| {
            tuple.push(&(bytes.len() as u64).to_le_bytes());
            tuple.push(bytes);
        });
    }
}

/// A key that can be made from its bytes, for walks.
pub trait DecodeKey: Key + Sized {
    /// Makes the key of these bytes, which [`Key::with_bytes`] made. `None` if there is no such key.
    fn decode(bytes: &[u8]) -> Option<Self>;

    /// Takes what [`Key::append`] added off the beginning of a tuple's bytes.
    fn take(tuple: &mut &[u8]) -> Option<Self> {
        let length = u64::take(tuple)?;
        Self::decode(split(tuple, usize::try_from(length).ok()?)?)
    }
}

fn split<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    if length > bytes.len() {
        return None;
    }
    let (first, rest) = bytes.split_at(length);
    *bytes = rest;
    Some(first)
}

/// The bytes of a tuple, which need no allocation while they are few.
#[derive(Debug)]
pub struct TupleBytes {
    few: [u8; TupleBytes::FEW],
    length: usize,
    many: Vec<u8>, // all of them, once there are too many
}

impl TupleBytes {
    const FEW: usize = 64;

    fn new() -> TupleBytes {
        TupleBytes {
            few: [0; TupleBytes::FEW],
            length: 0,
            many: Vec::new(),
        }
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let length = self.length + bytes.len();
        if length <= TupleBytes::FEW {
            self.few[self.length..length].copy_from_slice(bytes);
        } else {
            if self.length <= TupleBytes::FEW {
                self.many.extend_from_slice(&self.few[..self.length]);
            }
            self.many.extend_from_slice(bytes);
        }
        self.length = length;
    }

    fn bytes(&self) -> &[u8] {
        if self.length <= TupleBytes::FEW {
            &self.few[..self.length]
        } else {
            &self.many
        }
    }
}

// ---- Text and bytes -----------------------------------------------------------------------------

macro_rules! keys_of_bytes {
    ($([$($generics:tt)*] $this:ty => $key:ty;)*) => {$(
        impl<$($generics)*> Key<$key> for $this {
            #[inline]
            fn with_bytes<R>(&self, with: impl FnOnce(&[u8]) -> R) -> R {
                with(self.as_ref())
            }
        }
    )*};
}

keys_of_bytes! {
    [] str => String;
    [] String => String;
    [] [u8] => Vec<u8>;
    [] Vec<u8> => Vec<u8>;
    [const N: usize] [u8; N] => Vec<u8>;
    // Keys of borrowed text and bytes, which the cache copies.
    ['a] str => &'a str;
    ['a] String => &'a str;
    ['a] [u8] => &'a [u8];
    ['a] Vec<u8> => &'a [u8];
    ['a, const N: usize] [u8; N] => &'a [u8];
}

impl DecodeKey for String {
    fn decode(bytes: &[u8]) -> Option<String> {
        String::from_utf8(bytes.to_vec()).ok()
    }
}

impl DecodeKey for Vec<u8> {
    fn decode(bytes: &[u8]) -> Option<Vec<u8>> {
        Some(bytes.to_vec())
    }
}

impl<const N: usize> Key for [u8; N] {
    #[inline]
    fn with_bytes<R>(&self, with: impl FnOnce(&[u8]) -> R) -> R {
        with(self)
    }

    fn append(&self, tuple: &mut TupleBytes) {
        tuple.push(self);
    }
}

impl<const N: usize> DecodeKey for [u8; N] {
    fn decode(bytes: &[u8]) -> Option<[u8; N]> {
        bytes.try_into().ok()
    }

    fn take(tuple: &mut &[u8]) -> Option<[u8; N]> {
        Self::decode(split(tuple, N)?)
    }
}

/// A reference stands for what it refers to.
impl<K: ?Sized, Q: Key<K> + ?Sized> Key<K> for &Q {
    #[inline]
    fn with_bytes<R>(&self, with: impl FnOnce(&[u8]) -> R) -> R {
        (**self).with_bytes(with)
    }

    fn append(&self, tuple: &mut TupleBytes) {
        (**self).append(tuple);
    }
}

// ---- Numbers ------------------------------------------------------------------------------------

/// Keys that are the little-endian bytes of an integer, on every machine.
macro_rules! keys_of_integers {
    ($($this:ty as $integer:ty, $back:expr;)*) => {$(
        impl Key for $this {
            #[inline]
            fn with_bytes<R>(&self, with: impl FnOnce(&[u8]) -> R) -> R {
                with(&(*self as $integer).to_le_bytes())
            }

            fn append(&self, tuple: &mut TupleBytes) {
                tuple.push(&(*self as $integer).to_le_bytes());
            }
        }

        impl DecodeKey for $this {
            fn decode(bytes: &[u8]) -> Option<$this> {
                let back: fn($integer) -> Option<$this> = $back;
                back(<$integer>::from_le_bytes(bytes.try_into().ok()?))
            }

            fn take(tuple: &mut &[u8]) -> Option<$this> {
                Self::decode(split(tuple, size_of::<$integer>())?)
            }
        }
    )*};
}

keys_of_integers! {
    u8 as u8, Some;
    u16 as u16, Some;
    u32 as u32, Some;
    u64 as u64, Some;
    u128 as u128, Some;
    usize as u64, |it| it.try_into().ok();
    i8 as i8, Some;
    i16 as i16, Some;
    i32 as i32, Some;
    i64 as i64, Some;
    i128 as i128, Some;
    isize as i64, |it| it.try_into().ok();
    char as u32, char::from_u32;
    bool as u8, |it| match it {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    };
}

// ---- Tuples -------------------------------------------------------------------------------------

macro_rules! keys_of_tuples {
    ($(($($name:ident $key:ident),*);)*) => {$(
        impl<$($key, $name: Key<$key>),*> Key<($($key,)*)> for ($($name,)*) {
            fn with_bytes<R>(&self, with: impl FnOnce(&[u8]) -> R) -> R {
                let mut tuple = TupleBytes::new();
                Key::<($($key,)*)>::append(self, &mut tuple);
                with(tuple.bytes())
            }

            #[allow(non_snake_case, unused_variables)]
            fn append(&self, tuple: &mut TupleBytes) {
                let ($($name,)*) = self;
                $(Key::<$key>::append($name, tuple);)*
            }
        }

        impl<$($name: DecodeKey),*> DecodeKey for ($($name,)*) {
            fn decode(mut bytes: &[u8]) -> Option<Self> {
                let tuple = Self::take(&mut bytes)?;
                Some(tuple).filter(|_| bytes.is_empty())
            }

            #[allow(unused_variables)]
            fn take(tuple: &mut &[u8]) -> Option<Self> {
                Some(($($name::take(tuple)?,)*))
            }
        }
    )*};
}

keys_of_tuples! {
    ();
    (A A1);
    (A A1, B B1);
    (A A1, B B1, C C1);
    (A A1, B B1, C C1, D D1);
    (A A1, B B1, C C1, D D1, E E1);
    (A A1, B B1, C C1, D D1, E E1, F F1);
}
