package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/belfry-io/belfry/core"
	"github.com/belfry-io/belfry/internal/proctest"
)

func TestPodPutsItsJobAndStops(t *testing.T) {
	server := proctest.StartRedis(t, "--maxmemory-policy", "noeviction")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if err := run(ctx, server.URL("")); err != nil {
		t.Fatal(err)
	}
}

func TestSendInvoice(t *testing.T) {
	status := http.StatusOK
	var key string
	billing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key = r.Header.Get("Idempotency-Key")
		w.WriteHeader(status)
	}))
	defer billing.Close()
	r := core.Run{Trigger: core.Trigger{Job: "invoice-acme", Fire: time.Unix(0, 0)}}
	args := InvoiceArgs{Customer: "acme", Endpoint: billing.URL}
	if err := sendInvoice(t.Context(), r, args); err != nil || key != "invoice-acme@1970-01-01T00:00:00Z" {
		t.Errorf("got %v, key %q", err, key)
	}
	status = http.StatusBadGateway
	if err := sendInvoice(t.Context(), r, args); err == nil || errors.Is(err, core.ErrInvalid) {
		t.Errorf("a bad gateway gave %v", err)
	}
}
