# SPDX-License-Identifier: MIT
"""Keys, and memoized functions."""

import copy
import datetime
import decimal
import fractions
import functools
import gc
import math
import pickle
import sys
import threading
import time
import unittest
import weakref

import libcachetools as ct
from libcachetools import BytesCache, Cache, Policy, _turns
from support import FRESHNESS, ManualClock, in_threads


@ct.memoize
def triple(n):
    return 3 * n


class Keys(unittest.TestCase):
    def test_keys_are_equal_if_their_arguments_are(self):
        self.assertEqual(1, len({ct.key(1), ct.key(1.0), ct.key(True)}))
        different = [(), (1,), (2,), ("1",), (b"1",), (None,), ((1,),), (1, 2), ((1, 2),),
                     (2**63,), (-2**63,), (0.5,)]
        self.assertEqual(len(different), len({ct.key(*args) for args in different}))
        self.assertEqual(ct.key(a=1, b=2), ct.key(b=2, a=1))
        self.assertNotEqual(ct.Key(typed=True).add(1).data(), ct.Key(typed=True).add(1.0).data())
        builder = ct.Key().name("a").name("b")
        with self.assertRaisesRegex(ct.InvalidError, "^name: it has no value.$"):
            builder.data()
        self.assertEqual(ct.key(1), builder.reset().add(1).data())
        with self.assertRaises(OverflowError):
            ct.key(2**64)
        with self.assertRaises(TypeError):
            ct.key([])


