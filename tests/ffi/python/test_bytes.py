# SPDX-License-Identifier: MIT
"""Uses every group of the library's functions through BytesCache."""

import collections
import copy
import ctypes
import datetime
import gc
import io
import os
import pathlib
import pickle
import subprocess
import sys
import tempfile
import threading
import unittest
import unittest.mock
import weakref

import libcachetools as ct
from libcachetools import BytesCache, Cause, Outcome, Policy
from libcachetools._ffi import ffi, lib
from support import FRESHNESS, ManualClock, failing_load, filled, in_threads, raising


class StatusesAndOptions(unittest.TestCase):
    def test_errors_have_names_messages_and_statuses(self):
        error = ct.NoMemoryError(ct.Status.ERR_NOMEM)
        self.assertEqual("CT_ERR_NOMEM", error.name)
        self.assertIn("memory", str(error))
        self.assertIsInstance(error, MemoryError)
        self.assertEqual(3, len(ct.version().split(".")))

    def test_policies_have_names(self):
        for policy in Policy:
            self.assertEqual(policy.name, ffi.string(lib.ct_policy_name(policy)).decode())
        self.assertEqual(Policy.SIEVE, Policy.named("sieve"))
        with self.assertRaisesRegex(ct.InvalidError, "^there is no policy 'best'$"):
            Policy.named("best")

    def test_wrong_options_are_explained(self):
        for problem, options in {
            "ttl: Policy.TTL requires one above 0.": {"policy": Policy.TTL},
            "ttu: Policy.TLRU requires one.": {"policy": Policy.TLRU},
            "custom: Policy.CUSTOM requires it.": {"policy": Policy.CUSTOM},
            "shards: it is not 0 or a power of two up to 4096.": {"shards": 3},
            "options: curve=True needs the counts that stats=False leaves out.":
                {"curve": True, "stats": False},
            "options: curve=True knows no Policy.CUSTOM.":
                {"curve": True, "policy": Policy.CUSTOM, "custom": dict},
            "refresh_ahead: it is not below ttl.": {"ttl": 5, "refresh_ahead": 5},
            "jitter: it is not below ttl.": {"ttl": 5, "jitter": 5},
            "refresh_ahead: together with jitter it is not below ttl.":
                {"ttl": 9, "jitter": 5, "refresh_ahead": 4},
            "retry: stale requires one above 0 where there is neither ttl nor refresh_ahead.":
                {"stale": 5},
            "maxsize: 0 keeps nothing, which keep_nothing=True says is meant.": {"maxsize": 0},
        }.items():
            with self.assertRaises(ct.InvalidError) as caught:
                BytesCache(**{"maxsize": 10, **options})
            self.assertEqual(problem, str(caught.exception))

    def test_wrong_options_with_structs_are_explained(self):
        for options in {"custom": dict}, {"allocator": (min, max)}:
            with self.assertRaisesRegex(ct.InvalidError, "shards"):
                BytesCache(shards=3, **options)
        with self.assertRaisesRegex(ct.InvalidError, "custom"):
            BytesCache(policy=Policy.CUSTOM)
        with self.assertRaises(ZeroDivisionError):
            BytesCache(policy=Policy.CUSTOM, custom=lambda maxsize: 1 / 0)

    def test_options_in_force_are_told(self):
        options = BytesCache(10, policy=Policy.SIEVE, shards=4, ttl=50, tti=20,
                             precise_clock=True, listener=print).options()
        self.assertNotEqual(0, options.pop("seed"))
        self.assertEqual((9, 10, 4, 50, 20, 4), tuple(
            options[name] for name in ("policy", "maxsize", "shards", "ttl", "tti", "flags")))

    def test_a_closed_cache_refuses(self):
        with BytesCache(maxsize=10) as cache:
            cache[b"a"] = b"1"
            walk = cache.walk()
            lease = cache.get_or_lease(b"b")
            memo = ct.memoize(cache)(lambda: b"2")
        for use in (lambda: cache[b"a"], lambda: cache.get(b"a"), lambda: cache.pin(b"a"),
                    lambda: cache.set(b"a", b"1"), cache.clear, cache.walk, cache.stats,
                    lambda: len(cache), lambda: b"a" in cache, lambda: cache.currsize,
                    lambda: cache.maxsize, lambda: cache.memory, cache.expire,
                    lambda: cache.remove_if(lambda key, value: True), lambda: next(walk),
                    lambda: ct.memoize(cache)(lambda: b"2"), lambda: cache.get_or_lease(b"b"),
                    lambda: cache.get_many([]), lambda: cache.set_many([]), cache.popitem):
            with self.assertRaises(ct.InvalidError):
                use()
        with self.assertRaises(ct.InvalidError):
            lease.fulfil(b"1")
        with self.assertRaises(ct.InvalidError):
            memo()
        self.assertIn("closed", repr(cache))
        cache.close()

    def test_nothing_that_is_freed_once_is_copied(self):
        cache = BytesCache(maxsize=10)
        for it in (ct.Cache(), cache.get_or_lease(b"b"), ct.Key(), cache.walk(),
                   cache.version(b"a")):
            for use in (copy.copy, copy.deepcopy, pickle.dumps):
                with self.assertRaisesRegex(TypeError, type(it).__name__):
                    use(it)
        for use in (copy.deepcopy, pickle.dumps):
            with self.assertRaisesRegex(TypeError, "BytesCache"):
                use(cache)

    def test_what_could_not_be_made_is_collected_quietly(self):
        with unittest.mock.patch("sys.unraisablehook") as hook:
            for make in (lambda: BytesCache(maxsize="many"), lambda: BytesCache(no_such=1),
                         lambda: ct.Key(no_such=1), lambda: ct.Memo(None, None, 3)):
                with self.assertRaises((TypeError, AttributeError)):
                    make()
            for kind in BytesCache, ct.Key, ct.Lease, ct.Memo, ct._base.Walk:
                kind.__new__(kind)
            gc.collect()
        hook.assert_not_called()

    def test_integers_that_do_not_fit_are_refused(self):
        cache = BytesCache(maxsize=10)
        lease = cache.get_or_lease(b"b")
        for use in (
                lambda: BytesCache(maxsize=2**64 + 5), lambda: BytesCache(shards=2**32),
                lambda: BytesCache(seed=2**64), lambda: cache.resize(2**64),
                lambda: cache.set_many({b"a": b"1"}, weight=2**64),
                lambda: cache.compute(b"a", lambda old: ct.Loaded(b"1", weight=2**64))):
            with self.assertRaises(OverflowError):
                use()
        for name, use in (
                ("maxsize", lambda: BytesCache(maxsize=-1)),
                ("maxsize", lambda: cache.resize(-1)),
                ("maxsize", lambda: ct.memoize(maxsize=-1)(print)),
                ("shards", lambda: BytesCache(shards=-1)),
                ("seed", lambda: BytesCache(seed=-1)),
                ("ttl", lambda: BytesCache(ttl=-1)),
                ("tti", lambda: BytesCache(tti=-1)),
                ("stale", lambda: BytesCache(ttl=5, stale=-1)),
                ("weight", lambda: cache.set(b"a", b"1", weight=-1)),
                ("weight", lambda: cache.get_or_load(b"a", lambda key: ct.Loaded(b"1", weight=-1)))):
            with self.assertRaisesRegex(ValueError, f"^{name} must not be negative: -1$"):
                use()
        with self.assertRaises(TypeError):
            cache.resize(1.5)
        self.assertEqual((0, 10), (len(cache), cache.maxsize))
        self.assertEqual(b"1", lease.fulfil(b"1"))  # it is still there
        with self.assertRaisesRegex(ValueError, "^weight must not be negative: -1$"):
            BytesCache(maxsize=10, weigher=lambda key, value: -1)[b"a"] = b"1"

    def test_what_remains_of_a_time_that_is_over_is_none(self):
        cache = BytesCache(maxsize=10)
        for over in 0, -1, -0.5, -datetime.timedelta(1):
            with self.subTest(over):
                cache[b"a"] = b"1"
                self.assertEqual(Outcome.NOT_STORED, cache.set(b"a", b"2", ttl=over))
                self.assertNotIn(b"a", cache)
                cache[b"a"] = b"1"
                self.assertTrue(cache.set_lifetime(b"a", over))
                self.assertNotIn(b"a", cache)
                self.assertEqual(b"2", cache.get_or_load(b"a", lambda key: ct.Loaded(b"2", ttl=over)))
                self.assertNotIn(b"a", cache)
        self.assertEqual(Outcome.NOT_STORED, cache.set(b"a", b"2", deadline=-1))
        with self.assertRaisesRegex(
                ct.InvalidError,
                "^ttl: it is below 1 ms, for which precise_clock=True is needed; was a number of seconds"
                " meant\\?$"):
            BytesCache(ttl=0.0001)

    def test_programs_end_quietly(self):
        program = """
import libcachetools as ct, threading, time
dropped = []
kept = ct.BytesCache(drop=dropped.append, listener=dropped.append, timer=time.monotonic, ttl=9)
kept[b"a"] = b"1"
view, walk, lease = kept.pin(b"a"), kept.walk(), kept.get_or_lease(b"b")
objects = ct.Cache(listener=dropped.append)
objects["itself"] = objects
memo = ct.memoize(lambda x: memo)
memo(memo)
class Last:
    def __del__(self):
        objects.get("itself")
objects["last"] = Last()
threading.Thread(target=lambda: kept.get_or_lease(b"b"), daemon=True).start()
"""
        result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        self.assertEqual((0, "", ""), (result.returncode, result.stdout, result.stderr))

    def test_forgotten_caches_are_collected(self):
        cache = BytesCache(maxsize=10)
        cache[b"a"] = b"1"
        # All of it depends on the cache, and may be collected after it.
        cache.itself = cache, cache.walk(), cache.get_or_lease(b"b"), cache.pin(b"a")
        cache.memo = ct.memoize(cache)(lambda: b"2")
        there = weakref.ref(cache)
        self.assertEqual(b"2", cache.memo())
        del cache
        gc.collect()
        self.assertIsNone(there())


