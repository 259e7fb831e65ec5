package memory

import (
	"fmt"
	"sync"
	"time"

	"github.com/belfry-io/belfry/backend/internal/table"
	"github.com/belfry-io/belfry/core"
)

// data is what the connections share.
type data struct {
	mu       sync.RWMutex
	table    *table.Table
	watchers map[*watcher]struct{}
	life     int // counts from 1; each emptying begins another
	adopted  int // the latest life that somebody decided to go on with
	epoch    int // counts lives and adoptions
}

// newData returns empty data in its first life.
func newData() *data {
	return &data{table: table.New(), watchers: make(map[*watcher]struct{}), life: 1, adopted: 1, epoch: 1}
}

// empty begins another life. The new table goes on counting versions where the old one was.
func (d *data) empty() {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.table
	d.table = table.New()
	d.table.Raise(old.Version())
	d.life++
	d.epoch++
}

// adopt makes the present life one to go on with, under a new epoch.
func (d *data) adopt() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.adopted = d.life
	d.epoch++
	return d.epochName()
}

// epochName names the epoch; the caller holds the lock.
func (d *data) epochName() string { return fmt.Sprintf("memory-%d", d.epoch) }

// lost says whether a connection that was told of a life must not go on; the caller holds the lock.
func (d *data) lost(life int) bool { return life != 0 && life < d.life && d.adopted < d.life }

// now is the store's clock.
func now() time.Time { return time.Now().UTC() }

// watchers hear of what a batch did and announces; the caller holds the lock.
func (d *data) announce(ops []core.Op, results []core.Result) {
	if len(d.watchers) == 0 {
		return
	}
	for i := range ops {
		if !ops[i].Announce || results[i].Err != nil {
			continue
		}
		r := ops[i].New
		r.Key, r.Version = ops[i].Old.Key, results[i].Version
		r.Due = r.Due.UTC().Truncate(time.Microsecond)
		for w := range d.watchers {
			w.tell(core.ChangeOf(r))
		}
	}
}
