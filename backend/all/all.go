// Package all has the openers of the backends of this module. A program that needs only some of them, or others
// besides, makes a map of its own.
package all

import (
	"github.com/belfry-io/belfry/backend"
	"github.com/belfry-io/belfry/backend/memory"
	"github.com/belfry-io/belfry/backend/redis"
)

// Openers returns a new map of all of them by URL scheme.
func Openers() backend.Openers {
	return backend.Openers{
		"memory": backend.As(memory.Open),
		"redis":  backend.As(redis.Open),
		"rediss": backend.As(redis.Open),
		"unix":   backend.As(redis.Open),
	}
}
