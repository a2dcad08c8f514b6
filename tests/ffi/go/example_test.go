// SPDX-License-Identifier: MIT

package cachetools_test

import (
	"context"
	"fmt"
	"time"

	"cachetools"
)

func Example() {
	type user struct{ name string }
	users, err := cachetools.Open(cachetools.Options[int, *user]{
		Policy: cachetools.SIEVE, Maxsize: 1000, TTL: 5 * time.Minute,
	})
	if err != nil {
		panic(err)
	}
	defer users.Close()

	load := func(_ context.Context, id int) (*user, error) { // called once, however many ask
		return &user{fmt.Sprint("user no. ", id)}, nil
	}
	it, err := users.GetOrLoad(context.Background(), 7, load)
	fmt.Println(it.name, err)
	_, isThere := users.Get(8)
	fmt.Println(isThere)
	// Output:
	// user no. 7 <nil>
	// false
}

func ExampleByteCache() {
	cache, err := cachetools.NewBytes(cachetools.LRU, 1000)
	if err != nil {
		panic(err)
	}
	defer cache.Close()
	if err := cache.Set("answer", []byte("forty-two")); err != nil {
		panic(err)
	}
	value, err := cache.Get("answer")
	if err != nil {
		panic(err)
	}
	defer value.Release()
	fmt.Println(value.String())
	// Output: forty-two
}