class Memos(unittest.TestCase):
    def test_a_memo_remembers_and_calls_itself(self):
        calls = []

        @ct.memoize(maxsize=128)
        def fibonacci(n):
            calls.append(n)
            return b"%d" % (n if n < 2 else int(fibonacci(n - 1)) + int(fibonacci(n - 2)))

        self.assertEqual(b"2880067194370816120", fibonacci(90))
        self.assertEqual("fibonacci", fibonacci.__name__)
        self.assertEqual(91, len(calls))
        self.assertEqual((88, 91, 128, 91), fibonacci.cache_info())
        self.assertTrue(fibonacci.cache_discard(90))
        self.assertFalse(fibonacci.cache_discard(90))
        fibonacci(90)
        self.assertEqual(92, len(calls))
        fibonacci.cache_clear()
        self.assertEqual(0, fibonacci.cache_info().currsize)
        self.assertEqual(ct.key(7), fibonacci.cache_key(7))

    def test_a_memos_own_cache_has_the_options_of_freshness(self):
        freshness = {"refresh_ahead": 20, "stale": 50, "retry": 5, "negative_ttl": 10, "jitter": 2}
        calls = []

        @ct.memoize(ttl=100, **freshness)
        def find(key):
            calls.append(key)
            return ct.ABSENT

        self.assertEqual([ct.ABSENT, ct.ABSENT], [find("a"), find("a")])
        self.assertEqual(["a"], calls)
        options = find.cache.options()
        self.assertEqual(freshness, {name: options[name] for name in freshness})
        for name in freshness:
            with self.assertRaises(TypeError):
                ct.memoize(find.cache, **{name: 1})

    def test_a_memo_needs_no_parentheses(self):
        @ct.memoize
        def twice(text):
            """Doc."""
            return text + text

        self.assertEqual((b"abab", "Doc."), (twice(b"ab"), twice.__doc__))
        self.assertEqual(1, twice.cache_info().misses)

    def test_the_cache_of_a_memo_is_there(self):
        cache = BytesCache(maxsize=5, drop=lambda value: None)
        memo = ct.memoize(cache)(lambda n: b"%d" % n)
        memo(1)
        memo.cache_reset_info()
        self.assertEqual((0, 0, 5, 1), memo.cache_info())
        self.assertIs(cache, memo.cache)
        self.assertEqual({memo.cache_key(1): b"1"}, dict(cache))
        view, walk = cache.pin(memo.cache_key(1)), cache.walk()
        cache.close()
        self.assertEqual(b"1", view)
        for use in (cache.stats, lambda: next(walk), lambda: memo(1), memo.cache_info,
                    memo.cache_clear, lambda: memo.cache_discard(1), lambda: memo.cache_key(1)):
            with self.assertRaises(ct.ClosedError):
                use()

        memo = ct.memoize(lambda n: b"%d" % n)
        self.assertEqual(b"2", memo(2))
        cache = memo.cache
        self.assertEqual({memo.cache_key(2): b"2"}, dict(cache))
        there = weakref.ref(memo)
        del memo
        gc.collect()
        self.assertIsNone(there())
        self.assertEqual(1, len(cache))
        there = weakref.ref(cache)
        del cache
        self.assertIsNone(there())

    def test_memos_share_a_cache_and_raise_their_own(self):
        for kind in BytesCache, Cache:
            with self.subTest(kind), kind(maxsize=10) as cache:
                self.share(cache)

    def share(self, cache):
        def greet(name, word):
            if not name:
                raise LookupError("no name")
            return None if name == "nobody" else f"{word} {name}".encode()

        hello = ct.memoize(cache, prefix=b"hello")(lambda name: greet(name, "hello"))
        bye = ct.memoize(cache, prefix=b"bye", typed=True)(lambda name: greet(name, "bye"))
        self.assertEqual((b"hello you", b"bye you"), (hello("you"), bye("you")))
        self.assertEqual(2, len(cache))
        self.assertIsNone(hello("nobody"))
        with self.assertRaises(LookupError):
            hello("")
        with self.assertRaises(TypeError):
            hello([])
        cache.close()
        with self.assertRaises(ct.InvalidError):
            hello("you")

    def test_whatever_a_function_returns_is_remembered_but_no_exception(self):
        calls = []

        @ct.memoize
        def divide(a, b):
            calls.append((a, b))
            return None if b == 1 else a / b

        for _ in range(2):
            with self.assertRaises(ZeroDivisionError):
                divide(1, 0)
            self.assertIsNone(divide(7, 1))
            self.assertEqual(math.inf, divide(math.inf, 2))
        self.assertEqual([(1, 0), (7, 1), (math.inf, 2), (1, 0)], calls)
        self.assertEqual((2, 4, 128, 2), divide.cache_info())

    def test_arguments_are_equal_as_in_a_dict(self):
        calls = []

        @ct.memoize
        def f(*args, **kwargs):
            calls.append((args, kwargs))
            return len(calls)

        self.assertEqual({1}, {f(1), f(1.0), f(True)})
        self.assertEqual({2}, {f(a=1, b="x"), f(b="x", a=1)})
        self.assertEqual({3}, {f(decimal.Decimal(1)), f(decimal.Decimal("1.0"))})
        self.assertEqual({4}, {f(frozenset("ab")), f(frozenset("ba"))})
        self.assertEqual({5}, {f(2**70), f(2.0**70)})
        self.assertEqual({6}, {f(2**70 + 1), f(2**70 + 1)})
        self.assertEqual({7}, {f("\udc80"), f("\udc80")})
        different = [(), (2,), ("1",), (b"1",), (None,), ((),), ((None,),), ((None, None),),
                     ((None, 1),), ((None, 2),), ((None, 3),), (1, 2), ((1, 2),), (f,), (print,)]
        self.assertEqual(len(different), len({f(*args) for args in different}))
        for unhashable in [], {}, ([],), slice(1):
            with self.subTest(unhashable), self.assertRaisesRegex(TypeError, "unhashable"):
                if sys.version_info >= (3, 12) and isinstance(unhashable, slice):
                    raise TypeError("unhashable")  # a slice is hashable by now
                f(unhashable)

    def test_types_differ_if_they_count(self):
        memo = ct.memoize(typed=True)(lambda *args: type(args[0]).__name__)

        class Count(int):
            pass

        self.assertEqual(["int", "float", "bool", "Count", "Decimal", "int"], [
            memo(it) for it in (1, 1.0, True, Count(1), decimal.Decimal(1), 1)])
        self.assertEqual(5, memo.cache_info().misses)
        named = ct.memoize(typed=True)(lambda **named: type(named["n"]).__name__)
        self.assertEqual(["int", "Count", "Decimal", "Fraction", "Decimal"], [named(n=it) for it in (
            1, Count(1), decimal.Decimal(1), fractions.Fraction(1), decimal.Decimal(1))])
        self.assertEqual((1, 4), named.cache_info()[:2])
        pairs = ct.memoize(typed=True)(lambda *args: len(args))
        self.assertEqual([1, 2, 2, 1], [pairs(*args) for args in (
            (memo,), (memo, ct.Memo), (None, 1), ((None, 1),))])
        untyped = ct.memoize(lambda *args: type(args[0]).__name__)
        self.assertEqual({"Count"}, {untyped(Count(1)), untyped(1)})

    def test_a_key_function_says_what_counts(self):
        memo = ct.memoize(key=lambda request, **_: request["id"])(lambda request, **_: request["name"])
        self.assertEqual("a", memo({"id": 1, "name": "a"}))
        self.assertEqual("a", memo({"id": 1, "name": "b"}, verbose=True))
        with self.assertRaises(KeyError):
            memo({})

    def test_methods_remember_for_each_object(self):
        class Account:
            __hash__ = None  # type: ignore[assignment]

            def __init__(self, name):
                self.name = name

            def __eq__(self, other):
                return True

            @ct.memoize(maxsize=None)
            def greet(self, word="hello"):
                """Doc."""
                return f"{word} {self.name}"

            @staticmethod
            @ct.memoize
            def double(n):
                return 2 * n

            @classmethod
            @ct.memoize
            def title(cls):
                return cls.__name__

        one, other = Account("one"), Account("other")
        self.assertEqual(["hello one", "hello other", "bye one", "hello one"], [
            one.greet(), other.greet(), one.greet("bye"), one.greet()])
        self.assertEqual((1, 3, None, 3), one.greet.cache_info())
        self.assertEqual("hello one", Account.greet(one))
        self.assertEqual(("Doc.", "greet"), (one.greet.__doc__, Account.greet.__name__))
        self.assertEqual((4, 4), (one.double(2), Account.double(2)))
        self.assertEqual((1, 1), Account.double.cache_info()[:2])
        self.assertEqual("Account", one.title())
        self.assertEqual("Account", Account.title())

        there = weakref.ref(one)
        del one
        self.assertIsNone(there())  # it was not kept alive
        for name in range(100):  # some get the address of one that is gone
            self.assertEqual(f"hello {name}", Account(name).greet())
        self.assertEqual(1, len(Account.__dict__["greet"]._owners))

    def test_methods_of_objects_without_weak_references_count_them_as_arguments(self):
        class Point(tuple):
            __slots__ = ()

            @ct.memoize
            def norm(self):
                return sum(self)

        self.assertEqual((3, 3, 7), (Point((1, 2)).norm(), Point((1, 2)).norm(), Point((3, 4)).norm()))
        self.assertEqual((1, 2), Point.norm.cache_info()[:2])

    def test_results_have_lifetimes(self):
        clock = ManualClock()
        calls = []
        memo = ct.memoize(Cache(ttl=datetime.timedelta(minutes=1), timer=clock))(
            lambda: calls.append(1))
        memo(), memo()
        clock.now += 59.5
        memo()
        self.assertEqual(1, len(calls))
        clock.now += 0.5
        memo()
        self.assertEqual(2, len(calls))
        for ttl, seconds in ((60, 60), (0.25, 0.25), (datetime.timedelta(hours=1), 3600)):
            memo = ct.memoize(ttl=ttl, tti=ttl)(lambda: 1)
            options = memo.cache.options()
            self.assertEqual((seconds, seconds), (options["ttl"], options["tti"]))

    def test_maxsize_may_come_first(self):
        for maxsize in 5, None:
            self.assertEqual(maxsize, ct.memoize(maxsize)(len).cache_info().maxsize)
            self.assertEqual(maxsize, ct.memoize(len, maxsize=maxsize).cache_info().maxsize)
        for given in ct.memoize(len), ct.memoize()(len):
            self.assertEqual(128, given.cache_info().maxsize)
        for wrong in "5", Policy.LRU, 5.0, {}:
            with self.assertRaisesRegex(TypeError, "^maxsize must be an integer or None, not "):
                ct.memoize(wrong)
        with self.assertRaisesRegex(TypeError, "one maxsize"):
            ct.memoize(5, maxsize=6)
        with self.assertRaisesRegex(TypeError, "^policy must be one of Policy, such as"):
            ct.memoize(5, policy="LRU")(len)

    def test_wrong_uses_are_refused(self):
        async def later():
            pass

        async def many():
            yield

        for use in (lambda: ct.memoize(no_such=1), lambda: ct.memoize(later),
                    lambda: ct.memoize(many), lambda: ct.memoize(cache=3),
                    lambda: ct.memoize(Cache(), cache=Cache()),
                    lambda: ct.memoize(Cache(), ttl=1), lambda: ct.memoize(Cache(), maxsize=5), lambda: ct.memoize(5, cache=Cache()),
                    lambda: ct.memoize(Cache(), keep_nothing=True),
                    lambda: ct.memoize(maxsize="many")(print),
                    lambda: ct.memoize(BytesCache())(lambda x: b"")(decimal.Decimal(1)),
                    lambda: ct.Memo.__new__(ct.Memo)()):
            with self.assertRaises(TypeError):
                use()
        with self.assertRaises(ValueError):
            ct.memoize(ttl=0)(print)
        with self.assertRaises(ct.ClosedError):
            cache = Cache()
            cache.close()
            ct.memoize(cache)(print)

    def test_of_many_threads_one_runs_the_function(self):
        for cache in Cache(), BytesCache(), Cache(timer=ManualClock()):
            with self.subTest(cache):
                runs, barrier, waits = [], threading.Barrier(4), threading.Event()

                @ct.memoize(cache)
                def slow(n):
                    runs.append(n)
                    waits.wait()
                    return b"%d" % n

                def run(number):
                    barrier.wait()
                    if number == 3:
                        waits.set()
                    self.assertEqual(b"7", slow(7))

                in_threads(4, run)
                self.assertEqual([7], runs)
                self.assertEqual((3, 1), slow.cache_info()[:2])

    def test_those_who_wait_for_a_failure_fail_and_the_next_runs(self):
        runs = []

        @ct.memoize
        def slow():
            runs.append(1)
            if len(runs) == 1:
                while len(_turns._waits) < 2:
                    time.sleep(0)
                raise ConnectionError
            return "there"

        def run(_):
            with self.assertRaises(ConnectionError):
                slow()

        in_threads(3, run)
        self.assertEqual(1, len(runs))
        self.assertEqual("there", slow())

    def test_results_are_renewed(self):
        clock, runs = ManualClock(), []
        cache = ct.Cache(timer=clock, **FRESHNESS)

        @ct.memoize(cache)
        def number():
            runs.append(1)
            return len(runs)

        self.assertEqual([1, 1], [number(), number()])
        clock.now = 1090
        self.assertEqual([2, 2], [number(), number()])
        self.assertEqual((2, 2), number.cache_info()[:2])

    def test_a_result_has_a_lifetime_and_tags_of_its_own(self):
        for cache in Cache(), BytesCache():
            runs = []

            @ct.memoize(cache)
            def page(name):
                runs.append(name)
                return ct.Loaded(name.upper(), ttl=50, tags=["pages"])

            self.assertEqual([b"A", b"A"], [page(b"a"), page(b"a")])
            self.assertLess(49, cache.inspect(next(iter(cache)))["remaining"])
            cache.invalidate_tag("pages")
            self.assertEqual((b"A", [b"a", b"a"]), (page(b"a"), runs))

    def test_what_is_discarded_while_it_runs_is_not_remembered(self):
        memo = ct.memoize(lambda: memo.cache_discard())
        self.assertFalse(memo())
        self.assertEqual(0, memo.cache_info().currsize)

    def test_nobody_waits_for_itself(self):
        @ct.memoize
        def forever(n):
            return forever(n)

        with self.assertRaises(RecursionError):
            forever(1)
        barrier, begun, raised = threading.Barrier(2), set(), []

        @ct.memoize
        def ring(n):
            if n not in begun:
                begun.add(n)
                barrier.wait()
            return ring(1 - n)

        def run(number):
            try:
                ring(number)
            except ct.RecursiveLoadError:
                raised.append(number)

        in_threads(2, run)
        self.assertIn(len(raised), (1, 2))
        self.assertFalse(ct._turns._waits)

    def test_nothing_is_kept_that_has_left(self):
        class Thing:
            pass

        @ct.memoize(maxsize=2)
        def make(*args):
            return Thing()

        argument = Thing()
        argument_there, result_there = weakref.ref(argument), weakref.ref(make(argument))
        del argument
        self.assertIsNotNone(argument_there())  # else another might get its place
        self.assertIsNotNone(result_there())
        make(1), make(2)
        self.assertIsNone(argument_there())
        self.assertIsNone(result_there())
        before = sys.getrefcount(None), sys.getrefcount(make)
        for i in range(1000):
            make(None, (None, make), i % 3, 1.5)
        after = sys.getrefcount(None), sys.getrefcount(make)
        self.assertLess(max(b - a for a, b in zip(before, after)), 50)

    def test_a_forgotten_memo_is_collected(self):
        @ct.memoize
        def recursive(n):
            return recursive(n - 1) if n else 0

        recursive(5)
        there = weakref.ref(recursive)
        del recursive
        gc.collect()
        self.assertIsNone(there())

    def test_it_is_copied_as_a_function_is(self):
        for use in copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it)):
            self.assertIs(triple, use(triple))
        with self.assertRaises((pickle.PicklingError, AttributeError)):
            pickle.dumps(ct.memoize(lambda: 1))

    def test_it_looks_like_the_function(self):
        def f(a: int, *, b: str = "") -> str:
            """Doc."""
            return b * a

        memo = ct.memoize(f)
        self.assertIs(f, memo.__wrapped__)
        for name in functools.WRAPPER_ASSIGNMENTS:
            self.assertEqual(getattr(f, name, None), getattr(memo, name, None))
        self.assertIn("f at", repr(memo))
        self.assertEqual("xx", memo(2, b="x"))
