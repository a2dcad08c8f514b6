// SPDX-License-Identifier: MIT
//! The cache of typed keys and shared values.
mod support;

use cachetools::*;
use std::collections::BTreeMap;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{mpsc, Arc, Barrier, Mutex, Weak};
use std::thread;
use std::time::Duration;
use support::*;

/// A value that is counted while it lives.
struct Counted {
    number: u32,
    _alive: Arc<()>,
}

/// Makes values, and counts those that are alive.
#[derive(Default)]
struct Maker(Arc<()>);

impl Maker {
    fn make(&self, number: u32) -> Counted {
        Counted {
            number,
            _alive: self.0.clone(),
        }
    }

    fn alive(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

fn counted(maxsize: u64) -> (Maker, Cache<u32, Counted>) {
    let cache = Cache::new(Policy::Lru, maxsize).unwrap();
    (Maker::default(), cache)
}

fn panic_of<T>(call: impl FnOnce() -> T) -> String {
    message_of(catch_unwind(AssertUnwindSafe(call)).map(drop).unwrap_err())
}

// ---- The mapping --------------------------------------------------------------------------------

#[test]
fn what_is_inserted_is_got_and_never_copied() {
    let cache = Cache::<String, String>::new(Policy::Lru, 10).unwrap();
    let value = Arc::new("forty-two".to_string());
    assert_eq!(
        Ok(Outcome::Stored),
        cache.insert("answer", Arc::clone(&value))
    );
    assert!(Arc::ptr_eq(&value, &cache.get("answer").unwrap()));
    assert!(Arc::ptr_eq(
        &value,
        &cache.peek(&"answer".to_string()).unwrap()
    ));
    assert!(cache.contains("answer") && !cache.contains("question"));
    assert!(cache.get("question").is_none() && cache.peek("question").is_none());
    assert_eq!(
        (1, 1, 10, false),
        (
            cache.len(),
            cache.weight(),
            cache.maxsize(),
            cache.is_empty()
        )
    );
    let stats = cache.stats();
    assert_eq!((1, 1, 1), (stats.hits, stats.misses, stats.inserts));
    cache.reset_stats();
    assert_eq!(0, cache.stats().hits);
    assert_eq!(Policy::Lru, cache.options().unwrap().policy);
}

#[test]
fn values_of_no_size_and_of_a_large_alignment_are_shared_too() {
    #[repr(align(128))]
    struct Aligned(u8);
    let (units, aligned) = (
        Cache::<u8, ()>::new(Policy::Lru, 10).unwrap(),
        Cache::<u8, Aligned>::new(Policy::Lru, 10).unwrap(),
    );
    units.insert(&1, ()).unwrap();
    aligned.insert(&1, Aligned(7)).unwrap();
    assert_eq!(Some(()), units.get(&1).as_deref().copied());
    assert_eq!(7, aligned.get(&1).unwrap().0);
}

#[test]
fn removed_values_are_handed_over() {
    let (maker, cache) = counted(10);
    for number in 0..5 {
        cache.insert(&number, maker.make(number)).unwrap();
    }
    assert_eq!(3, cache.remove(&3).unwrap().number);
    assert!(cache.remove(&3).is_none());
    let (key, value) = cache.pop_victim().unwrap().unwrap();
    assert_eq!((0, 0), (key, value.number));
    drop(value);
    assert_eq!(1, cache.remove_if(|_, value| value.number == 4));
    assert_eq!((2, 2), (cache.len(), maker.alive()));
    cache.clear();
    assert!(cache.is_empty() && cache.pop_victim().unwrap().is_none());
    assert_eq!(0, maker.alive());
}

// ---- Whose the counts are -----------------------------------------------------------------------

#[test]
fn counts_go_back_when_entries_leave() {
    let (maker, cache) = counted(2);
    for number in 0..5 {
        cache.insert(&number, maker.make(number)).unwrap(); // evicts
    }
    assert_eq!(2, maker.alive());
    cache.insert(&4, maker.make(44)).unwrap(); // replaces
    assert_eq!(2, maker.alive());
    cache.remove(&4);
    assert_eq!(1, maker.alive());
    cache.resize(0).unwrap();
    assert_eq!(0, maker.alive());
}

#[test]
fn counts_go_back_when_the_cache_is_dropped() {
    let (maker, cache) = counted(1000);
    for number in 0..1000 {
        cache.insert(&number, maker.make(number)).unwrap();
    }
    let kept = cache.get(&7).unwrap();
    assert_eq!((1000, 2), (maker.alive(), Arc::strong_count(&kept)));
    drop(cache);
    assert_eq!((1, 1), (maker.alive(), Arc::strong_count(&kept)));
    assert_eq!(7, kept.number);
}

#[test]
fn refused_values_are_dropped_at_once() {
    let maker = Maker::default();
    let builder = Cache::<u32, Counted>::builder(Policy::Lru, 100);
    let cache = builder
        .weigher(|_, value| u64::from(value.number))
        .build()
        .unwrap();
    cache.insert(&1, maker.make(50)).unwrap();
    assert_eq!(Err(Error::TooLarge), cache.insert(&1, maker.make(101)));
    assert_eq!(
        (1, 50),
        (maker.alive(), cache.get(&1).unwrap().number) // the old value stays
    );

    let if_absent = EntryOptions::new().if_absent();
    let exists = cache.insert_with(&1, maker.make(2), &if_absent);
    assert_eq!((Ok(Outcome::Exists), 1), (exists, maker.alive()));
    let if_present = EntryOptions::new().if_present();
    let missing = cache.insert_with(&2, maker.make(2), &if_present);
    assert_eq!((Ok(Outcome::Missing), 1), (missing, maker.alive()));
    let both = EntryOptions::new().ttl(ns(1)).deadline(ns(1));
    let refused = invalid(cache.insert_with(&2, maker.make(2), &both));
    assert_eq!(
        ("deadline: there is a ttl as well.".into(), 1),
        (refused, maker.alive())
    );
    let dead = EntryOptions::new().ttl(Duration::ZERO);
    let not_stored = cache.insert_with(&1, maker.make(3), &dead);
    assert_eq!((Ok(Outcome::NotStored), 0), (not_stored, maker.alive()));
}

#[test]
fn one_arc_may_be_the_value_of_several_keys() {
    let (maker, cache) = counted(10);
    let value = Arc::new(maker.make(1));
    for key in [1, 2, 2, 3] {
        cache.insert(&key, Arc::clone(&value)).unwrap();
    }
    assert_eq!(4, Arc::strong_count(&value));
    cache.remove(&2);
    assert_eq!(3, Arc::strong_count(&value));
    drop(cache);
    assert_eq!(1, Arc::strong_count(&value));
}

#[test]
fn a_value_that_owns_its_cache_goes_by_hand() {
    struct Node(Mutex<Weak<Cache<u8, Node>>>);
    let cache = Arc::new(Cache::<u8, Node>::new(Policy::Lru, 1).unwrap());
    let node = Node(Mutex::new(Arc::downgrade(&cache)));
    cache.insert(&1, node).unwrap();
    let node = cache.get(&1).unwrap();
    assert!(node.0.lock().unwrap().upgrade().unwrap().contains(&1));
    drop(cache);
    assert!(node.0.lock().unwrap().upgrade().is_none());
}

#[test]
fn values_may_use_the_cache_when_they_are_dropped() {
    struct Logging(Weak<Cache<u8, Logging>>, Arc<Mutex<Vec<usize>>>);
    impl Drop for Logging {
        fn drop(&mut self) {
            if let Some(cache) = self.0.upgrade() {
                self.1.lock().unwrap().push(cache.len());
            }
        }
    }
    let lengths = Arc::default();
    let cache = Arc::new(Cache::<u8, Logging>::new(Policy::Lru, 2).unwrap());
    for key in 0..3 {
        let value = Logging(Arc::downgrade(&cache), Arc::clone(&lengths));
        cache.insert(&key, value).unwrap();
    }
    assert_eq!(vec![2], *lengths.lock().unwrap());
}

#[test]
fn a_value_may_be_a_cache() {
    let (maker, outer) = (Maker::default(), Cache::new(Policy::Lru, 1).unwrap());
    for number in 0..3u32 {
        let inner = Cache::<u32, Counted>::new(Policy::Lru, 10).unwrap();
        inner.insert(&number, maker.make(number)).unwrap();
        outer.insert(&number, inner).unwrap(); // frees the one before
        assert_eq!(1, maker.alive());
    }
    assert_eq!(2, outer.get(&2).unwrap().get(&2).unwrap().number);
    drop(outer);
    assert_eq!(0, maker.alive());
}

/// Misuses the closure that it is given: after its call, all that it was to do is done.
struct Hostile;

impl Key<u32> for Hostile {
    fn with_bytes<R>(&self, with: impl FnOnce(&[u8]) -> R) -> R {
        with(&7u32.to_le_bytes());
        panic!("from the key")
    }
}

#[test]
fn a_key_that_panics_loses_no_count() {
    let (maker, cache) = counted(10);
    assert_eq!(
        "from the key",
        panic_of(|| cache.insert(&Hostile, maker.make(7)))
    );
    assert_eq!((1, 7), (maker.alive(), cache.get(&7).unwrap().number));
    assert_eq!("from the key", panic_of(|| cache.get(&Hostile)));
    assert_eq!("from the key", panic_of(|| cache.remove(&Hostile)));
    assert_eq!((0, 0), (maker.alive(), cache.len()));
    let load = || Ok::<_, Error>(maker.make(8));
    assert_eq!(
        "from the key",
        panic_of(|| cache.get_or_load(&Hostile, load))
    );
    assert_eq!(8, cache.get(&7).unwrap().number);
    drop(cache);
    assert_eq!(0, maker.alive());
}

// ---- Loading ------------------------------------------------------------------------------------

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
fn a_key_is_loaded_once() {
    let (maker, cache) = counted(10);
    let loaded = cache.get_or_load(&1, || Ok::<_, Error>(maker.make(11)));
    assert_eq!(11, loaded.unwrap().number);
    let never = || -> Result<Counted> { unreachable!() };
    assert_eq!(11, cache.get_or_load(&1, never).unwrap().number);
    let inserted = cache.get_or_insert_with(&2, || maker.make(22)).unwrap();
    assert_eq!((22, 2), (inserted.number, Arc::strong_count(&inserted)));
    let stats = cache.stats();
    assert_eq!((1, 2, 2), (stats.hits, stats.misses, stats.loads));
    drop(cache);
    assert_eq!(1, maker.alive());
}

#[test]
fn errors_and_panics_of_loaders_come_back_and_nothing_is_stored() {
    let (maker, cache) = counted(10);
    let fails = || -> Result<Counted, Failure> {
        let _value = maker.make(1);
        Err(Failure::Database("is down".into()))
    };
    let failure = cache.get_or_load(&1, fails).err();
    assert_eq!(Some(Failure::Database("is down".into())), failure);
    let panics = || -> Result<Counted> {
        let _value = maker.make(1);
        panic!("from the loader")
    };
    assert_eq!(
        "from the loader",
        panic_of(|| cache.get_or_load(&1, panics))
    );
    assert_eq!((0, 0), (cache.len(), maker.alive()));
    assert_eq!(2, cache.stats().load_failures);
    let loaded = cache.get_or_load(&1, || Ok::<_, Error>(maker.make(2)));
    assert_eq!(2, loaded.unwrap().number);
}

#[test]
fn loaders_say_what_is_special() {
    let builder = Cache::<u32, Counted>::builder(Policy::Lru, 10).timer(|| ns(1000));
    let (maker, cache) = (Maker::default(), builder.build().unwrap());
    let special = EntryOptions::new().ttl(ns(50)).weight(9);
    let load = || Ok::<_, Error>((maker.make(1), special));
    cache.get_or_load_with(&1, load).unwrap();
    let info = cache.inspect(&1).unwrap();
    assert_eq!((9, Some(ns(50))), (info.weight, info.remaining));
}

#[test]
fn loaded_values_that_are_not_kept_are_their_callers() {
    let (maker, cache) = counted(10);
    let heavy = EntryOptions::new().weight(11);
    let dead = EntryOptions::new().ttl(Duration::ZERO);
    for special in [heavy, dead] {
        let load = || Ok::<_, Error>((maker.make(1), special));
        let loaded = cache.get_or_load_with(&1, load).unwrap();
        assert_eq!((1, 1), (Arc::strong_count(&loaded), maker.alive()));
    }
    let load = || {
        cache.insert(&1, maker.make(2))?; // overtakes this load
        Ok::<_, Error>(maker.make(3))
    };
    assert_eq!(3, cache.get_or_load(&1, load).unwrap().number);
    assert_eq!((1, 2), (maker.alive(), cache.get(&1).unwrap().number));
    let conditional = || Ok::<_, Error>((maker.make(4), EntryOptions::new().if_absent()));
    let refused = invalid(cache.get_or_load_with(&5, conditional));
    assert!(refused.contains("a load takes no condition"));
    let twice = EntryOptions::new().ttl(ns(1)).deadline(ns(1));
    let both = || Ok::<_, Error>((maker.make(4), twice));
    let refused = invalid(cache.get_or_load_with(&5, both));
    assert_eq!("deadline: there is a ttl as well.", refused);
    assert_eq!(1, maker.alive());
}

#[test]
fn a_loader_may_load_other_keys_but_not_its_own() {
    let cache = Cache::<u32, u32>::new(Policy::Lru, 10).unwrap();
    let own = || cache.get_or_load(&1, || Ok::<_, Error>(1u32));
    assert_eq!(Some(Error::Recursion), cache.get_or_load(&1, own).err());
    let through_another = || {
        let own = || cache.get_or_load(&1, || Ok::<_, Error>(1u32));
        cache.get_or_load(&2, own)
    };
    let failure = cache.get_or_load(&1, through_another).err();
    assert_eq!(Some(Error::Recursion), failure);
    let another = || {
        let two = cache.get_or_load(&2, || Ok::<_, Error>(2u32))?;
        Ok::<_, Error>(*two + 1)
    };
    assert_eq!(3, *cache.get_or_load(&1, another).unwrap());
    let anew = || {
        cache.remove(&7); // overtakes this load, which still runs
        cache.get_or_load(&7, || Ok::<_, Error>(8u32))
    };
    assert_eq!(Some(Error::Recursion), cache.get_or_load(&7, anew).err());
    assert_eq!(2, cache.len());
}

#[test]
fn of_a_ring_of_threads_one_is_refused() {
    let cache = Cache::<u32, u32>::new(Policy::Lru, 10).unwrap();
    let both_load = Barrier::new(2);
    let load = |key: u32, other: u32| {
        cache.get_or_load(&key, || {
            both_load.wait();
            cache.get_or_load(&other, || Ok::<_, Error>(other))
        })
    };
    let results = thread::scope(|scope| {
        let first = scope.spawn(|| load(1, 2));
        let second = scope.spawn(|| load(2, 1));
        [first.join().unwrap(), second.join().unwrap()]
    });
    // The one that is refused fails; then the other loads what it waited for.
    let refused = results.iter().filter(|it| it.is_err()).count();
    assert_eq!(1, refused);
    assert!(results
        .iter()
        .all(|it| !matches!(it, Err(error) if *error != Error::Recursion)));
}

#[test]
fn of_many_threads_one_loads() {
    const THREADS: usize = 16;
    let (maker, cache) = counted(10);
    let (loads, barrier) = (AtomicUsize::new(0), Barrier::new(THREADS));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                barrier.wait();
                let load = || {
                    loads.fetch_add(1, SeqCst);
                    thread::yield_now();
                    Ok::<_, Error>(maker.make(1))
                };
                assert_eq!(1, cache.get_or_load(&1, load).unwrap().number);
            });
        }
    });
    assert_eq!((1, 1), (loads.load(SeqCst), maker.alive()));
}

