// SPDX-License-Identifier: MIT

package cachetools

// #include "callbacks.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"unsafe"
)

// KeyErrors are the errors of those keys of a call that failed, each alone. errors.Is and errors.As
// find any of them.
type KeyErrors[K comparable] map[K]error

// Error tells how many keys failed, and one of the errors.
func (e KeyErrors[K]) Error() string {
	for key, err := range e {
		return fmt.Sprintf("cachetools: %d keys failed, of them %v: %v", len(e), key, err)
	}
	return "cachetools: no key failed"
}

// Is returns whether a key failed with target.
func (e KeyErrors[K]) Is(target error) bool {
	for _, err := range e {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// As finds an error of a type that a key failed with.
func (e KeyErrors[K]) As(target any) bool {
	for _, err := range e {
		if errors.As(err, target) {
			return true
		}
	}
	return false
}

// answerOf returns what a loader of many keys has answered for one.
func answerOf[K comparable, V any](key K, values map[K]V, err error) (value V, _ error) {
	if each, isEach := err.(KeyErrors[K]); isEach {
		err = each[key]
	}
	if err != nil {
		return value, err
	}
	value, isThere := values[key]
	if !isThere {
		return value, ErrMiss
	}
	return value, nil
}

// GetOrLoadMany is GetOrLoad for many keys, by one query for those that are absent. It returns the
// values that there are. If keys fail, the error is a KeyErrors[K] of these.
//
// load is called once, with the keys that nobody else is loading, each of them once. It returns what
// it has found; there is no value for the other keys, and all who wait for these are told, as by
// ErrMiss. If it returns a KeyErrors[K], only the keys in there fail; with another error all do, as
// far as no old value serves. After that the call waits for the loads of others, until ctx is done.
// It loads a key that one of them has given up by one more call of load.
func (c *Cache[K, V]) GetOrLoadMany(ctx context.Context, keys []K,
	load func(ctx context.Context, absent []K) (map[K]V, error)) (map[K]V, error) {
	found, failed := make(map[K]V, len(keys)), KeyErrors[K]{}
	answer := func(key K, value V, err error) {
		if err == nil {
			found[key] = value
		} else if !isMiss(err) {
			failed[key] = err
		}
	}
	batch := c.beginBatch(ctx, keys, answer)
	c.loadBatch(ctx, batch, load, answer)
	for _, key := range batch.others { // this call holds no lease any more
		value, err := c.GetOrLoad(ctx, key, func(ctx context.Context, key K) (V, error) {
			values, err := load(ctx, []K{key})
			return answerOf(key, values, err)
		})
		answer(key, value, err)
	}
	if len(failed) != 0 {
		return found, failed
	}
	return found, nil
}

// batch is a load of many keys. Who waits for one of them waits for the batch.
type batch[K comparable, V any] struct {
	flight
	absent []K
	loads  []*valueFlight // of the absent keys
	others []K            // that others load
}

// look looks a key up, or takes its lease.
func (c *Cache[K, V]) look(key encoded) (value V, out C.ct_go_number) {
	for {
		out = c.in.getOrLease(key)
		if out.status != C.CT_OK && out.status != C.CT_STALE {
			return value, out
		}
		if value, isThere := c.slots.get(uint64(out.number)); isThere {
			return value, out
		} // it has left just now
	}
}

// beginBatch looks keys up, and takes the leases of those that are absent.
func (c *Cache[K, V]) beginBatch(ctx context.Context, keys []K,
	answer func(K, V, error)) *batch[K, V] {
	it := &batch[K, V]{flight: flight{within: flightOf(ctx)}}
	isKnown := make(map[K]bool, len(keys))
	for _, key := range keys {
		if isKnown[key] {
			continue
		}
		isKnown[key] = true
		encoded := c.keys.encode(key)
		value, out := c.look(encoded)
		switch out.status {
		case C.CT_LEASED, C.CT_RENEW:
			load := c.flights.begin(encoded, out, nil)
			load.beginWait(&it.flight) // which waits for nothing yet
			it.absent, it.loads = append(it.absent, key), append(it.loads, load)
		case C.CT_BUSY:
			it.others = append(it.others, key)
		default:
			answer(key, value, c.in.check(out.status))
		}
	}
	return it
}

// loadBatch loads the keys that are absent.
func (c *Cache[K, V]) loadBatch(ctx context.Context, it *batch[K, V],
	load func(context.Context, []K) (map[K]V, error), answer func(K, V, error)) {
	if len(it.loads) == 0 {
		return
	}
	it.within.beginWait(&it.flight)
	defer it.within.endWait(&it.flight)
	defer func() { // also on a panic
		for _, load := range it.loads {
			c.end(load)
		}
	}()
	within := context.WithValue(ctx, flightKey{}, &it.flight)
	values, err := load(within, append([]K(nil), it.absent...)) // which load may change
	for i, key := range it.absent {
		value, err := answerOf(key, values, err)
		value, _, err = c.land(ctx, it.loads[i], value, EntryOptions{}, err)
		answer(key, value, err)
	}
}

// GetOrLoadMany is GetOrLoadWith for many keys, by one query for those that are absent. Each key has
// a value or an error of its own, in each, at its place; ErrMiss is one, too. Release the values. If
// the call as a whole is refused, there are none, and err says why.
//
// load is called once, with the keys that nobody else is loading, each of them once. It hands what it
// has found to the results, which have the order of the keys: by Set, or by Fail for a key that fails
// alone. Where it does neither, there is no such value. If it returns an error, all of the keys fail,
// as far as no old value serves. After that the call waits for the loads of others, until ctx is
// done. It loads a key that one of them has given up by one more call of load.
func (c *ByteCache) GetOrLoadMany(ctx context.Context, keys []string,
	load func(ctx context.Context, absent []string, results []*Result) error) (
	values []Value, each []error, err error) {
	defer runtime.KeepAlive(c)
	if len(keys) == 0 {
		return nil, nil, nil
	}
	asked := newFlat(len(keys))
	defer flats.Put(asked)
	for _, key := range keys {
		asked.data = append(asked.data, key...)
		asked.end()
	}
	values, each = make([]Value, len(keys)), make([]error, len(keys))
	isOver := false
	defer func() {
		if !isOver { // on a panic, too
			for i := range values {
				values[i].Release()
			}
		}
	}()

	within := context.WithValue(ctx, loadKey{}, true)
	it := &call{ctx: ctx, errs: map[string]error{}}
	it.loadMany = func(keys []string, results []*Result) error { return load(within, keys, results) }
	raw := make([]C.ct_value, len(keys))
	during(it, func(handle C.uintptr_t) {
		status := C.ct_go_get_or_load_many(c.handle, unsafe.Pointer(data(asked.data)), &asked.ends[0],
			C.size_t(len(keys)), handle, &raw[0], &asked.statuses[0])
		err = c.check(status)
		for i := range values {
			values[i], each[i] = c.value(C.ct_go_value{value: raw[i], status: asked.statuses[i]})
		}
	})
	if err != nil {
		return nil, nil, err
	}
	first := map[string]int{} // of the keys that others load
	for i, key := range keys {
		failure, wasAsked := it.errs[key]
		switch {
		case each[i] == nil:
		case wasAsked:
			if failure != nil {
				each[i] = failure
			}
		case each[i] == ErrBusy:
			if same, isKnown := first[key]; isKnown {
				if each[i] = each[same]; each[i] == nil {
					values[i], each[i] = values[same].Ref()
				}
				continue
			}
			first[key] = i
			values[i], each[i] = c.GetOrLoadWith(ctx, key,
				func(ctx context.Context, key []byte, result *Result) error {
					return load(ctx, []string{string(key)}, []*Result{result})
				}, LoadOptions{})
		}
	}
	isOver = true
	return values, each, nil
}
