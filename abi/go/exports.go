// SPDX-License-Identifier: MIT

package cachetools

// #include "callbacks.h"
import "C"

import (
	"errors"
	"io"
	"runtime/cgo"
	"unsafe"

	"cachetools/internal/shared"
)

// The functions that callbacks.c calls. No panic may unwind through C. A panic in a callback of a
// single call is caught and continues in that call. A panic in a callback of a cache ends the
// program.

func callbacksOf(handle C.uintptr_t) *callbacks {
	return cgo.Handle(handle).Value().(*callbacks)
}

// borrowed returns a view of the library's bytes, valid as long as they are lent.
func borrowed(data unsafe.Pointer, size C.size_t) []byte {
	if size == 0 {
		return []byte{}
	}
	return unsafe.Slice((*byte)(data), int(size))
}

func eventOf(event *C.ct_event) Event[[]byte, []byte] {
	return Event[[]byte, []byte]{
		Key:    borrowed(event.key.data, event.key.size),
		Value:  borrowed(event.value.data, event.value.size),
		Weight: uint64(event.weight),
		Cause:  Cause(event.cause),
	}
}

// ---- Callbacks of a cache -----------------------------------------------------------------------

//export ctGoTimer
func ctGoTimer(handle C.uintptr_t) C.uint64_t {
	defer shared.Die()
	return ticks(callbacksOf(handle).Timer())
}

//export ctGoTimeToUse
func ctGoTimeToUse(handle C.uintptr_t, key unsafe.Pointer, keySize C.size_t, value unsafe.Pointer,
	valueSize C.size_t, now C.uint64_t) C.uint64_t {
	defer shared.Die()
	return ticks(callbacksOf(handle).TimeToUse(borrowed(key, keySize),
		borrowed(value, valueSize), durationOf(now)))
}

//export ctGoWeigh
func ctGoWeigh(handle C.uintptr_t, key unsafe.Pointer, keySize C.size_t, value unsafe.Pointer,
	valueSize C.size_t) C.uint64_t {
	defer shared.Die()
	return C.uint64_t(callbacksOf(handle).Weigh(borrowed(key, keySize), borrowed(value, valueSize)))
}

//export ctGoChoose
func ctGoChoose(handle C.uintptr_t, count C.uint64_t) C.uint64_t {
	defer shared.Die()
	return C.uint64_t(callbacksOf(handle).Choose(uint64(count)))
}

//export ctGoListen
func ctGoListen(handle C.uintptr_t, event *C.ct_event) {
	defer shared.Die()
	callbacksOf(handle).Listen(eventOf(event))
}

//export ctGoDrop
func ctGoDrop(handle C.uintptr_t, value unsafe.Pointer, size C.size_t) {
	defer shared.Die()
	callbacksOf(handle).Drop(borrowed(value, size))
}

//export ctGoAlloc
func ctGoAlloc(handle C.uintptr_t, size, align C.size_t) unsafe.Pointer {
	defer shared.Die()
	return callbacksOf(handle).Allocator.Alloc(uintptr(size), uintptr(align))
}

//export ctGoFree
func ctGoFree(handle C.uintptr_t, block unsafe.Pointer, size, align C.size_t) {
	defer shared.Die()
	callbacksOf(handle).Allocator.Free(block, uintptr(size), uintptr(align))
}

// evictor is an Evictor, with the methods that it may have or not.
type evictor struct {
	Evictor
	updater Updater
	resizer Resizer
}

//export ctGoEvictorNew
func ctGoEvictorNew(handle C.uintptr_t, maxsize C.uint64_t) C.uintptr_t {
	defer shared.Die()
	it := evictor{Evictor: callbacksOf(handle).NewEvictor(uint64(maxsize))}
	it.updater, _ = it.Evictor.(Updater)
	it.resizer, _ = it.Evictor.(Resizer)
	return C.uintptr_t(cgo.NewHandle(it))
}

func evictorOf(handle C.uintptr_t) evictor {
	return cgo.Handle(handle).Value().(evictor)
}

//export ctGoEvictorFree
func ctGoEvictorFree(handle C.uintptr_t) {
	cgo.Handle(handle).Delete()
}

//export ctGoEvictorInsert
func ctGoEvictorInsert(handle C.uintptr_t, id C.uint32_t, weight C.uint64_t, key unsafe.Pointer,
	keySize C.size_t, now C.uint64_t) {
	defer shared.Die()
	evictorOf(handle).Insert(uint32(id), uint64(weight), borrowed(key, keySize), uint64(now))
}

//export ctGoEvictorUpdate
func ctGoEvictorUpdate(handle C.uintptr_t, id C.uint32_t, weight C.uint64_t, key unsafe.Pointer,
	keySize C.size_t, now C.uint64_t) {
	defer shared.Die()
	if updater := evictorOf(handle).updater; updater != nil {
		updater.Update(uint32(id), uint64(weight), borrowed(key, keySize), uint64(now))
	}
}

//export ctGoEvictorHit
func ctGoEvictorHit(handle C.uintptr_t, id C.uint32_t, now C.uint64_t) {
	defer shared.Die()
	evictorOf(handle).Hit(uint32(id), uint64(now))
}

//export ctGoEvictorRemove
func ctGoEvictorRemove(handle C.uintptr_t, id C.uint32_t) {
	defer shared.Die()
	evictorOf(handle).Remove(uint32(id))
}

//export ctGoEvictorResize
func ctGoEvictorResize(handle C.uintptr_t, maxsize C.uint64_t) {
	defer shared.Die()
	if resizer := evictorOf(handle).resizer; resizer != nil {
		resizer.Resize(uint64(maxsize))
	}
}

