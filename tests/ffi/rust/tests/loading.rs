// SPDX-License-Identifier: MIT
//! The cache of bytes: loading, keys and memos.
mod support;

use cachetools::*;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::time::Duration;
use support::*;

// ---- Loading ------------------------------------------------------------------------------------

#[test]
fn a_key_is_loaded_once() {
    let cache = lru(10);
    let load = |key: &[u8], _: &mut Output<'_>| Ok::<_, Error>(Some(key.to_ascii_uppercase()));
    assert_eq!(b"ABC", &*cache.get_or_load("abc", load).unwrap().unwrap());
    let never = |_: &[u8], _: &mut Output<'_>| -> Result<Option<Vec<u8>>> { unreachable!() };
    assert_eq!(b"ABC", &*cache.get_or_load("abc", never).unwrap().unwrap());
    let none = |_: &[u8], _: &mut Output<'_>| Ok::<Option<Vec<u8>>, Error>(None);
    assert!(cache.get_or_load("x", none).unwrap().is_none());
    assert_eq!((1, 1), (cache.stats().loads, cache.stats().load_failures));
    assert_eq!(1, cache.stats().load_buckets.iter().sum::<u64>());
}

#[test]
fn loaders_say_what_is_special() {
    let (_, builder) = clocked(Policy::Lru);
    let cache = builder.build().unwrap();
    let load = |_: &[u8], output: &mut Output<'_>| {
        output.ttl(ns(50));
        output.weight(9);
        Ok::<_, Error>(Some("1"))
    };
    cache.get_or_load("a", load).unwrap();
    let info = cache.inspect("a").unwrap();
    assert_eq!((9, Some(ns(50))), (info.weight, info.remaining));
    let load = |_: &[u8], output: &mut Output<'_>| {
        output.discard();
        output.deadline(ns(2000));
        Ok::<_, Error>(Some("2"))
    };
    assert_eq!(b"2", &*cache.get_or_load("b", load).unwrap().unwrap());
    assert!(!cache.contains("b"));
}

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

#[test]
fn what_a_loader_fails_with_comes_back() {
    let cache = lru(10);
    let load = |_: &[u8], _: &mut Output<'_>| -> Result<Option<Vec<u8>>, Failure> {
        Err(Failure::Database("is down".into()))
    };
    let failure = cache.get_or_load("a", load).unwrap_err();
    assert_eq!(Failure::Database("is down".into()), failure);

    let again = |_: &[u8], _: &mut Output<'_>| {
        let inner = |_: &[u8], _: &mut Output<'_>| Ok::<_, Failure>(Some("1"));
        cache
            .get_or_load("a", inner)
            .map(|value| value.map(|value| value.to_vec()))
    };
    assert_eq!(
        Failure::Cache(Error::Recursion),
        cache.get_or_load("a", again).unwrap_err()
    );

    let hostile =
        |_: &[u8], _: &mut Output<'_>| -> Result<Option<Vec<u8>>> { panic!("from the loader") };
    let panic = catch_unwind(AssertUnwindSafe(|| cache.get_or_load("a", hostile))).unwrap_err();
    assert_eq!("from the loader", message_of(panic));
    assert!(!cache.contains("a"));
}

#[test]
fn of_many_threads_one_loads() {
    let cache = ByteCache::builder(Policy::Lru, 10)
        .shards(4)
        .build()
        .unwrap();
    let (loads, barrier) = (AtomicUsize::new(0), Barrier::new(4));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                barrier.wait();
                let load = |_: &[u8], _: &mut Output<'_>| {
                    loads.fetch_add(1, SeqCst);
                    Ok::<_, Error>(Some("value"))
                };
                assert_eq!(b"value", &*cache.get_or_load("a", load).unwrap().unwrap());
            });
        }
    });
    assert_eq!(1, loads.load(SeqCst));
}

