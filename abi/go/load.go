// SPDX-License-Identifier: MIT

package cachetools

// #include "callbacks.h"
//
// static ct_go_value get_or_load(ct_cache *cache, _GoString_ key, uintptr_t call, uint32_t flags,
//                                uint64_t timeout, uint64_t stale_after) {
//   ct_load_options options = CT_LOAD_OPTIONS_INIT;
//   options.flags = flags;
//   options.timeout_ns = timeout;
//   options.stale_after_ns = stale_after;
//   return ct_go_get_or_load(cache, _GoStringPtr(key), _GoStringLen(key), call, &options);
// }
//
// static ct_go_value compute(ct_cache *cache, _GoString_ key, uintptr_t call) {
//   return ct_go_compute(cache, _GoStringPtr(key), _GoStringLen(key), call);
// }
//
// static ct_status result_set(ct_result *result, const unsigned char *data, size_t size) {
//   return ct_result_set(result, data, size);
// }
//
// static void result_tag(ct_result *result, _GoString_ tag) {
//   ct_result_tag(result, _GoStringPtr(tag), _GoStringLen(tag));
// }
import "C"

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Result is where a callback leaves its value. It lives as long as the callback runs.
type Result struct {
	handle *C.ct_result
	call   *call
	key    string // of a loader of many keys
}

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

// KeepTTL lets the value that Compute stores live as long as the old one would have. It is not for
// loads, which have none.
func (r *Result) KeepTTL() { C.ct_result_keep_ttl(r.handle) }

// Tag gives the value a tag, in addition to others: see EntryOptions.Tags.
func (r *Result) Tag(tag string) { C.result_tag(r.handle, tag) }

// Discard hands the value to the callers, but does not keep it.
func (r *Result) Discard() { C.ct_result_discard(r.handle) }

// Fail fails this key. It is as if the callback had returned the error, but of many keys, only this
// one fails. Of this and Set, the last one counts.
func (r *Result) Fail(err error) {
	if r.call.errs != nil {
		r.call.errs[r.key] = err
	} else {
		r.call.err = err
	}
	C.ct_result_fail(r.handle, r.call.statusOf(err))
}

// NotModified hands back the old value, which is to be renewed and is still right: its lifetime
// begins anew. Of this and Set, the last one counts. It is for loaders that see an Old value.
func (r *Result) NotModified() { C.ct_result_not_modified(r.handle) }

// Old shows a loader the value that it is to renew, so that it can ask whether that has changed. It
// is borrowed until the callback returns.
func (r *Result) Old() (old []byte, isThere bool) {
	var out C.ct_bytes
	if C.ct_result_old(r.handle, &out) != C.CT_OK {
		return nil, false
	}
	return borrowed(out.data, out.size), true
}

// LoadOptions say how to load; zero is the default.
type LoadOptions struct {
	// Timeout is how long to wait for the load of another caller; then the error is ErrBusy. 0: as
	// long as it takes. It does not end the caller's own load.
	Timeout time.Duration
	// StaleAfter is how long to wait for the renewal of a value past its deadline before that one
	// serves. 0: not at all.
	StaleAfter time.Duration
	// Force loads even if there is a value, or joins a load that runs. If that fails, the call fails,
	// and the old value stays.
	Force bool
}

// GetOrLoad looks a key up, and loads it if it is absent. However many goroutines ask, one of them
// loads, and the others wait for its value, each in a thread. load returns ErrMiss if there is no
// such value.
//
// If a load fails, all who wait fail: with its status if its error is a Status, else with ErrLoad.
// After ErrBusy, which says that only this call was cancelled, or ErrRecursion, one of them loads. A
// value to be renewed (see Options.RefreshAhead and Stale) stays if that fails, and may be handed
// out; IsStale tells whether it is past its deadline.
func (c *ByteCache) GetOrLoad(key string, load func(key []byte, result *Result) error) (Value, error) {
	return c.getOrLoad(key, &call{load: load}, LoadOptions{})
}

