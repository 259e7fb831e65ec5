package memory

import (
	"context"
	"fmt"
	"net/url"

	"github.com/belfry-io/belfry/core"
)

// Open returns a connection to new, empty data. The URL is "memory://" and nothing more: a name would need a
// registry of names, and pods that share data share a Store. Any other is refused with [core.ErrInvalid].
func Open(ctx context.Context, address string) (*Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open memory: %w", err)
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "memory" || *u != (url.URL{Scheme: "memory", OmitHost: u.OmitHost}) {
		return nil, fmt.Errorf("open memory: %w", &core.FieldError{
			Field:   "backend",
			Problem: "a memory store has neither name nor options",
			Remedy:  "memory://",
		})
	}
	return New(), nil
}
