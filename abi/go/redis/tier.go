// SPDX-License-Identifier: MIT

package redis

// #include "callbacks.h"
//
// static ct_status open_tier(const ct_redis_options *plain, _GoString_ prefix, uintptr_t listener,
//                            ct_redis **out) {
//   return ct_go_redis_open(plain, _GoStringPtr(prefix), _GoStringLen(prefix), listener, out);
// }
//
// /* Whether a key is near, and that can be relied on: to read it asks nobody. Counts no misses, so that
//    the counters of near are those of the call that does ask. */
// static bool is_near(ct_redis *tier, ct_cache *near, _GoString_ key) {
//   return ct_redis_is_fresh(tier) && ct_contains(near, _GoStringPtr(key), _GoStringLen(key));
// }
//
// static ct_go_value get_near(ct_redis *tier, ct_cache *near, _GoString_ key) {
//   ct_go_value out = {.status = CT_MISS};
//   if (is_near(tier, near, key))
//     out.status = ct_get(near, _GoStringPtr(key), _GoStringLen(key), &out.value);
//   return out;
// }
//
// static ct_go_value get(ct_redis *tier, _GoString_ key) {
//   ct_go_value out;
//   out.status = ct_redis_get(tier, _GoStringPtr(key), _GoStringLen(key), &out.value);
//   return out;
// }
//
// typedef struct ct_go_size { size_t size; ct_status status; } ct_go_size;
//
// static ct_go_size get_copy_near(ct_redis *tier, ct_cache *near, _GoString_ key,
//                                 unsigned char *buffer, size_t capacity) {
//   ct_go_size out = {0, CT_MISS};
//   if (is_near(tier, near, key))
//     out.status = ct_get_copy(near, _GoStringPtr(key), _GoStringLen(key), buffer, capacity,
//                              &out.size);
//   return out;
// }
//
// static ct_go_size get_copy(ct_redis *tier, _GoString_ key, unsigned char *buffer,
//                            size_t capacity) {
//   ct_go_size out;
//   out.status = ct_redis_get_copy(tier, _GoStringPtr(key), _GoStringLen(key), buffer, capacity,
//                                  &out.size);
//   return out;
// }
//
// static ct_go_value get_or_load(ct_redis *tier, _GoString_ key, uint64_t ttl, void *load,
//                                uintptr_t user_data) {
//   ct_go_value out;
//   out.status = ct_redis_get_or_load(tier, _GoStringPtr(key), _GoStringLen(key), ttl,
//                                     (ct_loader_fn)load, (void *)user_data, &out.value);
//   return out;
// }
//
// static ct_status set(ct_redis *tier, _GoString_ key, const unsigned char *value, size_t size,
//                      uint64_t ttl) {
//   return ct_redis_set(tier, _GoStringPtr(key), _GoStringLen(key), value, size, ttl);
// }
//
// static ct_status delete(ct_redis *tier, _GoString_ key) {
//   return ct_redis_delete(tier, _GoStringPtr(key), _GoStringLen(key));
// }
//
// static ct_status get_many(ct_redis *tier, _GoString_ keys, const size_t *ends, size_t count,
//                           ct_value *values, ct_status *statuses) {
//   return ct_go_redis_get_many(tier, _GoStringPtr(keys), ends, count, values, statuses);
// }
import "C"

import (
	"context"
	"runtime"
	"runtime/cgo"
	"strings"
	"sync"
	"time"
	"unsafe"

	"cachetools"
	"cachetools/internal/shared"
)

// Tier is a connection to a server, and the cache of this process in front of it. All methods but
// Close are safe from any number of goroutines.
type Tier struct {
	handle   *C.ct_redis
	near     *cachetools.ByteCache
	listener cgo.Handle     // 0: none
	left     sync.WaitGroup // calls whose callers wait no longer
}

// Open opens a tier, and clears the near cache, which belongs to the tier until Close: read and write
// it through the tier alone. Open does not wait for the server; until that is there, calls do as when
// it is lost. If the options are not allowed, the error is an ErrInvalid that says why, as Problem
// does.
func Open(options Options) (*Tier, error) {
	if problem := options.Problem(); problem != "" {
		return nil, invalid(problem)
	}
	tier := &Tier{near: options.Near}
	if options.Listen != nil {
		tier.listener = cgo.NewHandle(options.Listen)
	}
	var status C.ct_status
	options.with(func(plain *C.ct_redis_options) {
		status = C.open_tier(plain, options.Prefix, C.uintptr_t(tier.listener), &tier.handle)
	})
	if status != C.CT_OK {
		tier.letGo()
		return nil, cachetools.Status(status)
	}
	runtime.SetFinalizer(tier, (*Tier).Close)
	return tier, nil
}

// invalid is an ErrInvalid that says what is.
type invalid string

