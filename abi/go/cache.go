// SPDX-License-Identifier: MIT

package cachetools

import (
	"time"
	"unsafe"
)

// Cache holds values of a type by keys of a type. Keys are strings, bools, integers, and arrays and
// structs of these. Values are handed out as they are, not copied: change none that the cache
// holds. A value that has left the cache is the garbage collector's.
//
// All methods but Close are safe from any number of goroutines.
type Cache[K comparable, V any] struct {
	in      numbers
	keys    keys[K]
	slots   *slots[V]
	flights flights
}

// New makes a cache of at most maxsize entries; 0 is refused. Policies that require more options are
// for Open.
func New[K comparable, V any](policy Policy, maxsize uint64) (*Cache[K, V], error) {
	return Open(Options[K, V]{Policy: policy, Maxsize: maxsize})
}

// Open makes a cache. If the options or the type of keys are not allowed, the error is an
// ErrInvalid that says why.
//
// A cache that is forgotten is closed by the garbage collector, but never if its callbacks or its
// values refer to it.
func Open[K comparable, V any](options Options[K, V]) (*Cache[K, V], error) {
	keys, err := keysOf[K]()
	if err != nil {
		return nil, err
	}
	if options.WeightKind != WeightCount {
		return nil, invalid("WeightKind is for a ByteCache; Weigh weighs values")
	}
	slots := new(slots[V])
	drop := func(number uint64) {
		if value := slots.take(number); options.Drop != nil {
			options.Drop(value)
		}
	}
	in, err := OpenBytes(numbered(options, keys, slots, drop))
	if err != nil {
		return nil, err
	}
	return &Cache[K, V]{in: numbers{in, drop}, keys: keys, slots: slots}, nil
}

// numbered returns options of a cache of numbers. Its callbacks must not hold the cache.
func numbered[K comparable, V any](o Options[K, V], keys keys[K], slots *slots[V],
	drop func(uint64)) ByteOptions {
	value := func(number []byte) V {
		value, _ := slots.get(numberOf(number))
		return value
	}
	to := ByteOptions{
		Policy:  o.Policy,
		Maxsize: o.Maxsize,
		Shards:  o.Shards,
		Flags:   o.Flags,
		TTL:     o.TTL,
		TTI:     o.TTI,
		Seed:    o.Seed,

		RefreshAhead: o.RefreshAhead,
		Stale:        o.Stale,
		Retry:        o.Retry,
		NegativeTTL:  o.NegativeTTL,
		Jitter:       o.Jitter,

		Timer:      o.Timer,
		Choose:     o.Choose,
		NewEvictor: o.NewEvictor,
		Allocator:  o.Allocator,
		Drop:       func(number []byte) { drop(numberOf(number)) },
	}
	if o.TimeToUse != nil {
		to.TimeToUse = func(key, number []byte, now time.Duration) time.Duration {
			return o.TimeToUse(keys.decode(key), value(number), now)
		}
	}
	if o.Weigh != nil {
		to.Weigh = func(key, number []byte) uint64 { return o.Weigh(keys.decode(key), value(number)) }
	}
	if o.Listen != nil {
		to.Listen = func(it Event[[]byte, []byte]) {
			o.Listen(Event[K, V]{keys.decode(it.Key), value(it.Value), it.Weight, it.Cause})
		}
	}
	return to
}

// Close frees the cache, and drops its values. No other method may be running. Closing twice is
// harmless. Methods of a closed cache return ErrClosed; those without an error find nothing.
func (c *Cache[K, V]) Close() { c.in.Close() }

// Get looks a key up; a hit is a use.
func (c *Cache[K, V]) Get(key K) (value V, isThere bool) {
	encoded := c.keys.encode(key)
	for {
		number, isThere := c.in.get(encoded)
		if !isThere {
			return value, false
		}
		if value, isThere := c.slots.get(number); isThere {
			return value, true
		} // it has left just now
	}
}

// Peek looks a key up without a trace: this is no use, and nothing is counted.
func (c *Cache[K, V]) Peek(key K) (value V, isThere bool) {
	encoded := c.keys.encode(key)
	for {
		number, isThere := c.in.peek(encoded)
		if !isThere {
			return value, false
		}
		if value, isThere := c.slots.get(number); isThere {
			return value, true
		}
	}
}

