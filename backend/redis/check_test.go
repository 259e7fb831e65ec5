package redis

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/belfry-io/belfry/core"
	"github.com/belfry-io/belfry/internal/proctest"
)

func settingsOf(found []core.Finding) []string {
	var names []string
	for _, f := range found {
		if f.Problem == "" || f.Remedy == "" {
			names = append(names, "WITHOUT PROBLEM OR REMEDY:")
		}
		names = append(names, f.Setting)
	}
	return names
}

func TestOpenRefusesWhatLosesClaims(t *testing.T) {
	primary := proctest.StartRedis(t)
	host, port, err := net.SplitHostPort(primary.Addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name       string
		args       []string
		query      string
		refused    string // by whatever contains it; empty: accepted
		acceptance string
	}{
		{"eviction", []string{"--maxmemory-policy", "allkeys-lru"}, "", "noeviction", "unsafe=maxmemory-policy"},
		{"volatile eviction", []string{"--maxmemory-policy", "volatile-ttl"}, "", "noeviction", "unsafe=maxmemory-policy"},
		{"replica", []string{"--replicaof", host + " " + port}, "", "primary, " + primary.Addr, ""},
		{"durability aof", nil, "durability=aof", "durability=aof is demanded", "durability=rdb&prefix=y"},
		{"durability always", []string{"--appendonly", "yes"}, "durability=always", "everysec", "durability=aof"},
		{"durability rdb", nil, "durability=rdb", "durability=rdb is demanded", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := proctest.StartRedis(t, tc.args...)
			if tc.name == "durability aof" {
				if err := raw(t, r).ConfigSet(t.Context(), "save", "60 1").Err(); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Open(t.Context(), r.URL(tc.query))
			if err == nil || !strings.Contains(err.Error(), tc.refused) {
				t.Errorf("open: %v, want an error with %q", err, tc.refused)
			}
			if tc.acceptance != "" {
				open(t, r.URL(tc.acceptance))
			}
		})
	}
}

func TestFindings(t *testing.T) {
	for _, tc := range []struct {
		name   string
		args   []string
		want   []string
		severe bool
	}{
		{"nothing on disk", nil, []string{"appendonly"}, true},
		{"snapshots", []string{"--save", "60 1"}, []string{"appendonly"}, true},
		{"everysec", []string{"--appendonly", "yes"}, []string{"appendfsync"}, false},
		{"never synced", []string{"--appendonly", "yes", "--appendfsync", "no"}, []string{"appendfsync"}, true},
		{"always", []string{"--appendonly", "yes", "--appendfsync", "always"}, nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := open(t, proctest.StartRedis(t, tc.args...).URL(""))
			found, err := s.Check(t.Context())
			if err != nil || !slices.Equal(settingsOf(found), tc.want) {
				t.Fatalf("findings are %+v, %v; want %v", found, err, tc.want)
			}
			if len(found) > 0 && found[0].Severe != tc.severe {
				t.Errorf("severe is %v", found[0].Severe)
			}
		})
	}
	found := findings(facts{
		info:   parseInfo("# Replication\r\nrole:master\r\nconnected_slaves:2\r\naof_enabled:1\r\naof_last_write_status:err\r\n"),
		config: map[string]string{"appendfsync": "always"},
	})
	if got := settingsOf(found); !slices.Equal(got, []string{"aof_last_write_status", "replication"}) {
		t.Errorf("findings are %v", got)
	}
}

func TestDeniedChecksAreTold(t *testing.T) {
	r := proctest.StartRedis(t)
	admin := raw(t, r)
	if err := admin.ACLSetUser(t.Context(), "pod", append(aclRule("belfry"), "-config|get")...).Err(); err != nil {
		t.Fatal(err)
	}
	url := "redis://pod:secret@" + r.Addr
	s := open(t, url)
	found, err := s.Check(t.Context())
	if err != nil || !slices.Contains(settingsOf(found), "CONFIG GET") {
		t.Errorf("findings are %+v, %v", found, err)
	}
	if _, err := Open(t.Context(), url+"?durability=rdb"); err == nil || !strings.Contains(err.Error(), "cannot be checked") {
		t.Errorf("demanded and not to be checked: %v", err)
	}
	if err := admin.ACLSetUser(t.Context(), "pod", "-info").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), url); err == nil || !strings.Contains(err.Error(), "unsafe=run_id") {
		t.Errorf("a server that does not tell its run_id: %v", err)
	}
	s = open(t, url+"?unsafe=run_id")
	apply(t, s, create("a", epochDay, "one"))
	if found, err := s.Check(t.Context()); err != nil || !slices.Contains(settingsOf(found), "INFO") {
		t.Errorf("findings are %+v, %v", found, err)
	}
	if _, err := Open(t.Context(), "redis://pod:wrong@"+r.Addr); err == nil || strings.Contains(err.Error(), "wrong@") {
		t.Errorf("wrong password: %v", err)
	}
}
