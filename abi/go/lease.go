// SPDX-License-Identifier: MIT

package cachetools

// #include "callbacks.h"
//
// static ct_go_value get_or_lease(ct_cache *cache, _GoString_ key, uint64_t wait_ns,
//                                 ct_lease **lease) {
//   ct_go_value out;
//   out.status = ct_get_or_lease(cache, _GoStringPtr(key), _GoStringLen(key), wait_ns, &out.value,
//                                lease);
//   return out;
// }
//
// static ct_go_value lease_fulfil(ct_lease *lease, const unsigned char *value, size_t size,
//                                 const ct_entry_options *options) {
//   ct_go_value out;
//   out.status = ct_lease_fulfil(lease, value, size, options, &out.value);
//   return out;
// }
import "C"

import (
	"runtime"
	"time"
)

// Lease is the right and the duty to load a key. It belongs to no goroutine. Fulfil or abandon it
// before the cache is closed.
type Lease struct {
	handle *C.ct_lease
	cache  *ByteCache
}

// GetOrLease looks a key up. If it is absent, GetOrLease takes its lease, or waits for the holder.
// It returns ErrBusy if that takes longer than wait; a wait below 0 is 0. With a lease, the caller
// must load the key.
func (c *ByteCache) GetOrLease(key string, wait time.Duration) (Value, *Lease, error) {
	defer runtime.KeepAlive(c)
	var handle *C.ct_lease
	if wait < 0 {
		wait = 0
	}
	out := C.get_or_lease(c.handle, key, C.uint64_t(wait), &handle)
	if out.status == C.CT_LEASED {
		return Value{}, &Lease{handle, c}, nil
	}
	value, err := c.value(out)
	return value, nil, err
}

// Key returns the key that the lease is for.
func (l *Lease) Key() string {
	if l.handle == nil {
		return ""
	}
	var key C.ct_bytes
	C.ct_lease_key(l.handle, &key)
	return string(borrowed(key.data, key.size))
}

// Fulfil stores the value, and hands it to all who wait and to the caller. It returns ErrNotStored
// if the value was not kept.
func (l *Lease) Fulfil(value []byte, options EntryOptions) (Value, error) {
	handle, raw := l.handle, options.raw()
	l.handle = nil
	if handle == nil {
		return Value{}, ErrInvalid
	}
	defer runtime.KeepAlive(l.cache)
	return l.cache.value(C.lease_fulfil(handle, data(value), C.size_t(len(value)), &raw))
}

// Abandon gives the lease up: one of those who wait becomes the loader. After Fulfil it does
// nothing, so it may be deferred.
func (l *Lease) Abandon() {
	C.ct_lease_abandon(l.handle)
	l.handle = nil
}
