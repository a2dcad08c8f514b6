// SPDX-License-Identifier: MIT

package cachetools

// #include "callbacks.h"
import "C"

import (
	"context"
	"errors"
	"runtime"
	"runtime/cgo"
	"sync"
)

// GetOrLoad looks a key up, and loads it if it is absent. However many goroutines ask, one of them
// loads, and the others wait for its value. They wait as goroutines do, and keep no thread. One
// whose ctx is done waits no longer, and returns its error.
//
// If a load fails, all who wait fail with its error, ErrMiss included, which says that there is no
// such value. But a load whose ctx is done by then, that panics, or that returns ErrBusy or
// ErrRecursion, fails its own caller only: the next one who waits loads. If the key is set while it
// loads, all who wait get that value at once. What a load then brings is for its own caller, as is an
// error; if the key was deleted, or the value weighs too much or is dead on arrival, it is also for
// those who waited already. It is not kept. Options.TimeToUse may give each value a lifetime of its
// own.
//
// With Options.RefreshAhead or Stale, one caller renews a value, and the others get the old one at
// once. If a renewal fails, its caller gets the old one, too.
//
// load gets the key, and a context that knows of the load: asked for a key with it, GetOrLoad
// returns ErrRecursion where it would wait for itself, also through loads of other goroutines and
// caches. With another context it would wait for ever.
func (c *Cache[K, V]) GetOrLoad(ctx context.Context, key K,
	load func(ctx context.Context, key K) (V, error)) (value V, err error) {
	value, _, err = c.GetStaleOrLoad(ctx, key, load)
	return value, err
}

// GetStaleOrLoad is GetOrLoad, and tells whether the value is past its deadline: a newer one could
// not be loaded yet. See Options.Stale.
func (c *Cache[K, V]) GetStaleOrLoad(ctx context.Context, key K,
	load func(ctx context.Context, key K) (V, error)) (value V, isStale bool, err error) {
	return c.GetOrLoadWith(ctx, key, func(ctx context.Context, key K) (V, EntryOptions, error) {
		value, err := load(ctx, key)
		return value, EntryOptions{}, err
	})
}

// GetOrLoadWith is GetStaleOrLoad with a loader that may give its value a lifetime, a weight or tags
// of its own. Conditions are not for loads: ErrInvalid.
func (c *Cache[K, V]) GetOrLoadWith(ctx context.Context, key K,
	load func(ctx context.Context, key K) (V, EntryOptions, error)) (
	value V, isStale bool, err error) {
	encoded := c.keys.encode(key)
	for {
		found, out := c.look(encoded)
		var on *valueFlight // which this call has waited for
		if out.status == C.CT_BUSY {
			if on = c.flights.find(encoded.string()); on == nil { // it has just begun, or is over
				runtime.Gosched()
				continue
			}
			if found, out, err = c.await(ctx, encoded, on); err != nil {
				return value, false, err
			}
		}
		switch out.status {
		case C.CT_OK, C.CT_STALE:
			return found, out.status == C.CT_STALE, nil
		case C.CT_LEASED, C.CT_RENEW:
			it := c.flights.begin(encoded, out, flightOf(ctx))
			it.succeed(on)
			return c.load(ctx, it, func(ctx context.Context) (V, EntryOptions, error) {
				return load(ctx, key)
			})
		case C.CT_BUSY: // its value has left just now
		default:
			return value, false, c.in.check(out.status)
		}
	}
}

// answer is what has come of a wait.
type answer[V any] struct {
	out   C.ct_go_number
	value V
	err   error
}

// waiter is a wait for the load of another goroutine. done is called once, while that load ends: only
// then are its value or its error sure to be there.
type waiter interface {
	done(out C.ct_go_number)
}

type valueWaiter[K comparable, V any] struct {
	cache  *Cache[K, V]
	answer chan answer[V] // has room for it
}

func (w *valueWaiter[K, V]) done(out C.ct_go_number) { w.answer <- w.cache.answerOf(out) }

