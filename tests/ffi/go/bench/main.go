// SPDX-License-Identifier: MIT

// What bench.c measures, in Go.
package main

import (
	"bytes"
	"fmt"
	"time"

	"cachetools"
)

const (
	entries = 1000
	batch   = 16
	gets    = 80000
	runs    = 50
)

var sink byte

func measure(run func()) float64 {
	least := time.Hour
	for i := 0; i < runs; i++ {
		begin := time.Now()
		run()
		if took := time.Since(begin); took < least {
			least = took
		}
	}
	return float64(least.Nanoseconds()) / gets
}

func require(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	cache, err := cachetools.NewBytes(cachetools.LRU, entries)
	require(err)
	defer cache.Close()
	var keys []string
	random := uint32(1)
	for i := 0; i < entries; i++ {
		key := fmt.Sprintf("key %012d", i)
		require(cache.Set(key, bytes.Repeat([]byte{byte(i)}, 64)))
		keys = append(keys, key)
		random = random*1664525 + 1013904223
		other := int(random>>8) % (i + 1)
		keys[i], keys[other] = keys[other], keys[i]
	}
	keys = append(keys, keys[:batch]...)

	single := measure(func() {
		for i := 0; i < gets; i++ {
			value, err := cache.Get(keys[i%entries])
			require(err)
			sink += value.Bytes()[0]
			value.Release()
		}
	})
	batches := measure(func() {
		for i := 0; i < gets; i += batch {
			values, err := cache.GetMany(keys[i%entries : i%entries+batch])
			require(err)
			for _, value := range values {
				sink += value[0]
			}
		}
	})
	var buffer [64]byte
	copied := measure(func() {
		for i := 0; i < gets; i++ {
			value, err := cache.GetAppend(buffer[:0], keys[i%entries])
			require(err)
			sink += value[0]
		}
	})
	fmt.Printf("%.1f %.1f %.1f\n", single, copied, batches)
}