/// Loads a key on four threads, which all ask before a load ends, until some have waited for a load
/// of another that has failed. Returns how many loads ended as each of the others says.
fn fail_on_four_threads(load: impl Fn() -> Result<u32, Failure> + Sync) -> (usize, usize) {
    loop {
        let cache = Cache::<u32, u32>::new(Policy::Lru, 10).unwrap();
        let [asking, loads, own, shared] = [(); 4].map(|_| AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    asking.fetch_add(1, SeqCst);
                    let loaded = catch_unwind(AssertUnwindSafe(|| {
                        cache.get_or_load(&1, || {
                            loads.fetch_add(1, SeqCst);
                            while asking.load(SeqCst) != 4 {
                                thread::yield_now();
                            }
                            load()
                        })
                    }));
                    match loaded {
                        Ok(Err(Failure::Cache(Error::Load))) => shared.fetch_add(1, SeqCst),
                        _ => own.fetch_add(1, SeqCst),
                    };
                });
            }
        });
        assert_eq!(4, own.load(SeqCst) + shared.load(SeqCst));
        assert!(!cache.contains(&1));
        if shared.load(SeqCst) != 0 {
            return (loads.load(SeqCst), own.load(SeqCst));
        }
    }
}

#[test]
fn those_who_wait_fail_with_the_loader() {
    let (loads, own) = fail_on_four_threads(|| Err(Failure::Database("is down".into())));
    assert_eq!(loads, own);
    let (loads, own) = fail_on_four_threads(|| panic!("from the loader"));
    assert_eq!(loads, own);
    let text = format!("{} {:?}", Error::Load, Error::Load);
    assert_eq!("The load of another caller failed. Load", text);
}

