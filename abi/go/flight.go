// SPDX-License-Identifier: MIT

package cachetools

// #include "callbacks.h"
import "C"

import (
	"context"
	"errors"
	"runtime"
	"sync"
)

// GetOrLoad looks a key up, and loads it if it is absent. However many goroutines ask, one of them
// loads, and the others wait for its value. They wait as goroutines do, and keep no thread. One
// whose ctx is done waits no longer, and returns its error.
//
// If a load fails, all who wait fail with its error, ErrMiss included, which says that there is no
// such value. But a load whose ctx is done by then, that panics, or that returns ErrBusy or
// ErrRecursion, fails its own caller only: the next one who waits loads. So it is with a value that
// is not kept, because it weighs too much or is dead on arrival, or as the key was set or deleted
// meanwhile. Options.TimeToUse may give each value a lifetime of its own.
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
	encoded := c.keys.encode(key)
	for {
		out := c.in.getOrLease(encoded)
		switch out.status {
		case C.CT_OK, C.CT_STALE:
			if value, isThere := c.slots.get(uint64(out.number)); isThere {
				return value, out.status == C.CT_STALE, nil
			}
			continue // it has left just now
		case C.CT_LEASED, C.CT_RENEW:
			it := c.flights.begin(encoded, out, flightOf(ctx))
			return c.load(ctx, it, func(ctx context.Context) (V, error) { return load(ctx, key) })
		case C.CT_BUSY:
		default:
			return value, false, c.in.check(out.status)
		}
		it, isLanding := c.flights.find(encoded.string())
		if it == nil { // it has just begun, or is over
			runtime.Gosched()
			continue
		}
		if err := it.wait(ctx); err != nil {
			return value, false, err
		}
		if it.err != nil {
			c.sharedFailures.Add(1)
			return value, false, it.err
		}
		if it.isKept && !isLanding {
			c.waits.Add(1)
			return it.value, false, nil
		}
	}
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
func (c *Cache[K, V]) load(ctx context.Context, it *valueFlight[V],
	load func(context.Context) (V, error)) (value V, isStale bool, err error) {
	defer c.end(it) // also on a panic
	value, err = load(context.WithValue(ctx, flightKey{}, &it.flight))
	return c.land(ctx, it, value, err)
}

// land ends the lease of a load with what it has brought. If a renewal has failed, the old value
// serves.
func (c *Cache[K, V]) land(ctx context.Context, it *valueFlight[V], value V,
	err error) (V, bool, error) {
	var none V
	lease := it.lease
	if err != nil {
		if !concernsAll(ctx, err) {
			return none, false, err
		}
		it.err, it.lease = err, nil
		c.in.fail(lease, failureOf(err))
		if it.isRenewal && !isMiss(err) {
			if old, isStale, isThere := c.old(it.key); isThere {
				return old, isStale, nil
			}
		}
		return none, false, err
	}
	number := c.slots.put(value)
	c.flights.land(it)
	it.lease = nil
	switch err := c.stored(number, c.in.fulfil(lease, number)); err {
	case nil:
		it.value, it.isKept = value, true
		return value, false, nil
	case ErrNotStored:
		return value, false, nil
	default:
		return none, false, err
	}
}

// end wakes all who wait for a load. If it has not landed, it is given up.
func (c *Cache[K, V]) end(it *valueFlight[V]) {
	if it.lease != nil {
		c.in.abandon(it.lease)
		it.lease = nil
	}
	c.flights.end(it)
}

// flight is a running load.
type flight struct {
	done     chan struct{}
	within   *flight   // the load that began it
	waitsFor []*flight // guarded by rings
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

// wait waits until the load is over.
func (f *flight) wait(ctx context.Context) error {
	by := flightOf(ctx)
	if !by.beginWait(f) {
		return ErrRecursion
	}
	defer by.endWait(f)
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// valueFlight is a load of a value.
type valueFlight[V any] struct {
	flight
	key       encoded
	lease     *C.ct_lease // nil: the load has landed
	isRenewal bool
	isLanding bool // guarded by flights
	// All are written before done is closed.
	value  V
	isKept bool
	err    error // of those who wait
}

// flights are the loads of a cache by key. The lease of a key comes from the library, so that
// whatever invalidates the key overtakes its load; those who find the key leased wait here.
//
// Who finds a load may take its value only if no call that has returned by then has invalidated
// the key since. An invalidation before the lease is fulfilled makes the library refuse the value;
// who comes after isLanding was set looks again.
type flights[V any] struct {
	mutex   sync.Mutex
	running map[string]*valueFlight[V]
}

// begin enters the load of a key whose lease was taken. One that was overtaken gives its place up.
func (f *flights[V]) begin(key encoded, taken C.ct_go_number, within *flight) *valueFlight[V] {
	it := &valueFlight[V]{flight: flight{done: make(chan struct{}), within: within}, key: key,
		lease: taken.lease, isRenewal: taken.status == C.CT_RENEW}
	within.beginWait(&it.flight)
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.running == nil {
		f.running = map[string]*valueFlight[V]{}
	}
	f.running[key.string()] = it
	return it
}

func (f *flights[V]) find(key string) (it *valueFlight[V], isLanding bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if it = f.running[key]; it == nil {
		return nil, false
	}
	return it, it.isLanding
}

// land says that the lease is about to be fulfilled.
func (f *flights[V]) land(it *valueFlight[V]) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	it.isLanding = true
}

// end wakes all who wait. The lease must be over.
func (f *flights[V]) end(it *valueFlight[V]) {
	it.within.endWait(&it.flight)
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if key := it.key.string(); f.running[key] == it {
		delete(f.running, key)
	}
	close(it.done)
}