func (i invalid) Error() string { return "cachetools/redis: " + string(i) }
func (i invalid) Unwrap() error { return cachetools.ErrInvalid }

// Close closes the tier, and clears the near cache. What was not sent is not sent any more. It waits
// for the calls that were left behind. No other method may be running, and callbacks must not call
// it. Closing twice is harmless. Methods of a closed tier return cachetools.ErrClosed.
func (t *Tier) Close() {
	if t.handle == nil {
		return
	}
	runtime.SetFinalizer(t, nil)
	t.left.Wait()
	C.ct_redis_close(t.handle)
	t.handle = nil
	t.letGo()
}

func (t *Tier) letGo() {
	if t.listener != 0 {
		t.listener.Delete()
	}
}

// check turns the status of a call into an error.
func (t *Tier) check(status C.ct_status) error {
	switch {
	case status == C.CT_OK || status == C.CT_STALE:
		return nil
	case status == C.CT_ERR_INVALID && t.handle == nil:
		return cachetools.ErrClosed
	}
	return cachetools.Status(status)
}

// value takes ownership of a value, and turns its status into an error.
func (t *Tier) value(out C.ct_go_value, into *cachetools.Value) error {
	shared.Own(t.near, unsafe.Pointer(&out.value), out.status == C.CT_STALE, into)
	return t.check(out.status)
}

// Near returns the near cache, for its counters, and to resize it.
func (t *Tier) Near() *cachetools.ByteCache { return t.near }

// ---- Contexts -----------------------------------------------------------------------------------

// A call that ctx may end is made in another goroutine, and left behind when that happens. For what is
// near, no goroutine is needed, as that waits for nobody.

// nearCache returns the cache to look into first.
func (t *Tier) nearCache() *C.ct_cache { return (*C.ct_cache)(shared.Handle(t.near)) }

// isRefused returns whether this is the tier's own thread, where calls that would wait are refused: to
// make them elsewhere would let it wait for itself.
func (t *Tier) isRefused() bool { return C.ct_redis_wait(t.handle, 0) == C.CT_ERR_RECURSION }

// wait makes a call that waits for the server. Once ctx is done, it is left behind, and drop gets
// what it brings.
func wait[T any](t *Tier, ctx context.Context, run func() (T, error), drop func(T)) (out T, err error) {
	if err := ctx.Err(); err != nil {
		return out, err
	}
	if ctx.Done() == nil || t.isRefused() {
		return run()
	}
	type outcome struct {
		value T
		err   error
	}
	over, isLeft := make(chan outcome), make(chan struct{})
	t.left.Add(1)
	go func() {
		defer t.left.Done()
		value, err := run()
		select {
		case over <- outcome{value, err}:
		case <-isLeft:
			drop(value)
		}
	}()
	select {
	case out := <-over:
		return out.value, out.err
	case <-ctx.Done():
		close(isLeft)
		return out, ctx.Err()
	}
}

// do is wait for a call that brings nothing but its status.
func (t *Tier) do(ctx context.Context, run func() C.ct_status) error {
	status, err := wait(t, ctx, func() (C.ct_status, error) { return run(), nil }, func(C.ct_status) {})
	if err != nil {
		return err
	}
	return t.check(status)
}

// Wait waits until the server is there.
func (t *Tier) Wait(ctx context.Context) error {
	defer runtime.KeepAlive(t)
	for {
		// In turns, so that a call that was left behind is soon over.
		err := t.do(ctx, func() C.ct_status { return C.ct_redis_wait(t.handle, 50_000_000) })
		if err != cachetools.ErrBusy {
			return err
		}
	}
}

// Sync waits until the near cache shows all that was written on the server, and acknowledged to its
// writer, before this call: one round trip.
func (t *Tier) Sync(ctx context.Context) error {
	defer runtime.KeepAlive(t)
	return t.do(ctx, func() C.ct_status { return C.ct_redis_sync(t.handle) })
}

// ---- Reading ------------------------------------------------------------------------------------

// Get looks a key up near, then on the server. What the server has stays near. It never waits for a
// load. It returns ErrMiss if neither has the key; ErrIO if it is not near, and the server cannot be
// reached, or has not answered within Options.Timeout; ErrUnsupported if the key holds no string on
// the server, or the server does not allow it.
func (t *Tier) Get(ctx context.Context, key string) (value cachetools.Value, err error) {
	defer runtime.KeepAlive(t)
	if err := ctx.Err(); err != nil {
		return value, err
	}
	if ctx.Done() != nil {
		if out := C.get_near(t.handle, t.nearCache(), key); out.status != C.CT_MISS {
			err = t.value(out, &value)
			return value, err
		}
	}
	return wait(t, ctx, func() (value cachetools.Value, err error) {
		err = t.value(C.get(t.handle, key), &value)
		return value, err
	}, release)
}

func release(value cachetools.Value) { value.Release() }

