package redis

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/belfry-io/belfry/core"
	"github.com/belfry-io/belfry/internal/proctest"
)

func TestScriptIsLoadedAgain(t *testing.T) {
	r := proctest.StartRedis(t)
	s := open(t, r.URL(""))
	apply(t, s, create("a", epochDay, "one"))
	if err := raw(t, r).ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	apply(t, s, update(get(t, s, "a"), epochDay, "two"))
	if got := get(t, s, "a"); string(got.State) != "two" {
		t.Errorf("state is %q", got.State)
	}
}

func TestRestartIsAnotherServer(t *testing.T) {
	r := proctest.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	s := open(t, r.URL("durability=always"))
	before := apply(t, s, create("a", epochDay, "one"), create("b", epochDay, "one"))
	rec := get(t, s, "a")
	r.Kill()
	r.Start()

	op := update(rec, epochDay, "two")
	op.Server = before.Server
	free := update(get(t, s, "b"), epochDay, "two")
	a, err := s.Apply(t.Context(), []core.Op{op, free})
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(a.Results[0].Err, core.ErrMoved) {
		t.Errorf("an op of the former server: %v", a.Results[0].Err)
	}
	if a.Results[1].Err != nil {
		t.Errorf("an op of no server: %v", a.Results[1].Err)
	}
	if a.Server == before.Server || a.Server == "" || a.Epoch != before.Epoch {
		t.Errorf("server %s, epoch %s; before %s, %s", a.Server, a.Epoch, before.Server, before.Epoch)
	}
	if got := get(t, s, "a"); !same(got, rec) {
		t.Errorf("record is %+v, was %+v", got, rec)
	}
	op.Server = a.Server
	apply(t, s, op)
}

// An Apply whose connection leads to the former server and breaks under way must not be carried out by the next.
func TestOpsDoNotFollowToAnotherServer(t *testing.T) {
	old, next := proctest.StartRedis(t), proctest.StartRedis(t)
	p := proctest.StartProxy(t, old.Addr)
	s := open(t, "redis://"+p.Addr)
	before := apply(t, s, create("a", epochDay, "one"))
	p.Retarget(next.Addr)
	op := update(get0(t, s, old, "a", before.Results[0].Version), epochDay, "two")
	op.Server = before.Server
	// The next server is empty, so it is refused for that reason; with the same epoch it is another server.
	if _, err := s.Apply(t.Context(), []core.Op{op}); !errors.Is(err, core.ErrEpoch) {
		t.Errorf("on an empty server: %v", err)
	}
	c := raw(t, next)
	mark := s.mark()
	if err := c.HSet(t.Context(), s.layout.epoch(), "epoch", mark.id, "n", mark.n).Err(); err != nil {
		t.Fatal(err)
	}
	a, err := s.Apply(t.Context(), []core.Op{op})
	if err != nil || !errors.Is(a.Results[0].Err, core.ErrMoved) {
		t.Errorf("on another server: %v, %+v", err, a.Results)
	}
	if n := c.Exists(t.Context(), s.layout.state(shardOf("a"))).Val(); n != 0 {
		t.Error("it was carried out")
	}
}

// get0 is the record that create made, without asking the store.
func get0(t *testing.T, s *Store, r *proctest.Redis, key string, version uint64) core.Record {
	t.Helper()
	v, err := raw(t, r).HGet(t.Context(), s.layout.state(shardOf(key)), key).Result()
	if err != nil {
		t.Fatal(err)
	}
	rec, err := parseRecord(key, v)
	if err != nil || rec.Version != version {
		t.Fatalf("record %+v, %v", rec, err)
	}
	return rec
}

