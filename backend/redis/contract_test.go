package redis

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/belfry-io/belfry/backend/backendtest"
	"github.com/belfry-io/belfry/core"
	"github.com/belfry-io/belfry/internal/proctest"
)

// Each case has a database prefix of its own on one server, and emptying it removes the keys under that prefix.
func TestContract(t *testing.T) {
	r := proctest.StartRedis(t)
	c := raw(t, r)
	var places atomic.Int64
	backendtest.Run(t, func(*testing.T) backendtest.Place {
		prefix := fmt.Sprintf("place%d", places.Add(1))
		return backendtest.Place{
			Connect: func(ctx context.Context) (core.Store, error) { return Open(ctx, r.URL("prefix="+prefix)) },
			Empty: func(ctx context.Context) error {
				keys, err := c.Keys(ctx, prefix+":*").Result()
				if err != nil || len(keys) == 0 {
					return err
				}
				return c.Del(ctx, keys...).Err()
			},
		}
	})
}