// GetAppend is Get, but appends the value to a buffer, and grows the buffer if needed.
func (t *Tier) GetAppend(ctx context.Context, buffer []byte, key string) ([]byte, error) {
	defer runtime.KeepAlive(t)
	if err := ctx.Err(); err != nil {
		return buffer, err
	}
	for {
		room := buffer[len(buffer):cap(buffer)]
		var out C.ct_go_size
		if ctx.Done() == nil {
			out = C.get_copy(t.handle, key, data(room), C.size_t(len(room)))
		} else {
			out = C.get_copy_near(t.handle, t.nearCache(), key, data(room), C.size_t(len(room)))
			if out.status == C.CT_MISS { // a call that is left behind must not write to the buffer
				value, err := t.Get(ctx, key)
				defer value.Release()
				return append(buffer, value.Bytes()...), err
			}
		}
		switch out.status {
		case C.CT_OK:
			return buffer[:len(buffer)+int(out.size)], nil
		case C.CT_ERR_BUFFER:
			buffer = append(buffer, make([]byte, out.size)...)[:len(buffer)]
		default:
			return buffer, t.check(out.status)
		}
	}
}

// GetMany is Get for many keys, with one round trip for all that are not near. Each key has a value
// or an error of its own, in each, at its place; ErrMiss is one, too. Release the values. If the call
// as a whole is refused, there are none, and err says why.
func (t *Tier) GetMany(ctx context.Context, keys []string) (
	values []cachetools.Value, each []error, err error) {
	defer runtime.KeepAlive(t)
	if len(keys) == 0 {
		return nil, nil, nil
	}
	flat, ends := strings.Join(keys, ""), make([]C.size_t, len(keys))
	end := 0
	for i, key := range keys {
		end += len(key)
		ends[i] = C.size_t(end)
	}
	errs := make([]error, len(keys))
	values, err = wait(t, ctx, func() ([]cachetools.Value, error) {
		raw, statuses := make([]C.ct_value, len(ends)), make([]C.ct_status, len(ends))
		status := C.get_many(t.handle, flat, &ends[0], C.size_t(len(ends)), &raw[0], &statuses[0])
		if err := t.check(status); err != nil {
			return nil, err
		}
		values := make([]cachetools.Value, len(ends))
		for i := range values {
			errs[i] = t.value(C.ct_go_value{value: raw[i], status: statuses[i]}, &values[i])
		}
		return values, nil
	}, func(values []cachetools.Value) {
		for i := range values {
			values[i].Release()
		}
	})
	if err != nil {
		return nil, nil, err
	}
	return values, errs, nil
}

// GetOrLoad looks a key up near, then on the server, and loads it if it is absent: once at a time
// across all goroutines and machines. The others wait for it, each in a thread. load returns ErrMiss
// if there is no such value. Its error comes back unchanged.
//
// Who loads holds a lease in the key itself on the server. Any write of the key by anybody destroys
// it; then the value goes to the caller, and is kept nowhere. If the process dies, the next one loads
// once Options.Lease has ended. If the server cannot be reached, GetOrLoad loads, and keeps the value
// near for Options.OfflineTTL.
//
// Of the result, TTL, Deadline and Discard do not reach the server. To load a key within its own load
// is ErrRecursion, if the context is the one that load got; such a call does not end with its context,
// so that it can be told when it would wait for itself.
func (t *Tier) GetOrLoad(ctx context.Context, key string,
	load func(ctx context.Context, key []byte, result *cachetools.Result) error) (
	cachetools.Value, error) {
	return t.GetOrLoadTTL(ctx, key, 0, load)
}

// GetOrLoadTTL is GetOrLoad with a lifetime on the server of what is loaded: 0 is Options.TTL,
// cachetools.Never has no end.
func (t *Tier) GetOrLoadTTL(ctx context.Context, key string, ttl time.Duration,
	load func(ctx context.Context, key []byte, result *cachetools.Result) error) (
	value cachetools.Value, err error) {
	defer runtime.KeepAlive(t)
	if ttl < 0 {
		return value, cachetools.ErrInvalid
	}
	if err := ctx.Err(); err != nil {
		return value, err
	}
	var left *sync.WaitGroup
	if ctx.Done() != nil {
		if out := C.get_near(t.handle, t.nearCache(), key); out.status != C.CT_MISS {
			err = t.value(out, &value)
			return value, err
		}
		if !shared.IsLoading(ctx) && !t.isRefused() {
			left = &t.left
		}
	}
	err = shared.Load(ctx, load, left, func(loader unsafe.Pointer, userData uintptr, into any) error {
		out := C.get_or_load(t.handle, key, ticks(ttl), loader, C.uintptr_t(userData))
		return t.value(out, into.(*cachetools.Value))
	}, &value)
	return value, err
}

