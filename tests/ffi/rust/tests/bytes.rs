// SPDX-License-Identifier: MIT
//! The cache of bytes: every group of the library's functions but loading, keys and memos.
mod support;

use cachetools::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::*;

// ---- Statuses, policies, options ----------------------------------------------------------------

#[test]
fn errors_have_messages_and_statuses() {
    assert_eq!("NoMemory", format!("{:?}", Error::NoMemory));
    assert_eq!(-2, Error::NoMemory.status());
    assert!(Error::NoMemory.to_string().contains("memory"));
    assert_eq!(3, version().split('.').count());
}

#[test]
fn policies_have_names() {
    assert_eq!("WTINYLFU", Policy::WTinyLfu.name());
    assert_eq!(Ok(Policy::Sieve), "sieve".parse());
    for unknown in ["best", "l\0ru"] {
        let problem = invalid(unknown.parse::<Policy>());
        assert_eq!("policy: there is none of this name.", problem);
    }
}

#[test]
fn wrong_options_are_explained() {
    let builder = || ByteCache::builder(Policy::Lru, 10);
    let custom = |_| -> Box<dyn EvictionPolicy> { unreachable!() };
    let of = |policy| ByteCache::builder(policy, 10);
    let seconds = Duration::from_secs;
    let wrong = [
        (
            builder().ttl(ns(60)),
            "ttl: it is below 1 ms, for which precise_clock() is needed; was Duration::from_secs meant?",
        ),
        (of(Policy::Ttl), "ttl: Policy::Ttl requires one above 0."),
        (of(Policy::Tlru), "time_to_use: Policy::Tlru requires one."),
        (of(Policy::Custom), "custom: Policy::Custom requires it."),
        (
            builder().shards(3),
            "shards: it is not 0 or a power of two up to 4096.",
        ),
        (
            builder().curve().without_stats(),
            "options: curve() needs the counts that without_stats() leaves out.",
        ),
        (
            of(Policy::Custom).custom(custom).curve(),
            "options: curve() knows no Policy::Custom.",
        ),
        (
            builder().ttl(seconds(5)).refresh_ahead(seconds(5)),
            "refresh_ahead: it is not below ttl.",
        ),
        (builder().jitter(seconds(5)), "jitter: it is not below ttl."),
        (
            builder().ttl(seconds(9)).jitter(seconds(5)).refresh_ahead(seconds(4)),
            "refresh_ahead: together with jitter it is not below ttl.",
        ),
        (
            builder().stale(seconds(5)),
            "retry: stale requires one above 0 where there is neither ttl nor refresh_ahead.",
        ),
        (
            ByteCache::builder(Policy::Lru, 0),
            "maxsize: 0 keeps nothing, which keep_nothing() says is meant.",
        ),
    ];
    for (builder, problem) in wrong {
        assert_eq!(problem, builder.problem().unwrap().to_string());
        let memo = |_: &Memo<u8>, _: &u8| Ok(None);
        // Whether it is printed, unwrapped or returned by main, the sentence is there.
        let error = builder.build().unwrap_err();
        assert_eq!(problem, error.to_string());
        assert_eq!(format!("Invalid({:?})", problem), format!("{:?}", error));
        let own = ByteCache::builder(Policy::Lru, 0);
        let refused = invalid(Memo::<u8>::new(own, memo, |_, _| {}));
        assert!(refused.starts_with("maxsize: 0 keeps nothing"));
    }
    assert!(builder().problem().is_none());
}

#[test]
fn a_cache_keeps_nothing_only_on_purpose() {
    assert!(invalid(ByteCache::new(Policy::Lru, 0)).contains("keep_nothing()"));
    assert!(invalid(Cache::<u8, u8>::new(Policy::Lru, 0)).contains("keep_nothing()"));

    let nothing = ByteCache::builder(Policy::Lru, 0).keep_nothing();
    assert!(nothing.problem().is_none());
    let cache = nothing.build().unwrap();
    assert_eq!(Err(Error::TooLarge), cache.insert(b"a", b"1"));
    assert_eq!((0, 0), (cache.maxsize(), cache.len()));
    let some = ByteCache::builder(Policy::Lru, 10).keep_nothing();
    assert_eq!(10, some.build().unwrap().maxsize());
}

