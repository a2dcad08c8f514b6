// SPDX-License-Identifier: MIT

// Package redis puts a cachetools.ByteCache in front of a Redis or Valkey server that many machines
// share, by libcachetools-redis. It needs Go 1.19 or later, and is found by pkg-config.
//
//	near, err := cachetools.OpenBytes(cachetools.ByteOptions{Maxsize: 100_000, Shards: 16})
//	if err != nil { ... }
//	defer near.Close()
//	tier, err := redis.Open(redis.Options{URL: "redis://localhost", Near: near, Prefix: "shop:",
//		TTL: 10 * time.Minute})
//	if err != nil { ... }
//	defer tier.Close()
//	user, err := tier.GetOrLoad(ctx, "user:7", loadUser)
//
// A read looks near, in this process; then on the server; then loads: once, however many goroutines
// and machines ask. Whatever anybody writes is pushed by the server, and leaves every near cache at
// once.
//
// The conventions of package cachetools hold. Stale, Retry, NegativeTTL and Jitter of the near cache
// mean the same for the tier.
//
// # Staleness
//
// No read returns a value that had been replaced on the server, and the replacement acknowledged to
// whoever wrote it, more than Options.MaxStale before the read began, unless Value.IsStale tells so.
// This holds while the network is cut, and while the server or this process is stopped. What a loader
// brings while the server cannot be reached is as old as its load, and serves for Options.OfflineTTL.
//
// # Contexts
//
// A call whose context is done already does nothing, whatever is near, and returns the error of the
// context. One whose context becomes done while it waits does so at once, and leaves what it waits for
// behind. What it has sent stays sent. A load that has begun goes on to its end.
//
// # The tier's thread
//
// Changes of others are applied to the near cache on a thread of the tier's, so callbacks of the near
// cache may run there, as Options.Listen does. A call that would have to wait for the server returns
// cachetools.ErrRecursion there.
package redis

// #cgo pkg-config: cachetools-redis
// #include <stdlib.h>
// #include "callbacks.h"
//
// static const char *problem(const ct_redis_options *plain, _GoString_ prefix) {
//   return ct_go_redis_problem(plain, _GoStringPtr(prefix), _GoStringLen(prefix));
// }
import "C"

import (
	"math"
	"strings"
	"time"
	"unsafe"

	"cachetools"
	"cachetools/internal/shared"
)

// Flags of a tier.
type Flags uint32

const (
	// NoThread begins no thread: Step, and calls that wait, serve the connection.
	NoThread Flags = C.CT_REDIS_NO_THREAD
	// Raw stores bare bytes on the server, without the trailer of 8 bytes: to share keys with programs
	// that know nothing of the library. Then there are no leases, so each process may load once, and a
	// load may store what a writer has made obsolete meanwhile, until TTL ends it.
	Raw Flags = C.CT_REDIS_RAW
)

// EventKind says what has happened to a tier.
type EventKind int32

const (
	Online         EventKind = C.CT_REDIS_ONLINE          // connected, and told of changes from now on
	Offline        EventKind = C.CT_REDIS_OFFLINE         // the connection was lost, refused or given up
	Overflow       EventKind = C.CT_REDIS_OVERFLOW        // more keys were written offline than are remembered
	UnknownTrailer EventKind = C.CT_REDIS_UNKNOWN_TRAILER // the key's value is not of this library
)

// String returns what has happened in words: "unknown trailer".
func (k EventKind) String() string {
	names := [...]string{Online: "online", Offline: "offline", Overflow: "overflow",
		UnknownTrailer: "unknown trailer"}
	if k < 0 || int(k) >= len(names) {
		return "unknown"
	}
	return names[k]
}

// Event is what has happened to a tier. After Overflow, the key may be stale on the server until its
// ttl ends.
type Event struct {
	Kind EventKind
	Key  string // without the prefix; empty if no key is concerned
	Text string // what the server or the system said; may be empty
}

// Options say how to open a tier; zero is the default everywhere, but URL and Near must be set.
type Options struct {
	URL    string                // redis://user:password@host:port/db, rediss:// or unix:///path?db=0
	Near   *cachetools.ByteCache // without Timer and RefreshAhead; to be closed after the tier
	Prefix string                // of every key on the server; access control must allow all of it
	Flags  Flags

	TTL        time.Duration // lifetime on the server; 0: none
	NearTTL    time.Duration // longest lifetime in Near; 0: the TTL of Near, if it has one
	OfflineTTL time.Duration // of what is loaded while there is no server, from then on; 0: MaxStale
	MaxStale   time.Duration // the bound on staleness, at least 50 ms; 0: 1 s
	Timeout    time.Duration // how long to wait for the server or the lease of another; 0: 5 s
	Lease      time.Duration // how long others wait for a process that died while it loaded; 0: 10 s

	MaxValue   uint64 // bytes of a value that goes to the server; 0: 16 MiB; at most 256 MiB
	MaxPending uint64 // bytes that may wait to be sent, then calls return ErrBusy; 0: 64 MiB

	// Listen is told of events, mostly on the tier's own thread. A panic of it ends the program.
	Listen func(Event)
}

// with makes a call with what C takes, but for the prefix and the listener.
func (o *Options) with(run func(plain *C.ct_redis_options)) {
	var plain C.ct_redis_options
	plain.struct_size = C.sizeof_ct_redis_options
	plain.flags = C.uint32_t(o.Flags)
	plain.url = C.CString(o.URL)
	defer C.free(unsafe.Pointer(plain.url))
	plain.near = (*C.ct_cache)(shared.Handle(o.Near))
	plain.ttl = ticks(o.TTL)
	plain.near_ttl = ticks(o.NearTTL)
	plain.offline_ttl = ticks(o.OfflineTTL)
	plain.max_stale = ticks(o.MaxStale)
	plain.timeout = ticks(o.Timeout)
	plain.lease = ticks(o.Lease)
	plain.max_value = C.uint64_t(o.MaxValue)
	plain.max_pending = C.uint64_t(o.MaxPending)
	run(&plain)
}

// inGo says by the names of Options what the library says by those of C.
var inGo = strings.NewReplacer("url ", "URL ", "near ", "Near ", "refresh_ahead", "RefreshAhead",
	"prefix_size is 65536 or more", "Prefix has 65536 bytes or more", "flags ", "Flags ",
	"max_stale ", "MaxStale ", "lease ", "Lease ", "max_value ", "MaxValue ", "max_pending ",
	"MaxPending ")

// Problem returns one sentence that says what is wrong with the options, or an empty string.
func (o Options) Problem() (problem string) {
	for _, it := range [...]time.Duration{o.TTL, o.NearTTL, o.OfflineTTL, o.MaxStale, o.Timeout,
		o.Lease} {
		if it < 0 {
			return "a duration must not be negative"
		}
	}
	switch {
	case o.Near == nil:
		return "Near is missing"
	case shared.Handle(o.Near) == nil:
		return "Near is closed"
	case o.URL == "":
		return "URL is missing"
	case strings.IndexByte(o.URL, 0) >= 0:
		return "URL has a byte of zero"
	}
	o.with(func(plain *C.ct_redis_options) {
		problem = inGo.Replace(C.GoString(C.problem(plain, o.Prefix)))
	})
	return problem
}

// ticks are nanoseconds.
func ticks(duration time.Duration) C.uint64_t {
	if duration == cachetools.Never {
		return C.CT_NEVER
	}
	return C.uint64_t(duration)
}

func durationOf(ticks C.uint64_t) time.Duration {
	if ticks > math.MaxInt64 {
		return cachetools.Never
	}
	return time.Duration(ticks)
}