// Contains returns whether a key is there and not expired. This is no use, and nothing is counted.
func (c *Cache[K, V]) Contains(key K) bool { return c.in.contains(c.keys.encode(key)) }

// Set stores a value. It returns ErrNotStored if its lifetime is over at once, and then the old
// value is gone, too; ErrTooLarge if it weighs more than Maxsize; or ErrNoMemory.
func (c *Cache[K, V]) Set(key K, value V) error {
	number := c.slots.put(value)
	return c.stored(number, c.in.set(c.keys.encode(key), number))
}

// InvalidateTag ends all values that carry a tag, at once, whatever their keys are: see
// EntryOptions.Tags.
func (c *Cache[K, V]) InvalidateTag(tag string) error { return c.in.InvalidateTag(tag) }

// SetTTL is Set with a lifetime of its own, such as 60 * time.Second. With one of 0 or less it returns
// ErrNotStored: see EntryOptions.
func (c *Cache[K, V]) SetTTL(key K, value V, ttl time.Duration) error {
	return c.SetWith(key, value, EntryOptions{Flags: EntryTTL, TTL: ttl})
}

// SetWith is Set with a lifetime, a weight or a condition of its own.
func (c *Cache[K, V]) SetWith(key K, value V, options EntryOptions) error {
	number := c.slots.put(value)
	return c.stored(number, c.in.setWith(c.keys.encode(key), number, options))
}

// stored takes back a number that was not stored.
func (c *Cache[K, V]) stored(number uint64, err error) error {
	if err != nil {
		c.slots.take(number)
	}
	return err
}

// GetOrSet reads a key, and stores the given value first if the key is absent. All who ask at the
// same time get the same value. If the given value is dead on arrival, it comes back with
// ErrNotStored.
func (c *Cache[K, V]) GetOrSet(key K, value V) (V, error) {
	encoded := c.keys.encode(key)
	number := c.slots.put(value)
	for {
		found, err := c.in.getOrSet(encoded, number)
		if err != nil || found == number {
			return value, c.stored(number, err)
		}
		if there, isThere := c.slots.get(found); isThere {
			c.slots.take(number)
			return there, nil
		}
	}
}

// Pop removes an entry and returns its value.
func (c *Cache[K, V]) Pop(key K) (value V, isThere bool) {
	popped, err := c.in.pop(c.keys.encode(key))
	if err != nil {
		return value, false
	}
	defer popped.Release()
	return c.slots.get(numberOf(popped.Bytes()))
}

// PopItem removes the policy's next victim.
func (c *Cache[K, V]) PopItem() (key K, value V, isThere bool) {
	text, popped, err := c.in.PopItem()
	if err != nil {
		return key, value, false
	}
	defer popped.Release()
	value, isThere = c.slots.get(numberOf(popped.Bytes()))
	return c.keys.decode([]byte(text)), value, isThere
}

// Delete removes an entry. It returns whether there was one.
func (c *Cache[K, V]) Delete(key K) bool { return c.in.delete(c.keys.encode(key)) }

// Clear removes all entries.
func (c *Cache[K, V]) Clear() { _ = c.in.Clear() }

// RemoveIf removes all entries that match, and returns how many.
func (c *Cache[K, V]) RemoveIf(match func(key K, value V) bool) int {
	return c.in.RemoveIf(func(key, number []byte) bool {
		value, isThere := c.slots.get(numberOf(number))
		return isThere && match(c.keys.decode(key), value)
	})
}

