// SPDX-License-Identifier: MIT
//! Writes on a condition, counters, tags, copies, and statistics for Prometheus.
mod support;

use cachetools::*;
use std::io;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::Arc;
use std::thread;
use support::*;

// ---- Conditions ---------------------------------------------------------------------------------

#[test]
fn a_value_that_was_seen_is_a_version() {
    let (clock, builder) = clocked(Policy::Lru);
    let cache = builder.ttl(ns(100)).build().unwrap();
    let plain = EntryOptions::new();
    cache.insert("a", "1").unwrap();
    let seen = cache.get("a").unwrap().unwrap();
    let swap = |value| cache.insert_if_same("a", value, &seen, &EntryOptions::new());
    cache.insert("a", "1").unwrap(); // equal bytes are another value
    assert_eq!(Ok(Outcome::Exists), swap("2"));
    assert!(!cache.remove_if_same("a", &seen));
    assert_eq!(Some("1".into()), get(&cache, "a"));

    let seen = cache.get("a").unwrap().unwrap();
    clock.store(1040, SeqCst);
    let kept = plain.clone().keep_ttl();
    assert_eq!(
        Ok(Outcome::Stored),
        cache.insert_if_same("a", "2", &seen, &kept)
    );
    assert_eq!(Some(ns(60)), cache.inspect("a").unwrap().remaining);
    cache.insert_with("a", "3", &kept).unwrap();
    assert_eq!(Some(ns(60)), cache.inspect("a").unwrap().remaining);
    cache
        .compute("a", |_, output| {
            output.keep_ttl();
            Ok::<_, Error>(Change::Store("4"))
        })
        .unwrap();
    assert_eq!(Some(ns(60)), cache.inspect("a").unwrap().remaining);
    let seen = cache.get("a").unwrap().unwrap();
    assert!(cache.remove_if_same("a", &seen) && cache.is_empty());
    assert_eq!(
        Ok(Outcome::Missing),
        cache.insert_if_same("a", "5", &seen, &plain)
    );
    let twice = plain.clone().if_present();
    assert_eq!(
        "options: there is more than one condition.",
        invalid(cache.insert_if_same("a", "5", &seen, &twice))
    );
}

#[test]
fn an_arc_that_was_seen_is_a_version() {
    let cache = Cache::<u32, String>::new(Policy::Lru, 10).unwrap();
    let plain = EntryOptions::new();
    let first = Arc::new("1".to_string());
    let swap =
        |value: &str, seen: &Arc<String>| cache.insert_if_same(&1, value.to_string(), seen, &plain);
    assert_eq!(Ok(Outcome::Missing), swap("2", &first));
    cache.insert(&1, first.clone()).unwrap();
    assert_eq!(Ok(Outcome::Exists), swap("2", &Arc::new("1".to_string())));
    assert_eq!(Ok(Outcome::Stored), swap("2", &first));
    assert_eq!(1, Arc::strong_count(&first));
    assert!(!cache.remove_if_same(&1, &first));
    let second = cache.get(&1).unwrap();
    assert!(cache.remove_if_same(&1, &second) && !cache.contains(&1));
    assert_eq!(("2", 1), (&**second, Arc::strong_count(&second)));
}

#[test]
fn of_threads_that_swap_none_loses_a_change() {
    let cache = Cache::<u32, u32>::new(Policy::Lru, 10).unwrap();
    cache.insert(&1, 0).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    loop {
                        let seen = cache.get(&1).unwrap();
                        let plain = EntryOptions::new();
                        match cache.insert_if_same(&1, *seen + 1, &seen, &plain).unwrap() {
                            Outcome::Stored => break,
                            other => assert_eq!(Outcome::Exists, other),
                        }
                    }
                }
            });
        }
    });
    assert_eq!(4000, *cache.get(&1).unwrap());
}

#[test]
fn counters_are_added_to() {
    let (clock, builder) = clocked(Policy::Lru);
    let cache = builder.build().unwrap();
    let window = EntryOptions::new().ttl(ns(50)).tag("clients");
    assert_eq!(Ok(Some(11)), cache.add("a", 1, 10, &window));
    clock.store(1020, SeqCst);
    assert_eq!(Ok(Some(8)), cache.add("a", -3, 10, &window));
    assert_eq!(8_i64.to_ne_bytes(), &*cache.get("a").unwrap().unwrap());
    assert_eq!(Some(ns(30)), cache.inspect("a").unwrap().remaining);
    assert_eq!(Ok(Some(i64::MAX)), cache.add("a", i64::MAX, 0, &window));
    let if_present = EntryOptions::new().if_present();
    assert_eq!(Ok(None), cache.add("b", 1, 0, &if_present));
    cache.insert("b", "text").unwrap();
    assert_eq!(Err(Error::Unsupported), cache.add("b", 1, 0, &if_present));
}