#[test]
fn those_who_wait_fail_with_the_loader() {
    let mut shared = 0;
    while shared == 0 {
        let cache = lru(10);
        let [asking, loads, own] = [(); 3].map(|_| AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    asking.fetch_add(1, SeqCst);
                    let load = |_: &[u8], _: &mut Output<'_>| -> Result<Option<&str>, Failure> {
                        loads.fetch_add(1, SeqCst);
                        while asking.load(SeqCst) != 4 {
                            std::thread::yield_now();
                        }
                        Err(Failure::Database("is down".into()))
                    };
                    match cache.get_or_load("a", load).unwrap_err() {
                        Failure::Database(_) => drop(own.fetch_add(1, SeqCst)),
                        failure => assert_eq!(Failure::Cache(Error::Load), failure),
                    }
                });
            }
        });
        assert_eq!(loads.load(SeqCst), own.load(SeqCst));
        shared = 4 - own.load(SeqCst) as u64;
        assert_eq!(shared, cache.stats().shared_failures);
    }
}

/// Asks for a key whose lease is held, on a thread that does not load, ends the lease when that
/// thread waits, and returns what the thread got.
fn waiting_for<T: Send>(
    cache: &ByteCache,
    ask: impl FnOnce() -> T + Send,
    end: impl FnOnce(Lease<'_>),
) -> T {
    let lease = match cache.get_or_lease("a", Duration::ZERO).unwrap() {
        Leased::Lease(lease) => lease,
        found => panic!("{:?}", found),
    };
    let begun = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            begun.store(1, SeqCst);
            ask()
        });
        while begun.load(SeqCst) == 0 {
            std::thread::yield_now();
        }
        end(lease);
        asked.join().unwrap()
    })
}

#[test]
fn a_failure_that_concerns_its_caller_alone_is_not_shared() {
    for cancels in [false, true] {
        for _ in 0..20 {
            let cache = lru(10);
            let [asking, loads] = [(); 2].map(|_| AtomicUsize::new(0));
            let loaded = AtomicUsize::new(0);
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        asking.fetch_add(1, SeqCst);
                        let load = |_: &[u8], output: &mut Output<'_>| {
                            if loads.fetch_add(1, SeqCst) != 0 {
                                return Ok(Some("1"));
                            }
                            while asking.load(SeqCst) != 2 {
                                std::thread::yield_now();
                            }
                            if cancels {
                                output.cancel();
                                return Err(Failure::Database("is cancelled".into()));
                            }
                            let own = |_: &[u8], _: &mut Output<'_>| Ok::<_, Failure>(Some("1"));
                            cache.get_or_load("a", own).map(|_| None)
                        };
                        match cache.get_or_load("a", load) {
                            Ok(value) => {
                                assert_eq!(b"1", &*value.unwrap());
                                loaded.fetch_add(1, SeqCst);
                            }
                            Err(failure) if cancels => {
                                assert_eq!(Failure::Database("is cancelled".into()), failure)
                            }
                            Err(failure) => assert_eq!(Failure::Cache(Error::Recursion), failure),
                        }
                    });
                }
            });
            assert_eq!((2, 1), (loads.load(SeqCst), loaded.load(SeqCst)));
        }
    }
}

/// Values live 100 ns, are renewed 20 ns before that, and serve 50 ns longer; after a failure nobody
/// tries for 10 ns.
fn renewing() -> (Arc<AtomicU64>, ByteCache) {
    let (clock, builder) = clocked(Policy::Lru);
    let builder = builder.ttl(ns(100)).refresh_ahead(ns(20)).stale(ns(50));
    (clock, builder.retry(ns(10)).build().unwrap())
}