//export ctGoEvictorVictim
func ctGoEvictorVictim(handle C.uintptr_t) C.uint32_t {
	defer shared.Die()
	return C.uint32_t(evictorOf(handle).Victim())
}

// ---- Callbacks of a call ------------------------------------------------------------------------

// A callback's own status. Its error is kept in the call.
const callbackFailed = -1000

// try runs a callback of this call.
func (c *call) try(callback func()) {
	defer func() {
		if panicked := recover(); panicked != nil {
			c.panicked = panicked
		}
	}()
	callback()
}

// answer runs a callback that may fail. ErrMiss and ErrNotStored go to the library; other errors
// come back to the caller unchanged, and the library gets the status of those that have one. A load
// that panics, or whose context is done, concerns its own caller only.
func (c *call) answer(callback func() error) C.ct_status {
	status := C.ct_status(callbackFailed)
	c.try(func() {
		err := callback()
		if err == nil {
			status = C.CT_OK
			return
		}
		status = c.statusOf(err)
		if status != C.CT_MISS && status != C.CT_NOT_STORED {
			c.err = err
		}
	})
	if c.panicked != nil {
		return C.CT_BUSY
	}
	return status
}

// statusOf returns what the library is told of an error.
func (c *call) statusOf(err error) C.ct_status {
	var known Status
	isKnown := errors.As(err, &known)
	switch {
	case known == ErrMiss || known == ErrNotStored:
		return C.ct_status(known)
	case c.ctx != nil && c.ctx.Err() != nil:
		return C.CT_BUSY
	case isKnown:
		return C.ct_status(known)
	}
	return callbackFailed
}

// result is where a callback of one key leaves its value.
func (c *call) result(handle *C.ct_result) *Result { return &Result{handle: handle, call: c} }

func callOf(handle C.uintptr_t) *call {
	return cgo.Handle(handle).Value().(*call)
}

//export ctGoMatch
func ctGoMatch(handle C.uintptr_t, key unsafe.Pointer, keySize C.size_t, value unsafe.Pointer,
	valueSize C.size_t) (matches C.bool) {
	c := callOf(handle)
	c.try(func() {
		if c.panicked == nil {
			matches = C.bool(c.match(borrowed(key, keySize), borrowed(value, valueSize)))
		}
	})
	return matches
}

//export ctGoVisit
func ctGoVisit(handle C.uintptr_t, event *C.ct_event) {
	c := callOf(handle)
	c.try(func() { c.visit(eventOf(event)) })
}

//export ctGoWrite
func ctGoWrite(handle C.uintptr_t, data unsafe.Pointer, size C.size_t) C.ct_status {
	c := callOf(handle)
	return c.answer(func() error {
		_, err := c.write.Write(borrowed(data, size))
		return err
	})
}

//export ctGoRead
func ctGoRead(handle C.uintptr_t, buffer unsafe.Pointer, capacity C.size_t,
	got *C.size_t) C.ct_status {
	c := callOf(handle)
	return c.answer(func() error {
		size, err := io.ReadAtLeast(c.read, borrowed(buffer, capacity), 1)
		*got = C.size_t(size)
		if size > 0 || err == io.EOF {
			return nil // 0 bytes: the input ends
		}
		return err
	})
}

//export ctGoLoad
func ctGoLoad(handle C.uintptr_t, key unsafe.Pointer, size C.size_t,
	result *C.ct_result) C.ct_status {
	c := callOf(handle)
	return c.answer(func() error { return c.load(borrowed(key, size), c.result(result)) })
}

//export ctGoLoadMany
func ctGoLoadMany(handle C.uintptr_t, keys *C.ct_bytes, count C.size_t,
	results **C.ct_result) C.ct_status {
	c := callOf(handle)
	c.err = nil
	asked, found := make([]string, count), make([]*Result, count)
	for i, key := range unsafe.Slice(keys, int(count)) {
		asked[i] = string(borrowed(key.data, key.size))
		c.errs[asked[i]] = nil
		found[i] = &Result{unsafe.Slice(results, int(count))[i], c, asked[i]}
	}
	status := c.answer(func() error {
		return c.loadMany(append([]string(nil), asked...), found) // which it may change
	})
	if c.err != nil {
		for _, key := range asked {
			c.errs[key] = c.err
		}
	}
	return status
}

//export ctGoDone
func ctGoDone(handle C.uintptr_t, out C.ct_go_number) {
	cgo.Handle(handle).Value().(waiter).done(out)
}

//export ctGoCompute
func ctGoCompute(handle C.uintptr_t, old *C.ct_bytes, result *C.ct_result) C.ct_status {
	c := callOf(handle)
	return c.answer(func() error {
		if old == nil {
			return c.compute(nil, c.result(result))
		}
		return c.compute(borrowed(old.data, old.size), c.result(result))
	})
}

//export ctGoMemoFn
func ctGoMemoFn(functions, handle C.uintptr_t, result *C.ct_result) C.ct_status {
	c := callOf(handle)
	return c.answer(func() error {
		return cgo.Handle(functions).Value().(memoFunctions).call(c.args, c.result(result))
	})
}

//export ctGoMemoKey
func ctGoMemoKey(functions, handle C.uintptr_t, key *C.ct_key) C.ct_status {
	c := callOf(handle)
	return c.answer(func() error {
		lent := &Key{handle: key, isLent: true}
		defer func() { lent.handle = nil }()
		return cgo.Handle(functions).Value().(memoFunctions).addKey(c.args, lent)
	})
}
