package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/belfry-io/belfry/core"
)

// facts is what a server tells of itself. What it does not tell is empty.
type facts struct {
	info   map[string]string // INFO
	config map[string]string // CONFIG GET of wanted
	denied []string          // commands that an ACL denies
}

// wanted are the settings that only CONFIG GET tells.
func wanted() []string { return []string{"appendfsync", "save", "min-replicas-to-write"} }

// Check implements [core.Checker].
func (s *Store) Check(ctx context.Context) ([]core.Finding, error) {
	f, err := s.facts(ctx)
	if err != nil {
		return nil, fmt.Errorf("check: %w", err)
	}
	return findings(f), nil
}

// refuse returns an error if the server is certain to lose claims, or less durable than demanded.
func (s *Store) refuse(ctx context.Context) error {
	f, err := s.facts(ctx)
	if err != nil {
		return err
	}
	for _, found := range findings(f) {
		for _, name := range refusable() {
			if found.Severe && found.Setting == name && !s.settings.accepts(name) {
				return fmt.Errorf("%s: %s; %s, or accept it with unsafe=%s", name, found.Problem, found.Remedy, name)
			}
		}
	}
	return undurable(f, s.settings.Durability)
}

func (s *Store) facts(ctx context.Context) (facts, error) {
	return read(ctx, s, func(ctx context.Context, c *goredis.Client) (facts, error) {
		f := facts{info: map[string]string{}, config: map[string]string{}}
		text, err := c.Info(ctx).Result()
		if denied(err) {
			f.denied = append(f.denied, "INFO")
		} else if err != nil {
			return facts{}, err
		}
		f.info = parseInfo(text)
		for _, name := range wanted() {
			got, err := c.ConfigGet(ctx, name).Result()
			if denied(err) {
				f.denied = append(f.denied, "CONFIG GET")
				break
			}
			if err != nil {
				return facts{}, err
			}
			f.config[name] = got[name]
		}
		return f, nil
	})
}

// denied says whether an ACL, or a hosted server that renames or lacks the command, refused it.
func denied(err error) bool {
	var answer goredis.Error
	if !errors.As(err, &answer) {
		return false
	}
	return strings.HasPrefix(answer.Error(), "NOPERM") || strings.HasPrefix(answer.Error(), "ERR unknown command")
}

// findings judges what a server tells of itself.
func findings(f facts) []core.Finding {
	var found []core.Finding
	for _, command := range f.denied {
		found = append(found, core.Finding{
			Setting: command,
			Problem: "the user may not run it, so what it would tell cannot be checked",
			Remedy:  "allow it (ACL SETUSER ... +info +config|get), or look at the server's settings yourself",
		})
	}
	if p := f.info["maxmemory_policy"]; p != "" && p != "noeviction" {
		found = append(found, core.Finding{
			Severe:  true,
			Setting: "maxmemory-policy",
			Problem: p + " lets the server delete jobs and claims when memory is short",
			Remedy:  "CONFIG SET maxmemory-policy noeviction",
		})
	}
	if r := f.info["role"]; r != "" && r != "master" {
		found = append(found, core.Finding{
			Severe:  true,
			Setting: "role",
			Problem: "the server is a " + r + ": it takes no changes and may be behind",
			Remedy:  "use the address of its primary, " + f.info["master_host"] + ":" + f.info["master_port"],
		})
	}
	found = append(found, persistence(f)...)
	return append(found, replication(f)...)
}

// persistence says what is lost when the server's process or machine dies.
func persistence(f facts) []core.Finding {
	if f.info["aof_enabled"] == "" {
		return nil
	}
	var found []core.Finding
	switch {
	case f.info["aof_enabled"] == "0" && f.config["save"] == "" && f.knows("save"):
		found = append(found, core.Finding{
			Severe:  true,
			Setting: "appendonly",
			Problem: "nothing is written to disk: a restart loses all jobs and claims",
			Remedy:  "CONFIG SET appendonly yes, and appendonly yes in redis.conf",
		})
	case f.info["aof_enabled"] == "0":
		found = append(found, core.Finding{
			Severe:  true,
			Setting: "appendonly",
			Problem: "only snapshots are written: a crash loses the claims since the last one, and they are run again",
			Remedy:  "CONFIG SET appendonly yes, and appendonly yes in redis.conf",
		})
	case f.config["appendfsync"] == "no":
		found = append(found, core.Finding{
			Severe:  true,
			Setting: "appendfsync",
			Problem: "the append-only file is never synced: a machine that dies loses about 30 s of claims",
			Remedy:  "CONFIG SET appendfsync everysec",
		})
	case f.config["appendfsync"] == "everysec":
		found = append(found, core.Finding{
			Setting: "appendfsync",
			Problem: "everysec: a machine that dies loses up to 1 s of claims; pods that saw them stop (epoch)",
			Remedy:  "CONFIG SET appendfsync always, at the price of a sync per batch",
		})
	}
	for _, name := range []string{"aof_last_write_status", "rdb_last_bgsave_status"} {
		if v := f.info[name]; v != "" && v != "ok" {
			found = append(found, core.Finding{
				Severe:  true,
				Setting: name,
				Problem: "the last write to disk failed: " + v,
				Remedy:  "look at the server's log; most often the disk is full or not writable",
			})
		}
	}
	return found
}

// replication says what a fail-over loses.
func replication(f facts) []core.Finding {
	n := f.info["connected_slaves"]
	if f.info["role"] != "master" || n == "" || n == "0" {
		return nil
	}
	return []core.Finding{{
		Setting: "replication",
		Problem: n + " replica(s): replication is asynchronous, a fail-over loses the claims that had not arrived",
		Remedy:  "min-replicas-to-write 1 and min-replicas-max-lag 10 bound the loss, nothing excludes it",
	}}
}

// knows says whether CONFIG GET told a setting: empty is a value of some.
func (f *facts) knows(setting string) bool {
	_, ok := f.config[setting]
	return ok
}

// undurable returns an error unless the server is known to be as durable as demanded.
func undurable(f facts, want Durability) error {
	aof := f.info["aof_enabled"] == "1"
	switch {
	case want == "",
		want == DurabilityRDB && (aof || f.config["save"] != ""),
		want == DurabilityAOF && aof,
		want == DurabilityAlways && aof && f.config["appendfsync"] == "always":
		return nil
	}
	state := fmt.Sprintf("appendonly=%v appendfsync=%q save=%q", aof, f.config["appendfsync"], f.config["save"])
	if len(f.denied) > 0 {
		state = "cannot be checked, the user may not run " + strings.Join(f.denied, " and ")
	}
	return fmt.Errorf("durability=%s is demanded: the server's is %s; change the server's settings or demand less", want, state)
}
