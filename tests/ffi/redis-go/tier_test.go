// SPDX-License-Identifier: MIT

package redis_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cachetools"
	"cachetools/redis"
)

// reads expects a value.
func reads(t *testing.T, tier *redis.Tier, key, expected string) {
	t.Helper()
	value, err := tier.Get(background, key)
	defer value.Release()
	must(t, err)
	expect(t, expected, value.String())
}

// brings returns a loader of a value.
func brings(value string) func(context.Context, []byte, *cachetools.Result) error {
	return func(_ context.Context, _ []byte, result *cachetools.Result) error {
		return result.Set([]byte(value))
	}
}

func lifetime(t *testing.T, s *server, key string) time.Duration {
	t.Helper()
	seconds, err := strconv.Atoi(s.ask("TTL", key)[1:])
	must(t, err)
	return time.Duration(seconds) * time.Second
}

func TestProblemSpeaksOfOptionsByTheirNames(t *testing.T) {
	good := redis.Options{URL: "redis://localhost", Near: near(t, cachetools.ByteOptions{})}
	expect(t, "", good.Problem())
	withTimer := near(t, cachetools.ByteOptions{Timer: func() time.Duration { return 0 }})
	closed, err := cachetools.NewBytes(cachetools.LRU, 1)
	must(t, err)
	closed.Close()
	for _, test := range []struct {
		name  string
		spoil func(o *redis.Options)
	}{
		{"URL", func(o *redis.Options) { o.URL = "" }},
		{"URL", func(o *redis.Options) { o.URL = "http://localhost" }},
		{"URL", func(o *redis.Options) { o.URL = "redis://local\x00host" }},
		{"Near", func(o *redis.Options) { o.Near = nil }},
		{"Near", func(o *redis.Options) { o.Near = withTimer }},
		{"Near", func(o *redis.Options) { o.Near = closed }},
		{"Prefix", func(o *redis.Options) { o.Prefix = strings.Repeat("p", 65536) }},
		{"Flags", func(o *redis.Options) { o.Flags = 4 }},
		{"a", func(o *redis.Options) { o.TTL = -1 }},
		{"MaxStale", func(o *redis.Options) { o.MaxStale = 49 * time.Millisecond }},
		{"Lease", func(o *redis.Options) { o.Lease = 1 }},
		{"MaxValue", func(o *redis.Options) { o.MaxValue = 1 << 40 }},
		{"MaxPending", func(o *redis.Options) { o.MaxPending = 1 }},
	} {
		options := good
		test.spoil(&options)
		problem := options.Problem()
		if !strings.HasPrefix(problem, test.name+" ") || strings.Contains(problem, "_") {
			t.Error(problem)
		}
		_, err := redis.Open(options)
		expectError(t, cachetools.ErrInvalid, err)
		expect(t, "cachetools/redis: "+problem, err.Error())
	}
}

func TestWhatOthersWriteIsRead(t *testing.T) {
	server := startServer(t)
	tier := server.tier(redis.Options{})
	_, err := tier.Get(background, "key")
	expectError(t, cachetools.ErrMiss, err)
	for _, value := range []string{"old", "new"} {
		server.ask("SET", "t:key", stored(value))
		must(t, tier.Sync(background))
		reads(t, tier, "key", value)
		expect(t, true, tier.Near().Contains("key"))
	}
	server.ask("DEL", "t:key")
	must(t, tier.Sync(background))
	_, err = tier.Get(background, "key")
	expectError(t, cachetools.ErrMiss, err)
}

func TestWhatIsWrittenIsOnTheServerWithItsLifetime(t *testing.T) {
	server := startServer(t)
	tier := server.tier(redis.Options{TTL: 100 * time.Second})
	must(t, tier.Set(background, "key", []byte("value")))
	expect(t, "$"+stored("value"), server.ask("GET", "t:key"))
	expect(t, true, lifetime(t, server, "t:key") > 90*time.Second)
	must(t, tier.SetTTL(background, "key", nil, cachetools.Never))
	expect(t, -time.Second, lifetime(t, server, "t:key"))
	expectError(t, cachetools.ErrInvalid, tier.SetTTL(background, "key", nil, -1))
	must(t, tier.Delete(background, "key"))
	expect(t, "_", server.ask("GET", "t:key"))
	expect(t, 0, tier.Near().Len())
}

