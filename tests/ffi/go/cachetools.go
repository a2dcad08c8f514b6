// SPDX-License-Identifier: MIT

// Package cachetools is a Go wrapper of libcachetools by cgo. It needs Go 1.19 or later.
//
// Keys are strings, values are bytes. A Value views memory that is reused after its Release, the
// library's own or, for what Get copied, Go's: defer Release, and keep no slice of it longer.
// GetAppend and GetMany copy into memory that is yours. Close closes a cache; otherwise the garbage
// collector does.
//
// Every outcome but success is an error of type Status, such as ErrMiss; errors.Is compares it. The
// error of a loader comes back unchanged.
//
// Callbacks run on the calling goroutine, which keeps its thread meanwhile. They must not call
// runtime.Goexit (nor t.FailNow, which does). A panic in a loader continues in the call that ran
// the loader. A panic in a callback of a whole cache ends the program.
package cachetools

// #cgo pkg-config: cachetools
// #include <stdlib.h>
// #include "callbacks.h"
//
// typedef struct ct_go_size { size_t size; ct_status status; } ct_go_size;
//
// static void release(ct_value value) {
//   ct_value_release(&value);
// }
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
// static ct_status set_lifetime(ct_cache *cache, _GoString_ key, uint64_t ttl) {
//   return ct_set_lifetime(cache, _GoStringPtr(key), _GoStringLen(key), ttl);
// }
//
// static ct_status inspect(ct_cache *cache, _GoString_ key, ct_entry_info *out) {
//   return ct_inspect(cache, _GoStringPtr(key), _GoStringLen(key), out);
// }
//
// static ct_status get_many_copy(ct_cache *cache, const unsigned char *keys, const size_t *key_ends,
//                                size_t count, unsigned char *buffer, size_t capacity,
//                                size_t *value_ends, ct_status *statuses) {
//   return ct_get_many_copy(cache, keys, key_ends, count, buffer, capacity, value_ends, statuses);
// }
//
// static ct_status set_many(ct_cache *cache, const unsigned char *data, const size_t *ends,
//                           size_t count, const ct_entry_options *options, ct_status *statuses) {
//   return ct_set_many(cache, data, ends, count, options, statuses);
// }
//
// static ct_go_value get_or_load(ct_cache *cache, _GoString_ key, uintptr_t call) {
//   return ct_go_get_or_load(cache, _GoStringPtr(key), _GoStringLen(key), call);
// }
//
// static ct_go_value compute(ct_cache *cache, _GoString_ key, uintptr_t call) {
//   return ct_go_compute(cache, _GoStringPtr(key), _GoStringLen(key), call);
// }
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
//
// static ct_status result_set(ct_result *result, const unsigned char *data, size_t size) {
//   return ct_result_set(result, data, size);
// }
//
// static void key_text(ct_key *key, _GoString_ text) {
//   ct_key_text(key, _GoStringPtr(text), _GoStringLen(text));
// }
//
// static void key_bytes(ct_key *key, const unsigned char *data, size_t size) {
//   ct_key_bytes(key, data, size);
// }
//
// static void key_name(ct_key *key, _GoString_ name) {
//   ct_key_name(key, _GoStringPtr(name), _GoStringLen(name));
// }
//
// /* Without pointers: user_data is an integer here. */
// static ct_status cache_options(const ct_cache *cache, ct_options *out) {
//   ct_options options = CT_OPTIONS_INIT;
//   const ct_status status = ct_cache_options(cache, &options);
//   out->policy = options.policy;
//   out->weight_kind = options.weight_kind;
//   out->maxsize = options.maxsize;
//   out->shards = options.shards;
//   out->flags = options.flags;
//   out->ttl = options.ttl;
//   out->tti = options.tti;
//   out->seed = options.seed;
//   return status;
// }
//
// static ct_status memo_new(const ct_options *plain, uint32_t set, uintptr_t callbacks,
//                           ct_cache *shared, _GoString_ prefix, uintptr_t functions,
//                           ct_memo **out) {
//   return ct_go_memo_new(plain, set, callbacks, shared, _GoStringPtr(prefix),
//                         _GoStringLen(prefix), functions, out);
// }
import "C"