// ---- Tags ---------------------------------------------------------------------------------------

#[test]
fn values_end_with_what_they_were_made_of() {
    let cache = lru(10);
    let made_of = |tags: &[&str]| {
        tags.iter()
            .fold(EntryOptions::new(), |options, tag| options.tag(tag))
    };
    cache.insert_with("a", "1", &made_of(&["x"])).unwrap();
    let outcomes = cache.insert_many(&[("b", "2"), ("c", "3")], &made_of(&["x", "y"]));
    assert_eq!(Ok(vec![Ok(Outcome::Stored); 2]), outcomes);
    let load = |_: &[u8], output: &mut Output<'_>| {
        output.tag("y");
        Ok::<_, Error>(Some("4"))
    };
    cache.get_or_load("d", load).unwrap();
    match cache.get_or_lease("e", ns(0)).unwrap() {
        Leased::Lease(lease) => drop(lease.fulfil("5", &made_of(&["y"])).unwrap()),
        found => panic!("{:?}", found),
    }
    cache.insert("f", "6").unwrap();
    cache.invalidate_tag("x").unwrap();
    assert_eq!(
        [false, false, false],
        ["a", "b", "c"].map(|key| cache.contains(key))
    );
    assert_eq!(3, cache.len());
    cache.invalidate_tag("y").unwrap();
    assert_eq!((1, Some("6".into())), (cache.len(), get(&cache, "f")));
    let nine = made_of(&["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert_eq!(
        "tags: there are more than 8.",
        invalid(cache.insert_with("a", "1", &nine))
    );
}

#[test]
fn typed_values_end_with_what_they_were_made_of() {
    let cache = Cache::<u32, u32>::new(Policy::Lru, 10).unwrap();
    let made_of = EntryOptions::new().tag("x");
    cache.insert_with(&1, 10, &made_of).unwrap();
    let load = || Ok::<_, Error>((20, made_of.clone()));
    cache.get_or_load_with(&2, load).unwrap();
    // What is made of what there was before is not kept.
    let loaded = cache.get_or_load_with(&3, || {
        cache.invalidate_tag("x")?;
        Ok::<_, Error>((30, made_of.clone()))
    });
    assert_eq!(Ok(Arc::new(30)), loaded);
    assert!(cache.is_empty());
}

// ---- Copies and statistics ----------------------------------------------------------------------

#[test]
fn a_copy_goes_its_own_way() {
    let (log, builder) = listening(ByteCache::builder(Policy::Lru, 2));
    let cache = builder.build().unwrap();
    cache.insert("a", "1").unwrap();
    cache.insert("b", "2").unwrap();
    let copy = cache.try_clone().unwrap();
    cache.clear();
    assert_eq!(2, log.lock().unwrap().len());
    drop(cache);
    assert_eq!(
        (2, 2, 0),
        (copy.len(), copy.maxsize(), copy.stats().inserts)
    );
    copy.insert("c", "3").unwrap(); // as the original would have: the oldest leaves
    assert_eq!((None, Some("2".into())), (get(&copy, "a"), get(&copy, "b")));
    assert_eq!("Evicted a=1", log.lock().unwrap()[2]);
    let dropping = ByteCache::builder(Policy::Lru, 2).on_drop(|_| ());
    let refused = dropping.build().unwrap().try_clone();
    assert_eq!(Some(Error::Unsupported), refused.err());
}

#[test]
fn statistics_are_written_for_prometheus() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::new(io::ErrorKind::Other, "is full"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let bytes = lru(10);
    let typed = Cache::<u32, u32>::new(Policy::Lru, 10).unwrap();
    typed.insert(&1, 2).unwrap();
    typed.get(&1);
    let caches: [(&str, &dyn Counted); 2] = [("bytes", &bytes), ("ty\"ped", &typed)];
    let mut text = Vec::new();
    write_stats(&caches, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    for line in [
        "cachetools_hits_total{cache=\"bytes\"} 0",
        "cachetools_hits_total{cache=\"ty\\\"ped\"} 1",
    ] {
        assert_eq!(1, text.lines().filter(|it| *it == line).count(), "{}", text);
    }
    assert_eq!(
        "is full",
        write_stats(&caches, Full).unwrap_err().to_string()
    );
    let refused = write_stats(&[("a\0b", &bytes)], &mut Vec::new()).unwrap_err();
    assert_eq!(io::ErrorKind::InvalidInput, refused.kind());
    write_stats(&[], Full).unwrap();
}