#[test]
fn that_there_is_no_value_is_remembered_until_a_write() {
    let clock = Arc::new(AtomicUsize::new(1000));
    let hand = clock.clone();
    let cache = Cache::<u32, u32>::builder(Policy::Lru, 100)
        .timer(move || ns(hand.load(SeqCst) as u64))
        .negative_ttl(ns(50))
        .build()
        .unwrap();
    let loads = AtomicUsize::new(0);
    let ask = || {
        let found = cache.get_or_find(&1, || {
            loads.fetch_add(1, SeqCst);
            Ok::<Option<u32>, Error>(None)
        });
        assert_eq!(Ok(None), found);
        // For a loader that always brings a value this is an error, and not one of a waiter's.
        let loaded = cache.get_or_load(&1, || -> Result<u32> { unreachable!() });
        assert_eq!(Err(Error::Missing), loaded);
        loads.load(SeqCst)
    };
    assert_eq!((1, 1), (ask(), ask()));
    clock.store(1050, SeqCst);
    assert_eq!((2, 2), (ask(), ask()));
    cache.insert(&1, 2).unwrap();
    let found = cache.get_or_find(&1, || -> Result<Option<u32>> { unreachable!() });
    assert_eq!(Ok(Some(Arc::new(2))), found);
    cache.remove(&1);
    assert_eq!((3, 3), (ask(), ask()));
    assert_eq!(9, cache.stats().negative_hits);
    cache.remove(&1);
    let found = cache.get_or_find(&1, || Ok::<_, Error>(Some(3)));
    assert_eq!(Ok(Some(Arc::new(3))), found);
}

