// SPDX-License-Identifier: MIT

package cachetools

// #include "callbacks.h"
//
// /* A key is the first bytes of word if there is a size, else text. */
// #define KEY (size != 0 ? (const void *)&word : _GoStringPtr(text)), \
//             (size != 0 ? size : _GoStringLen(text))
//
// /* Reads the number that a value is, and releases the value. */
// static ct_go_number read(ct_status status, ct_value *value) {
//   ct_go_number out = {.status = status};
//   if (value->data != NULL) out.number = *(const uint64_t *)value->data;
//   ct_value_release(value);
//   return out;
// }
//
// static ct_go_number number_get(ct_cache *cache, _GoString_ text, uint64_t word, size_t size) {
//   ct_go_number out = {.number = 0};
//   out.status = ct_get_copy(cache, KEY, &out.number, sizeof out.number, NULL);
//   return out;
// }
//
// static ct_go_number number_peek(ct_cache *cache, _GoString_ text, uint64_t word, size_t size) {
//   ct_value value;
//   const ct_status status = ct_peek(cache, KEY, &value);
//   return read(status, &value);
// }
//
// static bool number_contains(ct_cache *cache, _GoString_ text, uint64_t word, size_t size) {
//   return ct_contains(cache, KEY);
// }
//
// typedef struct ct_go_change {
//   ct_go_dropped dropped;
//   uint64_t number;
//   ct_status status;
// } ct_go_change;
//
// /* Makes a call that may drop numbers. */
// #define CHANGE(out, call)                         \
//   do {                                            \
//     ct_go_dropped *outer = ct_go_dropping;        \
//     (out).dropped.callbacks = callbacks;          \
//     ct_go_dropping = &(out).dropped;              \
//     (out).status = call;                          \
//     ct_go_dropping = outer;                       \
//   } while (0)
//
// static ct_go_change number_set(ct_cache *cache, uintptr_t callbacks, _GoString_ text,
//                                uint64_t word, size_t size, uint64_t number) {
//   ct_go_change out = {.number = number};
//   CHANGE(out, ct_set(cache, KEY, &number, sizeof number));
//   return out;
// }
//
// static ct_go_change number_set_with(ct_cache *cache, uintptr_t callbacks, _GoString_ text,
//                                     uint64_t word, size_t size, uint64_t number,
//                                     ct_entry_options options) {
//   ct_go_change out = {.number = number};
//   CHANGE(out, ct_set_with(cache, KEY, &number, sizeof number, &options));
//   return out;
// }
//
// static ct_go_change number_setdefault(ct_cache *cache, uintptr_t callbacks, _GoString_ text,
//                                       uint64_t word, size_t size, uint64_t number) {
//   ct_go_change out = {.number = 0};
//   ct_value value;
//   CHANGE(out, ct_setdefault(cache, KEY, &number, sizeof number, &value));
//   out.number = read(out.status, &value).number;
//   return out;
// }
//
// static ct_go_change number_delete(ct_cache *cache, uintptr_t callbacks, _GoString_ text,
//                                   uint64_t word, size_t size) {
//   ct_go_change out = {.number = 0};
//   CHANGE(out, ct_delete(cache, KEY));
//   return out;
// }
//
// /* The value is still pinned, so that it is not dropped before Go has read it. */
// static ct_go_value number_pop(ct_cache *cache, _GoString_ text, uint64_t word, size_t size) {
//   ct_go_value out;
//   out.status = ct_pop(cache, KEY, &out.value);
//   return out;
// }
//
// static ct_go_number number_get_or_lease(ct_cache *cache, _GoString_ text, uint64_t word,
//                                         size_t size) {
//   ct_value value;
//   ct_lease *lease;
//   const ct_status status = ct_get_or_lease(cache, KEY, 0, &value, &lease);
//   ct_go_number out = read(status, &value);
//   out.lease = lease;
//   return out;
// }
//
// /* What a call that may wait has found, and what cancels it. */
// typedef struct ct_go_wait {
//   ct_go_number found;
//   ct_wait *wait;
// } ct_go_wait;
//
// static ct_go_wait number_await(ct_cache *cache, _GoString_ text, uint64_t word, size_t size,
//                                uintptr_t waiter, bool can_end) {
//   ct_value value;
//   ct_lease *lease;
//   ct_go_wait out = {.wait = NULL};
//   const ct_status status = ct_get_or_lease_async(cache, KEY, NULL, ct_go_done, (void *)waiter,
//                                                  &value, &lease, can_end ? &out.wait : NULL);
//   out.found = read(status, &value);
//   out.found.lease = lease;
//   return out;
// }
//
// static ct_go_change number_fulfil(ct_lease *lease, uintptr_t callbacks, uint64_t number,
//                                   ct_entry_options options) {
//   ct_go_change out = {.number = number};
//   CHANGE(out, ct_lease_fulfil(lease, &number, sizeof number, &options, NULL));
//   return out;
// }
import "C"

import (
	"runtime"
	"runtime/cgo"
	"unsafe"

	"cachetools/internal/shared"
)

