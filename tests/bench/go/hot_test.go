// SPDX-License-Identifier: MIT

package hot

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"cachetools"

	"github.com/maypok86/otter/v2"
)

// Gets of keys that are all there, as many goroutines at once as -cpu says.
const keyCount = 10000

var (
	keys  = makeKeys()
	value = bytes.Repeat([]byte{'v'}, 64)
	sink  atomic.Uint32
)

func makeKeys() []string {
	keys := make([]string, keyCount)
	for i := range keys {
		keys[i] = fmt.Sprintf("key %012d", i)
	}
	return keys
}

// getAll has each goroutine ask for keys in an order of its own. get returns a byte of the value,
// and may use the buffer.
func getAll(b *testing.B, get func(key string, buffer []byte) byte) {
	var goroutines atomic.Uint32
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		random := goroutines.Add(1)
		sum := uint32(0)
		buffer := make([]byte, len(value))
		for pb.Next() {
			random = random*1664525 + 1013904223
			sum += uint32(get(keys[uint64(random)*keyCount>>32], buffer))
		}
		sink.Add(sum)
	})
}

func BenchmarkCallOfNothing(b *testing.B) {
	getAll(b, func(string, []byte) byte {
		call()
		return 0
	})
}

// BenchmarkGetInC shows what is left without the way into C: all gets of a goroutine are one call, of
// a loop in C.
func BenchmarkGetInC(b *testing.B) {
	for _, policy := range []cachetools.Policy{cachetools.LRU, cachetools.SIEVE, cachetools.WTINYLFU} {
		b.Run(policy.String(), func(b *testing.B) {
			cache := openInC(int(policy), []byte(strings.Join(keys, "")), value)
			defer cache.close()
			goroutines := runtime.GOMAXPROCS(0)
			var all sync.WaitGroup
			b.ResetTimer()
			for i := 0; i < goroutines; i++ {
				all.Add(1)
				go func(random uint32, n int) {
					defer all.Done()
					if cache.get(random, n) < 0 {
						panic("a miss")
					}
				}(uint32(i+1), b.N/goroutines)
			}
			all.Wait()
		})
	}
}

// open makes a cache that holds all keys.
func open(b *testing.B, policy cachetools.Policy) *cachetools.ByteCache {
	cache, err := cachetools.OpenBytes(cachetools.ByteOptions{Policy: policy, Maxsize: 2 * keyCount, Shards: 16})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(cache.Close)
	for _, key := range keys {
		if err := cache.Set(key, value); err != nil {
			b.Fatal(err)
		}
	}
	return cache
}

func BenchmarkGet(b *testing.B) {
	for _, policy := range []cachetools.Policy{cachetools.LRU, cachetools.SIEVE, cachetools.WTINYLFU} {
		b.Run(policy.String(), func(b *testing.B) {
			cache := open(b, policy)
			getAll(b, func(key string, _ []byte) byte {
				value, err := cache.Get(key)
				if err != nil {
					panic(err)
				}
				defer value.Release()
				return value.Bytes()[0]
			})
		})
	}
}

func BenchmarkGetAppend(b *testing.B) {
	for _, policy := range []cachetools.Policy{cachetools.LRU, cachetools.SIEVE, cachetools.WTINYLFU} {
		b.Run(policy.String(), func(b *testing.B) {
			cache := open(b, policy)
			getAll(b, func(key string, buffer []byte) byte {
				value, err := cache.GetAppend(buffer[:0], key)
				if err != nil {
					panic(err)
				}
				return value[0]
			})
		})
	}
}

// BenchmarkTyped copies nothing, either: the values are Go's.
func BenchmarkTyped(b *testing.B) {
	for _, policy := range []cachetools.Policy{cachetools.LRU, cachetools.SIEVE, cachetools.WTINYLFU} {
		b.Run(policy.String(), func(b *testing.B) {
			cache, err := cachetools.Open(cachetools.Options[string, []byte]{
				Policy: policy, Maxsize: 2 * keyCount, Shards: 16})
			if err != nil {
				b.Fatal(err)
			}
			defer cache.Close()
			for _, key := range keys {
				if err := cache.Set(key, value); err != nil {
					b.Fatal(err)
				}
			}
			getAll(b, func(key string, _ []byte) byte {
				value, isThere := cache.Get(key)
				if !isThere {
					panic("a miss")
				}
				return value[0]
			})
		})
	}
}

// BenchmarkOtter copies nothing: otter hands out the slice that it keeps.
func BenchmarkOtter(b *testing.B) {
	cache := otter.Must(&otter.Options[string, []byte]{MaximumSize: 2 * keyCount})
	for _, key := range keys {
		cache.Set(key, value)
	}
	getAll(b, func(key string, _ []byte) byte {
		value, ok := cache.GetIfPresent(key)
		if !ok {
			panic("a miss")
		}
		return value[0]
	})
}