#[test]
fn those_who_wait_are_told_that_there_is_no_value() {
    loop {
        let cache = Cache::<u32, u32>::new(Policy::Lru, 10).unwrap();
        let [asking, loads] = [(); 2].map(|_| AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    asking.fetch_add(1, SeqCst);
                    let found = cache.get_or_find(&1, || {
                        loads.fetch_add(1, SeqCst);
                        while asking.load(SeqCst) != 4 {
                            thread::yield_now();
                        }
                        Ok::<Option<u32>, Error>(None)
                    });
                    assert_eq!(Ok(None), found);
                });
            }
        });
        if loads.load(SeqCst) < 4 {
            return; // some have waited
        }
    }
}

#[test]
fn a_renewal_that_finds_nothing_removes_the_old_value() {
    let clock = Arc::new(AtomicUsize::new(1000));
    let hand = clock.clone();
    let cache = Cache::<u32, u32>::builder(Policy::Lru, 100)
        .timer(move || ns(hand.load(SeqCst) as u64))
        .ttl(ns(100))
        .stale(ns(50))
        .build()
        .unwrap();
    cache.insert(&1, 2).unwrap();
    clock.store(1100, SeqCst);
    let fail = || Err::<Option<u32>, _>(Error::Io);
    assert_eq!(Ok(Some(Arc::new(2))), cache.get_or_find(&1, fail));
    clock.store(1120, SeqCst);
    let find = || Ok::<Option<u32>, Error>(None);
    assert_eq!(Ok(None), cache.get_or_find(&1, find));
    assert_eq!(Err(Error::Io), cache.get_or_find(&1, fail));
}

#[test]
fn those_who_wait_get_what_was_written_before_the_loader_failed() {
    let cache = Cache::<u32, u32>::new(Policy::Lru, 10).unwrap();
    let [asking, right] = [(); 2].map(|_| AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                asking.fetch_add(1, SeqCst);
                let loaded = cache.get_or_load(&1, || {
                    while asking.load(SeqCst) != 4 {
                        thread::yield_now();
                    }
                    cache.insert(&1, 2)?;
                    Err::<u32, _>(Failure::Database("is down".into()))
                });
                match loaded {
                    Ok(value) => drop(right.fetch_add(*value as usize, SeqCst)),
                    Err(failure) => assert_eq!(Failure::Database("is down".into()), failure),
                }
            });
        }
    });
    assert_eq!(3 * 2, right.load(SeqCst));
}

