// SPDX-License-Identifier: MIT

package cachetools_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	. "cachetools"
)

// Many keys that are loaded by one query. Caches of bytes and of values do the same, but for how they
// say it.

// manyLoader finds values, and errors, of the given keys. The error is of all.
type manyLoader func(ctx context.Context, absent []string) (map[string]string, error)

// many are the calls of a cache.
type many interface {
	put(key, value string)
	has(key string) bool
	// load loads one key, which others may wait for meanwhile.
	load(ctx context.Context, key string, load func(context.Context) (string, error)) (string, error)
	// loadMany returns the answers of keys as text: values, names of errors, "-" if there is no value.
	loadMany(ctx context.Context, keys []string, load manyLoader) string
	stats() Stats
}

type manyBytes struct {
	t     *testing.T
	cache *ByteCache
}

func (m manyBytes) put(key, value string) { expectError(m.t, nil, m.cache.Set(key, []byte(value))) }
func (m manyBytes) has(key string) bool   { return m.cache.Contains(key) }

func (m manyBytes) stats() Stats {
	stats, err := m.cache.Stats()
	expectError(m.t, nil, err)
	return stats
}

func (m manyBytes) load(ctx context.Context, key string,
	load func(context.Context) (string, error)) (string, error) {
	value, err := m.cache.GetOrLoadWith(ctx, key,
		func(ctx context.Context, _ []byte, result *Result) error {
			value, err := load(ctx)
			if err == nil {
				err = result.Set([]byte(value))
			}
			return err
		}, LoadOptions{})
	defer value.Release()
	return value.String(), err
}

func (m manyBytes) loadMany(ctx context.Context, keys []string, load manyLoader) string {
	values, each, err := m.cache.GetOrLoadMany(ctx, keys,
		func(ctx context.Context, absent []string, results []*Result) error {
			expect(m.t, len(absent), len(results))
			asked := append([]string(nil), absent...)
			values, err := load(ctx, absent)
			failed, isEach := err.(KeyErrors[string])
			if err != nil && !isEach {
				return err
			}
			for i, key := range asked {
				if value, isThere := values[key]; isThere {
					expectError(m.t, nil, results[i].Set([]byte(value)))
				}
				if failure := failed[key]; failure != nil {
					results[i].Fail(failure)
				}
			}
			return nil
		})
	expectError(m.t, nil, err)
	var text []string
	for i := range values {
		text = append(text, textOf(values[i].String(), each[i]))
		values[i].Release()
	}
	return strings.Join(text, " ")
}

type manyValues struct {
	t     *testing.T
	cache *Cache[string, string]
}

func (m manyValues) put(key, value string) { expectError(m.t, nil, m.cache.Set(key, value)) }
func (m manyValues) has(key string) bool   { return m.cache.Contains(key) }
func (m manyValues) stats() Stats          { return m.cache.Stats() }

func (m manyValues) load(ctx context.Context, key string,
	load func(context.Context) (string, error)) (string, error) {
	return m.cache.GetOrLoad(ctx, key, func(ctx context.Context, _ string) (string, error) {
		return load(ctx)
	})
}

func (m manyValues) loadMany(ctx context.Context, keys []string, load manyLoader) string {
	values, err := m.cache.GetOrLoadMany(ctx, keys, load)
	failed, _ := err.(KeyErrors[string])
	expect(m.t, err != nil, len(failed) != 0)
	var text []string
	for _, key := range keys {
		value, isThere := values[key]
		failure := failed[key]
		if !isThere && failure == nil {
			failure = ErrMiss
		}
		text = append(text, textOf(value, failure))
	}
	return strings.Join(text, " ")
}

func textOf(value string, err error) string {
	var status Status
	switch {
	case err == nil:
		return value
	case errors.Is(err, ErrMiss):
		return "-"
	case errors.As(err, &status):
		return status.Name()
	}
	return err.Error()
}

func capitals(_ context.Context, absent []string) (map[string]string, error) {
	found := map[string]string{}
	for _, key := range absent {
		found[key] = strings.ToUpper(key)
	}
	return found, nil
}