#[test]
fn options_in_force_are_told() {
    let builder = ByteCache::builder(Policy::Sieve, 10)
        .shards(4)
        .ttl(ns(50))
        .tti(ns(20))
        .precise_clock();
    let options = builder.build().unwrap().options().unwrap();
    assert_eq!(Policy::Sieve, options.policy);
    assert_eq!(
        (10, 4, ns(50), ns(20)),
        (options.maxsize, options.shards, options.ttl, options.tti)
    );
    assert_ne!(0, options.seed);
    assert!(options.has_precise_clock && options.has_stats);
}

// ---- The mapping --------------------------------------------------------------------------------

#[test]
fn what_is_set_is_got() {
    let cache = lru(10);
    assert_eq!(Ok(Outcome::Stored), cache.insert("a", "1"));
    assert_eq!(Some("1".into()), get(&cache, "a"));
    assert_eq!(None, get(&cache, "b"));
    assert!(cache.contains("a") && !cache.contains("b"));
    assert_eq!(b"1", &*cache.peek("a").unwrap().unwrap());
    assert_eq!(
        (1, 1, 10, false),
        (
            cache.len(),
            cache.weight(),
            cache.maxsize(),
            cache.is_empty()
        )
    );
    assert!(cache.memory() > 0);
}

#[test]
fn any_bytes_are_keys_and_values() {
    let cache = lru(10);
    cache.insert("", "").unwrap();
    cache.insert(b"\0\xff\0", vec![0u8; 100_000]).unwrap();
    assert!(cache.get("").unwrap().unwrap().is_empty());
    assert_eq!(
        vec![0u8; 100_000],
        cache.get(b"\0\xff\0").unwrap().unwrap().to_vec()
    );
}

#[test]
fn copies_go_into_a_buffer_of_the_right_size() {
    let cache = lru(10);
    cache.insert("a", "12345").unwrap();
    let mut buffer = [0; 8];
    assert_eq!(Ok(Some(5)), cache.get_copy("a", &mut buffer));
    assert_eq!(b"12345", &buffer[..5]);
    assert_eq!(Err(Error::Buffer), cache.get_copy("a", &mut buffer[..4]));
    assert_eq!(Ok(None), cache.get_copy("b", &mut buffer));
}

#[test]
fn a_value_outlives_its_entry_and_its_cache() {
    let cache = lru(1);
    cache.insert("a", "first").unwrap();
    let first = cache.get("a").unwrap().unwrap();
    let second = first.try_clone().unwrap();
    cache.insert("b", "other").unwrap(); // evicts it
    drop(cache);
    assert_eq!(b"first", &*first);
    drop(first);
    let elsewhere = std::thread::spawn(move || second.to_vec());
    assert_eq!(b"first".to_vec(), elsewhere.join().unwrap());
}

