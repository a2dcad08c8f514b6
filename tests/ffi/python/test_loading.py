# SPDX-License-Identifier: MIT
"""Loads of many keys, in tasks of asyncio, and of what is not there: the same in both caches."""

import asyncio
import gc
import threading
import time
import unittest
import weakref

import libcachetools as ct
from libcachetools import _leases, _turns
from support import FRESHNESS, ManualClock, in_threads, raising

NOTHING = {ct.Cache: ct.ABSENT, ct.BytesCache: None}
"""What a loader returns if there is no such value."""


def made(**options):
    """Makes a cache of each kind."""
    for kind in NOTHING:
        with kind(**options) as cache:
            yield cache


def upper(keys):
    return {key: key.upper() for key in keys}


class Negatives(unittest.TestCase):
    def test_a_loader_that_finds_nothing_is_called_once(self):
        clock = ManualClock()
        for cache in made(negative_ttl=10, timer=clock):
            nothing, calls = NOTHING[type(cache)], []

            def load(key, calls=calls, nothing=nothing):
                calls.append(key)
                return nothing

            def find(cache=cache, load=load):
                return cache.get_or_load(b"a", load)

            self.assertEqual([nothing] * 3, [find(), find(), find()])
            self.assertEqual((nothing, False), cache.get_stale_or_load(b"a", load))
            self.assertEqual({}, cache.get_or_load_many([b"a"], upper))
            self.assertEqual(nothing, asyncio.run(cache.aget_or_load(b"a", load)))
            self.assertEqual([b"a"], calls)
            self.assertEqual((0, None, 5), (len(cache), cache.get(b"a"),
                                            cache.stats()["negative_hits"]))
            clock.now += 11
            self.assertIs(nothing, find())
            self.assertEqual(2, len(calls))

    def test_whatever_writes_a_key_makes_the_cache_forget(self):
        for change in (
                lambda cache: cache.set(b"a", b"new"), lambda cache: cache.pop(b"a", None),
                lambda cache: cache.clear(), lambda cache: cache.remove_if(lambda *_: False)):
            for cache in made(negative_ttl=10):
                nothing = NOTHING[type(cache)]
                self.assertIs(nothing, cache.get_or_load(b"a", lambda _, it=nothing: it))
                change(cache)
                self.assertEqual(cache.get(b"a", b"A"), cache.get_or_load(b"a", bytes.upper))

    def test_many_keys_and_tasks_are_remembered_too(self):
        for cache in made(negative_ttl=10):
            nothing, calls = NOTHING[type(cache)], []

            async def load(key, calls=calls, nothing=nothing):
                calls.append(key)
                return nothing

            self.assertIs(nothing, asyncio.run(cache.aget_or_load(b"a", load)))
            self.assertIs(nothing, asyncio.run(cache.aget_or_load(b"a", load)))
            self.assertEqual([b"a"], calls)
            self.assertEqual({b"c": b"C"}, cache.get_or_load_many([b"b", b"c"], lambda _: [
                (b"b", NOTHING[type(cache)]), (b"c", b"C")]))
            self.assertEqual({}, cache.get_or_load_many([b"b"], upper))
            self.assertIs(nothing, cache.get_or_load(b"b", bytes.upper))

    def test_who_waits_for_nothing_does_not_load(self):
        cache, calls = ct.Cache(), []

        def load(key):
            calls.append(key)
            while len(_turns._waits) < 3:
                time.sleep(0)
            return ct.ABSENT

        in_threads(4, lambda _: self.assertIs(ct.ABSENT, cache.get_or_load("a", load)))
        self.assertEqual((["a"], 3), (calls, cache.stats()["shared_failures"]))
        self.assertEqual("A", cache.get_or_load("a", str.upper))  # nothing is remembered

    def test_a_renewal_that_finds_nothing_removes_the_old_value(self):
        clock = ManualClock()
        for cache in made(negative_ttl=10, timer=clock, **FRESHNESS):
            nothing = NOTHING[type(cache)]
            cache[b"a"] = b"old"
            clock.now += 90
            self.assertIs(nothing, cache.get_or_load(b"a", lambda _, it=nothing: it))
            self.assertIs(nothing, cache.get_or_load(b"a", bytes.upper))
            self.assertNotIn(b"a", cache)

    def test_a_memo_remembers_that_there_is_nothing(self):
        for cache in made(negative_ttl=10):
            nothing, calls = NOTHING[type(cache)], []

            @ct.memoize(cache=cache)
            def find(key, calls=calls, nothing=nothing):
                calls.append(key)
                return nothing

            self.assertEqual([nothing, nothing], [find(b"a"), find(b"a")])
            self.assertEqual(([b"a"], 1, 1), (calls, find.cache_info().hits,
                                              find.cache_info().misses))
            self.assertFalse(find.cache_discard(b"a"))
            self.assertIs(nothing, find(b"a"))
            self.assertEqual(2, len(calls))


