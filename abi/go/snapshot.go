// SPDX-License-Identifier: MIT

package cachetools

// #include <stdlib.h>
// #include "callbacks.h"
import "C"

import (
	"io"
	"runtime"
	"unsafe"
)

// SaveFile saves the contents of the cache in a file, which is replaced as a whole or not at all.
func (c *ByteCache) SaveFile(path string) error {
	defer runtime.KeepAlive(c)
	cPath := C.CString(path)
	defer C.free(unsafe.Pointer(cPath))
	return c.check(C.ct_snapshot_save_file(c.handle, cPath))
}

// LoadFile adds the entries of a file, from the hottest on, as far as there is room. Lifetimes go
// on from where they were at the save.
func (c *ByteCache) LoadFile(path string) error { return c.loadFile(path, 0) }

// LoadFileAged is LoadFile, but takes the time since the save off lifetimes, by the wall clock.
// Both caches must have the default timer.
func (c *ByteCache) LoadFileAged(path string) error { return c.loadFile(path, C.CT_SNAPSHOT_AGED) }

func (c *ByteCache) loadFile(path string, flags C.uint32_t) error {
	defer runtime.KeepAlive(c)
	cPath := C.CString(path)
	defer C.free(unsafe.Pointer(cPath))
	return c.check(C.ct_snapshot_load_file_with(c.handle, cPath, flags))
}

// Save is SaveFile into a writer. It returns the error of the writer unchanged.
func (c *ByteCache) Save(to io.Writer) (err error) {
	defer runtime.KeepAlive(c)
	it := &call{write: to}
	during(it, func(handle C.uintptr_t) { err = c.check(C.ct_go_snapshot_save(c.handle, handle)) })
	return it.failure(err)
}

// Load is LoadFile from a reader. It reads nothing beyond the snapshot.
func (c *ByteCache) Load(from io.Reader) error { return c.load(from, 0) }

// LoadAged is LoadFileAged from a reader.
func (c *ByteCache) LoadAged(from io.Reader) error { return c.load(from, C.CT_SNAPSHOT_AGED) }

func (c *ByteCache) load(from io.Reader, flags C.uint32_t) (err error) {
	defer runtime.KeepAlive(c)
	it := &call{read: from}
	during(it, func(handle C.uintptr_t) {
		err = c.check(C.ct_go_snapshot_load(c.handle, handle, flags))
	})
	return it.failure(err)
}