func TestRawValuesHaveNoTrailer(t *testing.T) {
	server := startServer(t)
	tier := server.tier(redis.Options{Flags: redis.Raw})
	must(t, tier.Set(background, "key", []byte("value")))
	expect(t, "$value", server.ask("GET", "t:key"))
	server.ask("SET", "t:key", "other")
	must(t, tier.Sync(background))
	reads(t, tier, "key", "other")
}

func TestGetAppendGrowsTheBuffer(t *testing.T) {
	server := startServer(t)
	tier := server.tier(redis.Options{})
	server.ask("SET", "t:key", stored("value"))
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	for _, ctx := range []context.Context{background, ctx} {
		buffer, err := tier.GetAppend(ctx, []byte("the "), "key")
		must(t, err)
		expect(t, "the value", string(buffer))
		must(t, tier.Near().Clear())
		buffer, err = tier.GetAppend(ctx, nil, "absent")
		expectError(t, cachetools.ErrMiss, err)
		expect(t, 0, len(buffer))
	}
}

func TestEachOfManyKeysSucceedsOrFailsAlone(t *testing.T) {
	server := startServer(t)
	tier := server.tier(redis.Options{})
	server.ask("RPUSH", "t:list", "element")
	server.ask("SET", "t:far", stored("on the server"))
	must(t, tier.Set(background, "near", []byte("in this process")))
	values, each, err := tier.GetMany(background, []string{"near", "far", "absent", "list"})
	must(t, err)
	expect(t, "in this process", values[0].String())
	expect(t, "on the server", values[1].String())
	expect(t, []error{nil, nil, cachetools.ErrMiss, cachetools.ErrUnsupported}, each)
	for i := range values {
		values[i].Release()
	}
	values, _, err = tier.GetMany(background, nil)
	must(t, err)
	expect(t, 0, len(values))
}

func TestGoroutinesAndProcessesLoadOnce(t *testing.T) {
	server := startServer(t)
	tiers := [2]*redis.Tier{server.tier(redis.Options{}), server.tier(redis.Options{})}
	var loads atomic.Int32
	load := func(_ context.Context, key []byte, result *cachetools.Result) error {
		loads.Add(1)
		time.Sleep(50 * time.Millisecond) // so that the others come meanwhile
		return result.Set(append([]byte("value of "), key...))
	}
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	var all sync.WaitGroup
	for i := 0; i < 16; i++ {
		ctx := []context.Context{background, ctx}[i/2%2]
		tier := tiers[i%2]
		all.Add(1)
		go func() {
			defer all.Done()
			value, err := tier.GetOrLoad(ctx, "key", load)
			if err != nil || value.String() != "value of key" || value.IsStale() {
				t.Error(value.String(), err)
			}
			value.Release()
		}()
	}
	all.Wait()
	expect(t, int32(1), loads.Load())
	first, err := tiers[0].Stats()
	must(t, err)
	second, err := tiers[1].Stats()
	must(t, err)
	expect(t, uint64(1), first.Loads+second.Loads)
	expect(t, uint64(1), first.Fills+second.Fills)
	expect(t, true, first.IsOnline && first.ProofAge < long)
}

func TestErrorOfALoaderComesBackUnchanged(t *testing.T) {
	server := startServer(t)
	tier := server.tier(redis.Options{})
	failure := errors.New("no such table")
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	for _, ctx := range []context.Context{background, ctx} {
		for _, expected := range []error{failure, cachetools.ErrMiss} {
			_, err := tier.GetOrLoad(ctx, "key",
				func(context.Context, []byte, *cachetools.Result) error { return expected })
			expect(t, expected, err)
		}
	}
	must(t, tier.Sync(background)) // its lease has left, too
	expect(t, "_", server.ask("GET", "t:key"))
}

