// SPDX-License-Identifier: MIT

package cachetools

// #include "callbacks.h"
//
// typedef struct ct_go_size { size_t size; ct_status status; } ct_go_size;
//
// /* A value that fits into the room is copied there, and the value returned has a size only. Others
//    are pinned; all are if room is NULL. */
// static ct_go_value get(ct_cache *cache, _GoString_ key, unsigned char *room, size_t capacity) {
//   const char *data = _GoStringPtr(key);
//   const size_t size = _GoStringLen(key);
//   ct_go_value out = {.status = CT_ERR_BUFFER};
//   if (room != NULL)
//     out.status = ct_get_copy(cache, data, size, room, capacity, &out.value.size);
//   if (out.status == CT_ERR_BUFFER) out.status = ct_get(cache, data, size, &out.value);
//   return out;
// }
//
// static ct_go_value peek(ct_cache *cache, _GoString_ key) {
//   ct_go_value out;
//   out.status = ct_peek(cache, _GoStringPtr(key), _GoStringLen(key), &out.value);
//   return out;
// }
//
// static ct_go_value pop(ct_cache *cache, _GoString_ key) {
//   ct_go_value out;
//   out.status = ct_pop(cache, _GoStringPtr(key), _GoStringLen(key), &out.value);
//   return out;
// }
//
// static ct_go_size get_copy(ct_cache *cache, _GoString_ key, unsigned char *buffer,
//                            size_t capacity) {
//   ct_go_size out;
//   out.status = ct_get_copy(cache, _GoStringPtr(key), _GoStringLen(key), buffer, capacity,
//                            &out.size);
//   return out;
// }
//
// static bool contains(ct_cache *cache, _GoString_ key) {
//   return ct_contains(cache, _GoStringPtr(key), _GoStringLen(key));
// }
//
// static ct_status set(ct_cache *cache, _GoString_ key, const unsigned char *value, size_t size) {
//   return ct_set(cache, _GoStringPtr(key), _GoStringLen(key), value, size);
// }
//
// static ct_status set_ttl(ct_cache *cache, _GoString_ key, const unsigned char *value, size_t size,
//                          uint64_t ttl) {
//   return ct_set_ttl(cache, _GoStringPtr(key), _GoStringLen(key), value, size, ttl);
// }
//
// static ct_status set_with(ct_cache *cache, _GoString_ key, const unsigned char *value,
//                           size_t size, const ct_entry_options *options) {
//   return ct_set_with(cache, _GoStringPtr(key), _GoStringLen(key), value, size, options);
// }
//
// static ct_go_value setdefault(ct_cache *cache, _GoString_ key, const unsigned char *value,
//                               size_t size) {
//   ct_go_value out;
//   out.status = ct_setdefault(cache, _GoStringPtr(key), _GoStringLen(key), value, size,
//                              &out.value);
//   return out;
// }
//
// static ct_status delete(ct_cache *cache, _GoString_ key) {
//   return ct_delete(cache, _GoStringPtr(key), _GoStringLen(key));
// }
//
// static ct_status delete_if(ct_cache *cache, _GoString_ key, ct_value same) {
//   return ct_delete_if(cache, _GoStringPtr(key), _GoStringLen(key), &same);
// }
//
// typedef struct ct_go_sum { int64_t sum; ct_status status; } ct_go_sum;
//
// static ct_go_sum add(ct_cache *cache, _GoString_ key, int64_t delta, int64_t initial,
//                      const ct_entry_options *options) {
//   ct_go_sum out;
//   out.status = ct_add(cache, _GoStringPtr(key), _GoStringLen(key), delta, initial, options,
//                       &out.sum);
//   return out;
// }
//
// static ct_status invalidate_tag(ct_cache *cache, _GoString_ tag) {
//   return ct_invalidate_tag(cache, _GoStringPtr(tag), _GoStringLen(tag), 0);
// }
import "C"

import (
	"runtime"
	"sync"
	"time"
)

// ByteCache is a cache of bytes by strings. All methods but Close are safe from any number of
// goroutines.
type ByteCache struct {
	handle    *C.ct_cache
	callbacks *callbacks
	owner     *memoState     // of one that is a memo's own
	left      sync.WaitGroup // calls whose callers wait no longer
}

// NewBytes makes a cache of at most maxsize entries; 0 is refused. Policies that require more options
// are for OpenBytes.
func NewBytes(policy Policy, maxsize uint64) (*ByteCache, error) {
	return OpenBytes(ByteOptions{Policy: policy, Maxsize: maxsize})
}

