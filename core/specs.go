package core

import "sync"

// A specCache holds definitions by key and number, up to a number of bytes. It keeps two generations: what was not used
// while the young one filled up is dropped with the old one.
type specCache struct {
	limit int // bytes of the young generation

	mu         sync.Mutex
	young, old map[string]*spec
	size       int
}

// specBytes bounds each of the two generations.
const specBytes = 24 << 20

// get returns the definition of a key, if it is the one with that number.
func (c *specCache) get(key string, rev uint64) *spec {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.young[key]; s != nil {
		if s.Rev == rev {
			return s
		}
		return nil
	}
	if s := c.old[key]; s != nil && s.Rev == rev {
		c.add(key, s)
		return s
	}
	return nil
}

func (c *specCache) put(key string, s *spec) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(key, s)
}

func (c *specCache) add(key string, s *spec) {
	if c.size > c.limit || c.young == nil {
		c.old, c.young, c.size = c.young, map[string]*spec{}, 0
	}
	if old := c.young[key]; old != nil {
		c.size -= old.size + specOverhead
	}
	c.young[key] = s
	c.size += s.size + specOverhead
}

// specOverhead is about what a decoded definition takes besides its stored form.
const specOverhead = 600
