// SPDX-License-Identifier: MIT
//! Loads that are awaited: futures that wait without a thread.
mod support;

use cachetools::*;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;
use support::*;

/// Wakes a thread, and remembers that.
struct Bell(Thread, AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.1.store(true, SeqCst);
        self.0.unpark();
    }
}

fn bell() -> (Arc<Bell>, Waker) {
    let bell = Arc::new(Bell(thread::current(), AtomicBool::new(false)));
    (bell.clone(), bell.into())
}

type Task<'it, T> = Pin<Box<dyn Future<Output = T> + Send + 'it>>;

fn poll<T>(task: &mut Task<'_, T>, waker: &Waker) -> Poll<T> {
    task.as_mut().poll(&mut Context::from_waker(waker))
}

fn block_on<T>(future: impl Future<Output = T> + Send) -> T {
    let (mut task, (_, waker)): (Task<'_, T>, _) = (Box::pin(future), bell());
    loop {
        match poll(&mut task, &waker) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => thread::park(),
        }
    }
}

fn lease<'it>(cache: &'it ByteCache, key: &str) -> Lease<'it> {
    match cache.get_or_lease(key, Duration::ZERO).unwrap() {
        Leased::Lease(lease) => lease,
        found => panic!("{:?}", found),
    }
}

fn value(leased: Result<Leased<'_>>) -> Vec<u8> {
    match leased.unwrap() {
        Leased::Value(value) => value.to_vec(),
        found => panic!("{:?}", found),
    }
}

#[test]
fn what_is_there_is_not_waited_for() {
    let cache = lru(10);
    cache.insert("a", "1").unwrap();
    assert_eq!(b"1", &*value(block_on(cache.get_or_lease_async("a"))));
    match block_on(cache.get_or_lease_async("b")).unwrap() {
        Leased::Lease(lease) => assert_eq!(b"b", lease.key()),
        found => panic!("{:?}", found),
    }
    // The first poll begins.
    let never = cache.get_or_lease_async("c");
    drop(lease(&cache, "c"));
    drop(never);
    assert_eq!(0, cache.stats().pinned);
}

#[test]
fn one_is_woken_with_the_value_the_failure_or_the_lease() {
    let cache = lru(10);
    let ends: [fn(Lease<'_>); 5] = [
        |lease| drop(lease.fulfil("1", &EntryOptions::new()).unwrap()),
        |lease| lease.fail(Error::Io),
        |lease| lease.find_nothing(),
        |lease| drop(lease),
        |lease| drop(lease.fulfil("2", &EntryOptions::new().ttl(Duration::ZERO))),
    ];
    for (way, end) in ends.into_iter().enumerate() {
        cache.clear();
        let held = lease(&cache, "a");
        let mut task: Task<'_, _> = Box::pin(cache.get_or_lease_async("a"));
        let (bell, waker) = bell();
        assert!(poll(&mut task, &bell_of_nobody()).is_pending());
        assert!(poll(&mut task, &waker).is_pending()); // who has polled last is woken
        assert!(!bell.1.load(SeqCst));
        end(held);
        assert!(bell.1.load(SeqCst));
        let told = match poll(&mut task, &waker) {
            Poll::Ready(told) => told,
            Poll::Pending => panic!("is woken too early"),
        };
        match told {
            Ok(Leased::Value(value)) if &*value == b"1" => assert!(way == 0),
            Ok(Leased::Value(value)) => assert!(&*value == b"2" && way == 4),
            Ok(Leased::Missing) => assert!(way == 2),
            Ok(Leased::Lease(lease)) => assert!(lease.key() == b"a" && way == 3),
            Err(error) => assert!(error == Error::Io && way == 1),
            told => panic!("{:?}", told),
        }
        drop(task);
    }
    // A write answers them, too.
    let held = lease(&cache, "b");
    let mut task: Task<'_, _> = Box::pin(cache.get_or_lease_async("b"));
    let (bell, waker) = bell();
    assert!(poll(&mut task, &waker).is_pending());
    cache.insert("b", "3").unwrap();
    assert!(bell.1.load(SeqCst));
    assert_eq!(b"3", &*value(block_on(task)));
    drop(held);
    assert_eq!(0, cache.stats().pinned);
}

fn bell_of_nobody() -> Waker {
    struct Nobody;
    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {
            panic!("was replaced");
        }
    }
    Arc::new(Nobody).into()
}

