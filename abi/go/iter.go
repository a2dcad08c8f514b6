// SPDX-License-Identifier: MIT

package cachetools

// #include "callbacks.h"
import "C"

import "runtime"

// Order is the order of a walk.
type Order int32

const (
	AnyOrder Order = C.CT_ORDER_ANY
	Coldest  Order = C.CT_ORDER_COLDEST
	Hottest  Order = C.CT_ORDER_HOTTEST
)

// Iter is a walk over a cache's entries, for one goroutine at a time:
//
//	for walk.Next() { use(walk.Key(), walk.Value()) }
//	if walk.Err() != nil { ... }
type Iter struct {
	handle     *C.ct_iter
	cache      *ByteCache
	key, value C.ct_bytes
	err        error
}

// Iter begins a walk. Close the walk before the cache.
func (c *ByteCache) Iter(order Order) (*Iter, error) {
	defer runtime.KeepAlive(c)
	iter := &Iter{cache: c}
	return iter, c.check(C.ct_iter_new(c.handle, C.int32_t(order), &iter.handle))
}

// Next goes to the next entry. It returns false if there is none, or after an error.
func (i *Iter) Next() bool {
	if i.handle == nil {
		return false
	}
	status := C.ct_iter_next(i.handle, &i.key, &i.value)
	if status < 0 {
		i.err = check(status)
	}
	return status == C.CT_OK
}

// Key returns the key of the entry, valid until the next call of Next.
func (i *Iter) Key() []byte { return borrowed(i.key.data, i.key.size) }

// Value returns the value of the entry, valid until the next call of Next.
func (i *Iter) Value() []byte { return borrowed(i.value.data, i.value.size) }

// Err returns the error that ended the walk early, or nil.
func (i *Iter) Err() error { return i.err }

// Close ends a walk, at any point.
func (i *Iter) Close() {
	C.ct_iter_free(i.handle)
	i.handle = nil
	runtime.KeepAlive(i.cache)
}
