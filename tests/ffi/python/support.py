# SPDX-License-Identifier: MIT
"""What several tests need."""

import threading


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
