package handlers

import (
	"context"
	"log/slog"
	"time"

	"github.com/belfry-io/belfry/core"
	"github.com/belfry-io/belfry/evidence"
)

// Record returns the handler that writes one line of evidence for each execution, before it returns. It ignores the
// payload. One writer may serve several pods.
func Record(w *evidence.Writer) core.Handler {
	return func(_ context.Context, run core.Run) error {
		start := time.Now()
		err := w.Write(evidence.Execution{
			Job: run.Job, Fire: run.Fire, Nominal: run.Nominal,
			Start: start, End: time.Now(),
			Pod: run.Pod, Session: run.Session,
			Attempt: run.Attempt, Token: run.Token,
		})
		if err != nil {
			return err
		}
		run.Logger().Info("executed", slog.Duration("late", start.Sub(run.Fire).Round(time.Microsecond)))
		return nil
	}
}