#[test]
fn options_of_freshness_are_those_in_force() {
    let (_, builder) = clocked(Policy::Lru);
    let builder = builder.ttl(ns(100)).refresh_ahead(ns(20)).stale(ns(50));
    let options = builder.jitter(ns(5)).build().unwrap().options().unwrap();
    let times = (options.refresh_ahead, options.stale, options.jitter);
    assert_eq!((ns(20), ns(50), ns(5)), times);
    assert_eq!(ns(10), options.retry); // a tenth of the ttl
    let refused = ByteCache::builder(Policy::Lru, 10)
        .precise_clock()
        .refresh_ahead(ns(20))
        .ttl(ns(20));
    assert!(refused
        .problem()
        .unwrap()
        .to_string()
        .contains("refresh_ahead"));
}

#[test]
fn a_loader_sees_the_old_value_and_may_keep_it() {
    let (clock, cache) = renewing();
    let options = LoadOptions::new();
    let load = |_: &[u8], output: &mut Output<'_>| {
        assert_eq!(None, output.old());
        Ok::<_, Error>(Found::Value("1"))
    };
    let loaded = cache
        .get_or_load_with("a", &options, load)
        .unwrap()
        .unwrap();
    assert_eq!((&b"1"[..], false), (&*loaded.value, loaded.is_stale));

    clock.store(1110, SeqCst);
    let unasked = |_: &[u8], _: &mut Output<'_>| -> Result<Found<&str>> { unreachable!() };
    let load = |_: &[u8], output: &mut Output<'_>| {
        assert_eq!(Some(&b"1"[..]), output.old());
        let meanwhile = cache.get_or_load_with("a", &options, unasked)?.unwrap();
        assert_eq!((&b"1"[..], true), (&*meanwhile.value, meanwhile.is_stale));
        Ok::<Found<&str>, Error>(Found::NotModified)
    };
    let loaded = cache
        .get_or_load_with("a", &options, load)
        .unwrap()
        .unwrap();
    assert_eq!((&b"1"[..], false), (&*loaded.value, loaded.is_stale));
    assert_eq!(Some(ns(100)), cache.inspect("a").unwrap().remaining);

    let not = |_: &[u8], _: &mut Output<'_>| Ok::<Found<&str>, Error>(Found::NotModified);
    let failure = cache.get_or_load_with("b", &options, not).unwrap_err();
    assert_eq!(Error::Callback, failure);
    clock.store(1250, SeqCst);
    let missing = |_: &[u8], _: &mut Output<'_>| Ok::<Found<&str>, Error>(Found::Missing);
    assert!(cache
        .get_or_load_with("a", &options, missing)
        .unwrap()
        .is_none());
    assert!(cache.is_empty());
}

#[test]
fn the_old_value_serves_when_a_renewal_fails() {
    let (clock, cache) = renewing();
    let fails = |_: &[u8], _: &mut Output<'_>| -> Result<Found<&str>, Failure> {
        Err(Failure::Database("is down".into()))
    };
    let failure = || Some(Failure::Database("is down".into()));
    cache.insert("a", "1").unwrap();
    for (time, is_stale) in [(1090, false), (1110, true)] {
        clock.store(time, SeqCst);
        let loaded = cache.get_or_load_with("a", &LoadOptions::new(), fails);
        let loaded = loaded.unwrap().unwrap();
        assert_eq!((is_stale, failure()), (loaded.is_stale, loaded.failure));
        let later = cache.get_or_load_with("a", &LoadOptions::new(), fails);
        let later = later.unwrap().unwrap(); // tries nothing
        assert_eq!((is_stale, None), (later.is_stale, later.failure));
        assert_eq!(b"1", &*later.value);
    }
    clock.store(1130, SeqCst);
    let simply = |_: &[u8], _: &mut Output<'_>| -> Result<Option<&str>, Failure> {
        Err(Failure::Database("is down".into()))
    };
    assert_eq!(b"1", &*cache.get_or_load("a", simply).unwrap().unwrap());
    let stats = cache.stats();
    assert_eq!((3, 3), (stats.renewals, stats.renewal_failures));
    clock.store(1150, SeqCst);
    assert_eq!(failure(), cache.get_or_load("a", simply).err());
}

