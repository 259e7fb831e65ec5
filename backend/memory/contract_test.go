package memory_test

import (
	"context"
	"testing"

	"github.com/belfry-io/belfry/backend/backendtest"
	"github.com/belfry-io/belfry/backend/memory"
	"github.com/belfry-io/belfry/core"
)

func TestContract(t *testing.T) {
	t.Parallel()
	backendtest.Run(t, func(*testing.T) backendtest.Place {
		data := memory.New()
		return backendtest.Place{
			Connect: func(context.Context) (core.Store, error) { return data.Connect(), nil },
			Empty:   func(context.Context) error { data.Empty(); return nil },
		}
	})
}
