// SPDX-License-Identifier: MIT

package cachetools

// #include <stdlib.h>
// #include "callbacks.h"
//
// static ct_status set_lifetime(ct_cache *cache, _GoString_ key, uint64_t ttl) {
//   return ct_set_lifetime(cache, _GoStringPtr(key), _GoStringLen(key), ttl);
// }
//
// static ct_status inspect(ct_cache *cache, _GoString_ key, ct_entry_info *out) {
//   return ct_inspect(cache, _GoStringPtr(key), _GoStringLen(key), out);
// }
//
// /* Without pointers: user_data is an integer here. */
// static ct_status cache_options(const ct_cache *cache, ct_options *out) {
//   ct_options options = CT_OPTIONS_INIT;
//   const ct_status status = ct_cache_options(cache, &options);
//   out->policy = options.policy;
//   out->weight_kind = options.weight_kind;
//   out->maxsize = options.maxsize;
//   out->shards = options.shards;
//   out->flags = options.flags;
//   out->ttl = options.ttl;
//   out->tti = options.tti;
//   out->seed = options.seed;
//   out->refresh_ahead = options.refresh_ahead;
//   out->stale = options.stale;
//   out->retry = options.retry;
//   out->negative_ttl = options.negative_ttl;
//   out->jitter = options.jitter;
//   return status;
// }
import "C"

import (
	"io"
	"runtime"
	"sort"
	"time"
	"unsafe"
)

// Len counts the entries.
func (c *ByteCache) Len() int {
	defer runtime.KeepAlive(c)
	return int(C.ct_len(c.handle))
}

// Weight sums the weights.
func (c *ByteCache) Weight() uint64 {
	defer runtime.KeepAlive(c)
	return uint64(C.ct_currsize(c.handle))
}

// Maxsize returns the limit.
func (c *ByteCache) Maxsize() uint64 {
	defer runtime.KeepAlive(c)
	return uint64(C.ct_maxsize(c.handle))
}

// Memory returns the bytes held in all.
func (c *ByteCache) Memory() uint64 {
	defer runtime.KeepAlive(c)
	return uint64(C.ct_memory(c.handle))
}

// Resize sets another limit, then evicts until it holds.
func (c *ByteCache) Resize(maxsize uint64) error {
	defer runtime.KeepAlive(c)
	return c.check(C.ct_resize(c.handle, C.uint64_t(maxsize)))
}

// SetLifetime gives an entry another lifetime, from now on.
func (c *ByteCache) SetLifetime(key string, ttl time.Duration) error {
	defer runtime.KeepAlive(c)
	return c.check(C.set_lifetime(c.handle, key, ticks(ttl)))
}

// Inspect returns what is known of an entry.
func (c *ByteCache) Inspect(key string) (EntryInfo, error) {
	defer runtime.KeepAlive(c)
	var raw C.ct_entry_info
	raw.struct_size = C.sizeof_ct_entry_info
	err := c.check(C.inspect(c.handle, key, &raw))
	return infoOf(&raw), err
}

// Expire removes the entries whose deadline has passed, shows each to visit, and returns how many.
// visit may be nil.
func (c *ByteCache) Expire(visit func(Event[[]byte, []byte])) (expired int) {
	defer runtime.KeepAlive(c)
	if visit == nil {
		return int(C.ct_go_expire(c.handle, 0))
	}
	during(&call{visit: visit}, func(handle C.uintptr_t) {
		expired = int(C.ct_go_expire(c.handle, handle))
	})
	return expired
}

// Stats are counters of what has happened. Pinned is how many values are not released yet.
type Stats struct {
	Hits, Misses, Inserts, Updates, Evictions, EvictedWeight, Expirations, Removals, Rejections,
	Loads, LoadFailures uint64
	LoadTime      time.Duration // of all loads together
	Waits, Pinned uint64

	SharedFailures  uint64 // failures received from another caller's load; misses, too
	StaleServed     uint64 // values handed out past their deadline; hits, too
	Renewals        uint64 // loads begun while the old value was there; hits, not misses
	RenewalFailures uint64 // of these, how many failed and left the old value
	NegativeHits    uint64 // loading calls that were told of a remembered miss; misses, too

	// How long loads took, in real time: LoadBuckets[i] of them at most 4^i µs (1, 4, 16 µs ...
	// 1.05 s) and longer than those of the bucket before; the last has all that took longer.
	LoadBuckets [12]uint64
}