#[test]
fn conditions_lifetimes_and_weights_of_single_entries() {
    let (clock, builder) = clocked(Policy::Lru);
    let cache = builder.build().unwrap();
    let (if_absent, if_present) = (
        EntryOptions::new().if_absent(),
        EntryOptions::new().if_present(),
    );
    assert_eq!(
        Ok(Outcome::Missing),
        cache.insert_with("a", "1", &if_present)
    );
    assert_eq!(Ok(Outcome::Stored), cache.insert_with("a", "1", &if_absent));
    assert_eq!(Ok(Outcome::Exists), cache.insert_with("a", "2", &if_absent));

    let special = EntryOptions::new().deadline(ns(1500)).weight(7);
    assert_eq!(Ok(Outcome::Stored), cache.insert_with("b", "22", &special));
    let info = cache.inspect("b").unwrap();
    assert_eq!(
        (7, Some(ns(1500)), Some(ns(500))),
        (info.weight, info.deadline, info.remaining)
    );
    assert_eq!((1, 2), (info.key_size, info.value_size));
    assert!(cache.inspect("x").is_none());
    let info = cache.inspect("a").unwrap();
    assert_eq!((None, None), (info.deadline, info.remaining));

    let with_ttl = |ttl| EntryOptions::new().ttl(ns(ttl));
    assert_eq!(
        Ok(Outcome::Stored),
        cache.insert_with("c", "3", &with_ttl(10))
    );
    assert_eq!(
        Ok(Outcome::NotStored), // dead on arrival
        cache.insert_with("d", "4", &with_ttl(0))
    );
    assert_eq!(Ok(true), cache.set_lifetime("a", ns(20)));
    assert_eq!(Ok(false), cache.set_lifetime("x", ns(20)));
    clock.store(1015, SeqCst);
    assert_eq!(
        (None, Some("1".into())),
        (get(&cache, "c"), get(&cache, "a"))
    );
    clock.store(1020, SeqCst);
    assert_eq!(None, get(&cache, "a"));

    let both = EntryOptions::new().ttl(ns(1)).deadline(ns(1));
    assert_eq!(
        "deadline: there is a ttl as well.",
        invalid(cache.insert_with("a", "1", &both))
    );
    let heavy = EntryOptions::new().weight(101);
    assert_eq!(Err(Error::TooLarge), cache.insert_with("a", "1", &heavy));
    let for_ever = EntryOptions::new().ttl(Duration::MAX);
    cache.insert_with("e", "5", &for_ever).unwrap();
    assert_eq!(None, cache.inspect("e").unwrap().deadline);
}

#[test]
fn entries_are_taken_out() {
    let cache = lru(10);
    for key in ["a", "b", "c", "d", "e"] {
        cache.insert(key, key).unwrap();
    }
    assert_eq!(b"x", &*cache.get_or_insert("x", "x").unwrap());
    assert_eq!(b"x", &*cache.get_or_insert("x", "y").unwrap());
    assert_eq!(b"c", &*cache.pop("c").unwrap().unwrap());
    assert!(cache.pop("c").unwrap().is_none());
    assert!(cache.remove("d") && !cache.remove("d"));
    let (key, value) = cache.pop_victim().unwrap().unwrap();
    assert_eq!((b"a".as_ref(), b"a".as_ref()), (&*key, &*value));
    assert_eq!(
        1,
        cache.remove_if(|key, value| key == b"b" && value == b"b")
    );
    assert_eq!(2, cache.len());
    cache.clear();
    assert!(cache.is_empty() && cache.pop_victim().unwrap().is_none());
}

#[test]
fn a_smaller_limit_evicts() {
    let cache = lru(3);
    for key in ["a", "b", "c"] {
        cache.insert(key, key).unwrap();
    }
    cache.resize(1).unwrap();
    assert_eq!(
        (1, 1, true),
        (cache.maxsize(), cache.len(), cache.contains("c"))
    );
}

#[test]
fn what_is_due_is_shown() {
    let (clock, builder) = clocked(Policy::Ttl);
    let cache = builder.ttl(ns(10)).build().unwrap();
    cache.insert("a", "1").unwrap();
    clock.store(1005, SeqCst);
    cache.insert("b", "2").unwrap();
    clock.store(1010, SeqCst);
    let mut shown = Vec::new();
    let visit = |event: &ByteEvent<'_>| shown.push((event.key.to_vec(), event.cause));
    assert_eq!(1, cache.expire(visit));
    assert_eq!(vec![(b"a".to_vec(), Cause::Expired)], shown);
}

// ---- Many at once -------------------------------------------------------------------------------