func TestEmptiedStoreIsNoticed(t *testing.T) {
	r := proctest.StartRedis(t)
	s, other := open(t, r.URL("")), open(t, r.URL(""))
	before := apply(t, s, create("a", epochDay, "one"))
	rec := get(t, s, "a")
	if err := raw(t, r).FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	refused := func(s *Store, what string) {
		t.Helper()
		for _, ops := range [][]core.Op{nil, {update(rec, epochDay, "two")}, {create("b", epochDay, "x")}} {
			if _, err := s.Apply(t.Context(), ops); !errors.Is(err, core.ErrEpoch) {
				t.Errorf("%s, %d ops: %v", what, len(ops), err)
			}
		}
	}
	refused(s, "emptied")
	fresh := open(t, r.URL(""))
	a := apply(t, fresh)
	if a.Epoch == before.Epoch || a.Epoch == "" {
		t.Errorf("epoch is %q, was %q", a.Epoch, before.Epoch)
	}
	refused(s, "emptied and begun anew by another client")

	adopted, err := s.Adopt(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if a := apply(t, s, create("b", epochDay, "x")); a.Epoch != adopted {
		t.Errorf("epoch after adoption is %s, not %s", a.Epoch, adopted)
	}
	// Whoever knew the epoch that s knew, or the one that s met, is refused once and follows.
	for name, c := range map[string]*Store{"one that knew the old epoch": other, "one that knew the new one": fresh} {
		if _, err := c.Apply(t.Context(), nil); !errors.Is(err, core.ErrEpoch) {
			t.Errorf("%s: %v", name, err)
		}
		if a := apply(t, c); a.Epoch != adopted {
			t.Errorf("%s goes on in epoch %s", name, a.Epoch)
		}
	}
}

func TestRolledBackStoreIsNoticed(t *testing.T) {
	r := proctest.StartRedis(t)
	s := open(t, r.URL(""))
	c := raw(t, r)
	apply(t, s, create("a", epochDay, "one"))
	if err := c.Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	dump := filepath.Join(r.Dir, "dump.rdb")
	old, err := os.ReadFile(dump)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, s, update(get(t, s, "a"), epochDay, "two"))
	r.Kill()
	if err := os.WriteFile(dump, old, 0o600); err != nil {
		t.Fatal(err)
	}
	r.Start()
	if got := get(t, s, "a"); string(got.State) != "one" {
		t.Fatalf("state is %q: the snapshot was not loaded", got.State)
	}
	_, err = s.Apply(t.Context(), nil)
	if !errors.Is(err, core.ErrEpoch) || !strings.Contains(err.Error(), "gone back") {
		t.Errorf("rolled back: %v", err)
	}
	before := s.mark().id
	epoch, err := s.Adopt(t.Context())
	if err != nil || epoch == before {
		t.Fatalf("adopt: %s, %v", epoch, err)
	}
	apply(t, s, update(get(t, s, "a"), epochDay, "three"))
}

// Whatever becomes of request and reply, the same op sent again has a definite answer, and is carried out once.
func TestLostAnswersAreUncertain(t *testing.T) {
	for _, tc := range []struct {
		name              string
		requests, replies proctest.Fate
		done              bool // the first one arrived
	}{
		{"reply lost", proctest.Pass, proctest.Lose, true},
		{"cut at the reply", proctest.Pass, proctest.Cut, true},
		{"request lost", proctest.Lose, proctest.Pass, false},
		{"cut at the request", proctest.Cut, proctest.Pass, false},
		{"both lost", proctest.Lose, proctest.Lose, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := proctest.StartRedis(t)
			p := proctest.StartProxy(t, r.Addr)
			s := open(t, "redis://"+p.Addr+"?timeout=300ms")
			apply(t, s, create("a", epochDay, "one"))
			op := update(get(t, s, "a"), epochDay, "two")
			p.Set(tc.requests, tc.replies)
			a, err := s.Apply(t.Context(), []core.Op{op})
			if err != nil || !errors.Is(a.Results[0].Err, core.ErrUncertain) {
				t.Fatalf("%v, %+v", err, a.Results)
			}
			p.Set(proctest.Pass, proctest.Pass)
			a, err = s.Apply(t.Context(), []core.Op{op})
			if err != nil {
				t.Fatal(err)
			}
			switch got := a.Results[0]; {
			case tc.done && (!errors.Is(got.Err, core.ErrConflict) || string(got.Current.State) != "two"):
				t.Errorf("sent again: %+v", got)
			case !tc.done && got.Err != nil:
				t.Errorf("sent again: %+v", got)
			}
			if n := raw(t, r).HGet(t.Context(), s.layout.epoch(), "n").Val(); n != "2" {
				t.Errorf("%s changes were made, not 2", n)
			}
		})
	}
}

// What was never sent is an error, not an uncertainty: nothing was changed.
func TestUnreachableServerIsDefinite(t *testing.T) {
	r := proctest.StartRedis(t)
	s := open(t, r.URL("timeout=300ms"))
	r.Kill()
	_, err := s.Apply(t.Context(), []core.Op{create("a", epochDay, "one")})
	if err == nil || errors.Is(err, core.ErrUncertain) {
		t.Errorf("server down: %v", err)
	}
	if _, err := s.Get(t.Context(), core.GetQuery{Keys: []string{"a"}}); err == nil {
		t.Error("get from a server that is down gave no error")
	}
}

func TestHangingServer(t *testing.T) {
	r := proctest.StartRedis(t)
	s := open(t, r.URL("timeout=300ms"))
	apply(t, s, create("a", epochDay, "one"))
	op := update(get(t, s, "a"), epochDay, "two")
	r.Pause()
	a, err := s.Apply(t.Context(), []core.Op{op})
	r.Resume()
	if err != nil || !errors.Is(a.Results[0].Err, core.ErrUncertain) {
		t.Fatalf("%v, %+v", err, a.Results)
	}
	a, err = s.Apply(t.Context(), []core.Op{op})
	if err != nil {
		t.Fatal(err)
	}
	// The server read the first request when it went on.
	if !errors.Is(a.Results[0].Err, core.ErrConflict) || string(a.Results[0].Current.State) != "two" {
		t.Errorf("sent again: %+v", a.Results[0])
	}
}