/// A cache with a clock that stands still until it is set: values live 100 ns, are renewed 20 ns
/// before that, and serve 50 ns longer; after a failure nobody tries for 10 ns.
fn renewing() -> (Arc<AtomicUsize>, Cache<u32, Counted>) {
    let clock = Arc::new(AtomicUsize::new(1000));
    let hand = clock.clone();
    let builder = Cache::builder(Policy::Lru, 10)
        .ttl(ns(100))
        .refresh_ahead(ns(20))
        .stale(ns(50))
        .retry(ns(10))
        .timer(move || ns(hand.load(SeqCst) as u64));
    (clock, builder.build().unwrap())
}

#[test]
fn a_value_is_renewed_by_one_while_the_others_get_the_old_one() {
    let (maker, (clock, cache)) = (Maker::default(), renewing());
    cache.insert(&1, maker.make(1)).unwrap();
    let unasked = |_: Option<&Arc<Counted>>| -> Result<(Counted, EntryOptions)> { unreachable!() };
    clock.store(1079, SeqCst);
    assert_eq!(1, cache.get_or_renew(&1, unasked).unwrap().value.number);

    for (time, next) in [(1081, 2), (1181 + 30, 3)] {
        clock.store(time, SeqCst);
        let renewed = cache.get_or_renew(&1, |old| {
            assert_eq!(Some(next - 1), old.map(|old| old.number));
            let meanwhile = cache.get_or_renew(&1, unasked).unwrap();
            assert_eq!(next - 1, meanwhile.value.number);
            assert_eq!(next == 3, meanwhile.is_stale);
            Ok::<_, Error>((maker.make(next), EntryOptions::new()))
        });
        let renewed = renewed.unwrap();
        assert_eq!((next, false), (renewed.value.number, renewed.is_stale));
        assert_eq!(next, cache.get(&1).unwrap().number);
        drop(renewed);
        assert_eq!(1, maker.alive());
    }
    let stats = cache.stats();
    assert_eq!(
        (2, 2, 0),
        (stats.renewals, stats.loads, stats.load_failures)
    );
    assert_eq!(2, stats.stale_served); // to the one who renewed, too

    // The old value, returned again, has a new lifetime.
    clock.store(1211 + 120, SeqCst);
    let again =
        |old: Option<&Arc<Counted>>| Ok::<_, Error>((old.unwrap().clone(), EntryOptions::new()));
    assert_eq!(3, cache.get_or_renew(&1, again).unwrap().value.number);
    let info = cache.inspect(&1).unwrap();
    assert_eq!(Some(ns(100)), info.remaining);
    drop(cache);
    assert_eq!(0, maker.alive());
}

#[test]
fn the_old_value_serves_when_a_renewal_fails() {
    let (maker, (clock, cache)) = (Maker::default(), renewing());
    let fails = |_: Option<&Arc<Counted>>| -> Result<(Counted, EntryOptions), Failure> {
        Err(Failure::Database("is down".into()))
    };
    cache.insert(&1, maker.make(1)).unwrap();
    let failure = || Some(Failure::Database("is down".into()));
    for (time, is_stale) in [(1090, false), (1110, true)] {
        clock.store(time, SeqCst);
        let loaded = cache.get_or_renew(&1, fails).unwrap();
        assert_eq!((1, is_stale), (loaded.value.number, loaded.is_stale));
        assert_eq!(failure(), loaded.failure);
        let later = cache.get_or_renew(&1, fails).unwrap(); // tries nothing
        assert_eq!((1, is_stale), (later.value.number, later.is_stale));
        assert_eq!(None, later.failure);
        assert_eq!(
            1,
            cache
                .get_or_load(&1, || fails(None).map(|it| it.0))
                .unwrap()
                .number
        );
    }
    assert_eq!(2, cache.stats().renewal_failures);
    assert!(!cache.contains(&1)); // it is expired for all but loading calls

    clock.store(1130, SeqCst);
    let panics = |_: Option<&Arc<Counted>>| -> Result<(Counted, EntryOptions)> { panic!("no") };
    assert_eq!("no", panic_of(|| cache.get_or_renew(&1, panics)));
    assert_eq!(1, cache.get_or_renew(&1, panics).unwrap().value.number);
    assert_eq!(3, cache.stats().renewal_failures);

    // What was removed meanwhile is never served, nor is what is too old.
    clock.store(1145, SeqCst);
    let removes = |_: Option<&Arc<Counted>>| {
        cache.remove(&1);
        fails(None)
    };
    assert_eq!(failure(), cache.get_or_renew(&1, removes).err());
    cache.insert(&1, maker.make(2)).unwrap();
    clock.store(1145 + 150, SeqCst);
    assert_eq!(failure(), cache.get_or_renew(&1, fails).err());
    drop(cache);
    assert_eq!(0, maker.alive());
}

#[test]
fn nobody_gets_what_was_loaded_before_an_insert_that_he_saw() {
    let cache = Cache::<u32, u32>::new(Policy::Lru, 10).unwrap();
    let (begun, begins) = mpsc::channel();
    let (go, goes) = mpsc::channel();
    thread::scope(|scope| {
        let cache = &cache;
        let old = scope.spawn(move || {
            cache.get_or_load(&1, || {
                begun.send(()).unwrap();
                goes.recv().unwrap();
                Ok::<_, Error>(1u32)
            })
        });
        begins.recv().unwrap();
        assert!(cache.remove(&1).is_none()); // overtakes the load
        assert_eq!(2, *cache.get_or_insert_with(&1, || 2u32).unwrap());
        go.send(()).unwrap();
        assert_eq!(1, *old.join().unwrap().unwrap());
    });
    assert_eq!(Some(2), cache.get(&1).as_deref().copied());
}