// ---- Writing ------------------------------------------------------------------------------------

// Set stores a value on the server and near. All other processes drop theirs. Change the source
// first.
//
// It returns ErrIO if the server cannot be reached, has not answered within Options.Timeout, or
// refuses writes. If the server cannot be reached, what is near leaves, and the key is deleted on the
// server as soon as that is there again.
func (t *Tier) Set(ctx context.Context, key string, value []byte) error {
	return t.SetTTL(ctx, key, value, 0)
}

// SetTTL is Set with a lifetime on the server: 0 is Options.TTL, cachetools.Never has no end.
func (t *Tier) SetTTL(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	defer runtime.KeepAlive(t)
	if ttl < 0 {
		return cachetools.ErrInvalid
	}
	if ctx.Done() != nil { // what is left behind reads it later
		value = append([]byte(nil), value...)
	}
	return t.do(ctx, func() C.ct_status {
		return C.set(t.handle, key, data(value), C.size_t(len(value)), ticks(ttl))
	})
}

// Delete deletes a key on the server and near, whether it is there or not. All other processes drop
// theirs. It fails as Set does.
func (t *Tier) Delete(ctx context.Context, key string) error {
	defer runtime.KeepAlive(t)
	return t.do(ctx, func() C.ct_status { return C.delete(t.handle, key) })
}

// data returns a pointer to bytes, of a type that cgo need not check for pointers inside.
func data(bytes []byte) *C.uchar {
	if len(bytes) == 0 {
		return nil
	}
	return (*C.uchar)(&bytes[0])
}

// ---- Event loops and statistics -----------------------------------------------------------------

// FD returns a file descriptor that is readable whenever Step has something to do, or -1 without
// NoThread.
func (t *Tier) FD() int {
	defer runtime.KeepAlive(t)
	return int(C.ct_redis_fd(t.handle))
}

// Step does what the tier's thread would do now, without waiting, but when it looks up the name of a
// host. It returns ErrBusy if another goroutine is doing it, and ErrUnsupported without NoThread.
func (t *Tier) Step() error {
	defer runtime.KeepAlive(t)
	return t.check(C.ct_redis_step(t.handle))
}

// Stats are counters of what has happened. Hits near are counted by the near cache.
type Stats struct {
	ServerHits      uint64        // values, or that there is none, found on the server
	ServerMisses    uint64        // keys absent on the server, or leased by another
	Loads           uint64        // calls of loaders
	Fills           uint64        // of these, whose answers were stored on the server
	FillsRefused    uint64        // of these, whose answers were not, because the key was written
	UnkeptLoads     uint64        // of these, without a lease, while online
	OfflineLoads    uint64        // of these, while the server could not be reached
	LeaseWaits      uint64        // times that a call waited for the lease of another process
	Writes          uint64        // sets and deletes that were acknowledged
	Invalidations   uint64        // keys that the server said were written by others
	Flushes         uint64        // times that it said so of all keys
	Connects        uint64        // times that the tier went online
	Disconnects     uint64        // times that it went offline
	Timeouts        uint64        // calls that waited for the server for too long
	UnknownTrailers uint64        // values that were not written by this library
	Overflows       uint64        // keys written while offline that could not be remembered
	Remembered      uint64        // keys written while offline that are still to be deleted: now
	PendingBytes    uint64        // that wait to be sent: now
	IsOnline        bool          // now
	ProofAge        time.Duration // the near cache shows all writes acknowledged until then; offline: Never
}

// Stats reads the counters.
func (t *Tier) Stats() (Stats, error) {
	defer runtime.KeepAlive(t)
	var raw C.ct_redis_counters
	raw.struct_size = C.sizeof_ct_redis_counters
	err := t.check(C.ct_redis_stats(t.handle, &raw))
	return Stats{
		ServerHits:      uint64(raw.server_hits),
		ServerMisses:    uint64(raw.server_misses),
		Loads:           uint64(raw.loads),
		Fills:           uint64(raw.fills),
		FillsRefused:    uint64(raw.fills_refused),
		UnkeptLoads:     uint64(raw.unkept_loads),
		OfflineLoads:    uint64(raw.offline_loads),
		LeaseWaits:      uint64(raw.lease_waits),
		Writes:          uint64(raw.writes),
		Invalidations:   uint64(raw.invalidations),
		Flushes:         uint64(raw.flushes),
		Connects:        uint64(raw.connects),
		Disconnects:     uint64(raw.disconnects),
		Timeouts:        uint64(raw.timeouts),
		UnknownTrailers: uint64(raw.unknown_trailers),
		Overflows:       uint64(raw.overflows),
		Remembered:      uint64(raw.remembered),
		PendingBytes:    uint64(raw.pending_bytes),
		IsOnline:        raw.online != 0,
		ProofAge:        durationOf(raw.proof_age_ns),
	}, err
}