// withBoth runs a test with either cache. Values live 100, and serve 50 longer; for 50 it is
// remembered that there is none.
func withBoth(t *testing.T, test func(t *testing.T, cache many, clock *manualClock)) {
	t.Run("bytes", func(t *testing.T) {
		clock := &manualClock{1000}
		test(t, manyBytes{t, open(t, ByteOptions{Maxsize: 1000, Timer: clock.read, TTL: 100, Stale: 50,
			NegativeTTL: 50})}, clock)
	})
	t.Run("values", func(t *testing.T) {
		clock := &manualClock{1000}
		test(t, manyValues{t, openTyped(t, Options[string, string]{Maxsize: 1000, Timer: clock.read,
			TTL: 100, Stale: 50, NegativeTTL: 50})}, clock)
	})
}

func TestEachOfManyKeysHasAnAnswerOfOneQuery(t *testing.T) {
	withBoth(t, func(t *testing.T, cache many, _ *manualClock) {
		cache.put("there", "1")
		keys := []string{"a", "there", "none", "b", "fails", "a", "fails", "none"}
		calls := 0
		expect(t, "A 1 - B down A down -", cache.loadMany(background, keys,
			func(_ context.Context, absent []string) (map[string]string, error) {
				calls++
				expect(t, []string{"a", "none", "b", "fails"}, absent)
				absent[0] = "it may change them"
				return map[string]string{"a": "A", "b": "B", "c": "C"},
					KeyErrors[string]{"fails": errors.New("down")}
			}))
		expect(t, 1, calls)
		expect(t, true, cache.has("a") && !cache.has("c"))
		// What is there, or is known to be missing, is not asked for.
		expect(t, "A 1 - B FAILS A FAILS -", cache.loadMany(background, keys,
			func(ctx context.Context, absent []string) (map[string]string, error) {
				expect(t, []string{"fails"}, absent)
				return capitals(ctx, absent)
			}))
		cache.put("none", "2")
		expect(t, "2", cache.loadMany(background, []string{"none"}, nil))
		expect(t, "", cache.loadMany(background, nil, nil))
		expect(t, uint64(0), cache.stats().Pinned)
	})
}

func TestALoaderOfManyThatFailsFailsAll(t *testing.T) {
	withBoth(t, func(t *testing.T, cache many, clock *manualClock) {
		isDown := func(context.Context, []string) (map[string]string, error) {
			return nil, errors.New("down")
		}
		cache.put("old", "1")
		expect(t, "1 down down", cache.loadMany(background, []string{"old", "a", "b"}, isDown))
		clock.set(1100) // an old value serves
		expect(t, "down 1", cache.loadMany(background, []string{"a", "old"}, isDown))
		expect(t, uint64(1), cache.stats().RenewalFailures)
		func() {
			defer func() { expect(t, "from the loader", recover()) }()
			cache.loadMany(background, []string{"old", "a", "b"},
				func(context.Context, []string) (map[string]string, error) { panic("from the loader") })
		}()
		expect(t, uint64(0), cache.stats().Pinned)
		clock.set(1120)
		expect(t, "OLD A B", cache.loadMany(background, []string{"old", "a", "b"}, capitals))
	})
}

// beside asks for a and b while another goroutine loads b, which ends when a is there.
func beside(t *testing.T, cache many, ctx context.Context, load manyLoader,
	end func() (string, error)) string {
	begun, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = cache.load(background, "b", func(context.Context) (string, error) {
			close(begun)
			for !cache.has("a") {
				runtime.Gosched()
			}
			return end()
		})
	}()
	<-begun
	t.Cleanup(func() { <-ended })
	return cache.loadMany(ctx, []string{"b", "a"}, load)
}

func TestWhoWaitsForOthersHoldsNoLease(t *testing.T) {
	withBoth(t, func(t *testing.T, cache many, _ *manualClock) {
		asked := ""
		load := func(ctx context.Context, absent []string) (map[string]string, error) {
			asked += fmt.Sprint(absent)
			return capitals(ctx, absent)
		}
		expect(t, "another's A", beside(t, cache, background, load,
			func() (string, error) { return "another's", nil }))
		expect(t, "[a]", asked)
	})
}