#[test]
fn compute_reads_changes_and_writes() {
    let cache = Cache::<u32, u32>::new(Policy::Lru, 10).unwrap();
    let count =
        |old: Option<&Arc<u32>>| Ok::<_, Failure>(Change::Store(old.map_or(1, |old| **old + 1)));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..50).for_each(|_| drop(cache.compute(&1, count).unwrap())));
        }
    });
    assert_eq!(Some(100), cache.get(&1).as_deref().copied());
    let leave = |_: Option<&Arc<u32>>| Ok::<_, Error>(Change::<u32>::Leave);
    let left = cache.compute(&1, leave).unwrap();
    assert_eq!(Some(100), left.as_deref().copied());
    let remove = |_: Option<&Arc<u32>>| Ok::<_, Error>(Change::<u32>::Remove);
    assert_eq!(None, cache.compute(&1, remove).unwrap());
    assert!(cache.is_empty() && cache.compute(&1, leave).unwrap().is_none());
}

#[test]
fn computed_values_that_are_not_stored_are_dropped() {
    let maker = Maker::default();
    let cache = Cache::<u32, Counted>::builder(Policy::Lru, 100)
        .weigher(|_, value| u64::from(value.number))
        .build()
        .unwrap();
    cache.insert(&1, maker.make(1)).unwrap();
    let too_large = |_: Option<&Arc<Counted>>| Ok(Change::Store(maker.make(101)));
    let refused: Result<_> = cache.compute(&1, too_large);
    assert_eq!((Some(Error::TooLarge), 1), (refused.err(), maker.alive()));

    let mut runs = 0;
    let too_late = |_: Option<&Arc<Counted>>| {
        runs += 1;
        cache.insert(&1, maker.make(2))?;
        Ok::<_, Error>(Change::Store(maker.make(3)))
    };
    assert_eq!(Some(Error::Busy), cache.compute(&1, too_late).err());
    assert_eq!((17, 1), (runs, maker.alive()));
    let fails = |_: Option<&Arc<Counted>>| -> Result<Change<Counted>, Failure> {
        Err(Failure::Database("is down".into()))
    };
    let failure = cache.compute(&1, fails).err();
    assert_eq!(Some(Failure::Database("is down".into())), failure);
    let panics = |_: Option<&Arc<Counted>>| -> Result<Change<Counted>> {
        let _value = maker.make(4);
        panic!("from the closure")
    };
    assert_eq!("from the closure", panic_of(|| cache.compute(&1, panics)));
    assert_eq!((1, 2), (maker.alive(), cache.get(&1).unwrap().number));

    let same = |old: Option<&Arc<Counted>>| Ok::<_, Error>(Change::Store(old.unwrap().clone()));
    let value = cache.compute(&1, same).unwrap().unwrap();
    assert_eq!((1, 2), (maker.alive(), Arc::strong_count(&value)));
    drop(cache);
    assert_eq!(1, Arc::strong_count(&value));
}

#[test]
fn a_computed_value_that_is_dead_on_arrival_is_its_callers() {
    let maker = Maker::default();
    let cache = Cache::<u32, Counted>::builder(Policy::Tlru, 10)
        .timer(|| ns(1000))
        .time_to_use(|_, value, now| now + ns(u64::from(value.number)))
        .build()
        .unwrap();
    let compute = |number| {
        let store = |_: Option<&Arc<Counted>>| Ok::<_, Error>(Change::Store(maker.make(number)));
        cache.compute(&1, store).unwrap().unwrap()
    };
    assert_eq!(2, Arc::strong_count(&compute(5)));
    let dead = compute(0);
    assert_eq!((0, 1), (dead.number, Arc::strong_count(&dead)));
    assert_eq!((0, 1), (cache.len(), maker.alive()));
}

// ---- Callbacks ----------------------------------------------------------------------------------

#[test]
fn the_listener_is_told_what_leaves_and_why() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let clock = Arc::new(AtomicUsize::new(1000));
    let (lines, hand) = (log.clone(), clock.clone());
    let cache = Cache::<String, u32>::builder(Policy::Lru, 2)
        .timer(move || ns(hand.load(SeqCst) as u64))
        .listener(move |event| {
            let line = (event.key(), **event.value, event.weight, event.cause);
            lines.lock().unwrap().push(line);
        })
        .build()
        .unwrap();
    for (key, value) in [("a", 1u32), ("b", 2), ("b", 3), ("c", 4)] {
        cache.insert(key, value).unwrap();
    }
    cache.remove("b");
    let short = EntryOptions::new().ttl(ns(10));
    cache.insert_with("d", 5u32, &short).unwrap();
    clock.store(1010, SeqCst);
    assert!(cache.get("d").is_none());
    assert_eq!(1, cache.expire());
    cache.clear();
    let expected = [
        ("b", 2, Cause::Replaced),
        ("a", 1, Cause::Evicted),
        ("b", 3, Cause::Removed),
        ("d", 5, Cause::Expired),
        ("c", 4, Cause::Cleared),
    ];
    let expected: Vec<_> = (expected.iter())
        .map(|(key, value, cause)| (key.to_string(), *value, 1, *cause))
        .collect();
    assert_eq!(expected, *log.lock().unwrap());
}