// Stats reads the counters.
func (c *ByteCache) Stats() (Stats, error) {
	defer runtime.KeepAlive(c)
	var raw C.ct_stats
	raw.struct_size = C.sizeof_ct_stats
	err := c.check(C.ct_cache_stats(c.handle, &raw))
	var buckets [12]uint64
	for i, loads := range raw.load_buckets {
		buckets[i] = uint64(loads)
	}
	return Stats{uint64(raw.hits), uint64(raw.misses), uint64(raw.inserts), uint64(raw.updates),
		uint64(raw.evictions), uint64(raw.evicted_weight), uint64(raw.expirations),
		uint64(raw.removals), uint64(raw.rejections), uint64(raw.loads), uint64(raw.load_failures),
		durationOf(raw.load_ticks), uint64(raw.waits), uint64(raw.pinned),
		uint64(raw.shared_failures), uint64(raw.stale_served), uint64(raw.renewals),
		uint64(raw.renewal_failures), uint64(raw.negative_hits), buckets}, err
}

// ResetStats counts from zero again.
func (c *ByteCache) ResetStats() error {
	defer runtime.KeepAlive(c)
	return c.check(C.ct_cache_stats_reset(c.handle))
}

// MissRatios tells which part of the reads would miss in this cache at other sizes: multiples of the
// present one, from a half to four. NaN: that is not known, or not yet. It requires the flag Curve.
func (c *ByteCache) MissRatios(scales ...float64) ([]float64, error) {
	defer runtime.KeepAlive(c)
	ratios := make([]float64, len(scales))
	if len(scales) == 0 {
		return ratios, nil
	}
	status := C.ct_cache_curve(c.handle, (*C.double)(&scales[0]), C.size_t(len(scales)),
		(*C.double)(&ratios[0]))
	if status == C.CT_MISS { // NaN tells where
		return ratios, nil
	}
	return ratios, c.check(status)
}

// Counted is a cache whose counters WriteStats writes: a ByteCache or a Cache.
type Counted interface{ counted() *ByteCache }

func (c *ByteCache) counted() *ByteCache   { return c }
func (c *Cache[K, V]) counted() *ByteCache { return c.in.ByteCache }

// WriteStats writes the counters of caches, by their names, as text for Prometheus, in its exposition
// format, version 0.0.4. It returns the error of the writer unchanged. The hits of a Cache lack those
// who waited for a load of another goroutine, which the library does not see.
func WriteStats(to io.Writer, caches map[string]Counted) (err error) {
	if len(caches) == 0 {
		return nil
	}
	names := make([]string, 0, len(caches))
	for name := range caches {
		names = append(names, name)
	}
	sort.Strings(names)
	handles, labels := make([]*C.ct_cache, len(names)), make([]*C.char, len(names))
	for i, name := range names {
		cache := caches[name].counted()
		defer runtime.KeepAlive(cache)
		if cache.handle == nil {
			return ErrClosed
		}
		handles[i], labels[i] = cache.handle, C.CString(name)
		defer C.free(unsafe.Pointer(labels[i]))
	}
	it := &call{write: to}
	during(it, func(handle C.uintptr_t) {
		err = check(C.ct_go_stats_write(&handles[0], &labels[0], C.size_t(len(names)), handle))
	})
	return it.failure(err)
}

// Options returns the options in force, without callbacks: with defaults filled in, and the seed
// that was drawn.
func (c *ByteCache) Options() (ByteOptions, error) {
	defer runtime.KeepAlive(c)
	var raw C.ct_options
	err := c.check(C.cache_options(c.handle, &raw))
	return ByteOptions{
		Policy:     Policy(raw.policy),
		WeightKind: WeightKind(raw.weight_kind),
		Maxsize:    uint64(raw.maxsize),
		Shards:     uint32(raw.shards),
		Flags:      Flags(raw.flags),
		TTL:        durationOf(raw.ttl),
		TTI:        durationOf(raw.tti),
		Seed:       uint64(raw.seed),

		RefreshAhead: durationOf(raw.refresh_ahead),
		Stale:        durationOf(raw.stale),
		Retry:        durationOf(raw.retry),
		NegativeTTL:  durationOf(raw.negative_ttl),
		Jitter:       durationOf(raw.jitter),
	}, err
}