import (
	"io"
	"runtime"
	"runtime/cgo"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

const (
	Never     = ^uint64(0) // as a lifetime: no end
	Unbounded = ^uint64(0) // as maxsize: no limit
)

// Version of the library: "0.1.0".
func Version() string { return C.GoString(C.ct_version_string()) }

// ---- Statuses -----------------------------------------------------------------------------------

// Status is an outcome other than success. Positive ones are ordinary outcomes; after a negative
// one nothing has happened.
type Status int32

const (
	ErrMiss        Status = C.CT_MISS       // there is no such entry: it is absent or expired
	ErrExists      Status = C.CT_EXISTS     // there is such an entry already
	ErrNotStored   Status = C.CT_NOT_STORED // dead on arrival; in Compute: leave the entry as it is
	ErrBusy        Status = C.CT_BUSY       // another caller is loading or changing this key
	ErrInvalid     Status = C.CT_ERR_INVALID
	ErrNoMemory    Status = C.CT_ERR_NOMEM
	ErrTooLarge    Status = C.CT_ERR_TOO_LARGE
	ErrBuffer      Status = C.CT_ERR_BUFFER
	ErrRecursion   Status = C.CT_ERR_RECURSION
	ErrCorrupt     Status = C.CT_ERR_CORRUPT
	ErrIO          Status = C.CT_ERR_IO
	ErrInternal    Status = C.CT_ERR_INTERNAL
	ErrUnsupported Status = C.CT_ERR_UNSUPPORTED
	ErrCallback    Status = C.CT_ERR_CALLBACK
)

func (s Status) Error() string {
	return "cachetools: " + C.GoString(C.ct_status_message(C.ct_status(s)))
}

// Name returns the name of the status in C: "CT_ERR_NOMEM".
func (s Status) Name() string { return C.GoString(C.ct_status_name(C.ct_status(s))) }

func check(status C.ct_status) error {
	if status == C.CT_OK {
		return nil
	}
	return Status(status)
}

// ---- Policies and options -----------------------------------------------------------------------

// Policy says which entry leaves when room is needed.
type Policy int32

const (
	LRU      Policy = C.CT_POLICY_LRU
	FIFO     Policy = C.CT_POLICY_FIFO
	LFU      Policy = C.CT_POLICY_LFU
	RR       Policy = C.CT_POLICY_RR
	TTL      Policy = C.CT_POLICY_TTL
	TLRU     Policy = C.CT_POLICY_TLRU
	Any      Policy = C.CT_POLICY_ANY
	MRU      Policy = C.CT_POLICY_MRU
	Clock    Policy = C.CT_POLICY_CLOCK
	Sieve    Policy = C.CT_POLICY_SIEVE
	S3FIFO   Policy = C.CT_POLICY_S3FIFO
	WTinyLFU Policy = C.CT_POLICY_WTINYLFU
	ARC      Policy = C.CT_POLICY_ARC
	Custom   Policy = C.CT_POLICY_CUSTOM
)

func (p Policy) String() string { return C.GoString(C.ct_policy_name(C.ct_policy(p))) }

// PolicyNamed finds a policy by its name, in any case.
func PolicyNamed(name string) (Policy, error) {
	cName := C.CString(name)
	defer C.free(unsafe.Pointer(cName))
	var policy C.ct_policy
	err := check(C.ct_policy_from_name(cName, &policy))
	return Policy(policy), err
}

// WeightKind says what an entry weighs against Maxsize.
type WeightKind int32

const (
	WeightCount  WeightKind = C.CT_WEIGHT_COUNT
	WeightValue  WeightKind = C.CT_WEIGHT_VALUE
	WeightMemory WeightKind = C.CT_WEIGHT_MEMORY
)

// Flags of a cache. CT_FLAG_SINGLE_THREADED is not offered, as goroutines have no fixed thread.
type Flags uint32

const (
	NoStats      Flags = C.CT_FLAG_NO_STATS
	PreciseClock Flags = C.CT_FLAG_PRECISE_CLOCK
	KeepNothing  Flags = C.CT_FLAG_KEEP_NOTHING // Options.Maxsize may be 0
)

// Cause says why an entry left.
type Cause int32

const (
	Evicted  Cause = C.CT_CAUSE_EVICTED
	Expired  Cause = C.CT_CAUSE_EXPIRED
	Replaced Cause = C.CT_CAUSE_REPLACED
	Removed  Cause = C.CT_CAUSE_REMOVED
	Cleared  Cause = C.CT_CAUSE_CLEARED
)

// Event is an entry that left. Key and Value are borrowed for the call.
type Event struct {
	Key, Value []byte
	Weight     uint64
	Cause      Cause
}

// Evictor is an eviction policy of your own, one object for each shard. Entries have small numbers.
// All methods run inside the critical section and must not use any cache.
type Evictor interface {
	Insert(id uint32, weight uint64, key []byte, now uint64)
	Hit(id uint32, now uint64)
	Remove(id uint32)
	Victim() uint32 // removes nothing; called only if there is an entry
}

// Allocator says where a cache's memory comes from, which must not be Go's heap.
type Allocator struct {
	Alloc func(size, align uintptr) unsafe.Pointer // nil: none left
	Free  func(block unsafe.Pointer, size, align uintptr)
}

// Options say how to make a cache; zero is the default everywhere. Times are in ticks of the timer:
// nanoseconds, unless you set Timer. Slices passed to a callback are borrowed for the call.
type Options struct {
	Policy     Policy
	WeightKind WeightKind
	Maxsize    uint64
	Shards     uint32
	Flags      Flags
	TTL, TTI   uint64
	Seed       uint64

	Timer      func() uint64 // inside the critical section: must not use any cache
	TimeToUse  func(key, value []byte, now uint64) uint64
	Weigh      func(key, value []byte) uint64
	Choose     func(count uint64) uint64 // inside the critical section
	Listen     func(Event)
	Drop       func(value []byte)
	NewEvictor func(maxsize uint64) Evictor // for Custom
	Allocator  *Allocator
}

func (o *Options) plain() C.ct_options {
	var plain C.ct_options
	plain.struct_size = C.sizeof_ct_options
	plain.policy = C.int32_t(o.Policy)
	plain.weight_kind = C.int32_t(o.WeightKind)
	plain.maxsize = C.uint64_t(o.Maxsize)
	plain.shards = C.uint32_t(o.Shards)
	plain.flags = C.uint32_t(o.Flags)
	plain.ttl = C.uint64_t(o.TTL)
	plain.tti = C.uint64_t(o.TTI)
	plain.seed = C.uint64_t(o.Seed)
	return plain
}

// set returns which callbacks are set.
func (o *Options) set() (set C.uint32_t) {
	for flag, isSet := range map[C.uint32_t]bool{
		C.CT_GO_TIMER:     o.Timer != nil,
		C.CT_GO_TTU:       o.TimeToUse != nil,
		C.CT_GO_WEIGHER:   o.Weigh != nil,
		C.CT_GO_CHOICE:    o.Choose != nil,
		C.CT_GO_LISTENER:  o.Listen != nil,
		C.CT_GO_DROP:      o.Drop != nil,
		C.CT_GO_CUSTOM:    o.NewEvictor != nil,
		C.CT_GO_ALLOCATOR: o.Allocator != nil,
	} {
		if isSet {
			set |= flag
		}
	}
	return set
}

// Problem returns one sentence that says what is wrong with the options, or an empty string.
func (o Options) Problem() string {
	plain := o.plain()
	return C.GoString(C.ct_go_options_problem(&plain, o.set()))
}

// callbacks are the options of a cache that may still be called. With Drop or Allocator, each Value
// of the cache holds them too.
type callbacks struct {
	Options
	handle  cgo.Handle
	holders int64
}

// callbacksFor returns nil if there are none.
func callbacksFor(options Options) *callbacks {
	if options.set() == 0 {
		return nil
	}
	it := &callbacks{Options: options, holders: 1}
	it.handle = cgo.NewHandle(it)
	return it
}

func (c *callbacks) uintptr() C.uintptr_t {
	if c == nil {
		return 0
	}
	return C.uintptr_t(c.handle)
}

func (c *callbacks) letGo() {
	if c != nil && atomic.AddInt64(&c.holders, -1) == 0 {
		c.handle.Delete()
	}
}

// areHeld returns whether each pinned value holds the callbacks, as its release may call them.
func (c *callbacks) areHeld() bool {
	return c != nil && (c.Drop != nil || c.Allocator != nil)
}

// value takes ownership of a value, and turns its status into an error.
func (c *callbacks) value(out C.ct_go_value) (Value, error) {
	if out.value.data == nil {
		return Value{}, check(out.status)
	}
	value := Value{raw: out.value}
	if c.areHeld() {
		atomic.AddInt64(&c.holders, 1)
		value.callbacks = c
	}
	return value, check(out.status)
}

// ---- Values -------------------------------------------------------------------------------------

// Value is a value read out. It stays valid and unchanged until Release, whatever happens to its
// entry or to the cache. Do not copy it by assignment, so that it is released once.
type Value struct {
	raw       C.ct_value
	callbacks *callbacks
	copied    *room // instead of raw
}

// room takes a copy of a small value, so that its release needs no call into C. The library reads
// values up to this size without a lock.
type room struct {
	bytes [1024]byte
	size  int
}

// rooms are reused, because an allocation would cost as much as the look-up.
var rooms = sync.Pool{New: func() any { return new(room) }}

// Bytes returns a view of the value. Neither change it nor keep it after Release.
func (v *Value) Bytes() []byte {
	if v.copied != nil {
		return v.copied.bytes[:v.copied.size:v.copied.size]
	}
	if v.raw.data == nil {
		return nil
	}
	return borrowed(v.raw.data, v.raw.size)
}

// String returns a copy of the value.
func (v *Value) String() string { return string(v.Bytes()) }

// Release releases the value. A second Release, or one of an empty Value, is harmless.
func (v *Value) Release() {
	if v.copied != nil {
		rooms.Put(v.copied)
		v.copied = nil
		return
	}
	if v.raw.data == nil {
		return
	}
	raw := v.raw
	v.raw = C.ct_value{}
	C.release(raw)
	v.callbacks.letGo()
}

// Ref returns the same value once more, with a Release of its own.
func (v *Value) Ref() (Value, error) {
	if v.copied != nil {
		second := rooms.Get().(*room)
		second.size = copy(second.bytes[:], v.Bytes())
		return Value{copied: second}, nil
	}
	var out C.ct_go_value
	out.status = C.ct_value_ref(&v.raw, &out.value)
	return v.callbacks.value(out)
}

// ---- The cache ----------------------------------------------------------------------------------

// Cache is a cache of bytes by strings. All methods but Close are safe from any number of
// goroutines.
type Cache struct {
	handle    *C.ct_cache
	callbacks *callbacks
	owner     *memoState // of one that is a memo's own
}

// New makes a cache of at most maxsize entries.
func New(policy Policy, maxsize uint64) (*Cache, error) {
	return Open(Options{Policy: policy, Maxsize: maxsize, Flags: KeepNothing})
}

// Open makes a cache.
func Open(options Options) (*Cache, error) {
	cache := &Cache{callbacks: callbacksFor(options)}
	plain := options.plain()
	status := C.ct_go_cache_new(&plain, options.set(), cache.callbacks.uintptr(), &cache.handle)
	if status != C.CT_OK {
		cache.callbacks.letGo()
		return nil, check(status)
	}
	runtime.SetFinalizer(cache, (*Cache).Close)
	return cache, nil
}

// Close frees the cache. No other method may be running, and no walk or lease of the cache may be
// left. Values stay readable until they are released. Closing twice is harmless. Methods of a
// closed cache return ErrInvalid; those without an error, such as Len, Contains and RemoveIf,
// return 0 or false. Close does not close a memo's own cache: the memo does.
func (c *Cache) Close() {
	if c.handle == nil || c.owner != nil {
		return
	}
	runtime.SetFinalizer(c, nil)
	C.ct_cache_free(c.handle)
	c.handle = nil
	c.callbacks.letGo()
}

// data returns a pointer to bytes, of a type that cgo need not check for pointers inside.
func data(bytes []byte) *C.uchar {
	if len(bytes) == 0 {
		return nil
	}
	return (*C.uchar)(&bytes[0])
}

// Get looks a key up; a hit is a use. It returns ErrMiss if the key is not there. It copies a value
// of up to 1 KiB instead of pinning it, unless the cache has Drop or Allocator.
func (c *Cache) Get(key string) (Value, error) {
	defer runtime.KeepAlive(c)
	if c.callbacks.areHeld() {
		return c.callbacks.value(C.get(c.handle, key, nil, 0))
	}
	copied := rooms.Get().(*room)
	out := C.get(c.handle, key, data(copied.bytes[:]), C.size_t(len(copied.bytes)))
	if out.status == C.CT_OK && out.value.data == nil {
		copied.size = int(out.value.size)
		return Value{copied: copied}, nil
	}
	rooms.Put(copied)
	return c.callbacks.value(out)
}

// Peek looks a key up without a trace: this is no use, and nothing is counted.
func (c *Cache) Peek(key string) (Value, error) {
	defer runtime.KeepAlive(c)
	return c.callbacks.value(C.peek(c.handle, key))
}

// GetAppend appends the value to a buffer, and grows the buffer if needed.
func (c *Cache) GetAppend(buffer []byte, key string) ([]byte, error) {
	defer runtime.KeepAlive(c)
	for {
		room := buffer[len(buffer):cap(buffer)]
		out := C.get_copy(c.handle, key, data(room), C.size_t(len(room)))
		if out.status == C.CT_OK {
			return buffer[:len(buffer)+int(out.size)], nil
		}
		if out.status != C.CT_ERR_BUFFER {
			return buffer, check(out.status)
		}
		buffer = append(buffer, make([]byte, out.size)...)[:len(buffer)]
	}
}

// Contains returns whether a key is there and not expired.
func (c *Cache) Contains(key string) bool {
	defer runtime.KeepAlive(c)
	return bool(C.contains(c.handle, key))
}

// Set stores a copy of the value.
func (c *Cache) Set(key string, value []byte) error {
	defer runtime.KeepAlive(c)
	return check(C.set(c.handle, key, data(value), C.size_t(len(value))))
}

// SetTTL stores a value with a lifetime of its own, in ticks.
func (c *Cache) SetTTL(key string, value []byte, ttl uint64) error {
	defer runtime.KeepAlive(c)
	return check(C.set_ttl(c.handle, key, data(value), C.size_t(len(value)), C.uint64_t(ttl)))
}

// EntryFlags say which fields of EntryOptions apply, and set conditions.
type EntryFlags uint32

const (
	EntryTTL       EntryFlags = C.CT_ENTRY_TTL
	EntryDeadline  EntryFlags = C.CT_ENTRY_DEADLINE
	EntryWeight    EntryFlags = C.CT_ENTRY_WEIGHT
	EntryIfAbsent  EntryFlags = C.CT_ENTRY_IF_ABSENT  // else ErrExists
	EntryIfPresent EntryFlags = C.CT_ENTRY_IF_PRESENT // else ErrMiss
)

// EntryOptions say what is special about one entry.
type EntryOptions struct {
	Flags                 EntryFlags
	TTL, Deadline, Weight uint64
}

func (o EntryOptions) raw() C.ct_entry_options {
	return C.ct_entry_options{
		struct_size: C.sizeof_ct_entry_options,
		flags:       C.uint32_t(o.Flags),
		ttl:         C.uint64_t(o.TTL),
		deadline:    C.uint64_t(o.Deadline),
		weight:      C.uint64_t(o.Weight),
	}
}

// SetWith stores a value with a lifetime, a weight or a condition of its own.
func (c *Cache) SetWith(key string, value []byte, options EntryOptions) error {
	defer runtime.KeepAlive(c)
	raw := options.raw()
	return check(C.set_with(c.handle, key, data(value), C.size_t(len(value)), &raw))
}

// GetOrSet reads a key, and stores the given value first if the key is absent.
func (c *Cache) GetOrSet(key string, value []byte) (Value, error) {
	defer runtime.KeepAlive(c)
	return c.callbacks.value(C.setdefault(c.handle, key, data(value), C.size_t(len(value))))
}

// Pop removes an entry and returns its value.
func (c *Cache) Pop(key string) (Value, error) {
	defer runtime.KeepAlive(c)
	return c.callbacks.value(C.pop(c.handle, key))
}

// Delete removes an entry.
func (c *Cache) Delete(key string) error {
	defer runtime.KeepAlive(c)
	return check(C.delete(c.handle, key))
}

// PopItem removes the policy's next victim, and returns its key and value.
func (c *Cache) PopItem() (key string, value Value, err error) {
	defer runtime.KeepAlive(c)
	var keyOut, valueOut C.ct_go_value
	valueOut.status = C.ct_popitem(c.handle, &keyOut.value, &valueOut.value)
	keyValue, _ := c.callbacks.value(keyOut)
	defer keyValue.Release()
	value, err = c.callbacks.value(valueOut)
	return keyValue.String(), value, err
}

// Clear removes all entries.
func (c *Cache) Clear() error {
	defer runtime.KeepAlive(c)
	return check(C.ct_clear(c.handle))
}

// during gives a call a handle for C while it runs, then resumes the panic of its callbacks, if
// any.
func during(it *call, run func(handle C.uintptr_t)) {
	handle := cgo.NewHandle(it)
	defer handle.Delete()
	run(C.uintptr_t(handle))
	if it.panicked != nil {
		panic(it.panicked)
	}
}

// RemoveIf removes all entries that match, and returns how many.
func (c *Cache) RemoveIf(match func(key, value []byte) bool) (removed uint64) {
	defer runtime.KeepAlive(c)
	during(&call{match: match}, func(handle C.uintptr_t) {
		removed = uint64(C.ct_go_remove_if(c.handle, handle))
	})
	return removed
}

// ---- Many at once -------------------------------------------------------------------------------

// flat holds bytes one after the other, as the library takes them, and room for its results.
type flat struct {
	data      []byte
	ends      []C.size_t
	valueEnds []C.size_t
	statuses  []C.ct_status
}

// flats are reused, because batches are for speed.
var flats = sync.Pool{New: func() any { return new(flat) }}

func newFlat(count int) *flat {
	f := flats.Get().(*flat)
	f.data, f.ends = f.data[:0], f.ends[:0]
	if cap(f.statuses) < count {
		f.valueEnds = make([]C.size_t, count)
		f.statuses = make([]C.ct_status, count)
	}
	f.valueEnds, f.statuses = f.valueEnds[:count], f.statuses[:count]
	return f
}

func (f *flat) end() { f.ends = append(f.ends, C.size_t(len(f.data))) }

// GetMany is Get for many keys in one call. It copies the values into one new buffer; a miss is
// nil.
func (c *Cache) GetMany(keys []string) ([][]byte, error) {
	defer runtime.KeepAlive(c)
	if len(keys) == 0 {
		return nil, nil
	}
	count := len(keys)
	asked := newFlat(count)
	defer flats.Put(asked)
	for _, key := range keys {
		asked.data = append(asked.data, key...)
		asked.end()
	}
	buffer := make([]byte, 64*count)
	for {
		status := C.get_many_copy(c.handle, data(asked.data), &asked.ends[0], C.size_t(count),
			data(buffer), C.size_t(len(buffer)), &asked.valueEnds[0], &asked.statuses[0])
		if status == C.CT_OK {
			break
		}
		if status != C.CT_ERR_BUFFER {
			return nil, check(status)
		}
		buffer = make([]byte, asked.valueEnds[count-1])
	}
	values := make([][]byte, count)
	begin := C.size_t(0)
	for i, end := range asked.valueEnds {
		if asked.statuses[i] == C.CT_OK {
			values[i] = buffer[begin:end:end]
		}
		begin = end
	}
	return values, nil
}

// Entry is a key and a value for SetMany.
type Entry struct {
	Key   string
	Value []byte
}

// SetMany is SetWith for many entries in one call. Each succeeds or fails alone, with its own error
// in each. If the call as a whole is refused, each is nil, and err says why.
func (c *Cache) SetMany(entries []Entry, options EntryOptions) (each []error, err error) {
	defer runtime.KeepAlive(c)
	if len(entries) == 0 {
		return nil, nil
	}
	given := newFlat(len(entries))
	defer flats.Put(given)
	for _, entry := range entries {
		given.data = append(given.data, entry.Key...)
		given.end()
		given.data = append(given.data, entry.Value...)
		given.end()
	}
	raw := options.raw()
	status := C.set_many(c.handle, data(given.data), &given.ends[0], C.size_t(len(entries)), &raw,
		&given.statuses[0])
	each = make([]error, len(entries))
	wasTried := false
	for i, status := range given.statuses {
		each[i] = check(status)
		wasTried = wasTried || status != C.CT_OK
	}
	if status < 0 && !wasTried {
		return nil, check(status)
	}
	return each, nil
}

// ---- Size and time ------------------------------------------------------------------------------

// Len counts the entries.
func (c *Cache) Len() uint64 {
	defer runtime.KeepAlive(c)
	return uint64(C.ct_len(c.handle))
}

// Weight sums the weights.
func (c *Cache) Weight() uint64 {
	defer runtime.KeepAlive(c)
	return uint64(C.ct_currsize(c.handle))
}

// Maxsize returns the limit.
func (c *Cache) Maxsize() uint64 {
	defer runtime.KeepAlive(c)
	return uint64(C.ct_maxsize(c.handle))
}

// Memory returns the bytes held in all.
func (c *Cache) Memory() uint64 {
	defer runtime.KeepAlive(c)
	return uint64(C.ct_memory(c.handle))
}

// Resize sets another limit, then evicts until it holds.
func (c *Cache) Resize(maxsize uint64) error {
	defer runtime.KeepAlive(c)
	return check(C.ct_resize(c.handle, C.uint64_t(maxsize)))
}

// SetLifetime gives an entry another lifetime.
func (c *Cache) SetLifetime(key string, ttl uint64) error {
	defer runtime.KeepAlive(c)
	return check(C.set_lifetime(c.handle, key, C.uint64_t(ttl)))
}

// EntryInfo is what is known of an entry.
type EntryInfo struct {
	Weight, Deadline, Remaining, Frequency, KeySize, ValueSize uint64
}

// Inspect returns what is known of an entry.
func (c *Cache) Inspect(key string) (EntryInfo, error) {
	defer runtime.KeepAlive(c)
	var raw C.ct_entry_info
	raw.struct_size = C.sizeof_ct_entry_info
	err := check(C.inspect(c.handle, key, &raw))
	return EntryInfo{uint64(raw.weight), uint64(raw.deadline), uint64(raw.remaining),
		uint64(raw.frequency), uint64(raw.key_size), uint64(raw.value_size)}, err
}

// Expire removes the entries whose deadline has passed, shows each to visit, and returns how many.
// visit may be nil.
func (c *Cache) Expire(visit func(Event)) (expired uint64) {
	defer runtime.KeepAlive(c)
	if visit == nil {
		return uint64(C.ct_go_expire(c.handle, 0))
	}
	during(&call{visit: visit}, func(handle C.uintptr_t) {
		expired = uint64(C.ct_go_expire(c.handle, handle))
	})
	return expired
}

// Stats are counters of what has happened. Pinned is how many values are not released yet.
type Stats struct {
	Hits, Misses, Inserts, Updates, Evictions, EvictedWeight, Expirations, Removals, Rejections,
	Loads, LoadFailures, LoadTicks, Waits, Pinned uint64
}

// Stats reads the counters.
func (c *Cache) Stats() (Stats, error) {
	defer runtime.KeepAlive(c)
	var raw C.ct_stats
	raw.struct_size = C.sizeof_ct_stats
	err := check(C.ct_cache_stats(c.handle, &raw))
	return Stats{uint64(raw.hits), uint64(raw.misses), uint64(raw.inserts), uint64(raw.updates),
		uint64(raw.evictions), uint64(raw.evicted_weight), uint64(raw.expirations),
		uint64(raw.removals), uint64(raw.rejections), uint64(raw.loads), uint64(raw.load_failures),
		uint64(raw.load_ticks), uint64(raw.waits), uint64(raw.pinned)}, err
}

// ResetStats counts from zero again.
func (c *Cache) ResetStats() error {
	defer runtime.KeepAlive(c)
	return check(C.ct_cache_stats_reset(c.handle))
}

// Options returns the options in force, without callbacks: with defaults filled in, and the seed
// that was drawn.
func (c *Cache) Options() (Options, error) {
	defer runtime.KeepAlive(c)
	var raw C.ct_options
	err := check(C.cache_options(c.handle, &raw))
	return Options{
		Policy:     Policy(raw.policy),
		WeightKind: WeightKind(raw.weight_kind),
		Maxsize:    uint64(raw.maxsize),
		Shards:     uint32(raw.shards),
		Flags:      Flags(raw.flags),
		TTL:        uint64(raw.ttl),
		TTI:        uint64(raw.tti),
		Seed:       uint64(raw.seed),
	}, err
}

// ---- Iteration ----------------------------------------------------------------------------------

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
	cache      *Cache
	key, value C.ct_bytes
	err        error
}

