// SPDX-License-Identifier: MIT

package cachetools

// #include "callbacks.h"
import "C"

import (
	"time"
	"unsafe"
)

// WeightKind says what an entry of a ByteCache weighs against Maxsize, unless Options.Weigh does.
type WeightKind int32

const (
	WeightCount  WeightKind = C.CT_WEIGHT_COUNT  // 1: Maxsize is a number of entries
	WeightValue  WeightKind = C.CT_WEIGHT_VALUE  // the bytes of its value
	WeightMemory WeightKind = C.CT_WEIGHT_MEMORY // the bytes of memory that it takes
)

// Flags of a cache. CT_FLAG_SINGLE_THREADED is not offered, as goroutines have no fixed thread.
type Flags uint32

const (
	NoStats      Flags = C.CT_FLAG_NO_STATS      // nothing is counted
	PreciseClock Flags = C.CT_FLAG_PRECISE_CLOCK // lifetimes end exactly; each reading costs more
	KeepNothing  Flags = C.CT_FLAG_KEEP_NOTHING  // Options.Maxsize may be 0
	CostByTime   Flags = C.CT_FLAG_COST_BY_TIME  // what a load has brought costs its time
	Curve        Flags = C.CT_FLAG_CURVE         // the miss-ratio curve is kept that MissRatios tells
)

// Cause says why an entry left.
type Cause int32

const (
	Evicted  Cause = C.CT_CAUSE_EVICTED  // room was needed, or PopItem took it
	Expired  Cause = C.CT_CAUSE_EXPIRED  // its deadline had passed
	Replaced Cause = C.CT_CAUSE_REPLACED // another value was stored under its key
	Removed  Cause = C.CT_CAUSE_REMOVED  // Delete, Pop or RemoveIf
	Cleared  Cause = C.CT_CAUSE_CLEARED  // Clear
)

// String returns the name of the cause in C, in small letters: "evicted".
func (c Cause) String() string {
	names := [...]string{Evicted: "evicted", Expired: "expired", Replaced: "replaced",
		Removed: "removed", Cleared: "cleared"}
	if c < 0 || int(c) >= len(names) {
		return "unknown"
	}
	return names[c]
}

// Event is an entry that left. In a ByteCache, Key and Value are borrowed for the call.
type Event[K, V any] struct {
	Key    K
	Value  V
	Weight uint64
	Cause  Cause
}

// Allocator says where the library's memory comes from, which must not be Go's heap.
type Allocator struct {
	Alloc func(size, align uintptr) unsafe.Pointer // nil: none left
	Free  func(block unsafe.Pointer, size, align uintptr)
}

// Options say how to make a cache; zero is the default everywhere, but Maxsize must be set.
type Options[K, V any] struct {
	Policy     Policy
	WeightKind WeightKind // of a ByteCache
	Maxsize    uint64     // in units of weight; 0 is refused without KeepNothing
	Shards     uint32     // 0 is 1: exact order; else a power of two. Many goroutines: 16
	Flags      Flags
	TTL        time.Duration // time to live from a write on; 0: none; at least 1 ms, as all times here
	TTI        time.Duration // time to idle from a use on; 0: none
	Seed       uint64        // of hashing and RR; 0: random

	// RefreshAhead, below TTL: a loading call that finds a value with less than this left renews it,
	// and others get the old one meanwhile. 0: none.
	RefreshAhead time.Duration
	// Stale: for this long past its deadline, loading calls get the old value if a newer one cannot
	// be loaded yet. 0: not at all.
	Stale time.Duration
	// Retry: how long nobody tries to renew a value after a failure. 0: a tenth of TTL, or of
	// RefreshAhead without one.
	Retry time.Duration
	// NegativeTTL: for so long it is remembered that a loader has found no value, and loading calls
	// tell so without a load. 0: not at all.
	NegativeTTL time.Duration
	// Jitter, below TTL: up to this much, at random, is taken off TTL, so that what was stored at
	// once does not expire at once.
	Jitter time.Duration

	// Timer returns the time since whenever. It runs inside the critical section, and must not use
	// any cache; nor must Choose.
	Timer func() time.Duration
	// TimeToUse returns the deadline of an entry that is about to be stored at the given time.
	TimeToUse func(key K, value V, now time.Duration) time.Duration
	// Weigh weighs an entry that is about to be stored.
	Weigh func(key K, value V) uint64
	// Choose chooses a victim for RR: an index below count.
	Choose func(count uint64) uint64
	// Listen is told of each entry that left, but not by Close. It may use the cache.
	Listen func(Event[K, V])
	// Drop is called once for each stored value, after it has left and nobody reads it any more.
	Drop func(value V)
	// NewEvictor makes the policy of a shard, for CUSTOM.
	NewEvictor func(maxsize uint64) Evictor
	Allocator  *Allocator
}

// ByteOptions are Options of a ByteCache. Slices passed to a callback are borrowed for the call.
type ByteOptions = Options[[]byte, []byte]

func (o *Options[K, V]) plain() C.ct_options {
	var plain C.ct_options
	plain.struct_size = C.sizeof_ct_options
	plain.policy = C.int32_t(o.Policy)
	plain.weight_kind = C.int32_t(o.WeightKind)
	plain.maxsize = C.uint64_t(o.Maxsize)
	plain.shards = C.uint32_t(o.Shards)
	plain.flags = C.uint32_t(o.Flags)
	plain.ttl = ticks(o.TTL)
	plain.tti = ticks(o.TTI)
	plain.seed = C.uint64_t(o.Seed)
	plain.refresh_ahead = ticks(o.RefreshAhead)
	plain.stale = ticks(o.Stale)
	plain.retry = ticks(o.Retry)
	plain.negative_ttl = ticks(o.NegativeTTL)
	plain.jitter = ticks(o.Jitter)
	return plain
}

// set returns which callbacks are set.
func (o *Options[K, V]) set() (set C.uint32_t) {
	for flag, isSet := range map[C.uint32_t]bool{
		C.CT_GO_TIMER:     o.Timer != nil,
		C.CT_GO_TTU:       o.TimeToUse != nil,
		C.CT_GO_WEIGHER:   o.Weigh != nil,
		C.CT_GO_CHOICE:    o.Choose != nil,
		C.CT_GO_LISTENER:  o.Listen != nil,
		C.CT_GO_DROP:      o.Drop != nil,
		C.CT_GO_CUSTOM:    o.NewEvictor != nil,
		C.CT_GO_ALLOCATOR: o.Allocator != nil,
	} {
		if isSet {
			set |= flag
		}
	}
	return set
}

// Problem returns one sentence that says what is wrong with the options, or an empty string.
func (o Options[K, V]) Problem() string {
	for _, it := range [...]struct {
		name string
		time time.Duration
	}{{"TTL", o.TTL}, {"TTI", o.TTI}, {"RefreshAhead", o.RefreshAhead}, {"Stale", o.Stale},
		{"Retry", o.Retry}, {"NegativeTTL", o.NegativeTTL}, {"Jitter", o.Jitter}} {
		if it.time < 0 {
			return it.name + ": it is negative."
		}
	}
	plain := o.plain()
	return problem(C.ct_go_options_problem(&plain, o.set()))
}
