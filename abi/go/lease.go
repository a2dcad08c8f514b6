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
	"errors"
	"runtime"
	"time"
)

// Lease is the right and the duty to load a key. It belongs to no goroutine. End it by Fulfil, Keep,
// Fail or Abandon before the cache is closed.
type Lease struct {
	handle *C.ct_lease
	cache  *ByteCache
}

var errLeaseIsOver error = invalid("the lease is over")

// GetOrLease looks a key up. If it is absent, GetOrLease takes its lease, or waits for the holder.
// It returns ErrBusy if that takes longer than wait; a wait below 0 is 0. With a lease, the caller
// must load the key. With Options.RefreshAhead or Stale, a lease may come with a value that is to be
// renewed: go on with the value, and release it as any other.
func (c *ByteCache) GetOrLease(key string, wait time.Duration) (Value, *Lease, error) {
	defer runtime.KeepAlive(c)
	var handle *C.ct_lease
	if wait < 0 {
		wait = 0
	}
	out := C.get_or_lease(c.handle, key, C.uint64_t(wait), &handle)
	value, err := c.value(out)
	if handle == nil {
		return value, nil, err
	}
	value.isStale = out.status == C.CT_RENEW && !c.Contains(key)
	return value, &Lease{handle, c}, nil
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
	handle := l.handle
	l.handle = nil
	if handle == nil {
		return Value{}, errLeaseIsOver
	}
	raw, block := options.lend()
	defer freeBlock(block)
	defer runtime.KeepAlive(l.cache)
	kept, err := l.cache.value(C.lease_fulfil(handle, data(value), C.size_t(len(value)), &raw))
	return kept, l.cache.explain(err, options, noCondition)
}

// Keep ends the lease of a value that is to be renewed, and that is still right: its lifetime begins
// anew. It returns ErrNotStored if the key was set or deleted meanwhile, and ErrInvalid if the lease
// came without a value, which is then given up.
func (l *Lease) Keep(options EntryOptions) error {
	handle := l.handle
	l.handle = nil
	if handle == nil {
		return errLeaseIsOver
	}
	defer runtime.KeepAlive(l.cache)
	raw, block := options.lend()
	defer freeBlock(block)
	err := l.cache.check(C.ct_lease_keep(handle, &raw))
	return l.cache.explain(err, options, "there is no old value that the lease could keep so")
}

// Fail ends a lease whose load has failed, or has found no such value: ErrMiss. All who wait fail
// with err if it is a Status below 0 or ErrMiss, else with ErrLoad. A value that was to be renewed
// stays, but leaves after ErrMiss.
func (l *Lease) Fail(err error) {
	defer runtime.KeepAlive(l.cache)
	C.ct_lease_fail(l.handle, failureOf(err))
	l.handle = nil
}

// failureOf returns the status of a failure that is shared.
func failureOf(err error) C.ct_status {
	var known Status
	if errors.As(err, &known) && (known < 0 || known == ErrMiss) {
		return C.ct_status(known)
	}
	return callbackFailed
}

// Abandon gives the lease up: one of those who wait becomes the loader. After another end it does
// nothing, so it may be deferred.
func (l *Lease) Abandon() {
	C.ct_lease_abandon(l.handle)
	l.handle = nil
}