// answerOf reads what a look-up has found: a value, or the error of a load.
func (c *Cache[K, V]) answerOf(out C.ct_go_number) (it answer[V]) {
	it.out = out
	switch out.status {
	case C.CT_OK, C.CT_STALE:
		var isThere bool
		if it.value, isThere = c.slots.get(uint64(out.number)); !isThere {
			it.out.status = C.CT_BUSY // look again
		}
	case C.CT_LEASED, C.CT_RENEW, C.CT_BUSY, C.CT_PENDING:
	default:
		if it.err = c.flights.failure(int32(out.status)); it.err == nil {
			it.err = c.in.check(out.status)
		}
	}
	return it
}

// await waits for a load in the library, so that whatever ends it there ends the wait. Where the
// status is CT_BUSY, look again.
func (c *Cache[K, V]) await(ctx context.Context, key encoded, on *valueFlight) (
	value V, out C.ct_go_number, err error) {
	by := flightOf(ctx)
	if !by.beginWait(&on.flight) {
		return value, out, ErrRecursion
	}
	defer by.endWait(&on.flight)
	w := &valueWaiter[K, V]{c, make(chan answer[V], 1)}
	handle := cgo.NewHandle(waiter(w))
	defer handle.Delete()
	it := c.in.await(key, handle, ctx.Done() != nil)
	if it.found.status != C.CT_PENDING {
		found := c.answerOf(it.found)
		return found.value, found.out, found.err
	}
	found := w.wait(ctx, it.wait)
	return found.value, found.out, found.err
}

// wait waits until it is told, or ctx is done.
func (w *valueWaiter[K, V]) wait(ctx context.Context, cancels *C.ct_wait) answer[V] {
	select {
	case found := <-w.answer:
		C.ct_wait_cancel(cancels)
		return found
	case <-ctx.Done():
	}
	if !C.ct_wait_cancel(cancels) {
		found := <-w.answer
		if found.out.lease == nil {
			return found
		}
		w.cache.in.abandon(found.out.lease)
	}
	return answer[V]{err: ctx.Err()}
}

// concernsAll returns whether the failure of a load with a context is that of those who wait, too.
func concernsAll(ctx context.Context, err error) bool {
	return ctx.Err() == nil && !errors.Is(err, ErrBusy) && !errors.Is(err, ErrRecursion)
}

func isMiss(err error) bool { return errors.Is(err, ErrMiss) }

// old returns the value that a failed renewal has left, unless it was invalidated meanwhile.
func (c *Cache[K, V]) old(key encoded) (value V, isStale, isThere bool) {
	out := c.in.getOrLease(key)
	if out.lease != nil {
		c.in.abandon(out.lease)
	}
	switch out.status {
	case C.CT_OK, C.CT_STALE:
		isStale = out.status == C.CT_STALE
	case C.CT_RENEW: // it is time to try again, already
		isStale = !c.in.contains(key)
	default:
		return value, false, false
	}
	value, isThere = c.slots.get(uint64(out.number))
	return value, isStale, isThere
}

// load loads a key whose lease this call has.
func (c *Cache[K, V]) load(ctx context.Context, it *valueFlight,
	load func(context.Context) (V, EntryOptions, error)) (value V, isStale bool, err error) {
	defer c.end(it) // also on a panic
	value, options, err := load(context.WithValue(ctx, flightKey{}, &it.flight))
	return c.land(ctx, it, value, options, err)
}

// land ends the lease of a load with what it has brought. If a renewal has failed, the old value
// serves.
func (c *Cache[K, V]) land(ctx context.Context, it *valueFlight, value V, options EntryOptions,
	err error) (V, bool, error) {
	var none V
	if err != nil {
		if !concernsAll(ctx, err) {
			return none, false, err
		}
		c.fail(it, err)
		if it.isRenewal && !isMiss(err) {
			if old, isStale, isThere := c.old(it.key); isThere {
				return old, isStale, nil
			}
		}
		return none, false, err
	}
	number := c.slots.put(value)
	err = c.stored(number, c.in.fulfil(it.takeLease(), number, options))
	if err != nil && err != ErrNotStored {
		return none, false, err
	}
	return value, false, nil
}

