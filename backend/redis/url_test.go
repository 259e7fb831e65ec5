package redis

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/belfry-io/belfry/core"
)

func TestParseURL(t *testing.T) {
	s, err := ParseURL("rediss://pod:se%3Acret@example.org:7000/3?prefix=a:b&timeout=500ms&durability=aof&unsafe=role,run_id&pool_size=7&max_retries=5")
	if err != nil {
		t.Fatal(err)
	}
	o := s.clientOptions()
	if o.Addr != "example.org:7000" || o.DB != 3 || o.Username != "pod" || o.Password != "se:cret" || o.TLSConfig == nil || o.PoolSize != 7 {
		t.Errorf("options are %+v", o)
	}
	if o.MaxRetries != -1 || o.ReadTimeout != 500*time.Millisecond || o.DialTimeout != 2*time.Second || !o.ContextTimeoutEnabled {
		t.Errorf("the contract's options are %+v", o)
	}
	if s.Prefix != "a:b" || s.Durability != DurabilityAOF || !s.accepts("role") || !s.accepts("run_id") || s.accepts("maxmemory-policy") {
		t.Errorf("settings are %+v", s)
	}
	s, err = ParseURL("redis://localhost")
	if err != nil || s.Server.Addr != "localhost:6379" || s.Prefix != "belfry" || s.Timeout != 3*time.Second {
		t.Errorf("defaults are %+v, %v", s, err)
	}
	s, err = ParseURL("unix:///run/redis.sock?db=2&prefix=x")
	if err != nil || s.Server.Network != "unix" || s.Server.Addr != "/run/redis.sock" || s.Server.DB != 2 {
		t.Errorf("socket: %+v, %v", s.Server, err)
	}
}

func TestParseURLRefuses(t *testing.T) {
	for _, u := range []string{
		"http://localhost", "redis://localhost?prefix=a{b}", "redis://localhost?prefix=a%00", "redis://localhost?prefix=" + strings.Repeat("x", 65),
		"redis://localhost?timeout=1ms", "redis://localhost?timeout=x", "redis://localhost?durability=most", "redis://localhost?unsafe=all",
		"redis://localhost?no_such=1", "redis://u:secret@local host", "redis://u:secret@localhost/x",
	} {
		_, err := ParseURL(u)
		if !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%s: %v", u, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}