#[test]
fn many_are_set_and_got() {
    let cache = lru(100);
    let outcomes = cache
        .insert_many(
            &[("a", "1"), ("", "empty"), ("c", "")],
            &EntryOptions::new(),
        )
        .unwrap();
    assert_eq!(vec![Ok(Outcome::Stored); 3], outcomes);
    let found = cache.get_many(&["a", "x", "", "c"]).unwrap();
    let found: Vec<_> = found.iter().map(Option::as_deref).collect();
    assert_eq!(
        vec![Some(b"1".as_ref()), None, Some(b"empty"), Some(b"")],
        found
    );
    assert!(cache.get_many::<&str>(&[]).unwrap().is_empty());
    assert!(cache
        .insert_many::<&str, &str>(&[], &EntryOptions::new())
        .unwrap()
        .is_empty());
}

#[test]
fn each_of_many_goes_its_own_way() {
    let cache = ByteCache::builder(Policy::Lru, 4)
        .weight_kind(WeightKind::Value)
        .build()
        .unwrap();
    let outcomes = cache
        .insert_many(
            &[("a", "1"), ("b", "too large"), ("c", "3")],
            &EntryOptions::new(),
        )
        .unwrap();
    assert_eq!(
        vec![
            Ok(Outcome::Stored),
            Err(Error::TooLarge),
            Ok(Outcome::Stored)
        ],
        outcomes
    );
    let both = EntryOptions::new().ttl(ns(1)).deadline(ns(1));
    assert_eq!(
        "deadline: there is a ttl as well.",
        invalid(cache.insert_many(&[("a", "1")], &both))
    );
}

// ---- Iteration ----------------------------------------------------------------------------------

#[test]
fn walks_see_everything_in_order() {
    let cache = lru(10);
    for key in ["a", "b", "c"] {
        cache.insert(key, key.to_uppercase()).unwrap();
    }
    cache.get("a").unwrap();
    let mut seen = Vec::new();
    let mut walk = cache.walk(Order::Coldest).unwrap();
    while let Some((key, value)) = walk.next_entry().unwrap() {
        seen.push([key, value].concat());
    }
    assert_eq!(vec![b"bB".to_vec(), b"cC".to_vec(), b"aA".to_vec()], seen);
    let mut walk = cache.walk(Order::Hottest).unwrap();
    assert_eq!(b"a", walk.next_entry().unwrap().unwrap().0);
    let random = ByteCache::new(Policy::Rr, 10).unwrap();
    assert_eq!(Some(Error::Unsupported), random.walk(Order::Coldest).err());
    assert!(random
        .walk(Order::Any)
        .unwrap()
        .next_entry()
        .unwrap()
        .is_none());
}

// ---- Snapshots ---------------------------------------------------------------------------------

/// Takes a few bytes, then fails.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::Error::new(io::ErrorKind::Other, "full"));
        }
        self.0 -= 1;
        Ok(bytes.len().min(1))
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn snapshots_go_through_writers_and_readers() {
    let cache = lru(10);
    for key in ["a", "b", "c"] {
        cache.insert(key, key).unwrap();
    }
    let mut saved = Vec::new();
    cache.save(&mut saved).unwrap();
    let size = saved.len();
    saved.extend_from_slice(b"more");

    let smaller = lru(2);
    let mut rest = &saved[..];
    smaller.load(&mut rest).unwrap();
    assert_eq!(b"more", rest);
    assert!(!smaller.contains("a") && smaller.contains("b") && smaller.contains("c"));

    saved[size / 2] ^= 1;
    let corrupt = lru(10).load(&mut &saved[..]).unwrap_err();
    assert_eq!(io::ErrorKind::InvalidData, corrupt.kind());
    let full = cache.save(&mut Full(3)).unwrap_err();
    assert_eq!("full", full.to_string());
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("from the reader")
        }
    }
    let hostile = catch_unwind(AssertUnwindSafe(|| cache.load(&mut Broken)));
    assert_eq!("from the reader", message_of(hostile.unwrap_err()));
}