class Mapping(unittest.TestCase):
    def test_it_is_a_mapping(self):
        cache = BytesCache(maxsize=10)
        self.assertIsInstance(cache, collections.abc.MutableMapping)
        cache[b"a"] = b"1"
        self.assertEqual(b"1", cache[b"a"])
        self.assertEqual((b"1", None, b"x"), (cache.get(b"a"), cache.get(b"b"), cache.get(b"b", b"x")))
        self.assertTrue(b"a" in cache and b"b" not in cache)
        with self.assertRaises(KeyError):
            cache[b"b"]
        cache.update({b"b": b"2", b"c": b"3"})
        self.assertEqual({b"a", b"b", b"c"}, set(cache))
        self.assertEqual({b"a": b"1", b"b": b"2", b"c": b"3"}, dict(cache.items()))
        self.assertEqual({b"1", b"2", b"3"}, set(cache.values()))
        self.assertEqual(b"1", cache.setdefault(b"a", b"9"))
        self.assertEqual(b"4", cache.setdefault(b"d", b"4"))
        del cache[b"d"]
        with self.assertRaises(KeyError):
            del cache[b"d"]
        self.assertEqual((b"1", b"x"), (cache.pop(b"a"), cache.pop(b"a", b"x")))
        with self.assertRaises(KeyError):
            cache.pop(b"a")
        self.assertEqual((b"b", b"2"), cache.popitem())
        self.assertEqual((1, 1, 10), (len(cache), cache.currsize, cache.maxsize))
        self.assertGreater(cache.memory, 0)
        cache.clear()
        with self.assertRaises(KeyError):
            cache.popitem()

    def test_any_bytes_are_keys_and_values(self):
        cache = BytesCache(maxsize=10)
        big = os.urandom(100_000)
        cache.update({b"": b"", b"\0\xff\0": big, b"\0": b"\0\0"})
        self.assertEqual([b"", big, b"\0\0"], [cache[b""], cache[b"\0\xff\0"], cache[b"\0"]])

    def test_what_is_no_bytes_is_refused(self):
        cache = BytesCache(maxsize=10)
        lease = cache.get_or_lease(b"b")
        for use in (
                lambda: cache["text"], lambda: cache.set(b"a", "text"), lambda: cache[1],
                lambda: cache.update(a=b"1"), lambda: "text" in cache, lambda: cache.get(None),
                lambda: cache.pin([]), lambda: cache.peek("text"), lambda: cache.pop("text"),
                lambda: cache.setdefault(b"a", "text"), lambda: cache.setdefault("text"),
                lambda: cache.inspect("text"), lambda: cache.set_lifetime("text", 1),
                lambda: cache.get_many([b"a", "text"]), lambda: cache.set_many({b"a": 1}),
                lambda: cache.set_many([b"ab"]), lambda: lease.fulfil("text"),
                lambda: cache.get_or_load("text", lambda key: b"1"),
                lambda: cache.get_or_load(b"a", lambda key: "text"),
                lambda: cache.get_or_lease("text"), lambda: cache.compute("text", lambda old: b"1"),
                lambda: ct.memoize("3"), lambda: ct.memoize(cache)(lambda: "text")()):
            with self.assertRaises(TypeError):
                use()
        for malformed in ([(b"a", b"1"), (b"b",)], [(b"a", b"1"), (b"b", b"2", b"3")]):
            with self.assertRaises(ValueError):
                cache.set_many(malformed)
        self.assertEqual(0, len(cache))
        self.assertEqual(b"1", lease.fulfil(b"1"))  # it is still there

    def test_what_is_like_bytes_is_copied(self):
        cache = BytesCache(maxsize=10)
        wide = memoryview(b"12345678").cast("I")
        cache[bytearray(b"a")] = wide
        self.assertEqual([b"12345678"] * 2, [cache[memoryview(b"a")], cache[b"a"]])
        cache.set_many([(wide, wide)])
        self.assertEqual([b"12345678"], cache.get_many([wide]))
        self.assertEqual(b"2", cache.get_or_load(b"b", lambda key: bytearray(b"2")))
        self.assertEqual(ct.key(b"12345678"), ct.key(wide))

    def test_a_pinned_value_outlives_its_entry_and_its_cache(self):
        cache = BytesCache(maxsize=1)
        cache[b"a"] = b"first"
        view = cache.pin(b"a")
        self.assertIsNone(cache.pin(b"b"))
        part = view[1:3]
        cache[b"b"] = b"other"  # evicts it
        cache.close()
        del cache
        gc.collect()
        self.assertEqual(b"first", view)
        self.assertTrue(view.readonly)
        del view
        gc.collect()
        self.assertEqual(b"ir", bytes(part))

    def test_conditions_lifetimes_and_weights_of_single_entries(self):
        clock = ManualClock()
        cache = BytesCache(maxsize=100, timer=clock)
        self.assertEqual(Outcome.MISSING, cache.set(b"a", b"1", if_present=True))
        self.assertEqual(Outcome.STORED, cache.set(b"a", b"1", if_absent=True))
        self.assertEqual(Outcome.EXISTS, cache.set(b"a", b"1", if_absent=True))
        cache.set(b"b", b"22", deadline=1500, weight=7)
        self.assertEqual({"weight": 7, "deadline": 1500, "remaining": 500, "frequency": 0,
                          "key_size": 1, "value_size": 2}, cache.inspect(b"b"))
        self.assertIsNone(cache.inspect(b"x"))
        self.assertEqual(Outcome.STORED, cache.set(b"c", b"3", ttl=10))
        self.assertEqual(Outcome.NOT_STORED, cache.set(b"d", b"4", ttl=0))
        self.assertTrue(cache.set_lifetime(b"a", 20))
        self.assertFalse(cache.set_lifetime(b"x", 20))
        clock.now = 1015
        self.assertTrue(b"c" not in cache and b"a" in cache)
        clock.now = 1020
        self.assertNotIn(b"a", cache)
        with self.assertRaisesRegex(ct.InvalidError, "^deadline: there is a ttl as well.$"):
            cache.set(b"a", b"1", ttl=1, deadline=1)
        with self.assertRaisesRegex(ct.InvalidError, "^options: there is more than one condition.$"):
            cache.set(b"a", b"1", if_absent=True, if_present=True)
        with self.assertRaises(ct.TooLargeError):
            cache.set(b"a", b"1", weight=101)

    def test_what_matches_is_removed(self):
        cache = filled(BytesCache(maxsize=10), b"abc")
        self.assertEqual(1, cache.remove_if(lambda key, value: (key, value) == (b"b", b"B")))
        self.assertEqual({b"a", b"c"}, set(cache))

    def test_a_smaller_limit_evicts(self):
        cache = filled(BytesCache(maxsize=3), b"abc")
        cache.resize(1)
        self.assertEqual((1, [b"c"]), (cache.maxsize, list(cache)))

    def test_what_is_due_is_shown(self):
        clock = ManualClock()
        cache = filled(BytesCache(10, policy=Policy.TTL, ttl=10, timer=clock), b"a")
        clock.now = 1005
        filled(cache, b"b")
        clock.now = 1010
        shown = []
        self.assertEqual(1, cache.expire(shown.append))
        self.assertEqual([ct.Event(b"a", b"A", 1, Cause.EXPIRED)], shown)
        clock.now = 2000
        self.assertEqual(1, cache.expire())


