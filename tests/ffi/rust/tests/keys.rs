// SPDX-License-Identifier: MIT
//! How typed keys become bytes, and come back.
use cachetools::*;
use std::collections::HashSet;
use std::fmt::Debug;

fn bytes<K, Q: Key<K> + ?Sized>(key: &Q) -> Vec<u8> {
    key.with_bytes(<[u8]>::to_vec)
}

/// All keys have bytes of their own, and come back from them.
fn check<K: DecodeKey + Debug + PartialEq>(keys: &[K]) {
    let all: HashSet<_> = keys.iter().map(|key| bytes::<K, K>(key)).collect();
    assert_eq!(keys.len(), all.len(), "{:?}", keys);
    for key in keys {
        let encoded = bytes::<K, K>(key);
        assert_eq!(Some(key), K::decode(&encoded).as_ref());
        let longer = [&*encoded, &[0]].concat();
        assert_ne!(Some(key), K::decode(&longer).as_ref());
    }
}

#[test]
fn keys_of_every_type_come_back() {
    check(&["", "a", "ab", "ä", "\0"].map(String::from));
    check(&[vec![], vec![0u8], vec![0, 0], vec![255]]);
    check(&[[0u8, 1], [1, 0]]);
    check(&[u8::MIN, 1, u8::MAX]);
    check(&[u16::MIN, 1, 256, u16::MAX]);
    check(&[u32::MIN, 1, 1 << 24, u32::MAX]);
    check(&[u64::MIN, 1, 1 << 56, u64::MAX]);
    check(&[u128::MIN, 1, 1 << 120, u128::MAX]);
    check(&[usize::MIN, 1, usize::MAX]);
    check(&[i8::MIN, -1, 0, 1, i8::MAX]);
    check(&[i16::MIN, -1, 0, 1, i16::MAX]);
    check(&[i32::MIN, -1, 0, 1, i32::MAX]);
    check(&[i64::MIN, -1, 0, 1, i64::MAX]);
    check(&[i128::MIN, -1, 0, 1, i128::MAX]);
    check(&[isize::MIN, -1, 0, 1, isize::MAX]);
    check(&['\0', 'a', 'ä', char::MAX]);
    check(&[false, true]);
    check(&[()]);
    check(&[(1u8,), (2,)]);
    assert_eq!(None, bool::decode(&[2]));
    assert_eq!(None, char::decode(&0xd800u32.to_le_bytes())); // a surrogate
    assert_eq!(None, String::decode(&[255]));
    assert_eq!(None, u32::decode(&[0; 3]));
}

#[test]
fn elements_of_tuples_do_not_run_into_each_other() {
    let pair = |a: &str, b: &str| (a.to_string(), b.to_string());
    check(&[
        pair("a", "bc"),
        pair("ab", "c"),
        pair("abc", ""),
        pair("", "abc"),
    ]);
    check(&[
        (vec![1u8], 1u8, String::new()),
        (vec![], 1, "\u{1}".to_string()),
        (vec![1, 1], 0, String::new()),
    ]);
    // Nested tuples, and what lies at the limit of what needs no allocation.
    check(&[
        (pair("a", "b"), 1u64),
        (pair("", "ab"), 1),
        (pair("ab", ""), 1),
    ]);
    let long: Vec<_> = (40..60).map(|size| pair(&"x".repeat(size), "y")).collect();
    check(&long);
    check(&[(1u8, 2u16, 3u32, 4u64, 'x', true), (1, 2, 3, 4, 'x', false)]);
    assert_eq!(None, <(String, u8)>::decode(&u64::MAX.to_le_bytes()));
}

#[test]
fn what_stands_for_a_key_has_its_bytes() {
    assert_eq!(
        bytes::<String, _>("key"),
        bytes::<String, _>(&"key".to_string())
    );
    assert_eq!(bytes::<String, _>("key"), bytes::<&str, _>("key"));
    assert_eq!(
        bytes::<Vec<u8>, _>(b"key"),
        bytes::<Vec<u8>, _>(&b"key"[..])
    );
    assert_eq!(
        bytes::<Vec<u8>, _>(b"key"),
        bytes::<&[u8], _>(&b"key".to_vec())
    );
    assert_eq!(
        bytes::<(String, u32), _>(&("key", 7)),
        bytes::<(String, u32), _>(&("key".to_string(), 7u32))
    );
}

#[test]
fn caches_are_asked_for_borrowed_keys() {
    let texts = Cache::<String, u8>::new(Policy::Lru, 10).unwrap();
    texts.insert("a", 1).unwrap();
    assert!(texts.contains("a") && texts.contains(&"a".to_string()) && texts.contains(&"a"));
    let borrowed = Cache::<&str, u8>::new(Policy::Lru, 10).unwrap();
    borrowed.insert("a", 1).unwrap();
    let short_lived = String::from("a");
    assert!(borrowed.contains("a") && borrowed.contains(&*short_lived));
    let bytes = Cache::<Vec<u8>, u8>::new(Policy::Lru, 10).unwrap();
    bytes.insert(b"a", 1).unwrap();
    assert!(bytes.contains(&b"a"[..]) && bytes.contains(&vec![b'a']));
    let numbers = Cache::<u64, u8>::new(Policy::Lru, 10).unwrap();
    numbers.insert(&5, 1).unwrap();
    assert!(numbers.contains(&5) && !numbers.contains(&6));
    let pairs = Cache::<(String, u64), u8>::new(Policy::Lru, 10).unwrap();
    pairs.insert(&("a".to_string(), 5), 1).unwrap();
    assert!(pairs.contains(&("a", 5)) && !pairs.contains(&("a", 6)));
    assert!(!pairs.contains(&("a", 6)));
}

#[test]
fn keys_of_ones_own_are_made_of_others() {
    struct Product {
        shop: &'static str,
        number: u32,
    }
    impl Key for Product {
        fn with_bytes<R>(&self, with: impl FnOnce(&[u8]) -> R) -> R {
            Key::<(&str, u32)>::with_bytes(&(self.shop, self.number), with)
        }
    }
    let product = |shop, number| Product { shop, number };
    let cache = Cache::<Product, u8>::new(Policy::Lru, 10).unwrap();
    cache.insert(&product("tea", 1), 1).unwrap();
    assert!(cache.contains(&product("tea", 1)) && !cache.contains(&product("tea", 2)));
    let pairs = Cache::<(Product, u8), u8>::new(Policy::Lru, 10).unwrap();
    pairs.insert(&(product("tea", 1), 2), 1).unwrap();
    assert!(pairs.contains(&(product("tea", 1), 2)) && !pairs.contains(&(product("te", 1), 2)));
}
