// SPDX-License-Identifier: MIT

package cachetools

// #include "callbacks.h"
import "C"

import (
	"context"
	"sync"
	"unsafe"

	"cachetools/internal/shared"
)

// Package redis is apart, so that programs without it need no other library than this one.
func init() {
	shared.Handle = func(cache any) unsafe.Pointer {
		return unsafe.Pointer(cache.(*ByteCache).handle)
	}
	shared.Own = func(cache any, raw unsafe.Pointer, isStale bool, into any) {
		value := cache.(*ByteCache).callbacks.value(*(*C.ct_value)(raw))
		value.isStale = isStale
		*into.(*Value) = value
	}
	shared.Load = loadByTier
	shared.IsLoading = func(ctx context.Context) bool { return ctx.Value(loadKey{}) != nil }
}

func loadByTier(ctx context.Context, load any, left *sync.WaitGroup,
	get func(loader unsafe.Pointer, userData uintptr, into any) error, into any) error {
	within := context.WithValue(ctx, loadKey{}, true)
	fn := load.(func(context.Context, []byte, *Result) error)
	it := &call{ctx: ctx, load: func(key []byte, result *Result) error {
		return fn(within, key, result)
	}}
	run := func() (value Value, err error) {
		during(it, func(handle C.uintptr_t) {
			err = get(unsafe.Pointer(C.ct_go_load), uintptr(handle), &value)
		})
		return value, it.failure(err)
	}
	var err error
	if left == nil {
		*into.(*Value), err = run()
	} else {
		*into.(*Value), err = it.wait(left, run)
	}
	return err
}