#[test]
fn a_future_that_is_dropped_leaves_nothing_behind() {
    let cache = lru(10);
    let (_, waker) = bell();
    // While it waits: the next one gets what it would have got.
    let held = lease(&cache, "a");
    let mut tasks: Vec<Task<'_, _>> = (0..3)
        .map(|_| -> Task<'_, _> { Box::pin(cache.get_or_lease_async("a")) })
        .collect();
    for task in &mut tasks {
        assert!(poll(task, &waker).is_pending());
    }
    drop(tasks.remove(0));
    drop(held);
    // With the lease in its hands, or with a value.
    drop(tasks.remove(0));
    let mut last = tasks.remove(0);
    match poll(&mut last, &waker) {
        Poll::Ready(Ok(Leased::Lease(lease))) => {
            let mut task: Task<'_, _> = Box::pin(cache.get_or_lease_async("a"));
            assert!(poll(&mut task, &waker).is_pending());
            drop(lease.fulfil("1", &EntryOptions::new()).unwrap());
            assert_eq!(1, cache.stats().pinned);
        }
        told => panic!("{:?}", told.is_pending()),
    }
    drop(last);
    assert_eq!(0, cache.stats().pinned);
    assert_eq!(Some("1".into()), get(&cache, "a"));
}

#[test]
fn to_drop_a_future_while_its_answer_comes_is_harmless() {
    for round in 0..500_u32 {
        let cache = lru(10);
        let held = lease(&cache, "a");
        let (_, waker) = bell();
        let mut task: Task<'_, _> = Box::pin(cache.get_or_lease_async("a"));
        assert!(poll(&mut task, &waker).is_pending());
        let is_begun = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                is_begun.store(true, SeqCst);
                match round % 3 {
                    0 => drop(held),
                    1 => drop(held.fulfil("1", &EntryOptions::new()).unwrap()),
                    _ => held.fail(Error::Io),
                }
            });
            while !is_begun.load(SeqCst) {
                thread::yield_now();
            }
            drop(task);
        });
        assert_eq!(0, cache.stats().pinned);
        match round % 3 {
            1 => assert!(cache.contains("a")),
            _ => drop(lease(&cache, "a")), // nobody has kept it
        }
    }
}

#[test]
fn a_cache_outlives_a_future_that_is_forgotten() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let counter = dropped.clone();
    let cache = ByteCache::builder(Policy::Lru, 10)
        .on_drop(move |_| {
            counter.fetch_add(1, SeqCst);
        })
        .build()
        .unwrap();
    cache.insert("b", "1").unwrap();
    let held = lease(&cache, "a");
    let (_, waker) = bell();
    let mut task: Task<'_, _> = Box::pin(cache.get_or_lease_async("a"));
    assert!(poll(&mut task, &waker).is_pending());
    std::mem::forget(task);
    drop(held);
    drop(cache);
    assert_eq!(0, dropped.load(SeqCst));
}

#[test]
fn thousands_wait_on_one_thread_for_one_load() {
    let cache = lru(10);
    let (loads, (_, waker)) = (AtomicUsize::new(0), bell());
    let may_end = AtomicBool::new(false);
    let once_it_may = || Until(&may_end);
    let ask = || async {
        let load = || async {
            loads.fetch_add(1, SeqCst);
            once_it_may().await;
            Ok::<_, Error>(Some("value"))
        };
        cache.get_or_load_async("a", load).await
    };
    let mut tasks: Vec<Task<'_, _>> = (0..5000)
        .map(|_| -> Task<'_, _> { Box::pin(ask()) })
        .collect();
    let count = |tasks: &mut Vec<Task<'_, Result<Option<Value>>>>| {
        tasks.retain_mut(|task| match poll(task, &waker) {
            Poll::Pending => true,
            Poll::Ready(found) => {
                assert_eq!(b"value", &*found.unwrap().unwrap());
                false
            }
        });
        tasks.len()
    };
    assert_eq!(5000, count(&mut tasks));
    drop(tasks.remove(0)); // which loads: another one takes over
    assert_eq!(4999, count(&mut tasks));
    assert_eq!(2, loads.load(SeqCst));
    may_end.store(true, SeqCst);
    assert_eq!(0, count(&mut tasks));
    assert_eq!((2, 4998), (loads.load(SeqCst), cache.stats().waits));
    assert_eq!(0, cache.stats().pinned);
}

/// Is ready when that is set, and wakes nobody.
struct Until<'it>(&'it AtomicBool);

impl Future for Until<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match self.0.load(SeqCst) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

#[test]
fn futures_wait_for_threads_and_threads_for_futures() {
    let cache = ByteCache::builder(Policy::Lru, 10)
        .shards(4)
        .build()
        .unwrap();
    let loads = AtomicUsize::new(0);
    for round in 0..200_u32 {
        thread::scope(|scope| {
            for i in 0..4 {
                let (cache, loads, key) = (&cache, &loads, round.to_le_bytes());
                scope.spawn(move || {
                    let found = if i % 2 == 0 {
                        block_on(cache.get_or_load_async(key, || async {
                            loads.fetch_add(1, SeqCst);
                            Ok::<_, Error>(Some(key))
                        }))
                    } else {
                        cache.get_or_load(key, |_, _| {
                            loads.fetch_add(1, SeqCst);
                            Ok(Some(key))
                        })
                    };
                    assert_eq!(key, &*found.unwrap().unwrap());
                });
            }
        });
    }
    assert_eq!(200, loads.load(SeqCst));
}