#[test]
fn a_load_may_be_forced_and_its_failure_is_the_calls() {
    let (_, cache) = renewing();
    cache.insert("a", "1").unwrap();
    let forced = LoadOptions::new().force();
    let load = |_: &[u8], _: &mut Output<'_>| Ok::<_, Failure>(Found::Value("2"));
    let loaded = cache.get_or_load_with("a", &forced, load).unwrap().unwrap();
    assert_eq!(b"2", &*loaded.value);
    let fails = |_: &[u8], output: &mut Output<'_>| -> Result<Found<&str>, Failure> {
        assert_eq!(Some(&b"2"[..]), output.old());
        Err(Failure::Database("is down".into()))
    };
    let failure = cache.get_or_load_with("a", &forced, fails).unwrap_err();
    assert_eq!(Failure::Database("is down".into()), failure);
    assert_eq!(Some("2".into()), get(&cache, "a"));
}

#[test]
fn those_who_wait_have_no_time_or_the_stale_value() {
    let (clock, cache) = renewing();
    let unasked = |_: &[u8], _: &mut Output<'_>| -> Result<Found<&str>> { unreachable!() };
    let lease = cache.get_or_lease("a", Duration::ZERO).unwrap();
    for time in [Duration::ZERO, ns(1000)] {
        let options = LoadOptions::new().timeout(time);
        let late = cache.get_or_load_with("a", &options, unasked);
        assert_eq!(Error::Busy, late.unwrap_err());
    }
    match lease {
        Leased::Lease(lease) => drop(lease.fulfil("1", &EntryOptions::new()).unwrap()),
        found => panic!("{:?}", found),
    }
    clock.store(1110, SeqCst);
    let renewal = cache.get_or_lease("a", Duration::ZERO).unwrap();
    assert!(matches!(renewal, Leased::Renew(..)));
    let options = LoadOptions::new().stale_after(ns(1000));
    let stale = cache
        .get_or_load_with("a", &options, unasked)
        .unwrap()
        .unwrap();
    assert_eq!((&b"1"[..], true), (&*stale.value, stale.is_stale));
}

#[test]
fn a_lease_to_renew_is_kept_or_fails_or_finds_nothing() {
    let (clock, cache) = renewing();
    let renew = || match cache.get_or_lease("a", Duration::ZERO).unwrap() {
        Leased::Renew(value, lease) => {
            assert_eq!(b"1", &*value);
            lease
        }
        found => panic!("{:?}", found),
    };
    cache.insert("a", "1").unwrap();
    clock.store(1090, SeqCst);
    let lease = renew();
    assert!(matches!(
        cache.get_or_lease("a", Duration::ZERO),
        Ok(Leased::Value(_))
    ));
    assert_eq!(Ok(true), lease.keep(&EntryOptions::new()));
    assert_eq!(Some(ns(100)), cache.inspect("a").unwrap().remaining);

    clock.store(1200, SeqCst);
    let lease = renew();
    assert!(matches!(
        cache.get_or_lease("a", Duration::ZERO),
        Ok(Leased::Stale(_))
    ));
    lease.fail(Error::Load);
    assert!(matches!(
        cache.get_or_lease("a", Duration::ZERO),
        Ok(Leased::Stale(_))
    )); // for a while
    clock.store(1210, SeqCst);
    renew().find_nothing();
    assert!(cache.is_empty());

    // What a lease fails with is shared; to keep takes an old value.
    let ask = || cache.get_or_load("a", |_, _| Ok::<_, Error>(Some("2")));
    let asked = waiting_for(&cache, ask, |lease| lease.fail(Error::Io));
    let is_late = asked.is_ok(); // the thread began to wait only afterwards
    assert!(is_late || asked.unwrap_err() == Error::Io);
    cache.clear();
    match cache.get_or_lease("a", Duration::ZERO).unwrap() {
        Leased::Lease(lease) => {
            assert_eq!(
                "lease: there is no old value to keep.",
                invalid(lease.keep(&EntryOptions::new()))
            );
        }
        found => panic!("{:?}", found),
    }
    assert!(matches!(
        cache.get_or_lease("a", Duration::ZERO),
        Ok(Leased::Lease(_))
    ));
}