// Iter begins a walk. Close the walk before the cache.
func (c *Cache) Iter(order Order) (*Iter, error) {
	defer runtime.KeepAlive(c)
	iter := &Iter{cache: c}
	return iter, check(C.ct_iter_new(c.handle, C.int32_t(order), &iter.handle))
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

// ---- Snapshots ----------------------------------------------------------------------------------

// SaveFile saves the contents of the cache in a file, which is replaced as a whole or not at all.
func (c *Cache) SaveFile(path string) error {
	defer runtime.KeepAlive(c)
	cPath := C.CString(path)
	defer C.free(unsafe.Pointer(cPath))
	return check(C.ct_snapshot_save_file(c.handle, cPath))
}

// LoadFile adds the entries of a file, from the hottest on, as far as there is room. Lifetimes go
// on from where they were at the save.
func (c *Cache) LoadFile(path string) error { return c.loadFile(path, 0) }

// LoadFileAged is LoadFile, but takes the time since the save off lifetimes, by the wall clock.
// Both caches must have the default timer.
func (c *Cache) LoadFileAged(path string) error { return c.loadFile(path, C.CT_SNAPSHOT_AGED) }

func (c *Cache) loadFile(path string, flags C.uint32_t) error {
	defer runtime.KeepAlive(c)
	cPath := C.CString(path)
	defer C.free(unsafe.Pointer(cPath))
	return check(C.ct_snapshot_load_file_with(c.handle, cPath, flags))
}

// Save is SaveFile into a writer. It returns the error of the writer unchanged.
func (c *Cache) Save(to io.Writer) (err error) {
	defer runtime.KeepAlive(c)
	it := &call{write: to}
	during(it, func(handle C.uintptr_t) { err = check(C.ct_go_snapshot_save(c.handle, handle)) })
	return it.failure(err)
}

// Load is LoadFile from a reader. It reads nothing beyond the snapshot.
func (c *Cache) Load(from io.Reader) error { return c.load(from, 0) }

// LoadAged is LoadFileAged from a reader.
func (c *Cache) LoadAged(from io.Reader) error { return c.load(from, C.CT_SNAPSHOT_AGED) }

func (c *Cache) load(from io.Reader, flags C.uint32_t) (err error) {
	defer runtime.KeepAlive(c)
	it := &call{read: from}
	during(it, func(handle C.uintptr_t) {
		err = check(C.ct_go_snapshot_load(c.handle, handle, flags))
	})
	return it.failure(err)
}

// ---- Loading ------------------------------------------------------------------------------------

// Result is where a callback leaves its value. It lives as long as the callback runs.
type Result struct{ handle *C.ct_result }

// Set hands over a copy of the value.
func (r *Result) Set(value []byte) error {
	return check(C.result_set(r.handle, data(value), C.size_t(len(value))))
}

// TTL gives the value a lifetime, in ticks from the callback's return on.
func (r *Result) TTL(ttl uint64) { C.ct_result_ttl(r.handle, C.uint64_t(ttl)) }

// Deadline gives the value a deadline, in ticks, absolute.
func (r *Result) Deadline(deadline uint64) { C.ct_result_deadline(r.handle, C.uint64_t(deadline)) }

// Weight gives the value a weight.
func (r *Result) Weight(weight uint64) { C.ct_result_weight(r.handle, C.uint64_t(weight)) }

// Discard hands the value to the callers, but does not keep it.
func (r *Result) Discard() { C.ct_result_discard(r.handle) }

// failure returns the error of a call with callbacks: the callback's, or else the library's.
func (c *call) failure(err error) error {
	if c.err != nil {
		return c.err
	}
	return err
}

// GetOrLoad looks a key up, and loads it if it is absent. However many goroutines ask, one of them
// loads, and the others wait for its value. load returns ErrMiss if there is no such value.
func (c *Cache) GetOrLoad(key string, load func(key []byte, result *Result) error) (Value, error) {
	defer runtime.KeepAlive(c)
	it := &call{load: load}
	var out C.ct_go_value
	during(it, func(handle C.uintptr_t) { out = C.get_or_load(c.handle, key, handle) })
	value, err := c.callbacks.value(out)
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
func (c *Cache) Compute(key string, change func(old []byte, result *Result) error) (Value, error) {
	defer runtime.KeepAlive(c)
	it := &call{compute: change}
	var out C.ct_go_value
	during(it, func(handle C.uintptr_t) { out = C.compute(c.handle, key, handle) })
	value, err := c.callbacks.value(out)
	return value, it.failure(err)
}

// Lease is the right and the duty to load a key. It belongs to no goroutine. Fulfil or abandon it
// before the cache is closed.
type Lease struct {
	handle *C.ct_lease
	cache  *Cache
}

// GetOrLease looks a key up. If it is absent, GetOrLease takes its lease, or waits for the holder.
// It returns ErrBusy if that takes longer than wait; a wait below 0 is 0. With a lease, the caller
// must load the key.
func (c *Cache) GetOrLease(key string, wait time.Duration) (Value, *Lease, error) {
	defer runtime.KeepAlive(c)
	var handle *C.ct_lease
	if wait < 0 {
		wait = 0
	}
	out := C.get_or_lease(c.handle, key, C.uint64_t(wait), &handle)
	if out.status == C.CT_LEASED {
		return Value{}, &Lease{handle, c}, nil
	}
	value, err := c.callbacks.value(out)
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
	return l.cache.callbacks.value(C.lease_fulfil(handle, data(value), C.size_t(len(value)), &raw))
}

// Abandon gives the lease up: one of those who wait becomes the loader. After Fulfil it does
// nothing, so it may be deferred.
func (l *Lease) Abandon() {
	C.ct_lease_abandon(l.handle)
	l.handle = nil
}

// ---- Keys ---------------------------------------------------------------------------------------

// Key builds a key from typed arguments: bytes that are equal if and only if the arguments are. One
// goroutine at a time may use it.
type Key struct {
	handle *C.ct_key
	isLent bool // lent to AddKey for one call
}

// NewKey makes a builder. If typed, 1, 1.0 and true are three keys.
func NewKey(typed bool) (*Key, error) {
	flags := C.uint32_t(0)
	if typed {
		flags = C.CT_KEY_TYPED
	}
	key := &Key{handle: C.ct_key_new(flags)}
	if key.handle == nil {
		return nil, ErrNoMemory
	}
	runtime.SetFinalizer(key, (*Key).Close)
	return key, nil
}

// Close frees the builder; otherwise the garbage collector does. A builder that AddKey got is not
// freed.
func (k *Key) Close() {
	if k.isLent {
		return
	}
	runtime.SetFinalizer(k, nil)
	C.ct_key_free(k.handle)
	k.handle = nil
}

// Add adds a value: nil, a bool, an integer, a floating-point number, a string, bytes, or a tuple
// as []any. With anything else in it, Add returns ErrInvalid and adds nothing.
func (k *Key) Add(value any) error {
	if k.handle == nil || !isAddable(value) {
		return ErrInvalid
	}
	k.add(value)
	return nil
}

func isAddable(value any) bool {
	switch value := value.(type) {
	case nil, bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, uintptr,
		float32, float64, string, []byte:
		return true
	case []any:
		for _, element := range value {
			if !isAddable(element) {
				return false
			}
		}
		return true
	}
	return false
}

func (k *Key) add(value any) {
	defer runtime.KeepAlive(k)
	switch value := value.(type) {
	case nil:
		C.ct_key_null(k.handle)
	case bool:
		C.ct_key_bool(k.handle, C.bool(value))
	case int:
		C.ct_key_int(k.handle, C.int64_t(value))
	case int8:
		C.ct_key_int(k.handle, C.int64_t(value))
	case int16:
		C.ct_key_int(k.handle, C.int64_t(value))
	case int32:
		C.ct_key_int(k.handle, C.int64_t(value))
	case int64:
		C.ct_key_int(k.handle, C.int64_t(value))
	case uint:
		C.ct_key_uint(k.handle, C.uint64_t(value))
	case uint8:
		C.ct_key_uint(k.handle, C.uint64_t(value))
	case uint16:
		C.ct_key_uint(k.handle, C.uint64_t(value))
	case uint32:
		C.ct_key_uint(k.handle, C.uint64_t(value))
	case uint64:
		C.ct_key_uint(k.handle, C.uint64_t(value))
	case uintptr:
		C.ct_key_uint(k.handle, C.uint64_t(value))
	case float32:
		C.ct_key_double(k.handle, C.double(value))
	case float64:
		C.ct_key_double(k.handle, C.double(value))
	case string:
		C.key_text(k.handle, value)
	case []byte:
		C.key_bytes(k.handle, data(value), C.size_t(len(value)))
	case []any:
		C.ct_key_tuple_begin(k.handle)
		for _, element := range value {
			k.add(element)
		}
		C.ct_key_tuple_end(k.handle)
	}
}

// Name names the next value.
func (k *Key) Name(name string) {
	defer runtime.KeepAlive(k)
	C.key_name(k.handle, name)
}

// Reset empties the builder.
func (k *Key) Reset() {
	defer runtime.KeepAlive(k)
	C.ct_key_reset(k.handle)
}

// Data returns the key, or the error for a mistake in what was added.
func (k *Key) Data() (string, error) {
	defer runtime.KeepAlive(k)
	var bytes unsafe.Pointer
	var size C.size_t
	if err := check(C.ct_key_data(k.handle, &bytes, &size)); err != nil {
		return "", err
	}
	return string(borrowed(bytes, size)), nil
}

// ---- Memoized functions -------------------------------------------------------------------------

// MemoOptions say how to memoize a function. Errors are not remembered.
type MemoOptions[A any] struct {
	Function func(memo *Memo[A], args A, result *Result) error
	AddKey   func(args A, key *Key) error // adds the arguments to a key that is lent for the call
	Shared   *Cache                       // where results are kept; nil: in a cache of its own
	Prefix   string                       // keeps the keys of memos that share a cache apart
	Own      Options                      // of its own cache; zero: LRU of 128
}

// Memo is a function that remembers its results.
type Memo[A any] struct {
	*memoState
	cache *Cache // its own, or a shared one, which outlives the memo
}

// memoState is the part of a memo that its own cache keeps.
type memoState struct {
	handle    *C.ct_memo
	functions cgo.Handle
	callbacks *callbacks // of its own cache
}

// memoFunctions are the functions of a memo, for arguments of any type.
type memoFunctions struct {
	call   func(args any, result *Result) error
	addKey func(args any, key *Key) error
}

// NewMemo memoizes a function.
func NewMemo[A any](options MemoOptions[A]) (*Memo[A], error) {
	memo := &Memo[A]{&memoState{}, options.Shared}
	memo.functions = cgo.NewHandle(memoFunctions{
		call: func(args any, result *Result) error {
			it := args.(memoArgs[A])
			return options.Function(it.memo, it.args, result)
		},
		addKey: func(args any, key *Key) error {
			return options.AddKey(args.(memoArgs[A]).args, key)
		},
	})
	if options.Own.Maxsize == 0 {
		options.Own.Maxsize = 128
	}
	var shared *C.ct_cache
	if options.Shared != nil {
		shared = options.Shared.handle
		if shared == nil { // closed
			memo.functions.Delete()
			return nil, ErrInvalid
		}
	} else {
		memo.callbacks = callbacksFor(options.Own)
	}
	plain := options.Own.plain()
	status := C.memo_new(&plain, options.Own.set(), memo.callbacks.uintptr(), shared, options.Prefix,
		C.uintptr_t(memo.functions), &memo.handle)
	if status != C.CT_OK {
		memo.Close()
		return nil, check(status)
	}
	runtime.SetFinalizer(memo.memoState, (*memoState).close)
	if memo.cache == nil {
		memo.cache = &Cache{C.ct_memo_cache(memo.handle, nil), memo.callbacks, memo.memoState}
	}
	return memo, nil
}

// memoArgs is what a call passes to the functions. It holds the memo, because a memo that its own
// functions held would never be collected.
type memoArgs[A any] struct {
	memo *Memo[A]
	args A
}

// Close frees the memo and its own cache. No call may be running.
func (m *Memo[A]) Close() {
	if m.cache != nil && m.cache.owner != nil {
		m.cache.handle = nil
	}
	m.close()
}

func (m *memoState) close() {
	if m.functions == 0 {
		return
	}
	runtime.SetFinalizer(m, nil)
	C.ct_memo_free(m.handle)
	m.handle = nil
	m.functions.Delete()
	m.functions = 0
	m.callbacks.letGo()
}

// Cache returns the cache that keeps the results: the shared one, or the memo's own, which is
// closed with the memo.
func (m *Memo[A]) Cache() *Cache { return m.cache }

func (m *Memo[A]) call(args A) *call { return &call{args: memoArgs[A]{m, args}} }

// Call returns the remembered result, or calls the function.
func (m *Memo[A]) Call(args A) (Value, error) {
	defer runtime.KeepAlive(m)
	it := m.call(args)
	var out C.ct_go_value
	during(it, func(handle C.uintptr_t) { out = C.ct_go_memo_call(m.handle, handle) })
	value, err := m.cache.callbacks.value(out)
	return value, it.failure(err)
}

// Key returns the key that the result of a call is stored under.
func (m *Memo[A]) Key(args A) (string, error) {
	defer runtime.KeepAlive(m)
	key, err := NewKey(false)
	if err != nil {
		return "", err
	}
	defer key.Close()
	it := m.call(args)
	during(it, func(handle C.uintptr_t) {
		err = check(C.ct_go_memo_key(m.handle, handle, key.handle))
	})
	if err = it.failure(err); err != nil {
		return "", err
	}
	return key.Data()
}

// Invalidate forgets the result of one call.
func (m *Memo[A]) Invalidate(args A) (err error) {
	defer runtime.KeepAlive(m)
	it := m.call(args)
	during(it, func(handle C.uintptr_t) {
		err = check(C.ct_go_memo_invalidate(m.handle, handle))
	})
	return it.failure(err)
}

// MemoInfo are the counters of a memo.
type MemoInfo struct{ Hits, Misses, Maxsize, Weight uint64 }

// Info returns hits, misses, and how full the cache is.
func (m *Memo[A]) Info() (MemoInfo, error) {
	defer runtime.KeepAlive(m)
	var raw C.ct_cache_info
	raw.struct_size = C.sizeof_ct_cache_info
	err := check(C.ct_memo_info(m.handle, nil, &raw))
	return MemoInfo{uint64(raw.hits), uint64(raw.misses), uint64(raw.maxsize),
		uint64(raw.currsize)}, err
}

// Clear empties the cache, and counts from zero again.
func (m *Memo[A]) Clear() error {
	defer runtime.KeepAlive(m)
	return check(C.ct_memo_clear(m.handle, nil))
}

// Forget counts from zero again. Results stay.
func (m *Memo[A]) Forget() {
	defer runtime.KeepAlive(m)
	C.ct_memo_forget(m.handle, nil)
}