func (c *ByteCache) getOrLoad(key string, it *call, options LoadOptions) (Value, error) {
	defer runtime.KeepAlive(c)
	flags := C.uint32_t(0)
	if options.Force {
		flags = C.CT_LOAD_FORCE
	}
	var out C.ct_go_value
	during(it, func(handle C.uintptr_t) {
		out = C.get_or_load(c.handle, key, handle, flags, ticks(options.Timeout),
			ticks(options.StaleAfter))
	})
	value, err := c.value(out)
	return value, it.failure(err)
}

// loadKey is the key of contexts that loaders get.
type loadKey struct{}

// GetOrLoadWith is GetOrLoad with options and a context, which load gets, too. Once ctx is done, the
// call waits no longer for the load of another caller, and returns the error of ctx. A load that
// fails then fails its own caller only, and one of those who wait loads.
//
// A call that load makes with its context notices at the deadline of the context only that it is
// done, so that it can be told when it would wait for itself: ErrRecursion.
func (c *ByteCache) GetOrLoadWith(ctx context.Context, key string,
	load func(ctx context.Context, key []byte, result *Result) error,
	options LoadOptions) (Value, error) {
	within := context.WithValue(ctx, loadKey{}, true)
	it := &call{ctx: ctx, load: func(key []byte, result *Result) error {
		return load(within, key, result)
	}}
	wait := options
	if wait.Timeout < 0 {
		wait.Timeout = 1
	}
	isLimited := false // by ctx
	if deadline, isSet := ctx.Deadline(); isSet {
		left := time.Until(deadline)
		if left < 1 {
			left = 1
		}
		if wait.Timeout == 0 || left < wait.Timeout {
			wait.Timeout, isLimited = left, true
		}
	}
	if ctx.Done() == nil {
		return c.getOrLoad(key, it, wait)
	}
	if options.StaleAfter <= 0 { // most calls wait for nobody
		now := wait
		now.Timeout = 1
		value, err := c.getOrLoad(key, it, now)
		if err != ErrBusy || it.err != nil || options.Timeout < 0 {
			return value, err
		}
	}
	makeCall := c.wait
	if ctx.Value(loadKey{}) != nil {
		makeCall = c.getOrLoad
	}
	value, err := makeCall(key, it, wait)
	if err == ErrBusy && it.err == nil {
		if done := ctx.Err(); done != nil {
			err = done
		} else if isLimited {
			err = context.DeadlineExceeded // the timer of ctx is a little late
		}
	}
	return value, err
}

// The states of a call that waits in a goroutine of its own.
const (
	callWaits = iota
	callLoads
	callIsLeft // its caller has returned
	callIsOver
)

// wait makes a call from another goroutine, which the caller leaves behind when its context is done
// before that has begun to load.
func (c *ByteCache) wait(key string, it *call, options LoadOptions) (Value, error) {
	return it.wait(&c.left, func() (Value, error) { return c.getOrLoad(key, it, options) })
}

// wait is that for any call that loads. Calls that are left behind count in left.
func (it *call) wait(left *sync.WaitGroup, run func() (Value, error)) (Value, error) {
	var state atomic.Int32
	ctx, load := it.ctx, it.load
	it.load = func(key []byte, result *Result) error {
		if !state.CompareAndSwap(callWaits, callLoads) {
			return ctx.Err()
		}
		return load(key, result)
	}
	type outcome struct {
		value    Value
		err      error
		panicked any
	}
	over := make(chan outcome, 1)
	left.Add(1)
	go func() {
		defer left.Done()
		var out outcome
		defer func() {
			out.panicked = recover()
			if !state.CompareAndSwap(callWaits, callIsOver) && state.Load() == callIsLeft {
				out.value.Release()
				return
			}
			over <- out
		}()
		out.value, out.err = run()
	}()
	var out outcome
	select {
	case out = <-over:
	case <-ctx.Done():
		if state.CompareAndSwap(callWaits, callIsLeft) {
			return Value{}, ctx.Err()
		}
		out = <-over
	}
	if out.panicked != nil {
		panic(out.panicked)
	}
	return out.value, out.err
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
