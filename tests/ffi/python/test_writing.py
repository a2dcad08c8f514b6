# SPDX-License-Identifier: MIT
"""Writes on condition, counters, tags, copies and statistics as text."""

import copy
import gc
import unittest

import libcachetools as ct
from libcachetools import Outcome
from support import ManualClock, in_threads

KINDS = ct.Cache, ct.BytesCache


class Conditions(unittest.TestCase):
    def test_a_key_is_written_if_it_is_the_same(self):
        for kind in KINDS:
            with kind() as cache:
                cache[b"a"] = b"1"
                seen = cache.version(b"a")
                self.assertEqual(b"1", seen.value)
                self.assertEqual(Outcome.STORED, cache.set(b"a", b"2", if_same=seen))
                self.assertEqual(Outcome.EXISTS, cache.set(b"a", b"3", if_same=seen))
                cache[b"a"] = b"1"  # equal, but another
                self.assertFalse(cache.delete_if(b"a", seen))
                self.assertTrue(cache.delete_if(b"a", cache.version(b"a")))
                self.assertFalse(cache.delete_if(b"a", seen))
                self.assertEqual(Outcome.MISSING, cache.set(b"a", b"3", if_same=seen))
                absent = cache.version(b"a")
                self.assertIs(ct.ABSENT, absent.value)
                self.assertEqual(Outcome.STORED, cache.set(b"a", b"4", if_same=absent))
                self.assertEqual(Outcome.EXISTS, cache.set(b"a", b"5", if_same=absent))
                self.assertEqual(b"4", cache[b"a"])
                seen.close()
                seen.close()
                with self.assertRaises(ct.ClosedError):
                    cache.set(b"a", b"6", if_same=seen)
                with self.assertRaises(TypeError):
                    copy.copy(absent)
                del seen, absent
                self.assertEqual(0, cache.stats()["pinned"])

    def test_a_version_outlives_its_cache(self):
        dropped = []
        cache = ct.BytesCache(drop=dropped.append)
        cache[b"a"] = b"1"
        seen = cache.version(b"a")
        cache.close()
        del cache
        gc.collect()
        self.assertEqual(([], b"1"), (dropped, seen.value))
        del seen
        self.assertEqual([b"1"], dropped)

    def test_many_threads_count_by_versions(self):
        for kind in KINDS:
            with kind() as cache:
                cache[b"n"] = b""

                def count(_, cache=cache):
                    for _ in range(25):
                        while True:
                            seen = cache.version(b"n")
                            more = seen.value + b"1"
                            if cache.set(b"n", more, if_same=seen) == Outcome.STORED:
                                break

                in_threads(4, count)
                self.assertEqual(100, len(cache[b"n"]))

    def test_lifetimes_are_kept(self):
        clock = ManualClock()
        for kind in KINDS:
            with kind(ttl=100, timer=clock) as cache:
                cache.set(b"a", b"1", ttl=50)
                clock.now += 20
                cache.set(b"a", b"2", keep_ttl=True)
                cache.set(b"b", b"2", keep_ttl=True, ttl=60)
                self.assertEqual((30, 60), (cache.inspect(b"a")["remaining"],
                                            cache.inspect(b"b")["remaining"]))
        with ct.BytesCache(ttl=100, timer=clock) as cache:
            cache.set(b"a", b"1", ttl=50)
            self.assertEqual([Outcome.STORED] * 2, cache.set_many(
                {b"a": b"2", b"b": b"2"}, keep_ttl=True))
            self.assertEqual((50, 100), (cache.inspect(b"a")["remaining"],
                                         cache.inspect(b"b")["remaining"]))


class Counters(unittest.TestCase):
    def test_counters_count(self):
        clock = ManualClock()
        with ct.BytesCache(timer=clock) as cache:
            self.assertIsNone(cache.add(b"n", 1, if_present=True))
            self.assertEqual(8, cache.add(b"n", -2, 10, ttl=60, weight=3))
            clock.now += 20
            self.assertEqual(2**63 - 1, cache.add(b"n", 2**63 - 1, ttl=60))
            self.assertEqual((40, 3), (cache.inspect(b"n")["remaining"],
                                       cache.inspect(b"n")["weight"]))
            self.assertEqual(8, len(cache[b"n"]))
            cache[b"n"] = b"text"
            with self.assertRaises(ct.UnsupportedError):
                cache.add(b"n", 1)
            with self.assertRaises(OverflowError):
                cache.add(b"n", 2**63)

    def test_threads_count_together(self):
        with ct.BytesCache() as cache:
            in_threads(4, lambda _: [cache.add(b"n", 1) for _ in range(250)])
            self.assertEqual(1000, cache.add(b"n", 0))


