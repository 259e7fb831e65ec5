package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		if err := run(ctx); err != nil {
			t.Fatal(err)
		}
	})
}
