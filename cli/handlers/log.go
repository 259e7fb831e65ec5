package handlers

import (
	"context"
	"log/slog"

	"github.com/belfry-io/belfry/core"
)

// LogPayload is what a log job says. An empty payload is fine.
type LogPayload struct {
	Message string     `json:"message,omitempty"` // default "fired"
	Level   slog.Level `json:"level,omitempty"`   // DEBUG, INFO (default), WARN or ERROR
}

// Log writes a line to the pod's log, and the message to the run's output.
func Log(ctx context.Context, run core.Run) error {
	var p LogPayload
	if err := decode(run, &p); err != nil {
		return err
	}
	if p.Message == "" {
		p.Message = "fired"
	}
	run.Logger().Log(ctx, p.Level, p.Message) //nolint:sloglint // the message is the job's
	_, err := run.Output().Write([]byte(p.Message + "\n"))
	return err //nolint:wrapcheck // it never fails
}
