package cli

import (
	"net/http"
	"slices"
	"strings"

	"github.com/belfry-io/belfry/cli/handlers"
	"github.com/belfry-io/belfry/core"
	"github.com/belfry-io/belfry/evidence"
)

// chooseHandlers returns the handlers to serve: those that are named, or all. record needs dir to write to.
func chooseHandlers(list, dir string) ([]string, error) {
	known := []string{handlers.NameExec, handlers.NameHTTP, handlers.NameLog, handlers.NameRecord}
	chosen := parseList(list)
	if len(chosen) == 0 {
		if dir == "" {
			known = known[:len(known)-1]
		}
		return known, nil
	}
	for _, name := range chosen {
		if !slices.Contains(known, name) {
			return nil, usagef("--handlers: there is no %q; there are %s", name, strings.Join(known, ", "))
		}
		if name == handlers.NameRecord && dir == "" {
			return nil, usagef("--handlers: record has nowhere to write; add --evidence DIR")
		}
	}
	slices.Sort(chosen)
	return slices.Compact(chosen), nil
}

// register gives the pod its handlers.
func (p *program) register(s *core.Scheduler, plan *podPlan, writer *evidence.Writer) {
	run := &handlers.Exec{Environ: p.Environ}
	request := &handlers.HTTP{Client: &http.Client{}, Version: p.Version}
	for _, name := range plan.handlers {
		switch name {
		case handlers.NameExec:
			s.Handle(name, run.Run)
		case handlers.NameHTTP:
			s.Handle(name, request.Run)
		case handlers.NameLog:
			s.Handle(name, handlers.Log)
		case handlers.NameRecord:
			s.Handle(name, handlers.Record(writer))
		}
	}
}