#[test]
fn that_there_is_no_value_is_remembered_until_a_write() {
    let (clock, builder) = clocked(Policy::Lru);
    let cache = builder.negative_ttl(ns(50)).build().unwrap();
    assert_eq!(ns(50), cache.options().unwrap().negative_ttl);
    let loads = AtomicUsize::new(0);
    let ask = || {
        let found = cache.get_or_load("a", |_, _| {
            loads.fetch_add(1, SeqCst);
            Ok::<Option<&str>, Error>(None)
        });
        assert!(found.unwrap().is_none());
        assert!(matches!(
            cache.get_or_lease("a", Duration::ZERO),
            Ok(Leased::Missing)
        ));
        loads.load(SeqCst)
    };
    assert_eq!((1, 1), (ask(), ask()));
    clock.store(1050, SeqCst);
    assert_eq!((2, 2), (ask(), ask()));
    cache.insert("a", "1").unwrap();
    let never = |_: &[u8], _: &mut Output<'_>| -> Result<Option<&str>> { unreachable!() };
    assert_eq!(b"1", &*cache.get_or_load("a", never).unwrap().unwrap());
    cache.remove("a");
    assert_eq!((3, 3), (ask(), ask()));
    assert_eq!(9, cache.stats().negative_hits); // the second load of each pair, and each lease
    cache.remove("a");
    match cache.get_or_lease("a", Duration::ZERO).unwrap() {
        Leased::Lease(lease) => lease.find_nothing(),
        found => panic!("{:?}", found),
    }
    assert_eq!(3, ask());
}

#[test]
fn one_who_waits_for_a_lease_is_told_that_there_is_no_value() {
    let cache = lru(10);
    loop {
        let ask = || match cache.get_or_lease("a", Duration::MAX).unwrap() {
            Leased::Missing => true,
            Leased::Lease(_) => false, // the thread began to wait only afterwards
            found => panic!("{:?}", found),
        };
        if waiting_for(&cache, ask, |lease| lease.find_nothing()) {
            return;
        }
    }
}

#[test]
fn a_memo_keeps_its_old_result_when_the_function_fails() {
    let (clock, builder) = clocked(Policy::Lru);
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let memo = Memo::<u8, Failure>::new(
        builder.ttl(ns(100)).stale(ns(50)),
        move |_, n| match counter.fetch_add(1, SeqCst) {
            0 => Ok(Some(vec![*n])),
            _ => Err(Failure::Database("is down".into())),
        },
        |n, key| {
            key.uint((*n).into());
        },
    );
    let memo = memo.unwrap();
    assert_eq!(b"\x07", &*memo.call(&7).unwrap().unwrap());
    clock.store(1120, SeqCst);
    assert_eq!(b"\x07", &*memo.call(&7).unwrap().unwrap());
    assert_eq!(2, calls.load(SeqCst));
    clock.store(1200, SeqCst);
    let failure = memo.call(&7).unwrap_err();
    assert_eq!(Failure::Database("is down".into()), failure);
}

#[test]
fn a_lease_is_fulfilled_on_another_thread_or_given_up() {
    let cache = lru(10);
    let lease = match cache.get_or_lease("a", Duration::MAX).unwrap() {
        Leased::Lease(lease) => lease,
        _ => panic!("there is no such value yet"),
    };
    assert_eq!(b"a", lease.key());
    assert!(matches!(
        cache.get_or_lease("a", Duration::ZERO),
        Ok(Leased::Busy)
    ));
    std::thread::scope(|scope| {
        scope.spawn(move || assert_eq!(b"1", &*lease.fulfil("1", &EntryOptions::new()).unwrap()));
        match cache.get_or_lease("a", Duration::MAX).unwrap() {
            Leased::Value(value) => assert_eq!(b"1", &*value),
            _ => panic!("it should have been waited for"),
        }
    });
    drop(cache.get_or_lease("b", Duration::ZERO).unwrap());
    assert!(matches!(
        cache.get_or_lease("b", Duration::ZERO),
        Ok(Leased::Lease(_))
    ));
}