// OpenBytes makes a cache. If the options are not allowed, the error is an ErrInvalid that says
// why, as Problem does.
func OpenBytes(options ByteOptions) (*ByteCache, error) {
	if problem := options.Problem(); problem != "" {
		return nil, invalid(problem)
	}
	cache := &ByteCache{callbacks: callbacksFor(options)}
	plain := options.plain()
	status := C.ct_go_cache_new(&plain, options.set(), cache.callbacks.uintptr(), &cache.handle)
	if status != C.CT_OK {
		cache.callbacks.letGo()
		return nil, check(status)
	}
	runtime.SetFinalizer(cache, (*ByteCache).Close)
	return cache, nil
}

// Close frees the cache. No other method may be running, and no walk or lease of the cache may be
// left. Values stay readable until they are released. Closing twice is harmless. Methods of a
// closed cache return ErrClosed; those without an error, such as Len, Contains and RemoveIf,
// return 0 or false. Close does not close a memo's own cache: the memo does.
func (c *ByteCache) Close() {
	if c.handle == nil || c.owner != nil {
		return
	}
	runtime.SetFinalizer(c, nil)
	c.left.Wait()
	C.ct_cache_free(c.handle)
	c.handle = nil
	c.callbacks.letGo()
}

// check turns the status of a call with the cache into an error.
func (c *ByteCache) check(status C.ct_status) error { return checkOpen(c.handle != nil, status) }

// value takes ownership of a value, and turns its status into an error.
func (c *ByteCache) value(out C.ct_go_value) (Value, error) {
	value := c.callbacks.value(out.value)
	value.isStale = out.status == C.CT_STALE
	return value, c.check(out.status)
}

// Get looks a key up; a hit is a use. It returns ErrMiss if the key is not there. It copies a value
// of up to 1 KiB instead of pinning it, unless the cache has Drop or Allocator.
func (c *ByteCache) Get(key string) (Value, error) {
	defer runtime.KeepAlive(c)
	if c.callbacks.areHeld() {
		return c.value(C.get(c.handle, key, nil, 0))
	}
	copied := rooms.Get().(*room)
	out := C.get(c.handle, key, data(copied.bytes[:]), C.size_t(len(copied.bytes)))
	if out.status == C.CT_OK && out.value.data == nil {
		copied.size = int(out.value.size)
		return Value{copied: copied}, nil
	}
	rooms.Put(copied)
	return c.value(out)
}

// Hold is Get, but always pins the value, so that it is a version of its key: for DeleteIf, and for
// EntryOptions.Same.
func (c *ByteCache) Hold(key string) (Value, error) {
	defer runtime.KeepAlive(c)
	return c.value(C.get(c.handle, key, nil, 0))
}

// Peek looks a key up without a trace: this is no use, and nothing is counted.
func (c *ByteCache) Peek(key string) (Value, error) {
	defer runtime.KeepAlive(c)
	return c.value(C.peek(c.handle, key))
}

// GetAppend appends the value to a buffer, and grows the buffer if needed.
func (c *ByteCache) GetAppend(buffer []byte, key string) ([]byte, error) {
	defer runtime.KeepAlive(c)
	for {
		room := buffer[len(buffer):cap(buffer)]
		out := C.get_copy(c.handle, key, data(room), C.size_t(len(room)))
		if out.status == C.CT_OK {
			return buffer[:len(buffer)+int(out.size)], nil
		}
		if out.status != C.CT_ERR_BUFFER {
			return buffer, c.check(out.status)
		}
		buffer = append(buffer, make([]byte, out.size)...)[:len(buffer)]
	}
}

// Contains returns whether a key is there and not expired.
func (c *ByteCache) Contains(key string) bool {
	defer runtime.KeepAlive(c)
	return bool(C.contains(c.handle, key))
}

// Set stores a copy of the value.
func (c *ByteCache) Set(key string, value []byte) error {
	defer runtime.KeepAlive(c)
	return c.check(C.set(c.handle, key, data(value), C.size_t(len(value))))
}

// SetTTL stores a value with a lifetime of its own, such as 60 * time.Second. With one of 0 or less
// it returns ErrNotStored: see EntryOptions.
func (c *ByteCache) SetTTL(key string, value []byte, ttl time.Duration) error {
	defer runtime.KeepAlive(c)
	return c.check(C.set_ttl(c.handle, key, data(value), C.size_t(len(value)), ticks(ttl)))
}

