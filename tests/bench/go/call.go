// SPDX-License-Identifier: MIT

// Package hot has benchmarks of reading from Go, beside a cache written in Go. It is a module of
// its own, so that the wrapper depends on nothing. With libcachetools found by pkg-config:
//
//	go test -bench . -cpu 1,2 -count 5
package hot

// #cgo pkg-config: cachetools
// #include <cachetools.h>
//
// static void nothing(void) {}
//
// enum { KEY_SIZE = 16, VALUE_SIZE = 64 };
//
// /* Makes a cache of as many keys as `count`, which are laid out one after the other. */
// static ct_cache *open_in_c(int32_t policy, const char *keys, uint64_t count, const char *value) {
//   ct_options options = CT_OPTIONS_INIT;
//   ct_cache *cache = NULL;
//   options.policy = policy;
//   options.maxsize = 2 * count;
//   options.shards = 16;
//   if (ct_cache_new_with(&options, &cache) != CT_OK) return NULL;
//   for (uint64_t i = 0; i < count; i++) {
//     if (ct_set(cache, keys + i * KEY_SIZE, KEY_SIZE, value, VALUE_SIZE) != CT_OK) return NULL;
//   }
//   return cache;
// }
//
// /* Does what getAll has Go do, in one call. Returns a sum of what it read, or -1 after a miss. */
// static int64_t get_in_c(ct_cache *cache, const char *keys, uint64_t count, uint32_t random,
//                         int64_t n) {
//   int64_t sum = 0;
//   for (int64_t i = 0; i < n; i++) {
//     char buffer[VALUE_SIZE];
//     size_t size;
//     random = random * 1664525 + 1013904223;
//     const char *key = keys + ((uint64_t)random * count >> 32) * KEY_SIZE;
//     if (ct_get_copy(cache, key, KEY_SIZE, buffer, sizeof buffer, &size) != CT_OK) return -1;
//     sum += buffer[0];
//   }
//   return sum;
// }
import "C"

import "unsafe"

// call is what every use of the library takes at least. It is here as tests cannot use cgo.
func call() { C.nothing() }

// inC is a cache that C opens, fills and reads, with no wrapper between.
type inC struct {
	cache *C.ct_cache
	keys  []byte
}

// openInC takes keys of 16 bytes each, one after the other, and a value of 64 bytes.
func openInC(policy int, keys, value []byte) inC {
	cache := C.open_in_c(C.int32_t(policy), pointer(keys), count(keys), pointer(value))
	if cache == nil {
		panic("no cache")
	}
	return inC{cache, keys}
}

// get gets n keys in one call.
func (c inC) get(random uint32, n int) int64 {
	return int64(C.get_in_c(c.cache, pointer(c.keys), count(c.keys), C.uint32_t(random), C.int64_t(n)))
}

func (c inC) close() { C.ct_cache_free(c.cache) }

func pointer(bytes []byte) *C.char { return (*C.char)(unsafe.Pointer(&bytes[0])) }

func count(keys []byte) C.uint64_t { return C.uint64_t(len(keys) / C.KEY_SIZE) }