#[test]
fn weighers_weigh_and_times_to_use_end() {
    let clock = Arc::new(AtomicUsize::new(1000));
    let hand = clock.clone();
    let cache = Cache::<String, Vec<u8>>::builder(Policy::Tlru, 100)
        .timer(move || ns(hand.load(SeqCst) as u64))
        .weigher(|key, value| (key.len() + value.len()) as u64)
        .time_to_use(|key, value, now| now + ns((key.len() + value.len()) as u64))
        .build()
        .unwrap();
    cache.insert("ab", b"12345".to_vec()).unwrap();
    assert_eq!(7, cache.weight());
    clock.store(1006, SeqCst);
    assert!(cache.contains("ab"));
    clock.store(1007, SeqCst);
    assert!(!cache.contains("ab"));
}

#[test]
fn lifetimes_go_by_the_timer() {
    let clock = Arc::new(AtomicUsize::new(1000));
    let hand = clock.clone();
    let cache = Cache::<u8, u8>::builder(Policy::Ttl, 100)
        .timer(move || Duration::from_secs(hand.load(SeqCst) as u64))
        .ttl(Duration::from_secs(60))
        .build()
        .unwrap();
    cache.insert(&1, 1).unwrap();
    cache.insert(&2, 2).unwrap();
    assert_eq!(Ok(true), cache.set_lifetime(&2, Duration::from_secs(3600)));
    assert_eq!(Ok(false), cache.set_lifetime(&3, Duration::MAX));
    clock.store(1059, SeqCst);
    assert_eq!(
        Some(Duration::from_secs(1)),
        cache.inspect(&1).unwrap().remaining
    );
    clock.store(1060, SeqCst);
    assert!(cache.get(&1).is_none() && cache.get(&2).is_some());
}

#[test]
fn a_weigher_that_panics_refuses_the_value_whatever_the_limit_is() {
    for maxsize in [100, UNBOUNDED] {
        let maker = Maker::default();
        let cache = Cache::<u32, Counted>::builder(Policy::Lru, maxsize)
            .weigher(|_, _| panic!("from the weigher"))
            .build()
            .unwrap();
        assert_eq!(
            "from the weigher",
            panic_of(|| cache.insert(&1, maker.make(1)))
        );
        assert_eq!((0, 0), (cache.len(), maker.alive()));
        let load = || Ok::<_, Error>(maker.make(1));
        assert_eq!("from the weigher", panic_of(|| cache.get_or_load(&1, load)));
        assert_eq!((0, 0), (cache.len(), maker.alive()));
    }
}

#[test]
fn a_time_to_use_that_panics_leaves_the_value_dead_on_arrival() {
    let maker = Maker::default();
    let cache = Cache::<u32, Counted>::builder(Policy::Tlru, 10)
        .time_to_use(|_, _, _| panic!("from the time to use"))
        .build()
        .unwrap();
    let panic = panic_of(|| cache.insert(&1, maker.make(1)));
    assert_eq!("from the time to use", panic);
    assert_eq!((0, 0), (cache.len(), maker.alive()));
}

struct Bomb(bool);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 {
            panic!("from the drop")
        }
    }
}

#[test]
fn panics_of_dropped_values_go_on_in_the_call_that_dropped_them() {
    let cache = Cache::<u8, Bomb>::new(Policy::Lru, 1).unwrap();
    cache.insert(&1, Bomb(true)).unwrap();
    assert_eq!("from the drop", panic_of(|| cache.insert(&2, Bomb(false))));
    assert!(cache.contains(&2)); // only dropping failed
    let exists = || cache.insert_with(&2, Bomb(true), &EntryOptions::new().if_absent());
    assert_eq!("from the drop", panic_of(exists));
    assert!(cache.get(&2).is_some()); // nothing is left over
    cache.insert(&2, Bomb(true)).unwrap();
    assert_eq!("from the drop", panic_of(move || drop(cache)));
}

#[test]
fn what_one_callback_panics_with_does_not_come_up_in_the_next() {
    let told = Arc::new(AtomicUsize::new(0));
    let (count, other) = (told.clone(), Cache::<u8, u8>::new(Policy::Lru, 9).unwrap());
    let cache = Cache::<u8, u8>::builder(Policy::Lru, 10)
        .listener(move |_| {
            other.insert(&1, 1).unwrap(); // a call of its own
            assert!(other.get(&1).is_some());
            count.fetch_add(1, SeqCst);
            panic!("from the listener")
        })
        .build()
        .unwrap();
    for key in 0..5 {
        cache.insert(&key, key).unwrap();
    }
    assert_eq!("from the listener", panic_of(|| cache.clear()));
    assert_eq!(5, told.load(SeqCst));
    assert!(cache.is_empty());
}

#[test]
fn what_callbacks_panic_with_may_panic_when_it_is_dropped() {
    struct Hostile;
    impl Drop for Hostile {
        fn drop(&mut self) {
            panic!("from the drop of a panic")
        }
    }
    let cache = Cache::<u8, u8>::builder(Policy::Lru, 10)
        .listener(|_| resume_unwind(Box::new(Hostile)))
        .build()
        .unwrap();
    cache.insert(&1, 1).unwrap();
    cache.insert(&2, 2).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| cache.clear())).unwrap_err();
    std::mem::forget(panic.downcast::<Hostile>().unwrap()); // the first one; the second is gone
    assert!(cache.is_empty());
}