#[test]
fn failures_of_awaited_loaders_are_shared_and_the_old_value_serves() {
    let (clock, builder) = clocked(Policy::Lru);
    let builder = builder.ttl(ns(100)).stale(ns(50)).retry(ns(10));
    let cache = builder.build().unwrap();
    let fail = || async { Err::<Option<&str>, _>(Error::Io) };
    assert_eq!(
        Some(Error::Io),
        block_on(cache.get_or_load_async("a", fail)).err()
    );
    let none = || async { Ok::<Option<&str>, Error>(None) };
    assert!(block_on(cache.get_or_load_async("a", none))
        .unwrap()
        .is_none());
    cache.insert("a", "1").unwrap();
    clock.store(1100, SeqCst);
    let old = block_on(cache.get_or_load_async("a", fail)).unwrap();
    assert_eq!(b"1", &*old.unwrap());
    clock.store(1150, SeqCst);
    assert_eq!(
        Some(Error::Io),
        block_on(cache.get_or_load_async("a", fail)).err()
    );
}

#[test]
fn the_panic_of_a_waker_goes_on_in_the_call_that_woke() {
    let cache = lru(10);
    let held = lease(&cache, "a");
    let mut task: Task<'_, _> = Box::pin(cache.get_or_lease_async("a"));
    assert!(poll(&mut task, &bell_of_nobody()).is_pending());
    let ended = std::panic::AssertUnwindSafe(|| held.fulfil("1", &EntryOptions::new()));
    let panic = std::panic::catch_unwind(ended).unwrap_err();
    assert_eq!("was replaced", message_of(panic));
    assert_eq!(b"1", &*value(block_on(task)));
}

// ---- The cache of typed keys and values ----------------------------------------------------------

#[test]
fn thousands_wait_on_one_thread_for_one_typed_load() {
    let cache = Cache::<u32, u32>::new(Policy::Lru, 10).unwrap();
    let (loads, (bell, waker)) = (AtomicUsize::new(0), bell());
    let may_end = AtomicBool::new(false);
    let ask = || {
        cache.get_or_load_async(&1, || async {
            loads.fetch_add(1, SeqCst);
            Until(&may_end).await;
            Ok::<_, Error>(7)
        })
    };
    let mut tasks: Vec<Task<'_, _>> = (0..5000)
        .map(|_| -> Task<'_, _> { Box::pin(ask()) })
        .collect();
    let count = |tasks: &mut Vec<Task<'_, Result<Arc<u32>>>>| {
        tasks.retain_mut(|task| match poll(task, &waker) {
            Poll::Pending => true,
            Poll::Ready(found) => found != Ok(Arc::new(7)),
        });
        tasks.len()
    };
    assert_eq!((5000, 5000), (count(&mut tasks), count(&mut tasks)));
    assert!(!bell.1.load(SeqCst));
    drop(tasks.remove(0)); // which loads: another one takes over
    assert!(bell.1.swap(false, SeqCst));
    assert_eq!(4999, count(&mut tasks));
    assert_eq!((2, false), (loads.load(SeqCst), bell.1.load(SeqCst)));
    may_end.store(true, SeqCst);
    assert_eq!(0, count(&mut tasks));
    assert_eq!((2, 0), (loads.load(SeqCst), cache.stats().pinned));
}

#[test]
fn typed_futures_are_told_what_the_load_has_come_to() {
    let cache = Cache::<u32, u32>::new(Policy::Lru, 10).unwrap();
    let ends = [
        (Ok(Some(1)), Ok(Some(1))),
        (Ok(None), Ok(None)),
        (Err(Error::Io), Err(Error::Load)),
    ];
    for (found, told) in ends {
        cache.clear();
        let (may_end, (bell, waker)) = (AtomicBool::new(false), bell());
        let mut first: Task<'_, _> = Box::pin(cache.get_or_find_async(&1, || async {
            Until(&may_end).await;
            found
        }));
        let never = || async { unreachable!() };
        let mut second: Task<'_, Result<Option<Arc<u32>>>> =
            Box::pin(cache.get_or_find_async::<_, u32, _, _>(&1, never));
        assert!(poll(&mut first, &waker).is_pending());
        assert!(poll(&mut second, &bell_of_nobody()).is_pending());
        assert!(poll(&mut second, &waker).is_pending()); // who has polled last is woken
        may_end.store(true, SeqCst);
        assert_eq!(found, block_on(first).map(|it| it.map(|it| *it)));
        assert!(bell.1.load(SeqCst));
        assert_eq!(told, block_on(second).map(|it| it.map(|it| *it)));
    }
    // One who waits shares a value that is not kept.
    cache.clear();
    let (may_end, (_, waker)) = (AtomicBool::new(false), bell());
    let mut first: Task<'_, _> = Box::pin(cache.get_or_load_async(&1, || async {
        Until(&may_end).await;
        Ok::<_, Error>(1)
    }));
    let mut second: Task<'_, _> =
        Box::pin(cache.get_or_load_async(&1, || async { Ok::<_, Error>(2) }));
    assert!(poll(&mut first, &waker).is_pending() && poll(&mut second, &waker).is_pending());
    cache.remove(&1);
    may_end.store(true, SeqCst);
    assert_eq!(Ok(Arc::new(1)), block_on(first));
    assert_eq!(Ok(Arc::new(1)), block_on(second));
    assert!(!cache.contains(&1));
    let missing =
        block_on(cache.get_or_find_async(&2, || async { Ok::<Option<u32>, Error>(None) }));
    assert_eq!(Ok(None), missing);
}

