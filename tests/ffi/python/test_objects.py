# SPDX-License-Identifier: MIT
"""Caches of objects: mapping, keys, references."""

import collections
import contextlib
import copy
import datetime
import decimal
import enum
import fractions
import gc
import math
import os
import pickle
import random
import sys
import threading
import time
import unittest
import unittest.mock
import weakref

import libcachetools as ct
from libcachetools import BytesCache, Cache, Cause, Outcome, Policy, _turns
from support import FRESHNESS, ManualClock, in_threads, raising


class Thing:
    """Something with weak references."""

    def __init__(self, name=""):
        self.name = name


class Mapping(unittest.TestCase):
    def test_it_is_a_mapping(self):
        cache = Cache(maxsize=10)
        self.assertIsInstance(cache, collections.abc.MutableMapping)
        value = [1]
        cache["a"] = value
        self.assertIs(value, cache["a"])
        self.assertEqual((None, "x"), (cache.get("b"), cache.get("b", "x")))
        self.assertTrue("a" in cache and "b" not in cache)
        for absent in "b", (1, 2), None:
            with self.assertRaises(KeyError) as caught:
                cache[absent]
            self.assertEqual((absent,), caught.exception.args)
        cache.update({"b": 2, (1, "c"): 3}, d=4)
        self.assertEqual({"a": [1], "b": 2, (1, "c"): 3, "d": 4}, dict(cache))
        self.assertEqual(set(cache), set(cache.keys()))
        self.assertEqual(dict(cache), dict(cache.items()))
        self.assertIn(3, cache.values())
        self.assertEqual(2, cache.setdefault("b", 9))
        self.assertEqual(9, cache.setdefault("e", 9))
        self.assertIsNone(cache.setdefault("f"))
        self.assertIsNone(cache["f"])  # None is a value
        del cache["f"]
        with self.assertRaises(KeyError):
            del cache["f"]
        self.assertEqual((9, "x"), (cache.pop("e"), cache.pop("e", "x")))
        with self.assertRaises(KeyError):
            cache.pop("e")
        for key in "a", "b", (1, "c"), "d":
            cache[key]
        self.assertEqual(("a", [1]), cache.popitem())
        self.assertEqual((3, 3, 10), (len(cache), cache.currsize, cache.maxsize))
        self.assertEqual(["b", (1, "c"), "d"], [key for key, _ in cache.walk(ct.Order.COLDEST)])
        self.assertEqual((2, None, 5), (cache.peek("b"), cache.peek("x"), cache.peek("x", 5)))
        self.assertEqual("<Cache LRU of 10>", repr(cache))
        self.assertEqual(cache, {"b": 2, (1, "c"): 3, "d": 4})
        cache.clear()
        self.assertFalse(cache)
        with self.assertRaises(KeyError):
            cache.popitem()
        with self.assertRaises(TypeError):
            cache.get()

    def test_options_and_single_entries(self):
        clock = ManualClock()
        cache = Cache(None, policy=Policy.SIEVE, ttl=datetime.timedelta(seconds=10), timer=clock)
        self.assertEqual((None, 10, Policy.SIEVE),
                         (cache.maxsize, cache.options()["ttl"], cache.policy))
        cache["a"] = 1
        cache.set("b", 2, ttl=20.5)
        cache.set("c", 3, ttl=math.inf)
        self.assertEqual((10, 20.5, math.inf), tuple(
            cache.inspect(key)["remaining"] for key in "abc"))
        self.assertEqual(Outcome.EXISTS, cache.set("a", 5, if_absent=True))
        self.assertEqual(Outcome.MISSING, cache.set("x", 5, if_present=True))
        self.assertEqual(Outcome.NOT_STORED, cache.set("d", 5, ttl=0))
        clock.now += 10
        shown = []
        self.assertEqual(1, cache.expire(shown.append))
        self.assertEqual([ct.Event("a", 1, 1, Cause.EXPIRED)], shown)
        self.assertTrue(cache.set_lifetime("b", 0.5))
        self.assertFalse(cache.set_lifetime("x", 1))
        clock.now += 0.5
        self.assertEqual({"c": 3}, dict(cache))
        cache.resize(0)
        self.assertEqual((0, 0), (len(cache), cache.maxsize))
        for wrong in -1, -0.5, -datetime.timedelta(1):
            with self.assertRaisesRegex(ValueError, "^ttl must not be negative: "):
                Cache(ttl=wrong)
        for wrong in 0, 0.0, math.nan, datetime.timedelta(0):
            with self.assertRaises(ValueError):
                Cache(ttl=wrong)
        for wrong in "60", b"", [1]:
            with self.assertRaisesRegex(TypeError, "seconds"):
                Cache(ttl=wrong)
        self.assertEqual(1e-9, Cache(tti=1e-12, precise_clock=True).options()["tti"])

    def test_a_cache_that_is_made_again_is_a_new_one(self):
        cache = Cache(maxsize=5)
        cache["a"] = value = Thing()
        there, value = weakref.ref(value), None
        cache.__init__(maxsize=3)
        self.assertEqual((0, 3, None), (len(cache), cache.maxsize, there()))

    def test_maxsize_comes_first(self):
        for kind in Cache, BytesCache:
            self.assertEqual((10, Policy.LRU), (kind(10).maxsize, kind(10).policy))
            fifo = kind(None, policy=Policy.FIFO)
            self.assertEqual((None, Policy.FIFO), (fifo.maxsize, fifo.policy))
            for wrong in Policy.LRU, "LRU", "10", 10.0, print:
                with self.assertRaisesRegex(TypeError, "^maxsize must be an integer or None, not "):
                    kind(wrong)
            with self.assertRaises(TypeError):
                kind(10, Policy.LRU)
            with self.assertRaisesRegex(TypeError, "maxsize"):
                kind().resize(Policy.LRU)

    def test_what_is_no_member_of_an_enumeration_is_refused(self):
        for wrong in "LRU", 9, 2**32, None, ct.Order.ANY:
            for kind in Cache, BytesCache:
                with self.assertRaisesRegex(
                        TypeError, "^policy must be one of Policy, such as Policy.LRU, not "):
                    kind(policy=wrong)
        with self.assertRaisesRegex(
                TypeError, "^weight_kind must be one of WeightKind, such as WeightKind.COUNT, not "):
            BytesCache(weight_kind=2**32)
        with self.assertRaisesRegex(TypeError, "^order must be one of Order, such as Order.ANY, not "):
            Cache().walk(2**32)

    def test_a_cache_keeps_nothing_only_on_purpose(self):
        for make in (lambda **options: Cache(0, **options), lambda **options: BytesCache(0, **options),
                     lambda **options: ct.memoize(0, **options)(len)):
            with self.assertRaisesRegex(ct.InvalidError, "^maxsize: .* keep_nothing=True "):
                make()
            make(keep_nothing=True)
        for cache, key in (Cache(0, keep_nothing=True), "a"), (BytesCache(0, keep_nothing=True), b"a"):
            self.assertEqual(0, cache.maxsize)
            self.assertEqual(b"1", cache.get_or_load(key, lambda _: b"1"))
            self.assertEqual(0, len(cache))
        self.assertEqual(10, Cache(10, keep_nothing=True).maxsize)

    def test_unknown_keywords_are_told(self):
        for make in (lambda: Cache(maxsiz=5), lambda: ct.BytesCache(getsizeof=len),
                     lambda: ct.memoize(maxsiz=5), lambda: Cache().set("a", 1, tl=5)):
            with self.assertRaisesRegex(TypeError, "unexpected keyword"):
                make()

    def test_a_closed_cache_refuses(self):
        with Cache() as cache:
            cache["a"] = 1
            walk = cache.walk()
        for use in (lambda: cache["a"], lambda: cache.get("a"), lambda: cache.set("a", 1),
                    lambda: cache.pop("a"), lambda: len(cache), lambda: "a" in cache,
                    lambda: next(walk), cache.clear, lambda: cache.get_or_load("a", str),
                    lambda: cache.compute("a", str), lambda: cache.setdefault("a"),
                    lambda: cache.update(a=1), lambda: list(cache), lambda: cache.memory):
            with self.assertRaisesRegex(ct.ClosedError, "closed"):
                use()
        with self.assertRaises(ValueError):  # as a closed file does
            del cache["a"]
        self.assertEqual("<Cache, closed>", repr(cache))
        cache.close()
        for use in copy.copy, copy.deepcopy, pickle.dumps:
            with self.assertRaisesRegex(TypeError, "Cache"):
                use(cache)

    def test_listeners_weighers_and_times_to_use_see_objects(self):
        told, clock = [], ManualClock()
        cache = Cache(10, policy=Policy.TLRU, timer=clock, weigher=lambda key, value: len(value),
                      ttu=lambda key, value, now: now + len(key),
                      listener=lambda event: told.append((event.key, event.value, event.cause)))
        cache["abc"] = [1, 2]
        cache["ab"] = (1, 2, 3)
        self.assertEqual((5, 2), (cache.currsize, len(cache)))
        clock.now += 2
        self.assertEqual(["abc"], list(cache))
        len(cache)
        self.assertEqual([("ab", (1, 2, 3), Cause.EXPIRED)], told)
        with self.assertRaises(ct.TooLargeError):
            cache["large"] = "x" * 11
        with self.assertRaises(TypeError):
            cache["x"] = 5  # has no len
        self.assertEqual(1, cache.remove_if(lambda key, value: value == [1, 2]))
        self.assertEqual(Cause.REMOVED, told[-1][2])

    def test_a_policy_of_ones_own_decides(self):
        class Queue(ct.CustomPolicy):
            def __init__(self, maxsize):
                self.ids = []

            def insert(self, id, weight, key, now):
                self.ids.append(id)

            def remove(self, id):
                self.ids.remove(id)

            def victim(self):
                return self.ids[0]

        cache = Cache(2, policy=Policy.CUSTOM, custom=Queue)
        cache.update(a=1, b=2, c=3)
        self.assertEqual({"b": 2, "c": 3}, dict(cache))

    def test_it_answers_as_an_ordered_dict_does(self):
        seed = int(os.environ.get("CT_SEED", random.randrange(2**32)))
        with self.subTest(CT_SEED=seed):
            choose = random.Random(seed)
            keys = [0, 1, True, 1.0, -1, 2**63, 2**64, 2.0**64, 2**100, 0.5, -0.0, "", "1", "\0",
                    b"", b"1", None, (), (None,), (None, 1), (None, None, 1), ((1,), "x"), "é",
                    "\udc80", decimal.Decimal("0.1"), fractions.Fraction(1, 3), frozenset("ab"),
                    Color.RED, Color.BLUE, Name("1"), range(3), print, Cache, 1j, math.inf]
            cache, model = Cache(maxsize=12), collections.OrderedDict()
            for _ in range(20_000):
                key, value, action = choose.choice(keys), choose.random(), choose.random()
                if action < 0.5:
                    self.assertEqual(model.get(key), cache.get(key), key)
                    if key in model:
                        model.move_to_end(key)
                elif action < 0.9:
                    cache[key] = model[key] = value
                    model.move_to_end(key)
                    if len(model) > 12:
                        model.popitem(last=False)
                elif action < 0.95:
                    self.assertEqual(model.pop(key, None), cache.pop(key, None), key)
                elif model:
                    self.assertEqual(model.popitem(last=False), cache.popitem())
                self.assertEqual(len(model), len(cache))
            self.assertEqual(list(model.items()), list(cache.walk(ct.Order.COLDEST)))