// numbers is a cache whose values are numbers of slots. Numbers go to C and back by value, as the
// address of a variable of Go's would cost an allocation.
type numbers struct {
	*ByteCache
	drop func(number uint64)
}

// changed ends a call that may have dropped numbers.
func (n numbers) changed(out C.ct_go_change) error {
	if out.dropped.count != 0 {
		defer shared.Die()
		for _, number := range out.dropped.numbers[:out.dropped.count] {
			n.drop(uint64(number))
		}
	}
	return n.check(out.status)
}

// numberOf reads the number that a value is.
func numberOf(value []byte) (number uint64) {
	copy((*[8]byte)(unsafe.Pointer(&number))[:], value)
	return number
}

// bytesOf returns a number as a value.
func bytesOf(number uint64) []byte {
	return append([]byte(nil), (*[8]byte)(unsafe.Pointer(&number))[:]...)
}

func (n numbers) get(key encoded) (uint64, bool) {
	defer runtime.KeepAlive(n.ByteCache)
	out := C.number_get(n.handle, key.text, C.uint64_t(key.word), C.size_t(key.size))
	return uint64(out.number), out.status == C.CT_OK
}

func (n numbers) peek(key encoded) (uint64, bool) {
	defer runtime.KeepAlive(n.ByteCache)
	out := C.number_peek(n.handle, key.text, C.uint64_t(key.word), C.size_t(key.size))
	return uint64(out.number), out.status == C.CT_OK
}

func (n numbers) contains(key encoded) bool {
	defer runtime.KeepAlive(n.ByteCache)
	return bool(C.number_contains(n.handle, key.text, C.uint64_t(key.word), C.size_t(key.size)))
}

func (n numbers) set(key encoded, number uint64) error {
	defer runtime.KeepAlive(n.ByteCache)
	return n.changed(C.number_set(n.handle, n.callbacks.uintptr(), key.text, C.uint64_t(key.word),
		C.size_t(key.size), C.uint64_t(number)))
}

func (n numbers) setWith(key encoded, number uint64, options EntryOptions) error {
	defer runtime.KeepAlive(n.ByteCache)
	raw, block := options.lend()
	defer freeBlock(block)
	err := n.changed(C.number_set_with(n.handle, n.callbacks.uintptr(), key.text,
		C.uint64_t(key.word), C.size_t(key.size), C.uint64_t(number), raw))
	return n.explain(err, options, "")
}

// getOrSet returns the number that is there. That is the given one if it was stored.
func (n numbers) getOrSet(key encoded, number uint64) (uint64, error) {
	defer runtime.KeepAlive(n.ByteCache)
	out := C.number_setdefault(n.handle, n.callbacks.uintptr(), key.text, C.uint64_t(key.word),
		C.size_t(key.size), C.uint64_t(number))
	return uint64(out.number), n.changed(out)
}

func (n numbers) delete(key encoded) bool {
	defer runtime.KeepAlive(n.ByteCache)
	return n.changed(C.number_delete(n.handle, n.callbacks.uintptr(), key.text, C.uint64_t(key.word),
		C.size_t(key.size))) == nil
}

// pop returns the value of a number. Its slot is there until its Release.
func (n numbers) pop(key encoded) (Value, error) {
	defer runtime.KeepAlive(n.ByteCache)
	return n.value(C.number_pop(n.handle, key.text, C.uint64_t(key.word), C.size_t(key.size)))
}

// getOrLease returns a number, or a lease, or both; CT_BUSY if another has the lease.
func (n numbers) getOrLease(key encoded) C.ct_go_number {
	defer runtime.KeepAlive(n.ByteCache)
	return C.number_get_or_lease(n.handle, key.text, C.uint64_t(key.word), C.size_t(key.size))
}

// await does the same, but waits for the lease: with CT_PENDING, the waiter is told. It can be
// cancelled only if that is said.
func (n numbers) await(key encoded, waiter cgo.Handle, canEnd bool) C.ct_go_wait {
	defer runtime.KeepAlive(n.ByteCache)
	return C.number_await(n.handle, key.text, C.uint64_t(key.word), C.size_t(key.size),
		C.uintptr_t(waiter), C.bool(canEnd))
}

// fulfil ends a lease, whatever it returns.
func (n numbers) fulfil(lease *C.ct_lease, number uint64, options EntryOptions) error {
	defer runtime.KeepAlive(n.ByteCache)
	raw, block := options.lend()
	defer freeBlock(block)
	err := n.changed(C.number_fulfil(lease, n.callbacks.uintptr(), C.uint64_t(number), raw))
	return n.explain(err, options, noCondition)
}

// fail ends a lease whose load has failed.
func (n numbers) fail(lease *C.ct_lease, status C.ct_status) {
	defer runtime.KeepAlive(n.ByteCache)
	C.ct_lease_fail(lease, status)
}

func (n numbers) abandon(lease *C.ct_lease) {
	defer runtime.KeepAlive(n.ByteCache)
	C.ct_lease_abandon(lease)
}