#[test]
fn typed_futures_wait_for_threads_and_threads_for_futures() {
    let cache = Cache::<u32, u32>::new(Policy::Lru, 1000).unwrap();
    let loads = AtomicUsize::new(0);
    for round in 0..200_u32 {
        thread::scope(|scope| {
            for i in 0..4 {
                let (cache, loads) = (&cache, &loads);
                let load = move || {
                    loads.fetch_add(1, SeqCst);
                    Ok::<_, Error>(round)
                };
                scope.spawn(move || {
                    let found = match i % 2 {
                        0 => block_on(cache.get_or_load_async(&round, || async { load() })),
                        _ => cache.get_or_load(&round, load),
                    };
                    assert_eq!(Ok(Arc::new(round)), found);
                });
            }
        });
    }
    assert_eq!(200, loads.load(SeqCst));
}

type Told = Result<Arc<u32>>;

/// Loads a key, for which a future begins to wait meanwhile. Returns what both have got.
fn while_another_waits(
    cache: &Cache<u32, u32>,
    load: impl FnOnce(&mut dyn FnMut() -> Poll<Told>) -> Told,
) -> (Told, Told) {
    let (_, waker) = bell();
    let never = || async { unreachable!() };
    let mut waits: Task<'_, Told> = Box::pin(cache.get_or_load_async::<_, u32, _, _>(&1, never));
    let mut told = None;
    let own = cache.get_or_load(&1, || {
        let mut look = || poll(&mut waits, &waker);
        assert!(look().is_pending());
        load(&mut || {
            let answer = look();
            told = Some(answer.clone());
            answer
        })
    });
    let told = match told {
        Some(Poll::Ready(told)) => told,
        _ => block_on(waits),
    };
    (own, told)
}

/// They waited until the loader came back.
#[test]
fn what_is_written_during_a_load_is_told_to_those_who_wait_at_once() {
    type Write = fn(&Cache<u32, u32>);
    let writes: [(Write, bool); 3] = [
        (
            |cache| assert_eq!(Ok(Outcome::Stored), cache.insert(&1, 50)),
            true,
        ),
        (
            |cache| {
                let change = |_: Option<&Arc<u32>>| Ok::<_, Error>(Change::Store(50));
                assert_eq!(Ok(Some(Arc::new(50))), cache.compute(&1, change));
            },
            true,
        ),
        (
            |cache| {
                cache.insert(&1, 50).unwrap();
                assert_eq!(Some(Arc::new(50)), cache.remove(&1));
            },
            false,
        ),
    ];
    for (write, stays) in writes {
        for brings in [Ok(Arc::new(1)), Err(Error::Io)] {
            let cache = Cache::<u32, u32>::new(Policy::Lru, 10).unwrap();
            let (own, told) = while_another_waits(&cache, |look| {
                write(&cache);
                assert_eq!(Poll::Ready(Ok(Arc::new(50))), look());
                brings.clone()
            });
            assert_eq!((brings, Ok(Arc::new(50))), (own, told));
            assert_eq!(stays.then(|| Arc::new(50)), cache.get(&1));
        }
    }
}

/// They loaded one after the other.
#[test]
fn those_who_wait_share_a_value_that_is_not_kept() {
    let cache = Cache::<u32, u32>::new(Policy::Lru, 10).unwrap();
    let (own, told) = while_another_waits(&cache, |_| {
        cache.remove(&1);
        Ok(Arc::new(7))
    });
    let (own, told) = (own.unwrap(), told.unwrap());
    assert_eq!((7, true), (*own, Arc::ptr_eq(&own, &told)));
    assert_eq!((None, 2), (cache.get(&1), Arc::strong_count(&own)));
}