class Many(unittest.TestCase):
    def test_many_are_set_and_got(self):
        cache = BytesCache(maxsize=100)
        big = b"x" * 1000
        self.assertEqual([Outcome.STORED] * 3, cache.set_many({b"a": b"1", b"": big, b"c": b""}))
        self.assertEqual([b"1", None, big, b""], cache.get_many([b"a", b"x", b"", b"c"]))
        self.assertEqual(([], []), (cache.get_many([]), cache.set_many([])))
        keys = [b"%d" % i for i in range(0, 1000, 7)]
        cache.update((key, key) for key in keys)
        kept = set(cache)
        self.assertEqual(100, len(kept))
        self.assertEqual([key if key in kept else None for key in keys],
                         cache.get_many(iter(keys)))
        large = bytes(100_000)
        cache[b"large"] = large
        self.assertEqual([large, None, large], cache.get_many([b"large", b"none", b"large"]))
        self.assertEqual(0, cache.stats()["pinned"])
        timed = filled(BytesCache(timer=ManualClock(), ttl=5), b"ab")
        self.assertEqual([b"A", None, b"B"], timed.get_many([b"a", b"c", b"b"]))

    def test_each_of_many_goes_its_own_way(self):
        cache = BytesCache(maxsize=4, weight_kind=ct.WeightKind.VALUE)
        first, second = cache.set_many([(b"a", b"1"), (b"b", b"too large")])
        self.assertEqual(Outcome.STORED, first)
        self.assertIsInstance(second, ct.TooLargeError)
        with self.assertRaisesRegex(ct.InvalidError, "^deadline: there is a ttl as well.$"):
            cache.set_many([(b"a", b"1")], ttl=1, deadline=1)