func TestWhatOthersGiveUpIsLoadedByOneMoreCall(t *testing.T) {
	withBoth(t, func(t *testing.T, cache many, _ *manualClock) {
		asked := ""
		load := func(ctx context.Context, absent []string) (map[string]string, error) {
			asked += fmt.Sprint(absent)
			if absent[0] == "b" {
				return nil, errors.New("down")
			}
			return capitals(ctx, absent)
		}
		expect(t, "down A", beside(t, cache, background, load,
			func() (string, error) { return "", ErrBusy }))
		expect(t, "[a][b]", asked)
	})
}

func TestOneWhoseContextIsDoneWaitsForNoneOfMany(t *testing.T) {
	withBoth(t, func(t *testing.T, cache many, _ *manualClock) {
		ctx, cancel := context.WithCancel(background)
		release := make(chan struct{})
		defer close(release)
		expect(t, "context canceled A", beside(t, cache, ctx, capitals, func() (string, error) {
			cancel()
			<-release
			return "another's", nil
		}))
		// A loader that is cancelled concerns nobody else.
		cancelled := func(context.Context, []string) (map[string]string, error) {
			return nil, ctx.Err()
		}
		expect(t, "context canceled", cache.loadMany(ctx, []string{"c"}, cancelled))
		expect(t, "C", cache.loadMany(background, []string{"c"}, capitals))
	})
}

func TestBatchesThatCrossLoadEachKeyOnce(t *testing.T) {
	withBoth(t, func(t *testing.T, cache many, _ *manualClock) {
		for round := 0; round < 50; round++ {
			var keys []string
			for i := 0; i < 4; i++ {
				keys = append(keys, fmt.Sprint("k", round, ".", i))
			}
			var loads int32
			var group sync.WaitGroup
			for turn := range keys {
				turned := append(append([]string(nil), keys[turn:]...), keys[:turn]...)
				group.Add(1)
				go func() {
					defer group.Done()
					found := cache.loadMany(background, turned,
						func(ctx context.Context, absent []string) (map[string]string, error) {
							atomic.AddInt32(&loads, int32(len(absent)))
							return capitals(ctx, absent)
						})
					if expected := strings.ToUpper(strings.Join(turned, " ")); found != expected {
						t.Errorf("expected %v, got %v", expected, found)
					}
				}()
			}
			group.Wait()
			expect(t, int32(4), loads)
		}
	})
}

func TestABatchThatLoadsItsOwnKeyIsRefused(t *testing.T) {
	withBoth(t, func(t *testing.T, cache many, _ *manualClock) {
		expect(t, "1 CT_ERR_RECURSION", cache.loadMany(background, []string{"a", "b"},
			func(ctx context.Context, _ []string) (map[string]string, error) {
				_, err := cache.load(ctx, "b", nil)
				expectError(t, ErrRecursion, err)
				expect(t, "C CT_ERR_RECURSION", cache.loadMany(ctx, []string{"c", "a"}, capitals))
				return map[string]string{"a": "1"}, KeyErrors[string]{"b": err}
			}))
		value, err := cache.load(background, "b", func(context.Context) (string, error) {
			return "2", nil
		})
		expect(t, []any{"2", nil}, []any{value, err})
	})
}

func TestErrorsOfKeysAreFound(t *testing.T) {
	var none KeyErrors[int]
	expect(t, true, !errors.Is(none, ErrBusy) && none.Error() != "")
	failed := KeyErrors[int]{1: errors.New("down"), 2: fmt.Errorf("query: %w", ErrBusy)}
	expectError(t, ErrBusy, failed)
	var status Status
	expect(t, true, errors.As(failed, &status) && status == ErrBusy && !errors.Is(failed, ErrIO))
	expect(t, true, strings.Contains(failed.Error(), "2 keys"))
}

func TestABatchOfAClosedCacheIsRefused(t *testing.T) {
	bytes, values := lru(t, 1), ints(t, 1)
	bytes.Close()
	values.Close()
	_, _, err := bytes.GetOrLoadMany(background, []string{"a"}, nil)
	expectError(t, ErrClosed, err)
	_, err = values.GetOrLoadMany(background, []int{1}, nil)
	expectError(t, ErrClosed, err)
}
