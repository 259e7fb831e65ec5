package core

import (
	"cmp"
	"slices"
)

// bucketLength is the span of due times that is dealt at once.
const bucketLength = second

// dealVersion names the way in which entries are dealt. Pods that deal differently would still be safe, but would try
// for the same entries.
const dealVersion = 1

// bucketOf returns the number of the bucket that a due time falls in.
func bucketOf(due micros) int64 { return int64(due / bucketLength) }

// bucketStart returns the first instant of a bucket.
func bucketStart(b int64) micros { return micros(b) * bucketLength }

// A deal says in which order pods may take the due entries of a queue's stripes in one bucket. Every pod computes it for
// itself; where their views differ, one wins and the other counts a conflict.
type deal struct {
	pods []dealt // who serves the queue, in no particular order
	rank [][]int // for each stripe the pods' indices, first rank first
}

// A dealt is a pod as the deal sees it.
type dealt struct {
	session string
	hash    uint64
	idle    bool // suspected, leaving or full: its entries go to the next rank, but it stays in the deal so that nobody else's move
}

// newDeal deals the stripes of a bucket: for each stripe all pods in the order of a hash of (pod, stripe, bucket), but the
// first rank is capped at ceil(stripes/pods), so that the load is even.
func newDeal(queue string, bucket int64, stripes int, pods []dealt) *deal {
	d := &deal{pods: pods, rank: make([][]int, stripes)}
	if len(pods) == 0 {
		return d
	}
	salt := hashString(queue) ^ mix(uint64(bucket)) //nolint:gosec // any bits do
	order := make([]int, stripes)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(stripeHash(salt, a), stripeHash(salt, b)) })
	firsts := make([]int, len(pods))
	limit := (stripes + len(pods) - 1) / len(pods)
	for _, stripe := range order {
		r := d.hashOrder(salt, stripe)
		for i, p := range r {
			if firsts[p] < limit {
				firsts[p]++
				r = slices.Insert(slices.Delete(r, i, i+1), 0, p)
				break
			}
		}
		d.rank[stripe] = r
	}
	return d
}

func stripeHash(salt uint64, stripe int) uint64 { return mix(salt ^ uint64(stripe+1)) } //nolint:gosec // any bits do

// hashOrder returns all pods in the order of their hash with the stripe.
func (d *deal) hashOrder(salt uint64, stripe int) []int {
	h := stripeHash(salt, stripe)
	r := make([]int, len(d.pods))
	for i := range r {
		r[i] = i
	}
	slices.SortFunc(r, func(a, b int) int {
		x, y := &d.pods[a], &d.pods[b]
		return cmp.Or(cmp.Compare(mix(h^y.hash), mix(h^x.hash)), cmp.Compare(x.session, y.session))
	})
	return r
}

// rankOf returns how many pods come before this one for a stripe, idle ones not counted; -1 if it is not in the deal.
func (d *deal) rankOf(stripe int, session string) int {
	if stripe < 0 || stripe >= len(d.rank) {
		return -1
	}
	n := 0
	for _, p := range d.rank[stripe] {
		switch {
		case d.pods[p].session == session:
			return n
		case !d.pods[p].idle:
			n++
		}
	}
	return -1
}

// firsts returns the stripes for which this pod comes first.
func (d *deal) firsts(session string) []int {
	var s []int
	for stripe := range d.rank {
		if d.rankOf(stripe, session) == 0 {
			s = append(s, stripe)
		}
	}
	return s
}

// A dealer keeps the deals of the buckets around now, as long as the view of the pods stays the same.
type dealer struct {
	stripes int
	pods    map[string][]dealt // by queue
	deals   map[dealKey]*deal
}

type dealKey struct {
	queue  string
	bucket int64
}

// see takes a new view of the pods.
func (d *dealer) see(pods map[string][]dealt) {
	d.pods = pods
	d.deals = map[dealKey]*deal{}
}

// of returns the deal of a queue's bucket.
func (d *dealer) of(queue string, bucket int64) *deal {
	k := dealKey{queue, bucket}
	if x := d.deals[k]; x != nil {
		return x
	}
	if len(d.deals) > 64 { // old buckets
		clear(d.deals)
	}
	x := newDeal(queue, bucket, d.stripes, d.pods[queue])
	d.deals[k] = x
	return x
}

// mayTake reports whether the pod may take an entry that is overdue by so much: at rank r when it is r graces overdue.
// What is older than three graces belongs to the first rank of the current bucket, so that it meets another pod every
// second, and never all of them at once: a store that has stalled is not trampled.
func (d *dealer) mayTake(rec *Record, session string, now, grace micros) bool {
	due := microsOf(rec.Due)
	over := now - due
	if breakAnyPod && over >= grace {
		return true
	}
	if over >= 3*grace {
		return d.of(rec.Queue, bucketOf(now)).rankOf(rec.Stripe, session) == 0
	}
	r := d.of(rec.Queue, bucketOf(due)).rankOf(rec.Stripe, session)
	return r >= 0 && over >= micros(r)*grace
}