class IterationAndStatistics(unittest.TestCase):
    def test_walks_see_everything_in_order(self):
        cache = filled(BytesCache(maxsize=10), b"abc")
        cache[b"a"]
        self.assertEqual([(b"b", b"B"), (b"c", b"C"), (b"a", b"A")],
                         list(cache.walk(ct.Order.COLDEST)))
        self.assertEqual(b"a", next(cache.walk(ct.Order.HOTTEST))[0])
        with self.assertRaises(ct.UnsupportedError):
            BytesCache(policy=Policy.RR).walk(ct.Order.COLDEST)

    def test_each_load_is_in_one_bucket(self):
        cache = BytesCache(maxsize=10)
        for key in (b"a", b"b", b"a"):
            cache.get_or_load(key, lambda key: key)
        buckets = cache.stats()["load_buckets"]
        self.assertEqual((12, 2), (len(buckets), sum(buckets)))

    def test_the_curve_tells_what_it_knows(self):
        cache = BytesCache(maxsize=1, curve=True)
        cache.get(b"a")
        self.assertEqual({1: 1.0, 2: None, 9: None}, cache.miss_ratios(1, 2, 9))
        self.assertEqual({0.5: None, 1: 1.0, 2: None, 4: None}, cache.miss_ratios())
        with self.assertRaisesRegex(ct.InvalidError, "^scales: one is not above 0.$"):
            cache.miss_ratios(0)
        with self.assertRaises(ct.UnsupportedError):
            BytesCache(maxsize=1).miss_ratios()

    def test_events_are_counted(self):
        cache = filled(BytesCache(maxsize=1), b"ab")
        cache.get(b"a"), cache.get(b"b")
        stats = cache.stats()
        self.assertEqual((1, 1, 2, 1), tuple(
            stats[name] for name in ("hits", "misses", "inserts", "evictions")))
        cache.reset_stats()
        self.assertEqual(0, cache.stats()["hits"])
        uncounted = BytesCache(maxsize=1, stats=False)
        uncounted.get(b"a")
        self.assertEqual(0, uncounted.stats()["misses"])