// Compute reads, changes and writes one entry, as if at once. change returns the new value; or
// ErrMiss to remove the entry, or ErrNotStored to leave it as it is; or an error of its own.
// Compute returns the value that is there afterwards, and the error of change.
//
// Computes of one key take turns. If another call has written the key meanwhile, change runs again,
// at most 16 times; then the error is ErrBusy, and nothing is changed. To compute a key within its
// own change is ErrRecursion. Never wait there for another goroutine that computes the key: the
// call would wait for ever.
func (c *Cache[K, V]) Compute(key K, change func(old V, isThere bool) (V, error)) (V, error) {
	var none V
	number, isMine := uint64(0), false // a value that the library has not stored
	takeBack := func() {
		if isMine {
			c.slots.take(number)
		}
		isMine = false
	}
	defer takeBack()
	left, err := c.in.Compute(c.keys.encode(key).string(), func(old []byte, result *Result) error {
		takeBack()
		before, isThere := none, false
		if old != nil {
			before, isThere = c.slots.get(numberOf(old))
		}
		after, err := change(before, isThere)
		if err != nil {
			return err
		}
		number, isMine = c.slots.put(after), true
		return result.Set(bytesOf(number))
	})
	defer left.Release()
	if err != nil && err != ErrNotStored {
		return none, err
	}
	value, _ := c.slots.get(numberOf(left.Bytes()))
	isMine = isMine && err != nil
	return value, err
}

// Walk shows the entries in an order until yield returns false. This uses nothing and counts
// nothing. An entry that is there and unwritten throughout is seen once. Walk returns
// ErrUnsupported for Coldest and Hottest with RR, ADAPTIVE and CUSTOM, or ErrNoMemory.
func (c *Cache[K, V]) Walk(order Order, yield func(key K, value V) bool) error {
	iter, err := c.in.Iter(order)
	if err != nil {
		return err
	}
	defer iter.Close()
	for iter.Next() {
		value, _ := c.slots.get(numberOf(iter.Value()))
		if !yield(c.keys.decode(iter.Key()), value) {
			return nil
		}
	}
	return iter.Err()
}

// All returns a walk in any order for range, in Go 1.23 or later:
//
//	for key, value := range cache.All() { ... }
//
// The walk panics if there is no memory for it.
func (c *Cache[K, V]) All() func(yield func(key K, value V) bool) {
	return func(yield func(key K, value V) bool) {
		if err := c.Walk(AnyOrder, yield); err != nil && err != ErrClosed {
			panic(err)
		}
	}
}

// Len counts the entries, after removing expired ones.
func (c *Cache[K, V]) Len() int { return c.in.Len() }

// Weight sums the weights, after removing expired entries.
func (c *Cache[K, V]) Weight() uint64 { return c.in.Weight() }

// Maxsize returns the limit.
func (c *Cache[K, V]) Maxsize() uint64 { return c.in.Maxsize() }

// Memory returns the bytes that the library holds and those of the table of values, which does not
// shrink; not the bytes of the values.
func (c *Cache[K, V]) Memory() uint64 {
	return c.in.Memory() + uint64(c.slots.made.Load())*uint64(unsafe.Sizeof(slot[V]{}))
}

// Resize sets another limit, then evicts until it holds.
func (c *Cache[K, V]) Resize(maxsize uint64) error { return c.in.Resize(maxsize) }

// SetLifetime gives an entry another lifetime, from now on; up to 0 ends it. It returns ErrMiss if
// there is none.
func (c *Cache[K, V]) SetLifetime(key K, ttl time.Duration) error {
	return c.in.SetLifetime(c.keys.encode(key).string(), ttl)
}

// Inspect returns what is known of an entry, or ErrMiss.
func (c *Cache[K, V]) Inspect(key K) (EntryInfo, error) {
	return c.in.Inspect(c.keys.encode(key).string())
}

// Expire removes the entries whose deadline has passed, and returns how many. Other calls do this
// as they go, so that it is needed for Listen and Drop only.
func (c *Cache[K, V]) Expire() int { return c.in.Expire(nil) }

// Stats returns the counters; those of a closed cache are 0.
func (c *Cache[K, V]) Stats() Stats {
	stats, _ := c.in.Stats()
	return stats
}

// MissRatios is as ByteCache.MissRatios.
func (c *Cache[K, V]) MissRatios(scales ...float64) ([]float64, error) {
	return c.in.MissRatios(scales...)
}

// ResetStats counts from zero again.
func (c *Cache[K, V]) ResetStats() { _ = c.in.ResetStats() }