func TestOutOfMemoryChangesNothing(t *testing.T) {
	r := proctest.StartRedis(t)
	for _, plain := range []bool{false, true} { // as on Redis 7, as on 6.2
		t.Run(fmt.Sprintf("plain=%v", plain), func(t *testing.T) {
			s := open(t, r.URL(fmt.Sprintf("prefix=p%v", plain)))
			if plain {
				s.scripts.flagged = s.scripts.plain
			}
			c := raw(t, r)
			apply(t, s, create("a", epochDay, "one"), create("b", epochDay, "one"))
			before := dump(t, r, s)
			if err := c.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
				t.Fatal(err)
			}
			op := update(get(t, s, "a"), epochDay.Add(time.Second), "two")
			op.New.Spec = []byte("spec")
			_, err := s.Apply(t.Context(), []core.Op{op, create("c", epochDay, "new"), {Old: get(t, s, "b"), Delete: true}})
			if err == nil || errors.Is(err, core.ErrUncertain) || !strings.Contains(err.Error(), "OOM") {
				t.Errorf("out of memory: %v", err)
			}
			if err := c.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
				t.Fatal(err)
			}
			if after := dump(t, r, s); after != before {
				t.Errorf("the store has changed:\n%s\nwas\n%s", after, before)
			}
			apply(t, s, op)
		})
	}
}

// dump is all that the server holds.
func dump(t *testing.T, r *proctest.Redis, s *Store) string {
	t.Helper()
	c := raw(t, r)
	var b strings.Builder
	for _, k := range c.Keys(t.Context(), s.layout.prefix+":*").Val() {
		v, err := c.Dump(t.Context(), k).Result()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%d", len(v))
	}
	for _, rec := range listAll(t, s, core.ListQuery{Limit: 100, Spec: true}) {
		fmt.Fprintf(&b, "%+v\n", rec)
	}
	n := c.HGet(t.Context(), s.layout.epoch(), "n").Val()
	return b.String() + n
}

// A key of another type stands where a write goes. The op is refused, and its record is as it was.
func TestKeysOfAnotherType(t *testing.T) {
	for _, part := range []string{"state", "spec", "keys", "log:a", "due:default", "floor", "incidents"} {
		t.Run(part, func(t *testing.T) {
			r := proctest.StartRedis(t)
			s := open(t, r.URL(""))
			c := raw(t, r)
			other := "b"
			for i := 0; shardOf(other) == shardOf("a"); i++ {
				other = fmt.Sprint("b", i)
			}
			key := s.layout.tag(shardOf("a")) + part
			if part == "incidents" {
				key = s.layout.incidents()
			}
			if err := c.SAdd(t.Context(), key, "x").Err(); err != nil {
				t.Fatal(err)
			}
			op := create("a", epochDay, "one")
			op.New.Spec = []byte("spec")
			op.History = []core.Entry{{Time: epochDay, Data: []byte("d"), Incident: true}}
			a, err := s.Apply(t.Context(), []core.Op{op})
			if err == nil {
				err = a.Results[0].Err
			}
			if err == nil || errors.Is(err, core.ErrUncertain) || errors.Is(err, core.ErrConflict) {
				t.Errorf("create: %v", err)
			}
			if part != "state" {
				if rec := get2(t, s, "a"); rec.Version != 0 {
					t.Errorf("record is %+v", rec)
				}
			}
			apply(t, s, create(other, epochDay, "one"))
			if err := c.Del(t.Context(), key).Err(); err != nil {
				t.Fatal(err)
			}
			apply(t, s, op)
		})
	}
}

// get2 reads a record without its Spec.
func get2(t *testing.T, s core.Store, key string) core.Record {
	t.Helper()
	recs, err := s.Get(t.Context(), core.GetQuery{Keys: []string{key}})
	if err != nil {
		t.Fatal(err)
	}
	return recs[0]
}

