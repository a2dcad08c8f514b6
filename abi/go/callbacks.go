// SPDX-License-Identifier: MIT

package cachetools

// #include "callbacks.h"
import "C"

import (
	"context"
	"io"
	"runtime/cgo"
	"sync/atomic"
)

// callbacks are the options of a cache that may still be called. With Drop or Allocator, each Value
// of the cache holds them too.
type callbacks struct {
	ByteOptions
	handle  cgo.Handle
	holders int64
}

// callbacksFor returns nil if there are none.
func callbacksFor(options ByteOptions) *callbacks {
	if options.set() == 0 {
		return nil
	}
	it := &callbacks{ByteOptions: options, holders: 1}
	it.handle = cgo.NewHandle(it)
	return it
}

func (c *callbacks) uintptr() C.uintptr_t {
	if c == nil {
		return 0
	}
	return C.uintptr_t(c.handle)
}

// hold is for one more cache or value that calls letGo.
func (c *callbacks) hold() {
	if c != nil {
		atomic.AddInt64(&c.holders, 1)
	}
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

// value takes ownership of a value, if there is one.
func (c *callbacks) value(raw C.ct_value) Value {
	if raw.data == nil {
		return Value{}
	}
	value := Value{raw: raw}
	if c.areHeld() {
		c.hold()
		value.callbacks = c
	}
	return value
}

// call is what a function of this package passes to the callbacks that it runs.
type call struct {
	match func(key, value []byte) bool
	visit func(Event[[]byte, []byte])
	load  func(key []byte, result *Result) error
	// loadMany loads many keys. errs has those that it was asked for, with what they failed with.
	loadMany func(keys []string, results []*Result) error
	errs     map[string]error

	compute func(old []byte, result *Result) error
	write   io.Writer
	read    io.Reader
	args    any
	ctx     context.Context // of a load; may be nil

	err      error
	panicked any
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

// failure returns the error of a call with callbacks: the callback's, or else the library's. There is
// none if the library has none, as when a renewal has failed and the old value serves.
func (c *call) failure(err error) error {
	if err != nil && c.err != nil {
		return c.err
	}
	return err
}