func TestPanicOfALoaderGoesOnAndTheNextOneLoads(t *testing.T) {
	server := startServer(t)
	tier := server.tier(redis.Options{})
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	for _, ctx := range []context.Context{background, ctx} {
		func() {
			defer func() { expect(t, "on purpose", recover()) }()
			tier.GetOrLoad(ctx, "key", func(context.Context, []byte, *cachetools.Result) error {
				panic("on purpose")
			})
		}()
	}
	value, err := tier.GetOrLoad(background, "key", brings("next"))
	defer value.Release()
	must(t, err)
	expect(t, "next", value.String())
}

func TestLoadOfAKeyWithinItsOwnLoadIsRefused(t *testing.T) {
	server := startServer(t)
	tier := server.tier(redis.Options{})
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	value, err := tier.GetOrLoad(ctx, "key",
		func(ctx context.Context, _ []byte, result *cachetools.Result) error {
			_, err := tier.GetOrLoad(ctx, "key", brings("inner"))
			expectError(t, cachetools.ErrRecursion, err)
			return result.Set([]byte("outer"))
		})
	defer value.Release()
	must(t, err)
	expect(t, "outer", value.String())
}

func TestLifetimeOfALoadReachesTheServer(t *testing.T) {
	server := startServer(t)
	tier := server.tier(redis.Options{})
	value, err := tier.GetOrLoadTTL(background, "key", 100*time.Second, brings("value"))
	must(t, err)
	value.Release()
	must(t, tier.Sync(background))
	expect(t, true, lifetime(t, server, "t:key") > 90*time.Second)
	_, err = tier.GetOrLoadTTL(background, "other", -1, brings("value"))
	expectError(t, cachetools.ErrInvalid, err)
}

// calls are all that take a context, for a key.
var calls = []func(ctx context.Context, tier *redis.Tier, key string) error{
	func(ctx context.Context, tier *redis.Tier, key string) error {
		_, err := tier.Get(ctx, key)
		return err
	},
	func(ctx context.Context, tier *redis.Tier, key string) error {
		_, err := tier.GetAppend(ctx, nil, key)
		return err
	},
	func(ctx context.Context, tier *redis.Tier, key string) error {
		_, err := tier.GetOrLoad(ctx, key, brings("loaded"))
		return err
	},
	func(ctx context.Context, tier *redis.Tier, key string) error {
		_, _, err := tier.GetMany(ctx, []string{"near", key})
		return err
	},
	func(ctx context.Context, tier *redis.Tier, key string) error {
		return tier.Set(ctx, key, []byte("new"))
	},
	func(ctx context.Context, tier *redis.Tier, key string) error { return tier.Delete(ctx, key) },
	func(ctx context.Context, tier *redis.Tier, key string) error { return tier.Sync(ctx) },
}

func TestCallsEndWithTheirContexts(t *testing.T) {
	server := startServer(t)
	tier := server.tier(redis.Options{MaxStale: time.Minute, Timeout: time.Second})
	must(t, tier.Set(background, "near", []byte("value")))
	server.freeze()
	for i, call := range calls {
		ctx, cancel := context.WithTimeout(background, time.Millisecond)
		if err := call(ctx, tier, "key"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(i, err)
		}
		cancel()
	}
	waits, cancel := context.WithTimeout(background, long)
	defer cancel()
	for _, read := range calls[:3] {
		must(t, read(waits, tier, "near")) // which waits for nobody
	}
}

func TestCallsWithContextsThatAreDoneDoNothing(t *testing.T) {
	server := startServer(t)
	tier := server.tier(redis.Options{})
	must(t, tier.Set(background, "near", []byte("value")))
	done, cancel := context.WithCancel(background)
	cancel()
	for i, call := range append(calls, func(ctx context.Context, tier *redis.Tier, _ string) error {
		return tier.Wait(ctx)
	}) {
		if err := call(done, tier, "near"); err != context.Canceled {
			t.Error(i, err)
		}
	}
	reads(t, tier, "near", "value")
	expect(t, "$"+stored("value"), server.ask("GET", "t:near"))
}

