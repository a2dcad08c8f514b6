// SPDX-License-Identifier: MIT
//! Many keys that are loaded by one query, from the cache of bytes and from the one of types.
mod support;

use cachetools::*;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;
use support::{message_of, ns};

type Each = Vec<Result<Option<String>, Failure>>;

#[derive(Debug, PartialEq)]
enum Failure {
    Cache(Error),
    Database(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Cache(error)
    }
}

fn is_down() -> Failure {
    Failure::Database("is down".into())
}

/// What both caches do.
trait Loads: Sync + Sized {
    /// Values live 100 ns and serve 50 ns longer; for 50 ns it is remembered that there is none.
    fn make(clock: Arc<AtomicU64>) -> Self;
    fn put(&self, key: &str, value: &str);
    fn look(&self, key: &str) -> Option<String>;
    fn load(&self, key: &str, load: impl FnOnce() -> Result<String>) -> Result<String>;
    /// The loader gets the keys as one text.
    fn many(
        &self,
        keys: &[&str],
        load: impl FnMut(&str) -> Result<Each, Failure>,
    ) -> Result<Each, Failure>;
}

impl Loads for ByteCache {
    fn make(clock: Arc<AtomicU64>) -> Self {
        let builder = ByteCache::builder(Policy::Lru, 100).timer(move || ns(clock.load(SeqCst)));
        let builder = builder.ttl(ns(100)).stale(ns(50)).negative_ttl(ns(50));
        builder.build().unwrap()
    }

    fn put(&self, key: &str, value: &str) {
        self.insert(key, value).unwrap();
    }

    fn look(&self, key: &str) -> Option<String> {
        support::get(self, key)
    }

    fn load(&self, key: &str, load: impl FnOnce() -> Result<String>) -> Result<String> {
        let loaded = self.get_or_load(key, |_, _| load().map(Some))?.unwrap();
        Ok(String::from_utf8(loaded.to_vec()).unwrap())
    }

    fn many(
        &self,
        keys: &[&str],
        mut load: impl FnMut(&str) -> Result<Each, Failure>,
    ) -> Result<Each, Failure> {
        let found = self.get_or_load_many(keys, |absent| {
            load(&String::from_utf8(absent.join(&b' ')).unwrap())
        })?;
        let text = |value: Value| String::from_utf8(value.to_vec()).unwrap();
        Ok(found
            .into_iter()
            .map(|it| it.map(|it| it.map(text)))
            .collect())
    }
}

impl Loads for Cache<String, String> {
    fn make(clock: Arc<AtomicU64>) -> Self {
        let builder = Cache::builder(Policy::Lru, 100).timer(move || ns(clock.load(SeqCst)));
        let builder = builder.ttl(ns(100)).stale(ns(50)).negative_ttl(ns(50));
        builder.build().unwrap()
    }

    fn put(&self, key: &str, value: &str) {
        self.insert(key, value.to_string()).unwrap();
    }

    fn look(&self, key: &str) -> Option<String> {
        Some(self.get(key)?.to_string())
    }

    fn load(&self, key: &str, load: impl FnOnce() -> Result<String>) -> Result<String> {
        Ok(self.get_or_load(key, load)?.to_string())
    }

    fn many(
        &self,
        keys: &[&str],
        mut load: impl FnMut(&str) -> Result<Each, Failure>,
    ) -> Result<Each, Failure> {
        let found = self.get_or_load_many(keys, |absent| {
            let absent = absent.iter().map(|key| **key).collect::<Vec<_>>();
            load(&absent.join(" "))
        })?;
        let text = |value: Arc<String>| value.to_string();
        Ok(found
            .into_iter()
            .map(|it| it.map(|it| it.map(text)))
            .collect())
    }
}

/// Finds each key in capitals.
fn capitals(absent: &str) -> Result<Each, Failure> {
    let found = absent.split(' ').map(|key| Ok(Some(key.to_uppercase())));
    Ok(found.collect())
}

fn some(value: &str) -> Result<Option<String>, Failure> {
    Ok(Some(value.into()))
}

