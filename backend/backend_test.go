package backend_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/belfry-io/belfry/backend"
	"github.com/belfry-io/belfry/backend/memory"
	"github.com/belfry-io/belfry/core"
)

// recorder is an opener that keeps the address it was given.
func recorder(got *string) backend.Opener {
	return func(_ context.Context, address string) (core.Store, error) {
		*got = address
		return memory.New(), nil
	}
}

func TestOpenFindsTheOpener(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"memory":                     "memory://",
		"memory://":                  "memory://",
		"redis":                      "redis://127.0.0.1:6379/0",
		"redis://db:6379/3":          "redis://db:6379/3",
		"REDIS://db":                 "REDIS://db",
		"redis+sentinel://a,b/m":     "redis+sentinel://a,b/m",
		"redis+cluster://a:1,b:2":    "redis+cluster://a:1,b:2",
		"redis://u:p@ss:w@host/0?x=": "redis://u:p@ss:w@host/0?x=",
	}
	for address, want := range cases {
		var got string
		open := recorder(&got)
		o := backend.Openers{"memory": open, "redis": open, "redis+sentinel": open, "redis+cluster": open}
		s, err := o.Open(t.Context(), address)
		if err != nil || s == nil {
			t.Errorf("open %q: %v, %v", address, s, err)
		}
		if got != want {
			t.Errorf("open %q: the opener was given %q, want %q", address, got, want)
		}
	}
}

func TestOpenRefusesAndListsTheSchemes(t *testing.T) {
	t.Parallel()
	var got string
	o := backend.Openers{"memory": recorder(&got), "redis": recorder(&got)}
	for _, address := range []string{"", "postgres", "postgres://u:hunter2@h/db", "etcd", "127.0.0.1:6379", "u:hunter2@h"} {
		_, err := o.Open(t.Context(), address)
		if !errors.Is(err, core.ErrInvalid) {
			t.Errorf("open %q: %v, want ErrInvalid", address, err)
			continue
		}
		if !strings.Contains(err.Error(), "memory://, redis://") {
			t.Errorf("open %q: %q does not list the schemes", address, err)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("open %q: %q shows the password", address, err)
		}
	}
	if got != "" {
		t.Errorf("an opener was called with %q", got)
	}
	if _, err := backend.Openers(nil).Open(t.Context(), "redis"); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("no openers: %v, want ErrInvalid", err)
	}
}

func TestOpenErrorHidesThePassword(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	o := backend.Openers{"x": func(context.Context, string) (core.Store, error) { return nil, down }}
	_, err := o.Open(t.Context(), "x://u:hunter2@h/0")
	if !errors.Is(err, down) || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "@h/0") {
		t.Errorf("got %v", err)
	}
}

func TestAsHasNoTypedNil(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	s, err := backend.As(func(context.Context, string) (*memory.Store, error) { return nil, down })(t.Context(), "")
	if s != nil || !errors.Is(err, down) {
		t.Errorf("got a store that is nil: %t, %v", s == nil, err)
	}
	s, err = backend.As(memory.Open)(t.Context(), "memory://")
	if s == nil || err != nil {
		t.Errorf("got %v, %v", s, err)
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"":                                  "",
		"redis":                             "redis",
		"redis://h:1/0":                     "redis://h:1/0",
		"redis://u@h:1/0":                   "redis://u@h:1/0",
		"redis://u:hunter2@h:1/0":           "redis://u:xxxxx@h:1/0",
		"redis://:hunter2@h:1/0":            "redis://:xxxxx@h:1/0",
		"redis://u:hun/ter2@h:1/0":          "redis://u:xxxxx@h:1/0",
		"redis://u:hunter2%zz@h:1/0?a=b":    "redis://u:xxxxx@h:1/0?xxxxx",
		"redis://u:hun@ter2@h:1/0":          "redis://u:xxxxx@h:1/0",
		"u:hunter2@h":                       "u:xxxxx@h",
		"raft://h?secret=hunter2&dir=/d":    "raft://h?secret=xxxxx&dir=/d",
		"x://h?sentinel_Password=hunter2":   "x://h?sentinel_Password=xxxxx",
		"redis://u:hunter2@a:1,b:2,c:3/m?x": "redis://u:xxxxx@a:1,b:2,c:3/m?x",
	}
	for address, want := range cases {
		if got := backend.Redact(address); got != want {
			t.Errorf("redact %q: %q, want %q", address, got, want)
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("u", "h:6379/0")
	f.Add("", "h")
	f.Add("%", "[::1")
	f.Fuzz(func(t *testing.T, user, rest string) {
		if strings.ContainsAny(user+rest, "@?#/:") {
			return // the password would not be where one is
		}
		const password = "hunter2hunter2"
		if got := backend.Redact("redis://" + user + ":" + password + "@" + rest); strings.Contains(got, password) {
			t.Errorf("%q shows the password", got)
		}
	})
}