class Tags(unittest.TestCase):
    def test_what_carries_a_tag_ends_with_it(self):
        for kind in KINDS:
            left = []
            with kind(listener=left.append) as cache:
                cache.set(b"a", b"1", tags=["x", b"y"])
                cache.set(b"b", b"2", tags=("y",))
                cache.set(b"c", b"3", tags=[])
                cache.get_or_load(b"d", lambda _: ct.Loaded(b"4", tags=["x"]))
                cache.get_or_load_many([b"e"], lambda _: {b"e": ct.Loaded(b"5", tags=["y"])})
                cache.invalidate_tag("x")
                self.assertEqual([b"b", b"c", b"e"], sorted(
                    key for key in (b"a", b"b", b"c", b"d", b"e") if key in cache))
                cache.invalidate_tag(b"y")
                cache.invalidate_tag("none")
                self.assertEqual((1, [b"c"]), (len(cache), list(cache)))
                self.assertEqual(([b"a", b"b", b"d", b"e"], {ct.Cause.REMOVED}), (
                    sorted(it.key for it in left), {it.cause for it in left}))
                with self.assertRaisesRegex(ct.InvalidError, "^tags: there are more than 8.$"):
                    cache.set(b"a", b"1", tags=map(str, range(9)))
                with self.assertRaises(TypeError):
                    cache.set(b"a", b"1", tags=[1])
                with self.assertRaises(TypeError):
                    cache.invalidate_tag(None)
        with ct.BytesCache() as cache:
            cache.set_many({b"a": b"1"}, tags=["x"])
            cache.get_or_lease(b"b").fulfil(b"2", tags=["x"])
            cache.compute(b"c", lambda _: ct.Loaded(b"3", tags=["x"]))
            cache.add(b"d", 1, tags=["x"])
            self.assertEqual(4, len(cache))
            cache.invalidate_tag("x")
            self.assertEqual(0, len(cache))

    def test_a_load_begun_before_is_not_kept(self):
        for kind in KINDS:
            with kind() as cache:
                cache.set(b"x", b"0", tags=["x"])

                def load(key, cache=cache):
                    cache.invalidate_tag("x")
                    return ct.Loaded(b"old", tags=["x"])

                self.assertEqual(b"old", cache.get_or_load(b"a", load))
                self.assertNotIn(b"a", cache)


class Copies(unittest.TestCase):
    def test_a_copy_has_the_same_entries(self):
        left = []
        cache = ct.BytesCache(3, listener=left.append, ttl=60, refresh_ahead=5)
        for key in b"abc":
            cache[bytes([key])] = b"1"
        other = copy.copy(cache)
        self.assertEqual(cache.options(), other.options())
        cache[b"a"] = b"2"
        cache.close()
        del cache
        gc.collect()
        left.clear()
        self.assertEqual(dict.fromkeys([b"a", b"b", b"c"], b"1"), dict(other))
        other[b"d"] = b"1"
        self.assertEqual([(b"a", ct.Cause.EVICTED)], [(it.key, it.cause) for it in left])
        self.assertEqual(b"E", other.get_or_load(b"e", bytes.upper))
        other.close()
        with self.assertRaises(ct.ClosedError):
            copy.copy(other)

    def test_what_is_owned_is_not_copied(self):
        for cache in ct.Cache(), ct.BytesCache(drop=lambda _: None):
            with cache, self.assertRaises((TypeError, ct.UnsupportedError)):
                copy.copy(cache)
        with ct.BytesCache() as cache, self.assertRaises(TypeError):
            copy.deepcopy(cache)


class Text(unittest.TestCase):
    def test_statistics_are_text(self):
        with ct.BytesCache() as some, ct.Cache() as others:
            some[b"a"] = b"1"
            some.get(b"a")
            text = ct.stats_text({"some": some, "oth\u00e9rs": others})
            self.assertRegex(text, r'cachetools_hits\w*\{cache="some"\} 1\n')
            self.assertIn('cache="oth\u00e9rs"', text)
            self.assertTrue(text.endswith("\n"))
        with self.assertRaises(ct.ClosedError):
            ct.stats_text({"some": some})
        ct.stats_text({})


if __name__ == "__main__":
    unittest.main()