macro_rules! both {
    ($($name:ident = $test:ident;)*) => {
        mod bytes {
            $(#[test] fn $name() { super::$test::<super::ByteCache>(); })*
        }
        mod typed {
            $(#[test] fn $name() { super::$test::<super::Cache<String, String>>(); })*
        }
    };
}

both! {
    each_key_has_an_answer_of_one_query = each_key_has_an_answer;
    a_loader_that_fails_fails_the_call = a_loader_fails;
    who_waits_for_others_holds_no_lease = holds_no_lease;
    what_others_give_up_is_loaded_by_one_more_call = gives_up;
    batches_that_cross_load_each_key_once = cross;
    a_batch_that_loads_its_own_key_is_refused = loads_its_own;
}

fn each_key_has_an_answer<C: Loads>() {
    let clock = Arc::new(AtomicU64::new(1000));
    let cache = C::make(clock.clone());
    cache.put("there", "1");
    let keys = ["a", "there", "none", "b", "fails", "a", "fails", "none"];
    let mut calls = 0;
    let found = cache.many(&keys, |absent| {
        calls += 1;
        assert_eq!("a none b fails", absent);
        Ok(vec![some("A"), Ok(None), some("B"), Err(is_down())])
    });
    let [own, anothers] = [is_down(), Failure::Cache(Error::Load)].map(Err);
    let expected = vec![
        some("A"),
        some("1"),
        Ok(None),
        some("B"),
        own,
        some("A"),
        anothers,
        Ok(None),
    ];
    assert_eq!(Ok(expected), found);
    assert_eq!((1, Some("A".into())), (calls, cache.look("a")));
    // What is there, or is known to be missing, is not asked for.
    let again = cache.many(&keys, |absent| {
        assert_eq!("fails", absent);
        capitals(absent)
    });
    let shout = || some("FAILS");
    let expected = vec![
        some("A"),
        some("1"),
        Ok(None),
        some("B"),
        shout(),
        some("A"),
        shout(),
        Ok(None),
    ];
    assert_eq!(Ok(expected), again);
    cache.put("none", "2");
    assert_eq!(
        Ok(vec![some("2")]),
        cache.many(&["none"], |_| unreachable!())
    );
    assert_eq!(Ok(vec![]), cache.many(&[], |_| unreachable!()));
    let wrong = cache.many(&["x", "y"], |_| Ok(vec![some("X")]));
    let refused = || Err(Failure::Cache(Error::Callback));
    assert_eq!(Ok(vec![refused(), refused()]), wrong);
    assert_eq!(None, cache.look("x"));
}

fn a_loader_fails<C: Loads>() {
    let clock = Arc::new(AtomicU64::new(1000));
    let cache = C::make(clock.clone());
    cache.put("old", "1");
    assert_eq!(
        Err(is_down()),
        cache.many(&["old", "a", "b"], |_| Err(is_down()))
    );
    clock.store(1100, SeqCst); // an old value serves
    let mut asked = 0;
    let found = cache.many(&["old"], |_| {
        asked += 1;
        Err(is_down())
    });
    assert_eq!((1, Ok(vec![some("1")])), (asked, found));
    let panic = catch_unwind(AssertUnwindSafe(|| {
        cache.many(&["a", "b"], |_| panic!("from the loader"))
    }));
    assert_eq!("from the loader", message_of(panic.unwrap_err()));
    let found = cache.many(&["a", "b"], capitals);
    assert_eq!(Ok(vec![some("A"), some("B")]), found);
}

/// Asks for "a" and "b" while another thread loads "b". That one ends as it is told to when "a" is
/// there.
fn beside<C: Loads>(
    end: impl FnOnce() -> Result<String> + Send,
    load: impl FnMut(&str) -> Result<Each, Failure>,
) -> Result<Each, Failure> {
    let cache = C::make(Arc::new(AtomicU64::new(1000)));
    let begins = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            let load = || {
                begins.wait();
                while cache.look("a").is_none() {
                    thread::yield_now();
                }
                end()
            };
            drop(catch_unwind(AssertUnwindSafe(|| cache.load("b", load))));
        });
        begins.wait();
        cache.many(&["b", "a"], load)
    })
}