#[test]
fn a_cache_outlives_a_lease_or_a_walk_that_is_forgotten() {
    let drops = Arc::new(AtomicUsize::new(0));
    let counting = || {
        let drops = drops.clone();
        ByteCache::builder(Policy::Lru, 10).on_drop(move |_| {
            drops.fetch_add(1, SeqCst);
        })
    };
    let cache = counting().build().unwrap();
    cache.insert("a", "1").unwrap();
    std::mem::forget(cache.get_or_lease("b", Duration::ZERO).unwrap());
    drop(cache); // which must not be freed
    assert_eq!(0, drops.load(SeqCst));

    let memo = Memo::<u64>::new(
        counting(),
        |_, n| Ok(Some(n.to_le_bytes().to_vec())),
        |n, key| {
            key.uint(*n);
        },
    );
    let memo = memo.unwrap();
    memo.call(&1).unwrap();
    std::mem::forget(memo.cache().walk(Order::Any).unwrap());
    drop(memo);
    assert_eq!(0, drops.load(SeqCst));
}

#[test]
fn a_result_has_a_lifetime_and_tags_of_its_own() {
    let calls = AtomicUsize::new(0);
    let calls: &'static AtomicUsize = Box::leak(Box::new(calls));
    let function = |_: &Memo<u64>, n: &u64, output: &mut Output<'_>| {
        calls.fetch_add(1, SeqCst);
        output.ttl(Duration::from_secs(3600));
        output.tag("numbers");
        Ok(Some(n.to_le_bytes().to_vec()))
    };
    let key = |n: &u64, key: &mut KeyRef<'_>| {
        key.uint(*n);
    };
    let own = ByteCache::builder(Policy::Lru, 10);
    let shared = Arc::new(lru(10));
    let memos = [
        Memo::new_with(own, function, key).unwrap(),
        Memo::sharing_with(shared, b"", function, key).unwrap(),
    ];
    for memo in memos {
        calls.store(0, SeqCst);
        for _ in 0..2 {
            assert_eq!(7u64.to_le_bytes(), *memo.call(&7).unwrap().unwrap());
        }
        let info = memo.cache().inspect(memo.key(&7).unwrap()).unwrap();
        assert!(info.remaining.unwrap() > Duration::from_secs(3500));
        memo.cache().invalidate_tag("numbers").unwrap();
        memo.call(&7).unwrap();
        assert_eq!(2, calls.load(SeqCst));
    }
}

#[test]
fn compute_reads_changes_and_writes() {
    let cache = lru(10);
    let count = |old: Option<&[u8]>, _: &mut Output<'_>| {
        Ok::<_, Failure>(Change::Store(vec![old.map_or(1, |old| old[0] + 1)]))
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..50).for_each(|_| drop(cache.compute("n", count).unwrap())));
        }
    });
    assert_eq!(b"\x64", &*cache.get("n").unwrap().unwrap());

    let leave = |_: Option<&[u8]>, _: &mut Output<'_>| Ok::<Change<&str>, Error>(Change::Leave);
    assert_eq!(b"\x64", &*cache.compute("n", leave).unwrap().unwrap());
    let fail = |_: Option<&[u8]>, _: &mut Output<'_>| -> Result<Change<&str>, Failure> {
        Err(Failure::Database("no".into()))
    };
    assert_eq!(
        Failure::Database("no".into()),
        cache.compute("n", fail).unwrap_err()
    );
    let remove = |_: Option<&[u8]>, _: &mut Output<'_>| Ok::<Change<&str>, Error>(Change::Remove);
    assert!(cache.compute("n", remove).unwrap().is_none());
    assert!(cache.is_empty());

    let mut runs = 0;
    let too_late = |_: Option<&[u8]>, _: &mut Output<'_>| {
        runs += 1;
        cache.insert("n", "written").unwrap();
        Ok::<_, Error>(Change::Store("computed"))
    };
    assert_eq!(Error::Busy, cache.compute("n", too_late).unwrap_err());
    assert_eq!(17, runs);
    assert_eq!(b"written", &*cache.get("n").unwrap().unwrap());
    let within = |_: Option<&[u8]>, _: &mut Output<'_>| {
        let inner = cache.compute("n", |_, _| Ok::<Change<&str>, Error>(Change::Remove));
        assert_eq!(Error::Recursion, inner.unwrap_err());
        Ok::<_, Error>(Change::Store("computed"))
    };
    assert_eq!(b"computed", &*cache.compute("n", within).unwrap().unwrap());
}

