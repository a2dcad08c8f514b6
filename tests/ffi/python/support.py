# SPDX-License-Identifier: MIT
"""What several tests need."""

import threading

import libcachetools as ct


class ManualClock:
    """Stands still until it is set."""

    def __init__(self):
        self.now = 1000

    def __call__(self):
        return self.now


def filled(cache, keys):
    for key in keys:
        cache[bytes([key])] = bytes([key]).upper()
    return cache


FRESHNESS = {"ttl": 100, "refresh_ahead": 20, "stale": 50, "retry": 5}


def raising(exception):
    """Returns a function that raises, whatever it is called with."""
    def fail(*_):
        raise exception
    return fail


def failing_load(cache, key, fail):
    """Has a thread wait for a load that fails, and returns what that thread raised, or None. Nobody
    can see who waits in the library, so it tries until one has.
    """
    for _ in range(100000):
        before = cache.stats()["shared_failures"]
        raised, asked = [], threading.Event()

        def wait():
            asked.set()
            try:
                cache.get_or_load(key, lambda _: None)
                raised.append(None)
            except ct.Error as exception:
                raised.append(exception)

        thread = threading.Thread(target=wait)

        def begun():
            thread.start()
            asked.wait()

        fail(begun)
        thread.join()
        if cache.stats()["shared_failures"] > before:
            return raised[0]
    raise AssertionError("nobody waited")


def in_threads(count, function):
    """Runs a function in many threads at once, and raises what it raised."""
    raised = []

    def run(number):
        try:
            function(number)
        except BaseException as exception:
            raised.append(exception)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]