#[test]
fn snapshots_go_through_files() {
    let path = std::env::temp_dir().join(format!("cachetools-rust-{}", std::process::id()));
    let cache = lru(10);
    cache.insert("a", "1").unwrap();
    cache.save_file(&path).unwrap();
    let other = lru(10);
    other.load_file(&path).unwrap();
    assert_eq!(Some("1".into()), get(&other, "a"));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(Err(Error::Io), other.load_file(&path));
    assert_eq!("path: it has a NUL.", invalid(other.load_file("a\0b")));
}

/// Recorded in 2023, of entries that had two hours to live or to idle at most.
const DATED: &str = "../../data/snapshots/dated.ctsnap";

#[test]
fn what_ran_out_in_a_snapshot_does_not_come_back_aged() {
    let cache = ByteCache::builder(Policy::Lru, 10)
        .tti(ns(1 << 50))
        .build()
        .unwrap();
    cache.load_file_aged(DATED).unwrap();
    let bytes = std::fs::read(DATED).unwrap();
    cache.load_aged(&mut &bytes[..]).unwrap();
    assert_eq!(0, cache.len());
    let other = ByteCache::builder(Policy::Lru, 10)
        .timer(|| ns(0))
        .build()
        .unwrap();
    assert_eq!(Err(Error::Unsupported), other.load_file_aged(DATED));
    assert!(other.load_aged(&mut &bytes[..]).is_err());
    cache.load_file(DATED).unwrap();
    other.load(&mut &bytes[..]).unwrap();
    assert_eq!((3, 3), (cache.len(), other.len()));
}

// ---- Statistics ---------------------------------------------------------------------------------

#[test]
fn the_curve_tells_what_it_knows() {
    let cache = ByteCache::builder(Policy::Lru, 1).curve().build().unwrap();
    assert!(cache.get("a").unwrap().is_none());
    let ratios = cache.miss_ratios(&[1.0, 2.0, 9.0]).unwrap();
    assert_eq!(vec![Some(1.0), None, None], ratios);
    assert_eq!(
        "scales: one is not above 0.",
        invalid(cache.miss_ratios(&[0.0]))
    );
    assert_eq!(Some(Error::Unsupported), lru(1).miss_ratios(&[1.0]).err());
}

#[test]
fn events_are_counted() {
    let cache = lru(1);
    cache.insert("a", "1").unwrap();
    cache.insert("b", "2").unwrap();
    cache.get("a").unwrap();
    cache.get("b").unwrap();
    let stats = cache.stats();
    assert_eq!(
        (1, 1, 2, 1),
        (stats.hits, stats.misses, stats.inserts, stats.evictions)
    );
    cache.reset_stats();
    assert_eq!(0, cache.stats().hits);

    let uncounted = ByteCache::builder(Policy::Lru, 1)
        .without_stats()
        .build()
        .unwrap();
    uncounted.get("a").unwrap();
    assert_eq!(0, uncounted.stats().misses);
}

// ---- Callbacks of a cache -----------------------------------------------------------------------

#[test]
fn the_listener_is_told_why_entries_leave() {
    let (log, builder) = listening(ByteCache::builder(Policy::Lru, 2));
    let cache = builder.build().unwrap();
    for (key, value) in [("a", "1"), ("b", "2"), ("b", "3"), ("c", "4")] {
        cache.insert(key, value).unwrap();
    }
    assert!(cache.remove("b"));
    cache.clear();
    let expected = ["Replaced b=2", "Evicted a=1", "Removed b=3", "Cleared c=4"];
    assert_eq!(expected.as_ref(), *log.lock().unwrap());
}