// A read of what is near waited for the server while nothing proved that near was right, and did not
// look at its context.
func TestReadsOfWhatIsNearEndWithTheirContextsWhenTheServerMustBeAsked(t *testing.T) {
	server := startServer(t)
	options := redis.Options{Flags: redis.NoThread, MaxStale: time.Second}
	var tiers []*redis.Tier
	for range calls[:3] {
		tier := server.tier(options)
		must(t, tier.Set(background, "key", []byte("value")))
		tiers = append(tiers, tier)
	}
	server.freeze()
	until(t, func() bool { // as no tier is served
		last, err := tiers[2].Stats()
		must(t, err)
		return last.ProofAge > options.MaxStale
	})
	for i, tier := range tiers {
		expect(t, true, tier.Near().Contains("key"))
		ctx, cancel := context.WithTimeout(background, time.Millisecond)
		expectError(t, context.DeadlineExceeded, calls[i](ctx, tier, "key"))
		cancel()
	}
}

func TestCallsOfALoaderEndWithItsContext(t *testing.T) {
	server := startServer(t)
	tier := server.tier(redis.Options{MaxStale: time.Minute, Timeout: time.Second})
	var within error
	value, err := tier.GetOrLoad(background, "key",
		func(ctx context.Context, _ []byte, result *cachetools.Result) error {
			server.freeze()
			defer server.thaw()
			soon, cancel := context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
			_, within = tier.Get(soon, "other")
			return result.Set([]byte("value"))
		})
	must(t, err)
	value.Release()
	expectError(t, context.DeadlineExceeded, within)
}

func TestTierWithoutAThreadIsServedBySteps(t *testing.T) {
	server := startServer(t)
	tier := server.open(redis.Options{Flags: redis.NoThread})
	expect(t, true, tier.FD() >= 0)
	until(t, func() bool {
		must(t, tier.Step())
		stats, err := tier.Stats()
		must(t, err)
		return stats.IsOnline
	})
	must(t, tier.Set(background, "key", []byte("value")))
	server.ask("DEL", "t:key")
	until(t, func() bool {
		must(t, tier.Step())
		return tier.Near().Len() == 0
	})
	other := server.tier(redis.Options{})
	expect(t, -1, other.FD())
	expectError(t, cachetools.ErrUnsupported, other.Step())
}

// ---- A server that comes and goes ---------------------------------------------------------------

func TestWithoutAServerLoadsServeAndWritesFail(t *testing.T) {
	told := make(chan redis.Event, 100)
	tier := absentServer(t).open(redis.Options{Listen: func(event redis.Event) { told <- event }})
	event := <-told
	expect(t, redis.Offline, event.Kind)
	expect(t, true, event.Text != "")
	_, err := tier.Get(background, "key")
	expectError(t, cachetools.ErrIO, err)
	expectError(t, cachetools.ErrIO, tier.Set(background, "key", []byte("value")))
	expectError(t, cachetools.ErrIO, tier.Sync(background))
	soon, cancel := context.WithTimeout(background, time.Millisecond)
	defer cancel()
	expectError(t, context.DeadlineExceeded, tier.Wait(soon))
	value, err := tier.GetOrLoad(background, "key", brings("loaded"))
	defer value.Release()
	must(t, err)
	expect(t, "loaded", value.String())
	stats, err := tier.Stats()
	must(t, err)
	expect(t, []any{uint64(1), uint64(1), cachetools.Never},
		[]any{stats.OfflineLoads, stats.Remembered, stats.ProofAge})
}