fn holds_no_lease<C: Loads>() {
    let mut asked = Vec::new();
    let found = beside::<C>(
        || Ok("another's".into()),
        |absent| {
            asked.push(absent.to_string());
            capitals(absent)
        },
    );
    assert_eq!(Ok(vec![some("another's"), some("A")]), found);
    assert_eq!(["a"], *asked);
}

fn gives_up<C: Loads>() {
    // A failure is shared.
    let mut shared = 0;
    while shared == 0 {
        let found = beside::<C>(|| Err(Error::Io), capitals).unwrap();
        assert_eq!(some("A"), found[1]);
        match &found[0] {
            Err(failure) => assert_eq!(&Failure::Cache(Error::Load), failure),
            Ok(late) => assert_eq!(&Some("B".into()), late), // began to wait only afterwards
        }
        shared += usize::from(found[0].is_err());
    }
    // One that only its caller was concerned by is not.
    let mut asked = Vec::new();
    let cache = support::lru(1);
    let refused = || {
        let refused = cache.get_or_load("x", |_, _| {
            let within = cache.get_or_load("x", |_, _| Ok::<_, Error>(Some("1")));
            within.map(|it| it.map(|it| it.to_vec()))
        });
        refused.map(|_| unreachable!())
    };
    let found = beside::<C>(refused, |absent| {
        asked.push(absent.to_string());
        if absent == "b" && asked.len() == 2 {
            return Err(is_down());
        }
        capitals(absent)
    });
    assert_eq!(Err(is_down()), found);
    assert_eq!(["a", "b"], *asked);
}

fn cross<C: Loads>() {
    let cache = C::make(Arc::new(AtomicU64::new(1000)));
    for round in 0..100 {
        let names = [0, 1, 2, 3].map(|i| format!("{}.{}", round, i));
        let (loads, barrier) = (AtomicUsize::new(0), Barrier::new(4));
        thread::scope(|scope| {
            for turn in 0..4 {
                let mut keys = names.iter().map(|name| &**name).collect::<Vec<_>>();
                let (cache, loads, barrier) = (&cache, &loads, &barrier);
                scope.spawn(move || {
                    keys.rotate_left(turn);
                    barrier.wait();
                    let found = cache.many(&keys, |absent| {
                        loads.fetch_add(absent.split(' ').count(), SeqCst);
                        capitals(absent)
                    });
                    let expected = keys.iter().map(|key| some(key)).collect();
                    assert_eq!(Ok(expected), found);
                });
            }
        });
        assert_eq!(4, loads.load(SeqCst));
        for name in &names {
            assert!(cache.look(name).is_some());
        }
    }
}

fn loads_its_own<C: Loads>() {
    let cache = C::make(Arc::new(AtomicU64::new(1000)));
    let found = cache.many(&["a", "b"], |_| {
        let within = cache.load("b", || unreachable!());
        assert_eq!(Err(Error::Recursion), within);
        let within = cache.many(&["c", "a"], capitals).unwrap();
        assert_eq!(
            vec![some("C"), Err(Failure::Cache(Error::Recursion))],
            within
        );
        Ok(vec![some("1"), Err(Error::Recursion.into())])
    });
    let refused = Err(Failure::Cache(Error::Recursion));
    assert_eq!(Ok(vec![some("1"), refused]), found);
    assert_eq!(Ok("2".into()), cache.load("b", || Ok("2".into())));
}

#[test]
fn values_of_many_are_released_and_counted_once() {
    let cache = support::lru(10);
    let found = cache.get_or_load_many(&["a", "b", "a"], |absent| {
        Ok::<_, Error>(absent.iter().map(|key| Ok(Some(key.to_vec()))).collect())
    });
    assert_eq!(3, cache.stats().pinned);
    drop(found);
    assert_eq!((0, 2), (cache.stats().pinned, cache.stats().loads));
}
