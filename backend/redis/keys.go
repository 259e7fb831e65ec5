package redis

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/belfry-io/belfry/core"
)

// shards is the number of hashes that the records are cut into. It is part of the stored format and equal to
// core.DefaultStripes, so that in an ordinary store the shard of a record is its stripe and all that belongs to
// the record stands under one hash tag.
const shards = core.DefaultStripes

// layout names the keys of a store. Every name has a hash tag: {meta}, or the number of a shard or stripe.
type layout struct{ prefix string }

// checkPrefix refuses what would move the hash tag or be hard to type in redis-cli.
func checkPrefix(p string) error {
	if p == "" || len(p) > 64 {
		return fmt.Errorf("prefix %q: %w: 1 to 64 bytes are allowed", p, core.ErrInvalid)
	}
	for _, r := range p {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(":._-/", r) {
			return fmt.Errorf("prefix %q: %w: letters, digits and :._-/ are allowed", p, core.ErrInvalid)
		}
	}
	return nil
}

func shardOf(key string) int { return core.StripeOf(key, shards) }

func (l layout) epoch() string     { return l.prefix + ":{meta}:epoch" }
func (l layout) incidents() string { return l.prefix + ":{meta}:incidents" }
func (l layout) feed() string      { return l.prefix + ":{meta}:feed" }

// state is a hash: record key -> header and State. The scripts derive the names of spec, keys, floor and log from it.
func (l layout) state(shard int) string { return l.tag(shard) + "state" }

// spec is a hash: record key -> Spec.
func (l layout) spec(shard int) string { return l.tag(shard) + "spec" }

// keys is a sorted set of the shard's record keys, all of one score: List reads it in bytewise order.
func (l layout) keys(shard int) string { return l.tag(shard) + "keys" }

// log is a hash: slot -> entry of one record's history.
func (l layout) log(key string) string { return l.tag(shardOf(key)) + "log:" + key }

// due is a sorted set: record key scored by its due time in microseconds.
func (l layout) due(stripe int, queue string) string { return l.tag(stripe) + "due:" + queue }

func (l layout) tag(n int) string { return l.prefix + ":{" + strconv.Itoa(n) + "}:" }

// micros is the stored form of a time.
func micros(t time.Time) string { return strconv.FormatInt(t.UnixMicro(), 10) }

// fromMicros undoes micros; a score that Redis wrote as a float is exact too.
func fromMicros(s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		f, ferr := strconv.ParseFloat(s, 64)
		if ferr != nil {
			return time.Time{}, fmt.Errorf("time %q: %w", s, err)
		}
		n = int64(f)
	}
	return time.UnixMicro(n).UTC(), nil
}
