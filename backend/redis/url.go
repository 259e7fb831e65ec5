package redis

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/belfry-io/belfry/core"
)

// Settings are what [New] needs. [ParseURL] fills them from a URL.
type Settings struct {
	// Server says how to reach and authenticate to Redis. New works on a copy and sets what the contract needs:
	// no retries, short dials, contexts that count, and its own OnConnect, which runs before the given one.
	Server *goredis.Options

	Prefix     string        // of all keys and the channel: letters, digits and :._-/; empty: "belfry"
	Timeout    time.Duration // for the answer to one command, 100 ms to 1 min; 0: 3 s
	Durability Durability    // what New demands; zero: nothing, [Store.Check] tells
	Unsafe     []string      // findings that New accepts, by the name of their setting: "maxmemory-policy", "role", "run_id"
}

// Durability is how much of what Redis has acknowledged must outlive its crash.
type Durability string

// The durabilities that can be demanded.
const (
	DurabilityRDB    Durability = "rdb"    // snapshots or better: minutes may be lost
	DurabilityAOF    Durability = "aof"    // appendonly yes: with everysec the last second may be lost
	DurabilityAlways Durability = "always" // appendonly yes and appendfsync always: nothing
)

// ParseURL reads
//
//	redis://[user:password@]host[:port][/db][?prefix=belfry&timeout=3s&durability=aof&unsafe=maxmemory-policy,role]
//
// rediss:// is the same over TLS, unix:///path/to/socket a local socket. Other query parameters are those of
// go-redis ("pool_size", "client_name", "skip_verify", ...). Errors are [core.ErrInvalid] and never contain the
// password.
func ParseURL(raw string) (Settings, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// url.Error quotes the whole URL.
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return Settings{}, fmt.Errorf("redis url: %w: %w", core.ErrInvalid, err)
	}
	q := u.Query()
	take := func(name string) string {
		v := q.Get(name)
		q.Del(name)
		return v
	}
	s := Settings{Prefix: take("prefix"), Durability: Durability(take("durability"))}
	if v := take("timeout"); v != "" {
		if s.Timeout, err = time.ParseDuration(v); err != nil {
			return Settings{}, fmt.Errorf("redis url: timeout: %w: %w", core.ErrInvalid, err)
		}
	}
	if v := take("unsafe"); v != "" {
		s.Unsafe = strings.Split(v, ",")
	}
	u.RawQuery = q.Encode()
	if s.Server, err = goredis.ParseURL(u.String()); err != nil {
		return Settings{}, fmt.Errorf("redis url: %w: %w", core.ErrInvalid, err)
	}
	if err := s.complete(); err != nil {
		return Settings{}, fmt.Errorf("redis url: %w", err)
	}
	return s, nil
}

// complete puts in the defaults and refuses what is out of range.
func (s *Settings) complete() error {
	if s.Server == nil {
		return fmt.Errorf("server: %w: missing", core.ErrInvalid)
	}
	if s.Prefix == "" {
		s.Prefix = "belfry"
	}
	if s.Timeout == 0 {
		s.Timeout = 3 * time.Second
	}
	if s.Timeout < 100*time.Millisecond || s.Timeout > time.Minute {
		return fmt.Errorf("timeout %v: %w: 100ms to 1m are allowed", s.Timeout, core.ErrInvalid)
	}
	switch s.Durability {
	case "", DurabilityRDB, DurabilityAOF, DurabilityAlways:
	default:
		return fmt.Errorf("durability %q: %w: rdb, aof and always are known", s.Durability, core.ErrInvalid)
	}
	for _, u := range s.Unsafe {
		if !slices.Contains(refusable(), u) {
			return fmt.Errorf("unsafe %q: %w: known are %s", u, core.ErrInvalid, strings.Join(refusable(), ", "))
		}
	}
	return checkPrefix(s.Prefix)
}

func (s *Settings) accepts(setting string) bool { return slices.Contains(s.Unsafe, setting) }

// refusable are the settings for which New refuses a server unless they are named in Unsafe.
func refusable() []string { return []string{"maxmemory-policy", "role", "run_id"} }

// clientOptions are go-redis's for one generation.
func (s *Settings) clientOptions() *goredis.Options {
	o := *s.Server
	o.MaxRetries = -1 // a change is sent once
	o.ContextTimeoutEnabled = true
	o.DisableIdentity = true
	o.Protocol = 2
	o.DialerRetries = 1 // who tries again is the engine
	if o.DialTimeout == 0 {
		o.DialTimeout = 2 * time.Second
	}
	o.ReadTimeout, o.WriteTimeout = s.Timeout, s.Timeout
	return &o
}
