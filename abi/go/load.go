// SPDX-License-Identifier: MIT

package cachetools

// #include "callbacks.h"
//
// static ct_go_value get_or_load(ct_cache *cache, _GoString_ key, uintptr_t call) {
//   return ct_go_get_or_load(cache, _GoStringPtr(key), _GoStringLen(key), call);
// }
//
// static ct_go_value compute(ct_cache *cache, _GoString_ key, uintptr_t call) {
//   return ct_go_compute(cache, _GoStringPtr(key), _GoStringLen(key), call);
// }
//
// static ct_status result_set(ct_result *result, const unsigned char *data, size_t size) {
//   return ct_result_set(result, data, size);
// }
import "C"

import (
	"runtime"
	"time"
)

// Result is where a callback leaves its value. It lives as long as the callback runs.
type Result struct{ handle *C.ct_result }

// Set hands over a copy of the value.
func (r *Result) Set(value []byte) error {
	return check(C.result_set(r.handle, data(value), C.size_t(len(value))))
}

// TTL gives the value a lifetime, from the callback's return on.
func (r *Result) TTL(ttl time.Duration) { C.ct_result_ttl(r.handle, ticks(ttl)) }

// Deadline gives the value a deadline: a reading of the timer.
func (r *Result) Deadline(deadline time.Duration) { C.ct_result_deadline(r.handle, ticks(deadline)) }

// Weight gives the value a weight.
func (r *Result) Weight(weight uint64) { C.ct_result_weight(r.handle, C.uint64_t(weight)) }

// Discard hands the value to the callers, but does not keep it.
func (r *Result) Discard() { C.ct_result_discard(r.handle) }

// GetOrLoad looks a key up, and loads it if it is absent. However many goroutines ask, one of them
// loads, and the others wait for its value. load returns ErrMiss if there is no such value.
func (c *ByteCache) GetOrLoad(key string, load func(key []byte, result *Result) error) (Value, error) {
	defer runtime.KeepAlive(c)
	it := &call{load: load}
	var out C.ct_go_value
	during(it, func(handle C.uintptr_t) { out = C.get_or_load(c.handle, key, handle) })
	value, err := c.value(out)
	return value, it.failure(err)
}

// Compute reads, changes and writes one entry, as if at once. The function returns nil after
// result.Set to store, ErrMiss to remove the entry, or ErrNotStored to leave it as it is. old is
// nil if there is no entry. Compute returns ErrMiss and ErrNotStored too, the latter with the
// value.
//
// Computes of one key take turns. If another call has written the key meanwhile, the function runs
// again, at most 16 times; then the error is ErrBusy, and nothing is changed. To compute a key
// within its own function is ErrRecursion. Never wait there for another goroutine that computes the
// key: the call would wait for ever.
func (c *ByteCache) Compute(key string, change func(old []byte, result *Result) error) (Value, error) {
	defer runtime.KeepAlive(c)
	it := &call{compute: change}
	var out C.ct_go_value
	during(it, func(handle C.uintptr_t) { out = C.compute(c.handle, key, handle) })
	value, err := c.value(out)
	return value, it.failure(err)
}