class Color(enum.IntEnum):
    RED = 1
    BLUE = 7


class Name(str):
    """Equal to its text."""


class Share(float):
    """Equal to its number."""


class Keys(unittest.TestCase):
    def test_equal_keys_are_one(self):
        cache = Cache()
        for equal in ((1, 1.0, True, Color.RED), ("1", Name("1")), (0.5, Share(0.5)), (7.0, 7, Share(7)), (2**100, 2.0**100),
                      (decimal.Decimal(3), decimal.Decimal("3.0")), (frozenset("ab"), frozenset("ba")),
                      ((1, (2.0,)), (True, (2,))), (0.0, -0.0, 0, False),
                      (collections.namedtuple("P", "x y")(1, 2), (1, 2))):
            for key in equal:
                cache[key] = equal
            self.assertEqual(1, len(cache), equal)
            self.assertTrue(all(cache[key] is equal for key in equal))
            cache.clear()
        cache[math.nan] = 1
        self.assertEqual(1, cache[float("nan")])

    def test_what_is_not_hashable_is_no_key(self):
        cache = Cache()
        for key in [], {}, set(), bytearray(), (1, []):
            for use in (cache.get, cache.__getitem__, cache.__contains__, cache.pop,
                        lambda key: cache.set(key, 1), lambda key: cache.__setitem__(key, 1), cache.peek,
                        lambda key: cache.get_or_load(key, str)):
                with self.assertRaisesRegex(TypeError, "unhashable"):
                    use(key)
        deep = ()
        for _ in range(100_000):
            deep = (deep,)
        with self.assertRaises(RecursionError):
            cache[deep]
        while deep:
            deep = deep[0]

        class Broken:
            def __hash__(self):
                raise LookupError

        with self.assertRaises(LookupError):
            cache[Broken()]
        self.assertEqual(0, len(cache))

    def test_equality_of_other_keys_is_their_own(self):
        class Point:
            def __init__(self, x):
                self.x = x

            def __eq__(self, other):
                return isinstance(other, Point) and self.x == other.x

            def __hash__(self):
                return 7

        cache = Cache(maxsize=2)
        first = Point(1)
        cache[first], cache[Point(2)] = "one", "two"
        self.assertEqual(("one", "two", None),
                         (cache[Point(1)], cache[Point(2)], cache.get(Point(3))))
        self.assertEqual({1, 2}, {key.x for key in cache})
        there = weakref.ref(first)
        del first
        cache["a"] = cache["b"] = 1
        self.assertIsNone(there())
        self.assertFalse([key for key in ct._keys._tokens if isinstance(key, Point)])