class Many(unittest.TestCase):
    def test_one_call_loads_all_that_is_absent(self):
        for cache in made():
            cache[b"b"] = b"there"
            calls = []

            def load(keys, calls=calls):
                calls.append(keys)
                return upper(keys)

            self.assertEqual([(b"a", b"A"), (b"b", b"there"), (b"c", b"C")], list(
                cache.get_or_load_many(iter([b"a", b"b", b"a", b"c"]), load).items()))
            self.assertEqual(upper([b"a"]), cache.get_or_load_many([b"a"], load))
            self.assertEqual({}, cache.get_or_load_many([], load))
            self.assertEqual([[b"a", b"c"]], calls)
            self.assertEqual((2, 3), (cache.stats()["misses"], len(cache)))

    def test_loaders_return_pairs_and_more_than_they_were_asked_for(self):
        for cache in made():
            self.assertEqual({b"b": b"2"}, cache.get_or_load_many([b"a", b"b"], lambda keys: (
                pair for pair in [(b"x", b"0"), (b"b", b"1"), (b"b", b"2")])))
            self.assertEqual([b"b"], list(cache))

    def test_each_key_fails_alone(self):
        for cache in made():
            failure = ConnectionError("is down")

            def load(keys, failure=failure):
                return {b"a": b"A", b"b": failure, b"c": ct.Loaded(b"C", discard=True),
                        b"d": ct.NOT_MODIFIED}

            found = cache.get_or_load_many([b"a", b"b", b"c", b"d", b"e"], load,
                                           return_exceptions=True)
            self.assertIs(failure, found.pop(b"b"))
            self.assertIsInstance(found.pop(b"d"), ct.CallbackError)
            self.assertEqual({b"a": b"A", b"c": b"C"}, found)
            self.assertEqual([b"a"], list(cache))
            with self.assertRaises(ConnectionError) as caught:
                cache.get_or_load_many([b"f", b"b"], lambda _: {b"f": b"F", b"b": failure})
            self.assertIs(failure, caught.exception)
            self.assertEqual(b"F", cache[b"f"])
            self.assertEqual(b"B", cache.get_or_load(b"b", bytes.upper))  # no lease is left

    def test_a_loader_that_raises_fails_every_key_that_it_was_asked_for(self):
        for cache in made():
            cache[b"a"] = b"there"
            failure = ConnectionError("is down")
            self.assertEqual(
                {b"a": b"there", b"b": failure, b"c": failure},
                cache.get_or_load_many([b"a", b"b", b"c"], raising(failure),
                                       return_exceptions=True))
            with self.assertRaises(ConnectionError):
                cache.get_or_load_many([b"a", b"b"], raising(failure))
            with self.assertRaises(KeyboardInterrupt):
                cache.get_or_load_many([b"b"], raising(KeyboardInterrupt()),
                                       return_exceptions=True)
            with self.assertRaises(TypeError):
                cache.get_or_load_many([b"b", []], upper)
            with self.assertRaises(TypeError):
                cache.get_or_load_many([b"b"], lambda _: None)
            self.assertEqual(upper([b"b", b"c"]), cache.get_or_load_many([b"b", b"c"], upper))

    def test_the_old_value_serves_if_its_renewal_fails(self):
        clock = ManualClock()
        for cache in made(timer=clock, **FRESHNESS):
            cache[b"a"] = b"old"
            clock.now += 90
            self.assertEqual({b"a": b"old", b"b": b"B"}, cache.get_or_load_many(
                [b"a", b"b"], lambda _: {b"a": ConnectionError(), b"b": b"B"}))
            clock.now += 6
            self.assertEqual({b"a": b"old"}, cache.get_or_load_many(
                [b"a"], lambda _: {b"a": ct.NOT_MODIFIED}))
            self.assertEqual(100, cache.inspect(b"a")["remaining"])

    def test_keys_of_the_batch_cannot_be_loaded_inside(self):
        for cache in made():
            refused = []

            def load(keys, cache=cache, refused=refused):
                try:
                    cache.get_or_load(b"b", bytes.upper)
                except ct.RecursiveLoadError as error:
                    refused.append(error)
                return {b"a": cache.get_or_load(b"c", bytes.upper)}

            self.assertEqual({b"a": b"C"}, cache.get_or_load_many([b"a", b"b"], load))
            self.assertEqual(1, len(refused))

    def test_batches_that_overlap_do_not_wait_for_each_other(self):
        """Each thread asks in another order, and none holds a lease while it waits."""
        for cache in made(maxsize=1000):
            calls, lock = [], threading.Lock()

            def load(keys, calls=calls, lock=lock):
                with lock:
                    calls.extend(keys)
                time.sleep(0)
                return upper(keys)

            def run(number, cache=cache, load=load):
                for turn in range(50):
                    keys = [f"{turn}a{i}".encode() for i in range(8)]
                    keys = keys[number:] + keys[:number]
                    self.assertEqual(upper(keys), cache.get_or_load_many(keys, load))

            in_threads(4, run)
            self.assertEqual((400, 400), (len(set(calls)), len(calls)))

    def test_a_load_that_is_given_up_is_loaded_alone(self):
        for cache in made():
            calls, found, threads = [], [], []

            def load(keys, calls=calls):
                calls.append(keys)
                return upper(keys)

            def wait(cache=cache, found=found, load=load):
                found.append(cache.get_or_load_many([b"a", b"b"], load))

            def cancelled(_, calls=calls, threads=threads, wait=wait):
                threads.append(threading.Thread(target=wait))
                threads[0].start()
                while not calls:  # the other key is being loaded, and this one not yet given up
                    time.sleep(0)
                raise ct.BusyError

            with self.assertRaises(ct.BusyError):
                cache.get_or_load(b"a", cancelled)
            threads[0].join()
            self.assertEqual(([upper([b"a", b"b"])], [[b"b"], [b"a"]]), (found, calls))

    def test_waiting_has_an_end(self):
        with ct.BytesCache() as cache, cache.get_or_lease(b"a"):
            found = cache.get_or_load_many([b"a", b"b"], upper, timeout=0, return_exceptions=True)
            self.assertIsInstance(found[b"a"], ct.BusyError)
            self.assertEqual(b"B", found[b"b"])

    def test_failures_are_not_kept(self):
        class Thing:
            pass

        def load(_):
            thing = Thing()
            failed.append(weakref.ref(thing))
            raise ConnectionError(thing)

        for cache in made():
            failed = []
            gc.disable()
            try:
                for raised in (load, lambda keys: {keys[0]: _failure(load)}):
                    try:
                        cache.get_or_load_many([b"a", b"b"], raised)
                    except ConnectionError:
                        pass
                self.assertEqual([None, None], [it() for it in failed])
            finally:
                gc.enable()