// fail ends the lease of a load that has failed. All who wait are told of the error before that
// returns.
func (c *Cache[K, V]) fail(it *valueFlight, err error) {
	status := C.ct_status(C.CT_MISS)
	if !isMiss(err) {
		status = C.ct_status(c.flights.keep(err))
		defer c.flights.forget(int32(status))
	}
	c.in.fail(it.takeLease(), status)
}

// end ends a load. If it has not landed, it is given up.
func (c *Cache[K, V]) end(it *valueFlight) {
	if it.lease != nil {
		c.in.abandon(it.takeLease())
	}
	c.flights.end(it)
}

// flight is a running load.
type flight struct {
	within *flight // the load that began it
	// Guarded by rings.
	waitsFor []*flight
	next     *flight // whose lease one who waited for this one has got
}

// rings guards what loads of all caches wait for, so that they never wait in a ring.
var rings sync.Mutex

type flightKey struct{}

// flightOf returns the load that a context was given to, or nil.
func flightOf(ctx context.Context) *flight {
	it, _ := ctx.Value(flightKey{}).(*flight)
	return it
}

func (f *flight) reaches(other *flight) bool {
	for f.next != nil {
		f = f.next
	}
	for _, next := range f.waitsFor {
		if next.reaches(other) {
			return true
		}
	}
	return f == other
}

// beginWait returns false if a ring would close.
func (f *flight) beginWait(other *flight) bool {
	if f == nil {
		return true
	}
	rings.Lock()
	defer rings.Unlock()
	if other.reaches(f) {
		return false
	}
	f.waitsFor = append(f.waitsFor, other)
	return true
}

func (f *flight) endWait(other *flight) {
	if f == nil {
		return
	}
	rings.Lock()
	defer rings.Unlock()
	for i, it := range f.waitsFor {
		if it == other {
			f.waitsFor = append(f.waitsFor[:i], f.waitsFor[i+1:]...)
			return
		}
	}
}

// succeed says that this is the load of what another was given up for, unless that is nil.
func (f *flight) succeed(other *valueFlight) {
	if other == nil {
		return
	}
	rings.Lock()
	defer rings.Unlock()
	other.next = f
}

// valueFlight is the load of a key.
type valueFlight struct {
	flight
	key       encoded
	lease     *C.ct_lease // nil: the load has landed
	isRenewal bool
}

func (f *valueFlight) takeLease() *C.ct_lease {
	lease := f.lease
	f.lease = nil
	return lease
}

// flights are the loads of a cache by key. Who loads a key and who waits is the library's business,
// so that whatever invalidates the key overtakes its load. Here is what the library does not know:
// which loads wait for each other, and errors.
type flights struct {
	mutex    sync.Mutex
	running  map[string]*valueFlight
	failures map[int32]error // of loads that end, by the status that says so
	last     int32
}

// begin enters the load of a key whose lease was taken. One that was overtaken gives its place up.
func (f *flights) begin(key encoded, taken C.ct_go_number, within *flight) *valueFlight {
	it := &valueFlight{flight: flight{within: within}, key: key, lease: taken.lease,
		isRenewal: taken.status == C.CT_RENEW}
	within.beginWait(&it.flight)
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.running == nil {
		f.running = map[string]*valueFlight{}
	}
	f.running[key.string()] = it
	return it
}

func (f *flights) find(key string) *valueFlight {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.running[key]
}

// end takes a load out. The lease must be over.
func (f *flights) end(it *valueFlight) {
	it.within.endWait(&it.flight)
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if key := it.key.string(); f.running[key] == it {
		delete(f.running, key)
	}
}

// keep keeps an error, and returns a status of its own for it: below callbackFailed.
func (f *flights) keep(err error) int32 {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.failures == nil {
		f.failures = map[int32]error{}
	}
	for {
		f.last++
		if f.last <= 0 {
			f.last = 1
		}
		status := callbackFailed - f.last%(1<<30)
		if _, isTaken := f.failures[status]; !isTaken {
			f.failures[status] = err
			return status
		}
	}
}

func (f *flights) failure(status int32) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.failures[status]
}

func (f *flights) forget(status int32) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	delete(f.failures, status)
}