class References(unittest.TestCase):
    """Keys and values live as long as their entry, and no longer."""

    def assert_released(self, act, cache=None, kept=0):
        """Calls act with a cache, a key and a value, and checks who still refers to both."""
        cache = Cache(maxsize=2) if cache is None else cache
        key, value = Thing("key"), Thing("value")
        before = sys.getrefcount(key), sys.getrefcount(value)
        try:
            act(cache, key, value)
        except (ArithmeticError, LookupError, TypeError, ValueError, ct.Error):
            pass
        gc.collect()
        self.assertEqual(before[1] + kept, sys.getrefcount(value))
        cache.close()
        self.assertEqual(before, (sys.getrefcount(key), sys.getrefcount(value)))

    def test_whatever_becomes_of_an_entry(self):
        def stored(then):
            def act(cache, key, value):
                cache[key] = value
                then(cache, key)
            return act

        def evict(cache, _):
            cache["a"] = cache["b"] = 1

        for then in (evict, lambda cache, key: cache.__setitem__(key, 1),
                     lambda cache, key: cache.set(key, 1), lambda cache, key: cache.__delitem__(key),
                     lambda cache, key: cache.pop(key), lambda cache, key: cache.popitem(),
                     lambda cache, key: cache.clear(), lambda cache, key: cache.close(),
                     lambda cache, key: cache.resize(0), lambda cache, key: cache.set(key, 1, ttl=0),
                     lambda cache, key: (cache.set_lifetime(key, 0), cache.expire()),
                     lambda cache, key: cache.remove_if(lambda key, value: True),
                     lambda cache, key: cache.compute(key, lambda old: ct.REMOVE),
                     lambda cache, key: cache.compute(key, lambda old: 1),
                     lambda cache, key: (list(cache.items()), cache.close())):
            self.assert_released(stored(then))
        self.assert_released(lambda _, key, value: Cache().update({key: value}))  # and collected

    def test_reads_take_no_more_than_they_return(self):
        cache = Cache()

        def read(cache, key, value):
            cache[key] = value
            for _ in range(3):
                self.assertIs(value, cache[key])
                self.assertIs(value, cache.get(key))
                self.assertIs(value, cache.peek(key))
                self.assertIs(value, cache.setdefault(key, value))
                self.assertIs(value, cache.get_or_load(key, None))
                self.assertIs(value, cache.compute(key, lambda old: ct.LEAVE))
                self.assertIn(key, cache)
                self.assertIs(key, dict(cache.items()) and next(iter(cache)))
                self.assertEqual(Outcome.EXISTS, cache.set(key, value, if_absent=True))
            cache.get(value), value in cache

        self.assert_released(read, cache, kept=1)

    def test_what_is_not_stored(self):
        def closed():
            cache = Cache()
            cache.close()
            return cache

        for make in (lambda: Cache(maxsize=5, weigher=lambda key, value: 6),
                     lambda: Cache(weigher=lambda key, value: 1 / 0),
                     lambda: Cache(maxsize=0, keep_nothing=True), closed):
            for act in (lambda cache, key, value: cache.__setitem__(key, value),
                        lambda cache, key, value: cache.set(key, value),
                        lambda cache, key, value: cache.setdefault(key, value),
                        lambda cache, key, value: cache.get_or_load(key, lambda _: value),
                        lambda cache, key, value: cache.compute(key, lambda _: value)):
                self.assert_released(act, make())
        for act in (lambda cache, key, value: cache.set(key, value, ttl=0),
                    lambda cache, key, value: cache.set(key, value, if_present=True),
                    lambda cache, key, value: cache.set(key, value, weight=3),
                    lambda cache, key, value: cache.set(key, value, ttl=1, deadline=1),
                    lambda cache, key, value: cache.get_or_load(
                        key, lambda _: ct.Loaded(value, discard=True)),
                    lambda cache, key, value: cache.get_or_load(
                        key, lambda _: ct.Loaded(value, ttl=0)),
                    lambda cache, key, value: cache.compute(
                        key, lambda _: ct.Loaded(value, discard=True)),
                    lambda cache, key, value: cache.get_or_load(key, lambda _: {}[value]),
                    lambda cache, key, value: cache.get_or_load(
                        key, lambda _: cache.pop(key, None) or value),  # overtaken
                    lambda cache, key, value: cache.get_or_load([value], lambda _: key)):
            self.assert_released(act)

    def test_a_compute_that_runs_again(self):
        runs = []

        def act(cache, key, value):
            def change(old):
                runs.append(old)
                if len(runs) < 3:
                    cache[key] = len(runs)
                return value

            self.assertIs(value, cache.compute(key, change))

        cache = Cache()
        self.assert_released(act, cache, kept=1)
        self.assertEqual([None, 1, 2], runs)

    def test_destructors_may_use_the_cache(self):
        cache, log = Cache(maxsize=1), []

        class Restless:
            def __init__(self, name):
                self.name = name

            def __del__(self):
                log.append(self.name)
                if self.name < 5:
                    cache["again"] = Restless(self.name + 1)

        cache["a"] = Restless(1)
        cache["b"] = 2
        cache["c"] = 3
        cache.clear()
        self.assertEqual([1, 2, 3], log)
        with unittest.mock.patch("sys.unraisablehook") as hook:
            cache.close()
        self.assertEqual([1, 2, 3, 4, 5], log)
        self.assertIs(ct.ClosedError, hook.call_args[0][0].exc_type)

    def test_destructors_that_fail_harm_nothing(self):
        class Failing:
            def __del__(self):
                raise LookupError

        cache = Cache(maxsize=1)
        with unittest.mock.patch("sys.unraisablehook") as hook:
            cache["a"] = Failing()
            cache["b"] = 2
            self.assertEqual(2, cache["b"])
        hook.assert_called_once()

    def test_a_value_that_refers_to_its_cache_lives_until_it_leaves(self):
        cache = Cache()
        cache["self"] = value = Thing()
        value.cache = cache
        there, value = weakref.ref(cache), None
        cache.clear()
        del cache
        self.assertIsNone(there())

    def test_readers_beside_those_who_remove(self):
        for options in {}, {"timer": ManualClock()}, {"listener": lambda event: None}:
            cache, alive = Cache(maxsize=8, shards=2, **options), Thing("shared")
            before = sys.getrefcount(alive)

            def run(number):
                choose = random.Random(number)
                for i in range(1500):
                    key = choose.randrange(12)
                    action = choose.random()
                    if action < 0.5:
                        found = cache.get(key)
                        self.assertTrue(found is None or found[0] == key and found[1] is alive)
                    elif action < 0.8:
                        cache[key] = [key, alive]
                    elif action < 0.85:
                        cache.set(key, [key, alive], ttl=1000)
                    elif action < 0.9:
                        self.assertEqual(key, cache.get_or_load(key, lambda key: [key, alive])[0])
                    elif action < 0.95:
                        cache.pop(key, None)
                    elif action < 0.99:
                        cache.remove_if(lambda it, value: it % 3 == key % 3)
                    else:
                        cache.clear()

            in_threads(4, run)
            cache.clear()
            cache.get(0)
            gc.collect()
            self.assertEqual(before, sys.getrefcount(alive))