#[test]
fn policies_of_ones_own_and_choices_choose_victims() {
    struct Smallest(BTreeMap<Vec<u8>, u32>);
    impl EvictionPolicy for Smallest {
        fn insert(&mut self, id: u32, _weight: u64, key: &[u8], _now: u64) {
            self.0.insert(key.to_vec(), id);
        }
        fn remove(&mut self, id: u32) {
            self.0.retain(|_, there| *there != id);
        }
        fn victim(&mut self) -> u32 {
            *self.0.values().next().unwrap()
        }
    }
    let cache = Cache::<String, u8>::builder(Policy::Custom, 2)
        .custom(|_| Box::new(Smallest(BTreeMap::new())))
        .build()
        .unwrap();
    for key in ["b", "a", "c"] {
        cache.insert(key, 0).unwrap();
    }
    assert!(cache.contains("b") && !cache.contains("a") && cache.contains("c"));
    let random = Cache::<u8, u8>::builder(Policy::Rr, 3)
        .choice(|count| count - 1)
        .build()
        .unwrap();
    for key in 0..4 {
        random.insert(&key, 0).unwrap();
    }
    assert!(random.contains(&0) && random.contains(&1) && !random.contains(&2));
}

// ---- Walks --------------------------------------------------------------------------------------

#[test]
fn walks_see_everything_in_order() {
    let cache = Cache::<(u8, String), u32>::new(Policy::Lru, 10).unwrap();
    for number in [1, 2, 3] {
        cache
            .insert(&(1u8, "x".repeat(number)), number as u32)
            .unwrap();
    }
    cache.get(&(1, "x")).unwrap();
    let keys = |order| {
        let entries = cache.iter(order).unwrap().map(|entry| entry.unwrap());
        entries
            .map(|(key, value)| (key.1, *value))
            .collect::<Vec<_>>()
    };
    let coldest = vec![("xx".into(), 2), ("xxx".into(), 3), ("x".into(), 1)];
    assert_eq!(coldest, keys(Order::Coldest));
    assert_eq!(3, keys(Order::Any).len());
    assert_eq!(("x".to_string(), 1), keys(Order::Hottest)[0]);
    let mut sum = 0;
    cache.for_each(|_, value| sum += **value).unwrap();
    assert_eq!(6, sum);
}

#[test]
fn what_a_walk_has_shown_stays() {
    let (maker, cache) = counted(10);
    cache.insert(&1, maker.make(1)).unwrap();
    let mut walk = cache.iter(Order::Coldest).unwrap();
    let (_, value) = walk.next().unwrap().unwrap();
    cache.clear();
    assert!(walk.next().is_none());
    drop(walk);
    drop(cache);
    assert_eq!((1, 1), (value.number, maker.alive()));
}

#[test]
fn a_walk_that_is_forgotten_keeps_what_it_refers_to() {
    let (maker, cache) = counted(10);
    cache.insert(&1, maker.make(1)).unwrap();
    std::mem::forget(cache.iter(Order::Coldest).unwrap());
    drop(cache); // which must not be freed
    assert_eq!(1, maker.alive());
}

#[test]
fn a_key_that_cannot_be_decoded_is_an_error() {
    struct Opaque;
    impl Key for Opaque {
        fn with_bytes<R>(&self, with: impl FnOnce(&[u8]) -> R) -> R {
            with(b"opaque")
        }
    }
    impl DecodeKey for Opaque {
        fn decode(_: &[u8]) -> Option<Opaque> {
            None
        }
    }
    let (maker, cache) = (Maker::default(), Cache::new(Policy::Lru, 10).unwrap());
    cache.insert(&Opaque, maker.make(1)).unwrap();
    let entry = cache.iter(Order::Any).unwrap().next().unwrap();
    assert_eq!(Some(Error::Corrupt), entry.err());
    assert_eq!(Some(Error::Corrupt), cache.pop_victim().err());
    assert_eq!(0, maker.alive());
}

// ---- Threads ------------------------------------------------------------------------------------

#[test]
fn threads_share_a_cache() {
    let maker = Maker::default();
    let cache = Cache::<u32, Counted>::builder(Policy::Sieve, 100)
        .shards(8)
        .build()
        .unwrap();
    thread::scope(|scope| {
        for thread in 0..4 {
            let (cache, maker) = (&cache, &maker);
            scope.spawn(move || {
                for i in 0..5000 {
                    let key = (i + thread * 37) % 150;
                    match i % 4 {
                        0 => drop(cache.insert(&key, maker.make(key)).unwrap()),
                        1 => drop(cache.remove(&key)),
                        2 => {
                            let load = || Ok::<_, Error>(maker.make(key));
                            assert_eq!(key, cache.get_or_load(&key, load).unwrap().number);
                        }
                        _ => {
                            if let Some(value) = cache.get(&key) {
                                assert_eq!(key, value.number);
                            }
                        }
                    }
                }
            });
        }
    });
    assert!(cache.len() <= 100);
    assert_eq!(cache.len(), maker.alive());
    drop(cache);
    assert_eq!(0, maker.alive());
}

#[test]
fn caches_may_go_where_their_values_may() {
    fn is_send<T: Send>() {}
    fn is_sync<T: Sync>() {}
    // Keys are only borrowed, and values need be no more than Send and Sync.
    is_send::<Cache<std::rc::Rc<str>, String>>();
    is_sync::<Cache<std::rc::Rc<str>, String>>();
    is_send::<Iter<'_, String, String>>();
    is_send::<Builder<Cache<String, String>>>();
}