// ---- Keys and memos -----------------------------------------------------------------------------

#[test]
fn keys_are_equal_if_their_arguments_are() {
    let key = |add: &dyn Fn(&mut KeyBuilder)| {
        let mut key = KeyBuilder::new().unwrap();
        add(&mut key);
        key.data().map(<[u8]>::to_vec)
    };
    let one = key(&|key| {
        key.int(1);
    })
    .unwrap();
    assert_eq!(
        Ok(&one),
        key(&|key| {
            key.float(1.0);
        })
        .as_ref()
    );
    assert_eq!(
        Ok(&one),
        key(&|key| {
            key.bool(true);
        })
        .as_ref()
    );
    assert_eq!(
        Ok(&one),
        key(&|key| {
            key.uint(1);
        })
        .as_ref()
    );
    assert_ne!(
        Ok(&one),
        key(&|key| {
            key.text("1");
        })
        .as_ref()
    );
    assert_ne!(
        key(&|key| {
            key.text("1");
        }),
        key(&|key| {
            key.bytes(b"1");
        })
    );
    assert_ne!(
        key(&|key| {
            key.null();
        }),
        key(&|_| ())
    );
    let flat = key(&|key| {
        key.int(1).int(2);
    });
    let nested = key(&|key| {
        key.tuple(|key| {
            key.int(1).int(2);
        });
    });
    assert_ne!(flat, nested);
    let named = key(&|key| {
        key.name("a").int(1).name("b").int(2);
    });
    assert_eq!(
        named,
        key(&|key| {
            key.name("b").int(2).name("a").int(1);
        })
    );
    assert_eq!(
        "name: it has no value.",
        invalid(key(&|key| {
            key.name("a").name("b");
        }))
    );

    let mut typed = KeyBuilder::typed().unwrap();
    let int = typed.int(1).data().unwrap().to_vec();
    assert_ne!(int, typed.reset().float(1.0).data().unwrap());
    assert_eq!(None, typed.problem());
    let refused = invalid(typed.name("a").name("b").data());
    assert_eq!("name: it has no value.", refused);
    assert_eq!(refused, typed.problem().unwrap().to_string());
}

#[test]
fn a_memo_remembers_and_calls_itself() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let fibonacci = Memo::<u64>::new(
        Builder::new(Policy::Lru, 128),
        move |memo, n| {
            counter.fetch_add(1, SeqCst);
            let of = |n: u64| -> Result<u64> {
                let value = memo.call(&n)?.unwrap();
                Ok(u64::from_le_bytes(value[..].try_into().unwrap()))
            };
            let sum = if *n < 2 { *n } else { of(n - 1)? + of(n - 2)? };
            Ok(Some(sum.to_le_bytes().to_vec()))
        },
        |n, key| {
            key.uint(*n);
        },
    );
    let fibonacci = fibonacci.unwrap();
    let value = fibonacci.call(&90).unwrap().unwrap();
    assert_eq!(2_880_067_194_370_816_120_u64.to_le_bytes(), *value);
    assert_eq!(91, calls.load(SeqCst));
    let info = fibonacci.info().unwrap();
    assert_eq!((91, 91, 128), (info.misses, info.weight, info.maxsize));

    assert_eq!(
        (Ok(true), Ok(false)),
        (fibonacci.invalidate(&90), fibonacci.invalidate(&90))
    );
    fibonacci.call(&90).unwrap();
    assert_eq!(92, calls.load(SeqCst));
    fibonacci.clear().unwrap();
    assert_eq!(0, fibonacci.info().unwrap().weight);
    let expected = KeyBuilder::new().unwrap().uint(7).data().unwrap().to_vec();
    assert_eq!(Ok(expected), fibonacci.key(&7));
}

