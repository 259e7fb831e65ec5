package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/belfry-io/belfry/core"
)

// The names of the flags that many commands have.
const (
	flagBackend = "backend"
	flagOutput  = "output"
	flagWait    = "wait"

	envBackend = "BELFRY_BACKEND"
	envPodName = "BELFRY_POD_NAME"
)

// globalFlags may stand before the command's name. Each call makes new ones: urfave/cli keeps values in them.
func globalFlags() []cli.Flag { return append(backendFlags(), outputFlag()) }

func backendFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: flagBackend, Usage: "`URL` of the store: redis://host:6379/0, or a bare name such as redis for its usual local address [$" + envBackend + "]"},
		&cli.DurationFlag{Name: flagWait, Value: 10 * time.Second, Usage: "give up on the backend after this `TIME`"},
	}
}

func outputFlag() cli.Flag {
	return &cli.StringFlag{Name: flagOutput, Aliases: []string{"o"}, Value: formatTable, Usage: "`FORM` of the answer: table, json or yaml"}
}

func join(groups ...[]cli.Flag) []cli.Flag {
	var all []cli.Flag
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

// parseTime reads an RFC 3339 time, or a duration from now such as "+90m".
func parseTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if rest, ok := strings.CutPrefix(text, "+"); ok {
		if d, err := time.ParseDuration(rest); err == nil {
			return now.Add(d).UTC().Truncate(time.Millisecond), nil
		}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, usagef("--%s: %q is not a time; write it like 2026-01-02T15:04:05Z, or +90m for a time from now", flag, text)
	}
	return t.UTC(), nil
}

// parseLabels reads the k=v pairs of --label.
func parseLabels(pairs []string) (map[string]string, error) {
	if len(pairs) == 0 {
		return nil, nil //nolint:nilnil // no labels are no error
	}
	labels := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		k, v, ok := strings.Cut(pair, "=")
		if !ok || k == "" {
			return nil, usagef("--label: %q is not a pair; write it like team=billing", pair)
		}
		labels[k] = v
	}
	return labels, nil
}

// parseList reads "a,b,c".
func parseList(text string) []string {
	var list []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

// maxPayloadFile bounds what is read before core's own limit can refuse it.
const maxPayloadFile = 1 << 20

// payload reads JSON: the text itself, @file, or - for standard input.
func (p *program) payload(text string) (core.Payload, error) {
	data := []byte(text)
	name, isFile := strings.CutPrefix(text, "@")
	if isFile || text == "-" {
		if text == "-" {
			name = text
		}
		read, err := p.readInput(name, maxPayloadFile)
		if err != nil {
			return core.Payload{}, usagef("--payload: %w", err)
		}
		data = read
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil {
		return core.Payload{}, usagef("--payload: not JSON: %w; write '{\"key\":\"value\"}', @file, or - for standard input", err)
	}
	return core.Bytes(compact.Bytes()), nil
}

// readInput reads a file, or standard input if name is "-".
func (p *program) readInput(name string, limit int64) ([]byte, error) {
	in := p.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err //nolint:wrapcheck // it names the file and the act
		}
		defer f.Close() //nolint:errcheck // only read
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("read %s: more than %d bytes", name, limit)
	}
	return data, nil
}