class Snapshots(unittest.TestCase):
    def test_snapshots_go_through_files(self):
        cache = filled(BytesCache(maxsize=10), b"abc")
        file = io.BytesIO()
        cache.save(file)
        altered = bytearray(file.getvalue())
        file.write(b"more")
        file.seek(0)
        smaller = BytesCache(maxsize=2)
        smaller.load(file)
        self.assertEqual((b"more", {b"b", b"c"}), (file.read(), set(smaller)))

        altered[len(altered) // 2] ^= 1
        with self.assertRaises(ct.CorruptError):
            cache.load(io.BytesIO(altered))
        with self.assertRaises(ct.CorruptError):
            cache.load(io.BytesIO())
        class Eager:
            def read(self, capacity):
                return bytes(capacity + 1)

        with self.assertRaisesRegex(ValueError, "returned"):
            cache.load(Eager())
        file.close()
        for use in cache.save, cache.load:
            with self.assertRaisesRegex(ValueError, "closed file"):
                use(file)

    def test_failures_name_the_file(self):
        cache, path = BytesCache(), "/no such folder/it"
        for use in cache.save, cache.load:
            for file in path, path.encode():
                with self.assertRaisesRegex(OSError, f"^{path}: Reading or writing failed.$"):
                    use(file)
        with self.assertRaisesRegex(ct.CorruptError, "^The input"):
            cache.load(io.BytesIO(b"no snapshot"))

    def test_snapshots_go_through_paths(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "snapshot")
            filled(BytesCache(maxsize=10), b"a").save(path)
            other = BytesCache(maxsize=10)
            other.load(str(path))
            self.assertEqual(b"A", other[b"a"])
            with self.assertRaises(OSError) as caught:
                other.load(path / "missing")
            self.assertEqual("CT_ERR_IO", caught.exception.name)

    def test_what_ran_out_in_a_snapshot_does_not_come_back_aged(self):
        # Recorded in 2023, of entries that had two hours to live or to idle at most.
        path = pathlib.Path(__file__).parent / "../../data/snapshots/dated.ctsnap"
        recorded = path.read_bytes()
        cache = BytesCache(maxsize=10, tti=datetime.timedelta(days=13))
        cache.load(path, aged=True)
        cache.load(io.BytesIO(recorded), aged=True)
        self.assertEqual(0, len(cache))
        other = BytesCache(maxsize=10, timer=ManualClock())
        for file in path, io.BytesIO(recorded):
            with self.assertRaises(ct.UnsupportedError):
                other.load(file, aged=True)
        cache.load(path)
        other.load(io.BytesIO(recorded))
        self.assertEqual((3, 3), (len(cache), len(other)))


class CallbacksOfACache(unittest.TestCase):
    def test_the_listener_is_told_why_entries_leave(self):
        told = []
        cache = BytesCache(maxsize=2, listener=lambda event: told.append((event.cause.name, event.key)))
        gc.collect()  # its C function must not be
        filled(cache, b"abbc")
        del cache[b"b"]
        cache.clear()
        self.assertEqual([("REPLACED", b"b"), ("EVICTED", b"a"), ("REMOVED", b"b"),
                          ("CLEARED", b"c")], told)

    def test_weighers_weigh_and_times_to_use_end(self):
        clock = ManualClock()
        cache = BytesCache(100, policy=Policy.TLRU, timer=clock,
                      weigher=lambda key, value: len(key) + len(value),
                      ttu=lambda key, value, now: now + len(value))
        cache[b"a"] = b"12345"
        self.assertEqual(6, cache.currsize)
        clock.now = 1004
        self.assertIn(b"a", cache)
        clock.now = 1005
        self.assertNotIn(b"a", cache)
        with self.assertRaises(ct.TooLargeError):
            cache[b"b"] = bytes(100)

    def test_a_choice_chooses_victims(self):
        cache = filled(BytesCache(3, policy=Policy.RR, choice=lambda count: count - 1), b"abcd")
        self.assertEqual({b"a", b"b", b"d"}, set(cache))

    def test_every_stored_value_is_dropped_once_even_after_the_cache(self):
        dropped = []
        cache = filled(BytesCache(maxsize=2, drop=dropped.append), b"abc")
        self.assertEqual([b"A"], dropped)
        view = cache.pin(b"b")
        cache.close()
        del cache
        gc.collect()
        self.assertEqual([b"A", b"C"], dropped)
        del view
        gc.collect()
        self.assertEqual([b"A", b"C", b"B"], dropped)

    def test_what_is_collected_inside_the_critical_section_is_released_after_it(self):
        # The library's lock is held there, and a release takes it, too.
        dropped = []

        def timer():
            gc.collect()
            return 1000

        cache = filled(BytesCache(maxsize=10, ttl=100, timer=timer, drop=dropped.append), b"ab")
        gc.disable()
        self.addCleanup(gc.enable)
        garbage = [cache.pin(b"a")]
        garbage.append(garbage)
        del cache[b"a"]
        self.assertEqual([], dropped)
        del garbage
        self.assertEqual(b"B", cache[b"b"])
        self.assertEqual([b"A"], dropped)

    def test_memory_comes_from_the_allocator_and_goes_back(self):
        libc = ctypes.CDLL(None)
        libc.aligned_alloc.restype = ctypes.c_void_p
        libc.aligned_alloc.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
        libc.free.argtypes = [ctypes.c_void_p]
        blocks, is_empty = {}, False

        def alloc(size, align):
            if is_empty:
                return None
            align = max(align, ctypes.sizeof(ctypes.c_void_p))
            block = libc.aligned_alloc(align, -(-size // align) * align)
            blocks[block] = size
            return block

        def free(block, size, align):
            self.assertEqual(blocks.pop(block), size)
            libc.free(block)

        cache = filled(BytesCache(maxsize=1000, allocator=(alloc, free)), b"a")
        view = cache.pin(b"a")
        self.assertTrue(blocks)
        is_empty = True
        with self.assertRaises(ct.NoMemoryError):
            cache[b"b"] = bytes(1 << 20)
        cache.close()
        self.assertTrue(blocks)  # the value is pinned
        self.assertEqual(b"A", view)
        del view
        gc.collect()
        self.assertFalse(blocks)

    def test_a_policy_of_ones_own_decides(self):
        class Stack:
            """Last in, first out."""

            def __init__(self, maxsize):
                self.ids, self.hits, self.updates, self.sizes = [], 0, [], [maxsize]
                stacks.append(self)

            def insert(self, id, weight, key, now):
                self.ids.append(id)

            def hit(self, id, now):
                self.hits += 1

            def update(self, id, weight, key, now):
                self.updates.append((id, weight, key))

            def remove(self, id):
                self.ids.remove(id)

            def resize(self, maxsize):
                self.sizes.append(maxsize)

            def victim(self):
                return self.ids[-1]

        stacks = []
        cache = filled(BytesCache(2, policy=Policy.CUSTOM, custom=Stack), b"abc")
        gc.collect()
        self.assertEqual({b"a", b"c"}, set(cache))
        cache[b"a"]
        self.assertEqual([1], [stack.hits for stack in stacks])
        cache[b"a"] = b"again"
        self.assertEqual([b"a"], [key for _, _, key in stacks[0].updates])
        cache.resize(5)
        cache.resize(None)
        self.assertEqual([2, 5, None], stacks[0].sizes)

    def test_a_policy_need_not_care_for_hits_updates_and_limits(self):
        class Queue:
            """First in, first out."""

            def __init__(self, maxsize):
                self.ids = []

            def insert(self, id, weight, key, now):
                self.ids.append(id)

            def remove(self, id):
                self.ids.remove(id)

            def victim(self):
                return self.ids[0]

        cache = filled(BytesCache(2, policy=Policy.CUSTOM, custom=Queue), b"aab")
        cache[b"a"]
        cache.resize(1)
        self.assertEqual([b"b"], list(cache))

    def test_a_policy_that_fails_fails_its_call(self):
        class Broken(ct.CustomPolicy):
            def __init__(self, maxsize):
                pass

            def insert(self, id, weight, key, now):
                pass

            def remove(self, id):
                pass

            def victim(self):
                raise LookupError("none")

        cache = filled(BytesCache(1, policy=Policy.CUSTOM, custom=Broken), b"a")
        with self.assertRaises(LookupError):
            cache[b"b"] = b"1"
        self.assertEqual([b"a"], list(cache))

    def test_what_callbacks_raise_does_not_come_up_in_other_calls(self):
        def drop(value):
            raise LookupError("from the drop")

        cache = BytesCache(maxsize=10, drop=drop)

        def walk_over_what_goes():
            cache[b"a"] = b"1"
            walk = cache.walk()
            next(walk)
            del cache[b"a"]
            return walk

        walk = walk_over_what_goes()
        with self.assertRaises(LookupError):
            walk.close()
        with unittest.mock.patch("sys.unraisablehook") as hook:
            walk = walk_over_what_goes()
            del walk
            gc.collect()
        hook.assert_called_once()
        self.assertEqual(0, BytesCache(maxsize=10).remove_if(lambda key, value: True))

    def test_what_callbacks_raise_goes_on_in_the_call_that_ran_them(self):
        cache = filled(BytesCache(maxsize=1, listener=lambda event: 1 / 0), b"a")
        with self.assertRaises(ZeroDivisionError):
            cache[b"b"] = b"2"
        self.assertEqual(b"2", cache[b"b"])  # only telling the listener failed
        cache = filled(BytesCache(maxsize=10), b"ab")
        with self.assertRaises(KeyboardInterrupt):
            cache.remove_if(lambda key, value: (_ for _ in ()).throw(KeyboardInterrupt()))
        self.assertEqual(2, len(cache))  # nothing is left over


class Loading(unittest.TestCase):
    def test_a_key_is_loaded_once(self):
        cache = BytesCache(maxsize=10)
        self.assertEqual(b"ABC", cache.get_or_load(b"abc", bytes.upper))
        self.assertEqual(b"ABC", cache.get_or_load(b"abc", self.fail))
        self.assertIsNone(cache.get_or_load(b"x", lambda key: None))
        self.assertEqual((1, 1), (cache.stats()["loads"], cache.stats()["load_failures"]))

    def test_loaders_say_what_is_special(self):
        cache = BytesCache(maxsize=100, timer=ManualClock())
        cache.get_or_load(b"a", lambda key: ct.Loaded(b"1", ttl=50, weight=9))
        info = cache.inspect(b"a")
        self.assertEqual((9, 50), (info["weight"], info["remaining"]))
        self.assertEqual(b"2", cache.get_or_load(
            b"b", lambda key: ct.Loaded(b"2", deadline=2000, discard=True)))
        self.assertNotIn(b"b", cache)

    def test_what_a_loader_raises_comes_back(self):
        cache = BytesCache(maxsize=10)
        with self.assertRaises(ConnectionError):
            cache.get_or_load(b"a", lambda key: (_ for _ in ()).throw(ConnectionError("is down")))
        with self.assertRaises(RecursionError):
            cache.get_or_load(b"a", lambda key: cache.get_or_load(key, bytes.upper))
        with self.assertRaises(TypeError):
            cache.get_or_load(b"a", lambda key: "text")
        self.assertEqual(0, len(cache))

    def test_of_many_threads_one_loads(self):
        cache = BytesCache(maxsize=10, shards=4)
        loads, barrier = [], threading.Barrier(4)

        def load(key):
            loads.append(key)
            return b"value"

        def run(_):
            barrier.wait()
            self.assertEqual(b"value", cache.get_or_load(b"a", load))

        in_threads(4, run)
        self.assertEqual([b"a"], loads)

    def test_a_lease_is_fulfilled_on_another_thread_or_given_up(self):
        cache = BytesCache(maxsize=10)
        lease = cache.get_or_lease(b"a")
        self.assertEqual(b"a", lease.key)
        self.assertIsNone(cache.get_or_lease(b"a", wait=0))
        self.assertIsNone(cache.get_or_lease(b"a", wait=-1))
        thread = threading.Thread(target=lambda: lease.fulfil(b"1"))
        thread.start()
        self.assertEqual(b"1", cache.get_or_lease(b"a"))
        thread.join()
        with cache.get_or_lease(b"b", wait=0):
            pass
        lease = cache.get_or_lease(b"b", wait=0)
        self.assertIsInstance(lease, ct.Lease)
        del lease
        gc.collect()
        self.assertEqual(b"2", cache.get_or_lease(b"b", wait=0).fulfil(b"2", ttl=10**12))

    def test_options_of_freshness_are_told(self):
        cache = BytesCache(jitter=datetime.timedelta(seconds=7), **FRESHNESS)
        expected = {"tti": 0, "jitter": 7, **FRESHNESS}
        self.assertEqual(expected, {it: cache.options()[it] for it in expected})
        with self.assertRaises(ct.InvalidError):
            BytesCache(ttl=5, refresh_ahead=5)
        with self.assertRaises(ValueError):
            BytesCache(ttl=5, stale=0)

    def test_a_value_is_renewed_and_an_old_one_serves(self):
        clock = ManualClock()
        cache = BytesCache(timer=clock, **FRESHNESS)
        down = raising(ConnectionError("is down"))
        self.assertEqual((b"A", False), cache.get_stale_or_load(b"a", bytes.upper))
        clock.now = 1085
        self.assertEqual((b"A", False), cache.get_stale_or_load(b"a", down))
        clock.now = 1095
        self.assertEqual(b"aA", cache.get_or_load(b"a", self.fail, renew=lambda key, old: key + old))
        clock.now = 1200
        self.assertEqual((b"aA", True), cache.get_stale_or_load(b"a", down))
        self.assertNotIn(b"a", cache)
        stats = cache.stats()
        self.assertEqual((3, 2, 1, 0), tuple(stats[it] for it in (
            "renewals", "renewal_failures", "stale_served", "pinned")))
        clock.now = 1210
        with self.assertRaises(ct.BusyError):  # its caller alone was cancelled
            cache.get_or_load(b"a", raising(ct.BusyError()))
        clock.now = 1300
        with self.assertRaises(ConnectionError):
            cache.get_or_load(b"a", down)

    def test_what_is_not_modified_lives_anew(self):
        clock = ManualClock()
        cache = BytesCache(timer=clock, **FRESHNESS)
        cache[b"a"] = b"1"
        clock.now = 1090
        found = cache.get_or_load(b"a", self.fail, renew=lambda key, old: ct.NOT_MODIFIED)
        self.assertEqual((b"1", 100), (found, cache.inspect(b"a")["remaining"]))
        clock.now = 1180
        cache.get_or_load(b"a", lambda key: ct.Loaded(ct.NOT_MODIFIED, ttl=70))
        self.assertEqual(70, cache.inspect(b"a")["remaining"])
        with self.assertRaises(ct.CallbackError):
            cache.get_or_load(b"b", lambda key: ct.NOT_MODIFIED)

    def test_a_load_is_forced(self):
        cache = BytesCache()
        cache[b"a"] = b"1"
        with self.assertRaises(ConnectionError):
            cache.get_or_load(b"a", raising(ConnectionError()), force=True)
        self.assertEqual(b"1", cache[b"a"])
        self.assertEqual(b"A", cache.get_or_load(b"a", bytes.upper, force=True))
        self.assertEqual(b"A", cache[b"a"])

    def test_a_wait_ends(self):
        cache = BytesCache()
        with cache.get_or_lease(b"a"):
            for timeout in (0, -1, 1e-3, datetime.timedelta(microseconds=1)):
                with self.assertRaises(ct.BusyError):
                    cache.get_or_load(b"a", self.fail, timeout=timeout)
        clock = ManualClock()
        cache = BytesCache(timer=clock, **FRESHNESS)
        cache[b"a"] = b"1"
        clock.now = 1110
        with cache.get_or_lease(b"a"):
            for stale_after in (None, 0, 1e-3):
                self.assertEqual((b"1", True), cache.get_stale_or_load(
                    b"a", self.fail, stale_after=stale_after))

    def test_a_failure_is_that_of_all_who_wait(self):
        cache = BytesCache()
        for failure, shared in ((ConnectionError(), ct.LoadError),
                                (ct.NoMemoryError(ct.Status.ERR_NOMEM), ct.NoMemoryError)):
            def fail(begun):
                def load(key):
                    begun()
                    raise failure
                with self.assertRaises(type(failure)):
                    cache.get_or_load(b"a", load)
            self.assertIs(shared, type(failing_load(cache, b"a", fail)))

            def fail_lease(begun):
                with self.assertRaises(type(failure)), cache.get_or_lease(b"a"):
                    begun()
                    raise failure
            self.assertIs(shared, type(failing_load(cache, b"a", fail_lease)))

        def find_none(begun):
            lease = cache.get_or_lease(b"a")
            begun()
            lease.fail()
            lease.fail()  # it is over
        self.assertIsNone(failing_load(cache, b"a", find_none))

    def test_a_load_that_is_cancelled_is_its_own_callers(self):
        for cancelled in (ct.BusyError(), KeyboardInterrupt()):
            cache, found, threads = BytesCache(), [], []

            def load(key):
                threads.append(threading.Thread(
                    target=lambda: found.append(cache.get_or_load(b"a", bytes.upper))))
                threads[0].start()
                raise cancelled

            with self.assertRaises(type(cancelled)):
                cache.get_or_load(b"a", load)
            threads[0].join()
            self.assertEqual([b"A"], found)

    def test_a_lease_renews_keeps_and_fails(self):
        clock = ManualClock()
        cache = BytesCache(timer=clock, **FRESHNESS)
        cache[b"a"] = b"1"
        clock.now = 1090
        lease = cache.get_or_lease(b"a")
        self.assertEqual((b"1", b"1"), (lease.old, cache.get_or_lease(b"a")))
        self.assertEqual(Outcome.STORED, lease.keep())
        self.assertEqual(100, cache.inspect(b"a")["remaining"])
        with self.assertRaises(ct.ClosedError):
            lease.keep()
        clock.now = 1200
        with self.assertRaises(ConnectionError), cache.get_or_lease(b"a") as lease:
            raise ConnectionError
        self.assertEqual(b"1", cache.get_or_lease(b"a"))  # a renewal has just failed
        clock.now = 1210
        cache.get_or_lease(b"a").fail()
        lease = cache.get_or_lease(b"a")
        self.assertIsNone(lease.old)
        with self.assertRaisesRegex(ct.InvalidError, "no old value"):
            lease.keep()
        self.assertEqual(0, cache.stats()["pinned"])

    def test_compute_reads_changes_and_writes(self):
        cache = BytesCache(maxsize=10)

        def count(old):
            return bytes([old[0] + 1 if old else 1])

        in_threads(4, lambda _: [cache.compute(b"n", count) for _ in range(25)])
        self.assertEqual(b"\x64", cache[b"n"])
        self.assertEqual(b"\x64", cache.compute(b"n", lambda old: ct.LEAVE))
        with self.assertRaises(ConnectionError):
            cache.compute(b"n", lambda old: (_ for _ in ()).throw(ConnectionError()))
        self.assertIsNone(cache.compute(b"n", lambda old: ct.REMOVE))
        self.assertEqual(0, len(cache))

        runs = []

        def too_late(old):
            runs.append(old)
            cache[b"n"] = b"written"
            return b"computed"

        with self.assertRaises(ct.BusyError):
            cache.compute(b"n", too_late)
        self.assertEqual([None] + 16 * [b"written"], runs)
        self.assertEqual(b"written", cache[b"n"])

        def within(old):
            with self.assertRaises(ct.RecursiveLoadError):
                cache.compute(b"n", lambda old: ct.REMOVE)
            return b"computed"

        self.assertEqual(b"computed", cache.compute(b"n", within))


class Threads(unittest.TestCase):
    def test_threads_share_a_cache(self):
        cache = BytesCache(100, policy=Policy.SIEVE, shards=8, listener=lambda event: None)

        def run(number):
            for i in range(2000):
                key = b"%d" % (i % 150)
                cache[key] = key + key
                other = b"%d" % ((i + 37 * number) % 150)
                self.assertIn(cache.get(other), (None, other + other))

        in_threads(4, run)
        self.assertLessEqual(len(cache), 100)