// SetWith stores a value with a lifetime, a weight or a condition of its own.
func (c *ByteCache) SetWith(key string, value []byte, options EntryOptions) error {
	defer runtime.KeepAlive(c)
	raw, block := options.lend()
	defer freeBlock(block)
	err := c.check(C.set_with(c.handle, key, data(value), C.size_t(len(value)), &raw))
	return c.explain(err, options, "")
}

// GetOrSet reads a key, and stores the given value first if the key is absent.
func (c *ByteCache) GetOrSet(key string, value []byte) (Value, error) {
	defer runtime.KeepAlive(c)
	return c.value(C.setdefault(c.handle, key, data(value), C.size_t(len(value))))
}

// Pop removes an entry and returns its value.
func (c *ByteCache) Pop(key string) (Value, error) {
	defer runtime.KeepAlive(c)
	return c.value(C.pop(c.handle, key))
}

// Delete removes an entry.
func (c *ByteCache) Delete(key string) error {
	defer runtime.KeepAlive(c)
	return c.check(C.delete(c.handle, key))
}

// DeleteIf removes an entry if the key still has the very value that is held: see EntryOptions.Same.
// The error is ErrMiss if it has none, or ErrExists if it has another.
func (c *ByteCache) DeleteIf(key string, same *Value) error {
	defer runtime.KeepAlive(c)
	if same.copied != nil {
		return errCopied
	}
	return c.check(C.delete_if(c.handle, key, same.raw))
}

// Add adds to a counter, as if at once, and returns the sum, which never overflows. A counter is a
// value of 8 bytes, an int64 in the machine's order; another is ErrUnsupported. If the key is absent,
// Add stores initial + delta, for which the options count: a lifetime, a weight, tags; but with
// EntryIfPresent it returns ErrMiss. A counter that is there keeps its lifetime, so this alone limits
// a rate, in windows that begin with their first request.
func (c *ByteCache) Add(key string, delta, initial int64, options EntryOptions) (int64, error) {
	defer runtime.KeepAlive(c)
	raw, block := options.lend()
	defer freeBlock(block)
	out := C.add(c.handle, key, C.int64_t(delta), C.int64_t(initial), &raw)
	return int64(out.sum), c.explain(c.check(out.status), options,
		"Flags: a counter takes no EntryIfAbsent, EntryIfSame or EntryKeepTTL.")
}

// InvalidateTag ends all values that carry a tag, at once, whatever their keys are. What is loaded or
// computed from what was there before is not kept, either, if it carries the tag.
func (c *ByteCache) InvalidateTag(tag string) error {
	defer runtime.KeepAlive(c)
	return c.check(C.invalidate_tag(c.handle, tag))
}

// Copy makes a cache with the same options and the same entries, in the order in which they would
// leave. Callbacks serve both. What runs, and what is remembered as missing, is not copied. A cache
// with Drop cannot be copied: ErrUnsupported.
func (c *ByteCache) Copy() (*ByteCache, error) {
	defer runtime.KeepAlive(c)
	second := &ByteCache{callbacks: c.callbacks}
	if err := c.check(C.ct_cache_copy(c.handle, &second.handle)); err != nil {
		return nil, err
	}
	second.callbacks.hold()
	runtime.SetFinalizer(second, (*ByteCache).Close)
	return second, nil
}

// PopItem removes the policy's next victim, and returns its key and value.
func (c *ByteCache) PopItem() (key string, value Value, err error) {
	defer runtime.KeepAlive(c)
	var keyOut, valueOut C.ct_go_value
	valueOut.status = C.ct_popitem(c.handle, &keyOut.value, &valueOut.value)
	keyValue, _ := c.value(keyOut)
	defer keyValue.Release()
	value, err = c.value(valueOut)
	return keyValue.String(), value, err
}

// Clear removes all entries.
func (c *ByteCache) Clear() error {
	defer runtime.KeepAlive(c)
	return c.check(C.ct_clear(c.handle))
}

// RemoveIf removes all entries that match, and returns how many.
func (c *ByteCache) RemoveIf(match func(key, value []byte) bool) (removed int) {
	defer runtime.KeepAlive(c)
	during(&call{match: match}, func(handle C.uintptr_t) {
		removed = int(C.ct_go_remove_if(c.handle, handle))
	})
	return removed
}