func TestOldValueServesAsStaleWhenTheServerIsLost(t *testing.T) {
	server := startServer(t)
	cache := near(t, cachetools.ByteOptions{TTL: long, Stale: long})
	tier := server.tier(redis.Options{Near: cache})
	must(t, tier.Set(background, "key", []byte("old")))
	server.kill()
	until(t, func() bool {
		stats, err := tier.Stats()
		must(t, err)
		return !stats.IsOnline
	})
	value, err := tier.GetOrLoad(background, "key",
		func(_ context.Context, _ []byte, result *cachetools.Result) error {
			old, isThere := result.Old()
			expect(t, "old", string(old))
			expect(t, true, isThere)
			return errors.New("no such table")
		})
	must(t, err)
	defer value.Release()
	expect(t, "old", value.String())
	expect(t, true, value.IsStale())
}

func TestListenerIsToldOfWhatOthersHaveStored(t *testing.T) {
	server := startServer(t)
	told := make(chan redis.Event, 100)
	var tier atomic.Pointer[redis.Tier]
	inside := make(chan error, 100)
	cancellable, cancel := context.WithCancel(background)
	defer cancel()
	tier.Store(server.tier(redis.Options{Listen: func(event redis.Event) {
		if event.Kind == redis.UnknownTrailer {
			inside <- tier.Load().Sync(background)
			_, err := tier.Load().Get(cancellable, "other")
			inside <- err
		}
		told <- event
	}}))
	server.ask("SET", "t:key", "bare")
	_, err := tier.Load().Get(background, "key")
	expectError(t, cachetools.ErrMiss, err)
	expect(t, redis.Event{Kind: redis.Online}, <-told)
	expect(t, redis.Event{Kind: redis.UnknownTrailer, Key: "key"}, <-told)
	expect(t, "unknown trailer", redis.UnknownTrailer.String())
	expectError(t, cachetools.ErrRecursion, <-inside) // calls that would wait are refused there
	expectError(t, cachetools.ErrRecursion, <-inside)
	expect(t, "$bare", server.ask("GET", "t:key"))
}

func TestPanicOfAListenerEndsTheProgram(t *testing.T) {
	if os.Getenv("CT_PANIC") != "" {
		tier := absentServer(t).open(redis.Options{Listen: func(redis.Event) { panic("on purpose") }})
		tier.Wait(background)
		return
	}
	command := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	command.Env = append(os.Environ(), "CT_PANIC=1")
	said, err := command.CombinedOutput()
	expect(t, 2, command.ProcessState.ExitCode())
	if err == nil || !strings.Contains(string(said), "on purpose") {
		t.Fatal(string(said))
	}
}

// ---- Closing ------------------------------------------------------------------------------------

func TestClosedTierSaysSo(t *testing.T) {
	server := startServer(t)
	tier := server.tier(redis.Options{})
	must(t, tier.Set(background, "key", []byte("value")))
	value, err := tier.Get(background, "key")
	must(t, err)
	tier.Close()
	tier.Close()
	expect(t, "value", value.String()) // it outlives the tier
	value.Release()
	_, err = tier.Get(background, "key")
	expect(t, cachetools.ErrClosed, err)
	expect(t, cachetools.ErrClosed, tier.Delete(background, "key"))
	expect(t, cachetools.ErrClosed, tier.Wait(background))
	_, err = tier.Stats()
	expect(t, cachetools.ErrClosed, err)
	expect(t, -1, tier.FD())
}

func Example() {
	near, err := cachetools.NewBytes(cachetools.LRU, 1000)
	if err != nil {
		panic(err)
	}
	defer near.Close()
	tier, err := redis.Open(redis.Options{
		URL: "redis://127.0.0.1:1", Near: near, Prefix: "shop:", TTL: 10 * time.Minute,
	})
	if err != nil {
		panic(err)
	}
	defer tier.Close()
	user, err := tier.GetOrLoad(context.Background(), "user:7",
		func(_ context.Context, key []byte, result *cachetools.Result) error {
			return result.Set(append([]byte("data of "), key...))
		})
	defer user.Release()
	fmt.Println(user.String(), err) // without a server, too
	// Output: data of user:7 <nil>
}