class Loading(unittest.TestCase):
    def test_a_key_is_loaded_once(self):
        cache = Cache()
        self.assertEqual("ABC", cache.get_or_load("abc", str.upper))
        self.assertEqual("ABC", cache.get_or_load("abc", self.fail))
        self.assertIsNone(cache.get_or_load("x", lambda key: None))
        self.assertIn("x", cache)
        self.assertEqual((2, 0), (cache.stats()["loads"], cache.stats()["load_failures"]))
        self.assertEqual(2, cache.stats()["misses"])
        clock = ManualClock()
        timed = Cache(timer=clock)
        timed.get_or_load("a", lambda key: setattr(clock, "now", clock.now + 1.5))
        self.assertEqual(1.5, timed.stats()["load_seconds"])

    def test_loaders_say_what_is_special(self):
        cache = Cache(maxsize=100, timer=ManualClock())
        cache.get_or_load("a", lambda key: ct.Loaded(1, ttl=50, weight=9))
        info = cache.inspect("a")
        self.assertEqual((9, 50), (info["weight"], info["remaining"]))
        self.assertEqual(2, cache.get_or_load("b", lambda key: ct.Loaded(2, discard=True)))
        self.assertNotIn("b", cache)

    def test_what_a_loader_raises_comes_back(self):
        cache = Cache()
        with self.assertRaises(ConnectionError):
            cache.get_or_load("a", lambda key: (_ for _ in ()).throw(ConnectionError("is down")))
        with self.assertRaises(ct.RecursiveLoadError):
            cache.get_or_load("a", lambda key: cache.get_or_load(key, str))
        with self.assertRaises(ValueError):
            cache.get_or_load("a", lambda key: ct.Loaded(1, ttl=math.nan))
        self.assertEqual(0, len(cache))
        self.assertEqual("a", cache.get_or_load("a", str))

    def test_of_many_threads_one_loads(self):
        cache = Cache(shards=4)
        loads, barrier = [], threading.Barrier(4)

        def load(key):
            loads.append(key)
            return object()

        found = []

        def run(_):
            barrier.wait()
            found.append(cache.get_or_load("a", load))

        in_threads(4, run)
        self.assertEqual((["a"], 1), (loads, len(set(found))))

    def test_one_renews_and_others_get_the_old_value(self):
        clock = ManualClock()
        cache = Cache(timer=clock, **FRESHNESS)
        cache["a"] = "old"
        for now, old, new, is_stale in ((1090, "old", "newer", False), (1210, "newer", "new", True)):
            clock.now = now

            def renew(key, before):
                self.assertEqual((old, is_stale), cache.get_stale_or_load(key, self.fail))
                self.assertEqual(("a", old), (key, before))
                return new

            self.assertEqual((new, False), cache.get_stale_or_load("a", self.fail, renew=renew))
            self.assertEqual(new, cache["a"])
        self.assertEqual(2, cache.stats()["renewals"])
        clock.now = 1300
        self.assertEqual("new", cache.get_or_load("a", lambda key: ct.NOT_MODIFIED))
        self.assertEqual(100, cache.inspect("a")["remaining"])
        with self.assertRaises(ct.CallbackError):
            cache.get_or_load("b", lambda key: ct.NOT_MODIFIED)

    def test_the_old_value_serves_if_its_renewal_fails(self):
        clock = ManualClock()
        cache = Cache(timer=clock, **FRESHNESS)
        down = raising(ConnectionError("is down"))
        cache["a"] = "old"
        for now, is_stale in ((1090, False), (1110, True)):
            clock.now = now
            self.assertEqual(("old", is_stale), cache.get_stale_or_load("a", down))
            # Nobody tries again so soon.
            self.assertEqual(("old", is_stale), cache.get_stale_or_load("a", self.fail))
        self.assertEqual(2, cache.stats()["renewal_failures"])
        clock.now = 1120

        def late(key):
            clock.now = 1130
            raise ConnectionError

        cache.get_or_load("a", late)
        with self.assertRaises(ct.BusyError):
            clock.now = 1140
            cache.get_or_load("a", raising(ct.BusyError()))

        def invalidate(key):
            cache.pop(key, None)
            raise ConnectionError

        with self.assertRaises(ConnectionError):  # what was invalidated is never served
            cache.get_or_load("a", invalidate)
        cache["a"] = "old"
        clock.now = 1400
        with self.assertRaises(ConnectionError):
            cache.get_or_load("a", down)
        self.assertEqual(0, cache.stats()["pinned"])
        self.assertFalse(cache._turns._turns)

    def test_a_failure_is_that_of_all_who_wait(self):
        for counts in (True, False):
            cache, failure, calls = Cache(stats=counts), ConnectionError("is down"), []

            def load(key):
                calls.append(key)
                while len(_turns._waits) < 3:
                    time.sleep(0)
                raise failure

            def run(_):
                with self.assertRaises(ConnectionError) as caught:
                    cache.get_or_load("a", load)
                self.assertIs(failure, caught.exception)

            in_threads(4, run)
            self.assertEqual(["a"], calls)
            stats = cache.stats()
            self.assertEqual((3, 4) if counts else (0, 0),
                             (stats["shared_failures"], stats["misses"]))
            cache.reset_stats()
            self.assertEqual(0, cache.stats()["shared_failures"])

    def waiting(self, cache, load, count=1):
        """Begins a load in a thread. Others wait for it. Returns all threads, and what they get."""
        began, found = threading.Event(), []

        def begin(key):
            self.assertFalse(began.is_set(), "two load")
            began.set()
            return load(key)

        def run():
            try:
                found.append(cache.get_or_load("a", begin))
            except ConnectionError as exception:
                found.append(type(exception))

        threads = [threading.Thread(target=run) for _ in range(count + 1)]
        threads[0].start()
        began.wait()
        for thread in threads[1:]:
            thread.start()
        while len(_turns._waits) < count:
            time.sleep(0)
        return threads, found

    def test_what_is_set_releases_those_who_wait(self):
        """They waited until the load was over, and got what it failed with."""
        def twice(cache):
            cache["a"] = "new"
            del cache["a"]

        for write in (
            lambda cache: cache.set("a", "new"),
            lambda cache: cache.setdefault("a", "new"),
            lambda cache: cache.compute("a", lambda old: "new"),
            twice,
        ):
            for own, bring in (("own", lambda: "own"), (ct.ABSENT, lambda: ct.ABSENT),
                               (ConnectionError, raising(ConnectionError()))):
                cache, ends = Cache(negative_ttl=100), threading.Event()

                def load(key):
                    ends.wait()
                    return bring()

                threads, found = self.waiting(cache, load)
                write(cache)
                threads[1].join()  # while the load still runs
                self.assertEqual(["new"], found)
                there = cache.get("a")
                ends.set()
                threads[0].join()
                self.assertEqual((["new", own], there), (found, cache.get("a")))
                self.assertEqual(None if write is twice else "new", there)

    def test_those_who_wait_share_what_is_not_kept(self):
        """They loaded one after the other."""
        overtaken = lambda cache: cache.pop("a", None)
        for bring, change in ((lambda thing: thing, overtaken),
                              (lambda thing: ct.Loaded(thing, discard=True), lambda cache: None)):
            cache, ends, things = Cache(), threading.Event(), [Thing()]

            def load(key):
                ends.wait()
                return bring(things.pop())

            threads, found = self.waiting(cache, load, 15)
            change(cache)
            ends.set()
            for thread in threads:
                thread.join()
            self.assertEqual((16, 1, 0), (len(found), len(set(found)), len(cache)))
            left = weakref.ref(found[0])
            del found[:], threads
            self.assertIsNone(left())
            self.assertEqual(0, cache.stats()["pinned"])

    def test_one_who_takes_over_is_found_in_a_ring(self):
        cache, goes = Cache(), threading.Event()
        took_over, raised = threading.Event(), []

        def give_up(key):
            goes.wait()
            raise KeyboardInterrupt

        def first():
            with contextlib.suppress(KeyboardInterrupt):
                cache.get_or_load("a", give_up)

        def again(key):
            took_over.set()
            try:
                cache.get_or_load("b", str)
            except ct.RecursiveLoadError:
                raised.append(key)
            return key

        threads = [threading.Thread(target=target) for target in (
            first,
            lambda: cache.get_or_load("a", again),
            lambda: cache.get_or_load("b", lambda key: cache.get_or_load("a", str)),
        )]
        for waits, thread in enumerate(threads):
            thread.start()
            while len(_turns._waits) < waits or len(cache._turns._turns) == 0:
                time.sleep(0)
        goes.set()
        for thread in threads:
            thread.join()
        self.assertEqual(["a"], raised)
        self.assertFalse(cache._turns._turns)

    def test_one_who_takes_over_is_found_before_the_turn_was_left(self):
        """The lease goes on first; who gives it up leaves the turn whenever the thread runs."""
        turns = Cache()._turns
        with turns.take(b"a", 1) as given_up, turns.take(b"b", 2):
            turns.join(b"a", 2)
            for caller in 2, 3:
                self.addCleanup(turns.leave, caller)
            with turns.take(b"a", 3, given_up), self.assertRaises(ct.RecursiveLoadError):
                turns.join(b"b", 3)

    def test_a_failure_is_not_kept(self):
        def load(_):
            thing = Thing()
            failed.append(weakref.ref(thing))
            raise ConnectionError(thing)

        for cache in Cache(), BytesCache():
            failed = []
            gc.disable()
            try:
                with contextlib.suppress(ConnectionError):
                    cache.get_or_load(b"a", load)
                self.assertEqual([None], [it() for it in failed])
            finally:
                gc.enable()

    def test_a_load_that_is_cancelled_is_its_own_callers(self):
        for cancelled in (ct.BusyError(), KeyboardInterrupt()):
            cache, found, threads = Cache(), [], []

            def load(key):
                threads.append(threading.Thread(
                    target=lambda: found.append(cache.get_or_load("a", str.upper))))
                threads[0].start()
                while not _turns._waits:
                    time.sleep(0)
                raise cancelled

            with self.assertRaises(type(cancelled)):
                cache.get_or_load("a", load)
            threads[0].join()
            self.assertEqual(["A"], found)

    def test_who_comes_after_a_change_does_not_get_an_older_value(self):
        cache, began, ends = Cache(), threading.Event(), threading.Event()

        def slow(key):
            began.set()
            ends.wait()
            return "old"

        found = []
        thread = threading.Thread(target=lambda: found.append(cache.get_or_load("a", slow)))
        thread.start()
        began.wait()
        cache.pop("a", None)  # overtakes the load
        self.assertEqual("new", cache.get_or_load("a", lambda key: "new"))
        ends.set()
        thread.join()
        self.assertEqual((["old"], "new"), (found, cache["a"]))
        self.assertFalse(cache._turns._turns)

    def test_compute_keeps_a_lifetime_and_renews_nothing(self):
        clock = ManualClock()
        for cache in (Cache(ttl=100, timer=clock), BytesCache(ttl=100, timer=clock)):
            cache[b"a"] = b"1"
            clock.now += 30
            self.assertEqual(b"2", cache.compute(b"a", lambda _: ct.Loaded(b"2", keep_ttl=True)))
            self.assertEqual(70, cache.inspect(b"a")["remaining"])
            for answer in ct.NOT_MODIFIED, ct.Loaded(ct.NOT_MODIFIED):
                with self.assertRaises(ct.CallbackError):
                    cache.compute(b"a", lambda _: answer)
            self.assertEqual(b"2", cache[b"a"])
            with self.assertRaises(ct.CallbackError):
                cache.get_or_load(b"b", lambda _: ct.Loaded(b"1", keep_ttl=True))

    def test_compute_reads_changes_and_writes(self):
        cache = Cache()
        in_threads(4, lambda _: [cache.compute("n", lambda old: (old or 0) + 1) for _ in range(25)])
        self.assertEqual(100, cache["n"])
        self.assertEqual(100, cache.compute("n", lambda old: ct.LEAVE))
        self.assertEqual(7, cache.compute("x", lambda old: ct.LEAVE, default=7))
        with self.assertRaises(ConnectionError):
            cache.compute("n", lambda old: (_ for _ in ()).throw(ConnectionError()))
        self.assertIsNone(cache.compute("n", lambda old: ct.REMOVE))
        self.assertEqual(0, len(cache))