#[test]
fn memos_share_a_cache_and_fail_with_their_own_errors() {
    let cache = Arc::new(lru(10));
    let memo = |prefix: &'static str| {
        let function = move |_: &Memo<str, Failure>, name: &str| match name {
            "" => Err(Failure::Database("no name".into())),
            "nobody" => Ok(None),
            name => Ok(Some(format!("{} {}", prefix, name).into_bytes())),
        };
        let key = |name: &str, key: &mut KeyRef<'_>| {
            key.text(name);
        };
        Memo::sharing(cache.clone(), prefix.as_bytes(), function, key).unwrap()
    };
    let (hello, bye) = (memo("hello"), memo("bye"));
    assert_eq!(b"hello you", &*hello.call("you").unwrap().unwrap());
    assert_eq!(b"bye you", &*bye.call("you").unwrap().unwrap());
    assert_eq!(2, cache.len());
    assert!(std::ptr::eq(&*cache, hello.cache()));
    assert!(hello.call("nobody").unwrap().is_none());
    assert_eq!(
        Failure::Database("no name".into()),
        hello.call("").unwrap_err()
    );
}

#[test]
fn the_cache_of_a_memo_is_there() {
    let drops = Arc::new(AtomicUsize::new(0));
    let counter = drops.clone();
    let memo = Memo::<u64>::new(
        Builder::new(Policy::Lru, 5).on_drop(move |_| {
            counter.fetch_add(1, SeqCst);
        }),
        |_, n| Ok(Some(n.to_le_bytes().to_vec())),
        |n, key| {
            key.uint(*n);
        },
    );
    let memo = memo.unwrap();
    let value = memo.call(&1).unwrap().unwrap();
    memo.forget();
    let info = memo.info().unwrap();
    assert_eq!((0, 0, 1), (info.hits, info.misses, info.weight));
    let key = memo.key(&1).unwrap();
    assert_eq!(*value, *memo.cache().get(&key).unwrap().unwrap());
    assert_eq!(5, memo.cache().maxsize());
    drop(memo);
    drop(value);
    assert_eq!(1, drops.load(SeqCst));
    assert_eq!(1, Arc::strong_count(&drops)); // its callbacks are gone
}

#[test]
fn a_memo_lends_its_key() {
    let memo = Memo::<u64>::new(
        Builder::new(Policy::Lru, 128),
        |_, n| Ok(Some(n.to_le_bytes().to_vec())),
        |n, lent| {
            // `*lent = ...` and `mem::swap(lent, &mut *own)` do not compile.
            let mut own = KeyBuilder::typed().unwrap();
            let mut other = KeyBuilder::new().unwrap();
            std::mem::swap(&mut own, &mut other);
            std::mem::swap(&mut *own, &mut *other);
            own.uint(*n);
            lent.tuple(|lent| {
                lent.bytes(own.data().unwrap());
            });
        },
    );
    let memo = memo.unwrap();
    for n in 0..10u64 {
        assert_eq!(n.to_le_bytes(), *memo.call(&n).unwrap().unwrap());
    }
    assert_eq!(10, memo.info().unwrap().weight);
    assert!(!std::mem::needs_drop::<KeyRef<'_>>());
}
