// SPDX-License-Identifier: MIT

// Package cachetools is libcachetools for Go, by cgo: caches with a limit, a policy, lifetimes and
// weights, single flight, and a listener. It needs Go 1.19 or later, and the library where
// pkg-config finds it; or, with the tag vendored, the library in one file, cachetools.cpp.
//
// Cache holds Go values of any type by keys of a type:
//
//	cache, err := cachetools.Open(cachetools.Options[string, *User]{Maxsize: 1000, TTL: time.Minute})
//	if err != nil { ... }
//	defer cache.Close()
//	user, err := cache.GetOrLoad(ctx, "ann", loadUser)
//
// ByteCache holds bytes by strings in the library's own memory, which the garbage collector does
// not scan. It can weigh by memory, be saved, loaded and copied, hand out leases, write on the
// condition that a value is still the one that is held, add to counters, and keep the results of a
// Memo.
//
// Both load many keys by one query, remember that there is no value, and end all values that carry a
// tag.
//
// A failure is an error for errors.Is, such as ErrTooLarge. The error of a loader comes back
// unchanged, and a panic of it continues in the call that ran it. Times are of type time.Duration;
// a deadline is a reading of the cache's timer.
//
// # Names
//
// A policy's constant is its name in the rest of the project, all in capitals: LRU, SIEVE, S3FIFO.
//
// # Callbacks
//
// The callbacks of a whole cache run on the calling goroutine, which keeps its thread meanwhile;
// so do those of single calls, but for the loaders of Cache.GetOrLoad. They must not call
// runtime.Goexit (nor t.FailNow, which does). A panic in a callback of a single call continues in
// that call. A panic in a callback of a whole cache ends the program.
package cachetools

// #include <cachetools.h>
import "C"

import (
	"math"
	"time"
)

const (
	Never     time.Duration = math.MaxInt64  // as a lifetime or deadline: no end
	Unbounded uint64        = math.MaxUint64 // as Maxsize: no limit
)

// Version returns the version of the library: "0.1.0".
func Version() string { return C.GoString(C.ct_version_string()) }

// ticks are nanoseconds. What is below 0 is over at once.
func ticks(duration time.Duration) C.uint64_t {
	switch {
	case duration == Never:
		return C.CT_NEVER
	case duration < 0:
		return 0
	}
	return C.uint64_t(duration)
}

func durationOf(ticks C.uint64_t) time.Duration {
	if ticks > math.MaxInt64 {
		return Never
	}
	return time.Duration(ticks)
}