#[test]
fn weighers_weigh_and_times_to_use_end() {
    let (clock, builder) = clocked(Policy::Tlru);
    let builder = builder.weigher(|key, value| (key.len() + value.len()) as u64);
    let cache = builder
        .time_to_use(|_, value, now| now + ns(value.len() as u64))
        .build()
        .unwrap();
    cache.insert("a", "12345").unwrap();
    assert_eq!(6, cache.weight());
    clock.store(1004, SeqCst);
    assert!(cache.contains("a"));
    clock.store(1005, SeqCst);
    assert!(!cache.contains("a"));
    assert_eq!(Err(Error::TooLarge), cache.insert("b", [0; 100]));
}

#[test]
fn a_choice_chooses_victims() {
    let builder = ByteCache::builder(Policy::Rr, 3).choice(|count| count - 1);
    let cache = builder.build().unwrap();
    for key in ["a", "b", "c", "d"] {
        cache.insert(key, key).unwrap();
    }
    assert!(cache.contains("a") && cache.contains("b") && !cache.contains("c"));
}

#[test]
fn every_stored_value_is_dropped_once_even_after_the_cache() {
    let dropped = Arc::new(Mutex::new(Vec::new()));
    let list = dropped.clone();
    let builder = ByteCache::builder(Policy::Lru, 2);
    let cache = builder
        .on_drop(move |value| list.lock().unwrap().push(value.to_vec()))
        .build()
        .unwrap();
    for key in ["a", "b", "c"] {
        cache.insert(key, key).unwrap();
    }
    assert_eq!(vec![b"a".to_vec()], *dropped.lock().unwrap());
    let pinned = cache.get("b").unwrap().unwrap();
    drop(cache);
    assert_eq!(vec![b"a".to_vec(), b"c".to_vec()], *dropped.lock().unwrap());
    drop(pinned);
    assert_eq!(3, dropped.lock().unwrap().len());
    assert_eq!(1, Arc::strong_count(&dropped)); // the closure is gone too
}

#[derive(Clone, Default)]
struct Counting {
    blocks: Arc<AtomicI64>,
    is_empty: Arc<AtomicU64>,
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.is_empty.load(SeqCst) != 0 {
            return std::ptr::null_mut();
        }
        self.blocks.fetch_add(1, SeqCst);
        System.alloc(layout)
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.blocks.fetch_sub(1, SeqCst);
        System.dealloc(block, layout)
    }
}

#[test]
fn memory_comes_from_the_allocator_and_goes_back() {
    let counting = Counting::default();
    let builder = ByteCache::builder(Policy::Lru, 1000).allocator(counting.clone());
    let cache = builder.build().unwrap();
    cache.insert("a", "1").unwrap();
    let value = cache.get("a").unwrap().unwrap();
    assert!(counting.blocks.load(SeqCst) > 0);
    counting.is_empty.store(1, SeqCst);
    assert_eq!(Err(Error::NoMemory), cache.insert("b", vec![0; 1 << 20]));
    assert_eq!(Some("1".into()), get(&cache, "a"));
    drop(cache);
    assert!(counting.blocks.load(SeqCst) > 0); // the value is pinned
    drop(value);
    assert_eq!(0, counting.blocks.load(SeqCst));
}

/// Last in, first out.
#[derive(Default)]
struct Stack {
    ids: VecDeque<u32>,
    hits: Arc<AtomicUsize>,
}

impl EvictionPolicy for Stack {
    fn insert(&mut self, id: u32, _weight: u64, _key: &[u8], _now: u64) {
        self.ids.push_front(id);
    }
    fn hit(&mut self, _id: u32, _now: u64) {
        self.hits.fetch_add(1, SeqCst);
    }
    fn remove(&mut self, id: u32) {
        self.ids.retain(|there| *there != id);
    }
    fn victim(&mut self) -> u32 {
        self.ids[0]
    }
}