def _failure(function):
    try:
        return function(None)
    except ConnectionError as failure:
        return failure.with_traceback(None)


class Tasks(unittest.TestCase):
    def run_in(self, main, **options):
        """Runs a coroutine function with a cache of each kind. Nothing may wait afterwards."""
        for cache in made(**options):
            asyncio.run(main(cache))
            self.assertEqual(({}, {}), (_leases._awaited, _turns._waits))
            self.assertFalse(cache._ends)

    def test_of_thousands_of_tasks_one_loads(self):
        async def main(cache):
            calls, go = [], asyncio.Event()

            async def load(key):
                calls.append(key)
                await go.wait()
                return key.upper()

            tasks = [asyncio.create_task(cache.aget_or_load(b"a", load)) for _ in range(5000)]
            for _ in range(3):
                await asyncio.sleep(0)
            go.set()
            self.assertEqual([b"A"] * 5000, await asyncio.gather(*tasks))
            self.assertEqual([b"a"], calls)
            self.assertEqual(b"A", await cache.aget_or_load(b"a", load))
            self.assertEqual(1, threading.active_count())

        self.run_in(main)

    def test_tasks_wait_for_threads_and_threads_for_tasks(self):
        async def main(cache):
            began, go = asyncio.Event(), threading.Event()
            loop = asyncio.get_running_loop()

            def load(key):
                loop.call_soon_threadsafe(began.set)
                go.wait()
                return key.upper()

            async def fail(key):
                raise AssertionError

            thread = loop.run_in_executor(None, cache.get_or_load, b"a", load)
            await began.wait()
            tasks = [asyncio.create_task(cache.aget_or_load(b"a", fail)) for _ in range(3)]
            await asyncio.sleep(0)
            go.set()
            self.assertEqual([b"A"] * 4, await asyncio.gather(thread, *tasks))

            async def slow(key):
                began.set()
                while cache.stats()["waits"] == waits and not _turns._waits:
                    await asyncio.sleep(0)
                return key.upper()

            began.clear()
            waits = cache.stats()["waits"]
            task = asyncio.create_task(cache.aget_or_load(b"b", slow))
            await began.wait()
            thread = loop.run_in_executor(None, cache.get_or_load, b"b", raising(AssertionError()))
            if isinstance(cache, ct.BytesCache):
                cache[b"b"] = b"B"  # nobody can see who waits in the library: this ends it
                waits = -1
            self.assertEqual([b"B", b"B"], await asyncio.gather(task, thread))

        self.run_in(main)

    def test_what_is_set_releases_tasks_that_wait(self):
        async def main(cache):
            for failure in (None, ConnectionError()):
                began, go = asyncio.Event(), asyncio.Event()

                async def load(key):
                    began.set()
                    await go.wait()
                    if failure:
                        raise failure
                    return b"own"

                first = asyncio.create_task(cache.aget_or_load(b"a", load))
                await began.wait()
                others = [asyncio.create_task(cache.aget_or_load(b"a", load)) for _ in range(3)]
                await asyncio.sleep(0)
                cache[b"a"] = b"new"
                del cache[b"a"]
                self.assertEqual([b"new"] * 3, await asyncio.gather(*others))
                go.set()
                (own,) = await asyncio.gather(first, return_exceptions=True)
                self.assertIs(failure, own) if failure else self.assertEqual(b"own", own)
                self.assertNotIn(b"a", cache)

        self.run_in(main)

    def test_another_task_takes_over_from_one_that_is_cancelled(self):
        async def main(cache):
            async def forever(key):
                await asyncio.Event().wait()

            async def load(key):
                return key.upper()

            first = asyncio.create_task(cache.aget_or_load(b"a", forever))
            await asyncio.sleep(0)
            others = [asyncio.create_task(cache.aget_or_load(b"a", load)) for _ in range(3)]
            await asyncio.sleep(0)
            first.cancel()
            self.assertEqual([b"A"] * 3, await asyncio.gather(*others))
            with self.assertRaises(asyncio.CancelledError):
                await first

        self.run_in(main)

    def test_waits_are_cancelled(self):
        async def main(cache):
            go = asyncio.Event()

            async def load(key):
                await go.wait()
                return key.upper()

            first = asyncio.create_task(cache.aget_or_load(b"a", load))
            await asyncio.sleep(0)
            others = [asyncio.create_task(cache.aget_or_load(b"a", load)) for _ in range(3)]
            await asyncio.sleep(0)
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(cache.aget_or_load(b"a", load), 0.001)
            others[1].cancel()
            go.set()
            found = await asyncio.gather(first, *others, return_exceptions=True)
            self.assertIsInstance(found.pop(2), asyncio.CancelledError)
            self.assertEqual([b"A"] * 3, found)

        self.run_in(main)

    def test_a_task_that_is_cancelled_when_its_turn_has_come_passes_it_on(self):
        async def main(cache):
            go = asyncio.Event()

            async def fail(key):
                await go.wait()
                raise ct.BusyError

            async def load(key):
                return key.upper()

            first = asyncio.create_task(cache.aget_or_load(b"a", fail))
            await asyncio.sleep(0)
            second = asyncio.create_task(cache.aget_or_load(b"a", load))
            await asyncio.sleep(0)
            first.add_done_callback(lambda _: second.cancel())
            go.set()
            await asyncio.gather(first, second, return_exceptions=True)
            self.assertTrue(second.cancelled())
            self.assertEqual(b"A", await cache.aget_or_load(b"a", load))

        self.run_in(main)

    def test_a_failure_is_that_of_all_who_wait(self):
        async def main(cache):
            calls, failure = [], ConnectionError("is down")

            async def load(key):
                calls.append(key)
                for _ in range(5):
                    await asyncio.sleep(0)
                raise failure

            found = await asyncio.gather(
                *(cache.aget_or_load(b"a", load) for _ in range(4)), return_exceptions=True)
            self.assertIs(failure, found[0])
            shared = failure if isinstance(cache, ct.Cache) else ct.LoadError(-1000)
            self.assertEqual([str(shared)] * 3, [str(it) for it in found[1:]])
            self.assertEqual(([b"a"], 3), (calls, cache.stats()["shared_failures"]))

        self.run_in(main)

    def test_values_are_renewed(self):
        clock = ManualClock()

        async def main(cache):
            async def fail(*_):
                raise ConnectionError

            async def renew(key, old):
                return ct.Loaded(ct.NOT_MODIFIED, ttl=200) if old == b"old" else old

            async def load(key):
                return key.upper()

            cache[b"a"] = b"old"
            clock.now += 90
            self.assertEqual(b"old", await cache.aget_or_load(b"a", fail))
            clock.now += 6
            self.assertEqual(b"old", await cache.aget_or_load(b"a", fail, renew=renew))
            self.assertEqual(200, cache.inspect(b"a")["remaining"])
            clock.now += 190
            self.assertEqual(b"A", await cache.aget_or_load(b"a", load))
            self.assertEqual(b"A", cache[b"a"])
            clock.now += 200
            with self.assertRaises(ConnectionError):
                await cache.aget_or_load(b"a", fail)

        self.run_in(main, timer=clock, **FRESHNESS)

    def test_loads_say_what_is_special(self):
        async def main(cache):
            async def load(key):
                return loaded

            loaded = ct.Loaded(b"1", discard=True)
            self.assertEqual(b"1", await cache.aget_or_load(b"a", load))
            self.assertNotIn(b"a", cache)
            loaded = ct.Loaded(b"2", ttl=50)
            self.assertEqual(b"2", await cache.aget_or_load(b"a", load))
            self.assertLess(49, cache.inspect(b"a")["remaining"])
            loaded = ct.NOT_MODIFIED
            with self.assertRaises(ct.CallbackError):
                await cache.aget_or_load(b"b", load)

        self.run_in(main)

    def test_a_task_does_not_wait_for_itself(self):
        async def main(cache):
            async def load(key):
                return await cache.aget_or_load(key, load)

            with self.assertRaises(ct.RecursiveLoadError):
                await cache.aget_or_load(b"a", load)

            async def ring(key):
                await asyncio.sleep(0)
                return await cache.aget_or_load(b"b" if key == b"a" else b"a", ring)

            if isinstance(cache, ct.Cache):
                found = await asyncio.gather(cache.aget_or_load(b"a", ring),
                                             cache.aget_or_load(b"b", ring),
                                             return_exceptions=True)
                self.assertEqual([ct.RecursiveLoadError] * 2, list(map(type, found)))

                async def block(key):
                    return cache.get_or_load(key, bytes.upper)  # no task can go on

                with self.assertRaises(ct.RecursiveLoadError):
                    await cache.aget_or_load(b"a", block)

        self.run_in(main)

    def test_a_cache_that_is_closed_wakes_who_waits(self):
        async def load(key):
            await asyncio.Event().wait()

        async def main():
            cache = ct.BytesCache()
            first = asyncio.create_task(cache.aget_or_load(b"a", load))
            await asyncio.sleep(0)
            second = asyncio.create_task(cache.aget_or_load(b"a", load))
            await asyncio.sleep(0)
            cache.close()
            with self.assertRaises(ct.ClosedError):
                await second
            first.cancel()

        asyncio.run(main())
        self.assertEqual({}, _leases._awaited)

    def test_a_loop_that_ends_leaves_no_lease(self):
        async def load(key):
            await asyncio.Event().wait()

        async def main(cache):
            for _ in range(3):
                asyncio.create_task(cache.aget_or_load(b"a", load))
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        for cache in made():
            for stop in asyncio.run, self.stop_amid:
                stop(main(cache))
                gc.collect()
                gc.collect()  # what those who wait had kept alive
                self.assertEqual(b"A", cache.get_or_load(b"a", bytes.upper))
                cache.clear()
                self.assertEqual(({}, {}), (_leases._awaited, _turns._waits))

    def stop_amid(self, coroutine):
        """Runs a coroutine, and closes the loop while other tasks wait."""
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda *_: None)
        loop.run_until_complete(coroutine)
        loop.close()


if __name__ == "__main__":
    unittest.main()
