// SPDX-License-Identifier: MIT

package redis_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"cachetools"
	"cachetools/redis"
)

const long = 20 * time.Second

var background = context.Background()

// Servers end with the thread that has begun them, and so with this program.
func TestMain(m *testing.M) {
	runtime.LockOSThread()
	begun = make(chan *exec.Cmd)
	over := make(chan int)
	go func() { over <- m.Run() }()
	for {
		select {
		case command := <-begun:
			if err := command.Start(); err != nil {
				panic(err)
			}
			begun <- command
		case code := <-over:
			os.Exit(code)
		}
	}
}

var begun chan *exec.Cmd

// server is one of the test's own, on a free port of the loopback address.
type server struct {
	t       testing.TB
	port    int
	folder  string
	command *exec.Cmd
	ended   chan error
}

// absentServer chooses a port, on which nobody listens yet.
func absentServer(t testing.TB) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	it := &server{t: t, port: listener.Addr().(*net.TCPAddr).Port, folder: t.TempDir()}
	t.Cleanup(it.kill)
	return it
}

// startServer begins one, and waits until it answers.
func startServer(t testing.TB) *server {
	t.Helper()
	for {
		if it := absentServer(t); it.begin() {
			return it
		} // else somebody has taken the port
	}
}

// begin returns whether the server could listen on its port.
func (s *server) begin() bool {
	program := os.Getenv("CT_REDIS_SERVER")
	if program == "" {
		program = "redis-server"
	}
	command := exec.Command(program, "--bind", "127.0.0.1", "--port", strconv.Itoa(s.port),
		"--save", "", "--dir", s.folder)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	begun <- command
	s.command, s.ended = <-begun, make(chan error, 1)
	go func() { s.ended <- command.Wait() }()
	for {
		connection, err := net.Dial("tcp", s.address())
		if err == nil {
			connection.Close()
			return s.ask("PING") == "+PONG"
		}
		select {
		case <-s.ended:
			s.command = nil
			return false
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (s *server) kill() {
	if s.command != nil {
		s.command.Process.Kill()
		<-s.ended
		s.command = nil
	}
}

func (s *server) freeze() {
	s.t.Helper()
	must(s.t, s.command.Process.Signal(syscall.SIGSTOP))
	s.t.Cleanup(s.thaw) // before it ends
}

func (s *server) thaw() {
	if s.command != nil {
		s.command.Process.Signal(syscall.SIGCONT)
	}
}

func (s *server) address() string { return fmt.Sprint("127.0.0.1:", s.port) }

// ask sends a command, as any other program, and returns the reply: its first line, or a string
// after a "$"; nothing is "_".
func (s *server) ask(words ...string) string {
	s.t.Helper()
	connection, err := net.Dial("tcp", s.address())
	must(s.t, err)
	defer connection.Close()
	command := fmt.Sprintf("*%d\r\n", len(words))
	for _, word := range words {
		command += fmt.Sprintf("$%d\r\n%s\r\n", len(word), word)
	}
	_, err = io.WriteString(connection, command)
	must(s.t, err)
	reader := bufio.NewReader(connection)
	line, err := reader.ReadString('\n')
	must(s.t, err)
	line = strings.TrimSpace(line)
	if line == "$-1" {
		return "_"
	}
	if line[0] != '$' {
		return line
	}
	size, err := strconv.Atoi(line[1:])
	must(s.t, err)
	text := make([]byte, size)
	_, err = io.ReadFull(reader, text)
	must(s.t, err)
	return "$" + string(text)
}

// stored is what the library stores for a value.
func stored(value string) string { return value + "\x00\x00\x00\x00\x00\x00\x01\xC7" }

// open opens a tier with the prefix "t:" and a near cache of its own, unless options have one.
func (s *server) open(options redis.Options) *redis.Tier {
	s.t.Helper()
	options.URL = "redis://" + s.address()
	options.Prefix = "t:"
	if options.Near == nil {
		options.Near = near(s.t, cachetools.ByteOptions{})
	}
	tier, err := redis.Open(options)
	must(s.t, err)
	s.t.Cleanup(tier.Close)
	return tier
}

// tier is that, online.
func (s *server) tier(options redis.Options) *redis.Tier {
	s.t.Helper()
	tier := s.open(options)
	must(s.t, tier.Wait(background))
	return tier
}

func near(t testing.TB, options cachetools.ByteOptions) *cachetools.ByteCache {
	t.Helper()
	options.Maxsize = 1000
	cache, err := cachetools.OpenBytes(options)
	must(t, err)
	t.Cleanup(cache.Close)
	return cache
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func expect(t testing.TB, expected, actual any) {
	t.Helper()
	if !reflect.DeepEqual(expected, actual) {
		t.Fatalf("expected %v, got %v", expected, actual)
	}
}

func expectError(t testing.TB, expected, actual error) {
	t.Helper()
	if !errors.Is(actual, expected) {
		t.Fatalf("expected %v, got %v", expected, actual)
	}
}

// until waits until that is so.
func until(t testing.TB, isSo func() bool) {
	t.Helper()
	for deadline := time.Now().Add(long); !isSo(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("this took too long")
		}
	}
}