#[test]
fn a_policy_of_ones_own_decides() {
    let hits = Arc::new(AtomicUsize::new(0));
    let shared = hits.clone();
    let builder = ByteCache::builder(Policy::Custom, 2).custom(move |_| {
        Box::new(Stack {
            hits: shared.clone(),
            ..Default::default()
        })
    });
    let cache = builder.build().unwrap();
    for key in ["a", "b", "c"] {
        cache.insert(key, key).unwrap();
    }
    assert!(cache.contains("a") && !cache.contains("b") && cache.contains("c"));
    cache.get("a").unwrap();
    assert_eq!(1, hits.load(SeqCst));
    cache.resize(1).unwrap();
    assert!(cache.contains("a"));
    drop(cache);
    assert_eq!(1, Arc::strong_count(&hits)); // state and maker are gone
}

#[test]
fn panics_of_callbacks_go_on_in_the_call_that_ran_them() {
    let builder = ByteCache::builder(Policy::Lru, 1).listener(|_| panic!("from the listener"));
    let cache = builder.build().unwrap();
    cache.insert("a", "1").unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| cache.insert("b", "2"))).unwrap_err();
    assert_eq!("from the listener", message_of(panic));
    assert_eq!(Some("2".into()), get(&cache, "b")); // only telling the listener failed

    let cache = lru(10);
    cache.insert("a", "1").unwrap();
    let hostile = || cache.remove_if(|_, _| panic!("from the match"));
    assert_eq!(
        "from the match",
        message_of(catch_unwind(AssertUnwindSafe(hostile)).unwrap_err())
    );
    assert!(cache.contains("a"));
    assert_eq!(1, cache.remove_if(|_, _| true)); // nothing is left over
}

#[test]
fn panics_of_callbacks_do_not_come_up_in_other_calls() {
    // Before Rust 1.73, `panic!` in a thread that panics already ends the program at once.
    let hostile = |_: &[u8]| resume_unwind(Box::new("from the drop"));
    let builder = ByteCache::builder(Policy::Lru, 10).on_drop(hostile);
    let cache = builder.build().unwrap();
    let walk_over_what_goes = || {
        cache.insert("a", "1").unwrap();
        let mut walk = cache.walk(Order::Any).unwrap();
        walk.next_entry().unwrap().unwrap();
        assert!(cache.remove("a"));
        walk
    };
    let other = lru(10);
    let is_quiet = || 0 == other.remove_if(|_, _| true);

    let walk = walk_over_what_goes();
    let panic = catch_unwind(AssertUnwindSafe(|| drop(walk))).unwrap_err();
    assert_eq!("from the drop", message_of(panic));
    assert!(is_quiet());

    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _walk = walk_over_what_goes();
        panic!("the first")
    }));
    assert_eq!("the first", message_of(panic.map(drop).unwrap_err()));
    assert!(is_quiet());
}

// ---- Threads ------------------------------------------------------------------------------------

#[test]
fn threads_share_a_cache() {
    let cache = Arc::new(
        ByteCache::builder(Policy::Sieve, 100)
            .shards(8)
            .build()
            .unwrap(),
    );
    let threads: Vec<_> = (0..4u32)
        .map(|thread| {
            let cache = cache.clone();
            std::thread::spawn(move || {
                for i in 0..5000u32 {
                    let key = (i % 150).to_le_bytes();
                    cache.insert(key, [key, key].concat()).unwrap();
                    let other = ((i + thread * 37) % 150).to_le_bytes();
                    if let Some(value) = cache.get(other).unwrap() {
                        assert_eq!([other, other].concat(), *value);
                    }
                }
            })
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    assert!(cache.len() <= 100);
}

#[test]
fn handles_may_go_where_the_library_lets_them() {
    fn is_send<T: Send>() {}
    fn is_sync<T: Sync>() {}
    is_send::<ByteCache>();
    is_sync::<ByteCache>();
    is_send::<Value>();
    is_sync::<Value>();
    is_send::<Walk<'_>>();
    is_send::<Lease<'_>>();
    is_send::<KeyBuilder>();
    is_send::<Builder<ByteCache>>();
    is_sync::<Memo<String>>();
}