// A user that lacks any one of the commands must not leave a change half done.
func TestDeniedCommands(t *testing.T) {
	r := proctest.StartRedis(t)
	admin := raw(t, r)
	user := func(t *testing.T, prefix string, rules ...string) *Store {
		t.Helper()
		args := append(aclRule(prefix), rules...)
		if err := admin.ACLSetUser(t.Context(), "pod", args...).Err(); err != nil {
			t.Fatal(err)
		}
		return open(t, "redis://pod:secret@"+r.Addr+"?prefix="+prefix)
	}
	for i, command := range []string{"hset", "hdel", "zadd", "zrem", "hmget", "time", "del", "publish", "set", "get", "hget"} {
		t.Run(command, func(t *testing.T) {
			prefix := fmt.Sprintf("p%d", i)
			s := user(t, prefix)
			first, second, third := create("a", epochDay, "one"), create("b", epochDay, "one"), create("c", epochDay, "one")
			first.New.Spec = []byte("spec")
			apply(t, s, first, second)
			recs, err := s.Get(t.Context(), core.GetQuery{Keys: []string{"a", "b"}, Spec: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := admin.ACLSetUser(t.Context(), "pod", "-"+command).Err(); err != nil {
				t.Fatal(err)
			}
			third.Announce = true
			third.New.Spec = []byte("spec")
			move := update(recs[0], epochDay.Add(time.Second), "two")
			move.New.Spec, move.New.Queue = []byte("spec2"), "other"
			a, err := s.Apply(t.Context(), []core.Op{move, {Old: recs[1], Delete: true}, third})
			if err := admin.ACLSetUser(t.Context(), "pod", "+"+command).Err(); err != nil {
				t.Fatal(err)
			}
			for i, want := range []struct{ key, before, after string }{{"a", "one spec", "two spec2"}, {"b", "one ", " "}, {"c", " ", "one spec"}} {
				rec := get(t, s, want.key)
				state, done := string(rec.State)+" "+string(rec.Spec), err == nil && a.Results[i].Err == nil
				if done && state != want.after || !done && strings.Fields(state + " .")[0] != strings.Fields(want.before + " .")[0] {
					t.Errorf("%s: done %v, record is %q", want.key, done, state)
				}
			}
			if err != nil && errors.Is(err, core.ErrUncertain) {
				t.Errorf("denied %s: %v", command, err)
			}
		})
	}
}

// aclRule is the least that docs/redis.md tells to give a user, with a password and a prefix.
func aclRule(prefix string) []string {
	return []string{
		"reset", "on", ">secret", "~" + prefix + ":*", "&" + prefix + ":{meta}:feed",
		"+@connection", "+info", "+config|get", "+eval", "+evalsha", "+time", "+publish", "+subscribe", "+unsubscribe",
		"+hget", "+hmget", "+hset", "+hdel", "+hexists", "+hgetall", "+get", "+set", "+del",
		"+zadd", "+zrem", "+zcount", "+zrange", "+zrangebyscore", "+zrangebylex", "+zremrangebyrank",
	}
}

// The rule in the documentation is enough for everything that a store does.
func TestLeastPrivileges(t *testing.T) {
	r := proctest.StartRedis(t)
	if err := raw(t, r).ACLSetUser(t.Context(), "pod", aclRule("belfry")...).Err(); err != nil {
		t.Fatal(err)
	}
	s := open(t, "redis://pod:secret@"+r.Addr)
	heard := watch(t, s)
	op := create("a", epochDay, "one")
	op.New.Spec, op.Announce = []byte("s"), true
	op.History = []core.Entry{{Time: epochDay, Data: []byte("d"), Incident: true}}
	apply(t, s, op)
	<-heard
	due := dueAll(t, s, epochDay, epochDay.Add(time.Second), 1)
	if len(due) != 1 || len(listAll(t, s, core.ListQuery{Limit: 1})) != 1 {
		t.Error("the record is not found")
	}
	for _, key := range []string{"", "a"} {
		if e, err := s.Log(t.Context(), core.LogQuery{Key: key, Limit: 5}); err != nil || len(e) != 1 {
			t.Errorf("log of %q: %v, %v", key, e, err)
		}
	}
	apply(t, s, core.Op{Old: due[0], Delete: true})
	if _, err := s.Adopt(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	doc, err := os.ReadFile("../../docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range aclRule("belfry")[3:] {
		if !strings.Contains(string(doc), rule) {
			t.Errorf("docs/redis.md does not tell of %s", rule)
		}
	}
}

// watch starts a Watch that ends with the test, and returns once changes come through.
func watch(t *testing.T, s *Store) <-chan core.Change {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ch := make(chan core.Change, 1000)
	done := make(chan error, 1)
	go func() { done <- s.Watch(ctx, func(c core.Change) { ch <- c }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("watch: %v", err)
		}
	})
	// The subscription begins some time after Watch was called: ring until it is heard.
	listening(t, s, ch)
	return ch
}

// listening publishes until a message arrives, and then takes all that have come.
func listening(t *testing.T, s *Store, ch <-chan core.Change) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(15 * time.Second); ; {
		select {
		case <-ch:
			for {
				select {
				case <-ch:
				default:
					return
				}
			}
		case <-tick.C:
			_ = s.current().client.Publish(t.Context(), s.layout.feed(), "ring\x001\x00-\x00").Err()
		case <-deadline:
			t.Fatal("nothing is heard")
		}
	}
}
