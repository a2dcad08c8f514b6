// SPDX-License-Identifier: MIT

// Package shared is what the packages of this module share. C has other types in each of them, so
// what is C's goes by address.
package shared

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"unsafe"
)

// Die ends the program on a panic, as an unrecovered panic does.
func Die() {
	if panicked := recover(); panicked != nil {
		fmt.Fprintf(os.Stderr, "panic in a callback of a cache: %v\n\n%s", panicked, debug.Stack())
		os.Exit(2)
	}
}

// What package cachetools lends to package redis. A cache is a *cachetools.ByteCache.
var (
	// Handle returns the ct_cache of a cache, nil if it is closed.
	Handle func(cache any) unsafe.Pointer

	// Own takes ownership of a ct_value of the cache, if there is one, into a *cachetools.Value.
	Own func(cache any, raw unsafe.Pointer, isStale bool, into any)

	// Load makes a call that loads a value into a *cachetools.Value. load is as for GetOrLoadWith.
	// The call runs a ct_loader_fn with that user_data. If left is not nil, it is made from another
	// goroutine, which counts there, and is left behind when ctx is done before it has begun to load.
	Load func(ctx context.Context, load any, left *sync.WaitGroup,
		call func(loader unsafe.Pointer, userData uintptr, into any) error, into any) error

	// IsLoading returns whether a loader got this context.
	IsLoading func(ctx context.Context) bool
)
