package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// A generation is a connection pool whose connections all lead to one server process. Redis clients reconnect
// silently, also to a restarted or promoted server, whose data may be older; a change computed from the former
// one's records must not reach it. So each new connection tells who answers, and is refused if that is another.
type generation struct {
	client *goredis.Client
	server server
}

// server is what a connection learns of the process at its other end.
type server struct {
	runID string // empty: not known yet, and no connection is accepted
	flags bool   // it knows the script flags of Redis 7
}

// movedError refuses a connection to another server than the generation's. It wraps nothing, because go-redis
// unwraps what OnConnect returns.
type movedError struct{ to server }

func (e *movedError) Error() string { return "another server answers: " + e.to.runID }

// identityError says that the server does not tell who it is.
type identityError struct{ reason string }

func (e *identityError) Error() string {
	return "the server does not tell its run_id: " + e.reason +
		"; allow the command INFO, or accept with unsafe=run_id that a restarted server is not noticed"
}

// versionError refuses a server that lacks commands the store needs.
type versionError struct{ version string }

func (e *versionError) Error() string {
	return "redis " + e.version + " is too old; 6.2 or newer is needed"
}

// newGeneration returns a pool of connections to the server. It connects to nothing yet.
func (s *Store) newGeneration(srv server) *generation {
	o := s.settings.clientOptions()
	theirs := o.OnConnect
	o.OnConnect = func(ctx context.Context, cn *goredis.Conn) error {
		got, err := s.identify(ctx, cn)
		if err != nil {
			return err
		}
		if got.runID != srv.runID {
			return &movedError{to: got}
		}
		if theirs != nil {
			return theirs(ctx, cn)
		}
		return nil
	}
	return &generation{client: goredis.NewClient(o), server: srv}
}

// identify asks a new connection who is at its other end.
func (s *Store) identify(ctx context.Context, cn *goredis.Conn) (server, error) {
	text, err := cn.Info(ctx, "server").Result()
	var reply goredis.Error
	if errors.As(err, &reply) && strings.HasPrefix(err.Error(), "NOPERM") {
		if s.settings.accepts("run_id") {
			return server{runID: "unidentified"}, nil
		}
		return server{}, &identityError{reason: err.Error()}
	}
	if err != nil {
		return server{}, err
	}
	info := parseInfo(text)
	if info["run_id"] == "" {
		if s.settings.accepts("run_id") {
			return server{runID: "unidentified"}, nil
		}
		return server{}, &identityError{reason: "INFO has none"}
	}
	major, minor, err := parseVersion(info["redis_version"])
	if err != nil || major < 6 || major == 6 && minor < 2 {
		return server{}, &versionError{version: info["redis_version"]}
	}
	return server{runID: info["run_id"], flags: major >= 7}, nil
}

// parseInfo reads the lines "name:value" of INFO.
func parseInfo(text string) map[string]string {
	m := make(map[string]string)
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && !strings.HasPrefix(k, "#") {
			m[k] = v
		}
	}
	return m
}

func parseVersion(v string) (major, minor int, err error) {
	first, rest, _ := strings.Cut(v, ".")
	second, _, _ := strings.Cut(rest, ".")
	if major, err = strconv.Atoi(first); err != nil {
		return 0, 0, fmt.Errorf("version %q: %w", v, err)
	}
	if minor, err = strconv.Atoi(second); err != nil {
		return 0, 0, fmt.Errorf("version %q: %w", v, err)
	}
	return major, minor, nil
}

// current returns the generation in use.
func (s *Store) current() *generation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gen
}

// move replaces gen, unless another caller has done so, by one for the server that was met. Connections of the
// old one are closed: what was under way there ends without an answer.
func (s *Store) move(gen *generation, to server) {
	s.mu.Lock()
	if s.closed || s.gen != gen {
		s.mu.Unlock()
		return
	}
	s.gen = s.newGeneration(to)
	s.mu.Unlock()
	_ = gen.client.Close() // an error here is that of a connection nobody uses any more
}
