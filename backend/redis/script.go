package redis

import (
	"context"
	"crypto/sha1" //nolint:gosec // Redis names scripts so
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	goredis "github.com/redis/go-redis/v9"
)

//go:embed scripts/apply.lua
var applyText string

//go:embed scripts/adopt.lua
var adoptScript string

//go:embed scripts/page.lua
var pageScript string

// A script is a text and the name under which a server that has seen it runs it.
type script struct{ text, sha string }

func newScript(text string) script {
	sum := sha1.Sum([]byte(text)) //nolint:gosec // see the import
	return script{text: text, sha: hex.EncodeToString(sum[:])}
}

// applyScripts are the plain form and the one for Redis 7, which refuses a script with a shebang line before it
// begins if memory is out, not at one of its writes.
type applyScripts struct{ plain, flagged script }

func newApplyScripts() applyScripts {
	return applyScripts{plain: newScript(applyText), flagged: newScript("#!lua\n" + applyText)}
}

func (a *applyScripts) of(srv server) script {
	if srv.flags {
		return a.flagged
	}
	return a.plain
}

// A seal is the last argument of a command that must be sent once, and knows whether it was. go-redis asks for its
// bytes when it writes the command; without them the command is incomplete and Redis never runs it.
type seal struct{ state atomic.Int32 }

const (
	sealOpen int32 = iota
	sealSent
	sealVoid
)

var errVoid = errors.New("change withdrawn or sent already")

// MarshalBinary is called by go-redis while it writes the command.
func (s *seal) MarshalBinary() ([]byte, error) {
	if !s.state.CompareAndSwap(sealOpen, sealSent) {
		return nil, errVoid
	}
	return []byte{'.'}, nil
}

// withdraw makes sure that the command is not sent, and says whether it was too late for that.
func (s *seal) withdraw() (sent bool) {
	return !s.state.CompareAndSwap(sealOpen, sealVoid) && s.state.Load() == sealSent
}

// reply is apply.lua's answer.
type reply struct {
	refused bool // ErrEpoch
	adopted bool // and the refusing epoch took the known one's place
	now     int64
	epoch   epochMark
	notes   []any // operation, code, value, spec, ...
}

func parseReply(v any) (reply, error) {
	bad := func() (reply, error) { return reply{}, fmt.Errorf("apply: unexpected answer %.100v", v) }
	a, ok := v.([]any)
	if !ok || len(a) != 5 {
		return bad()
	}
	status, _ := a[0].(string)
	nows, _ := a[1].(string)
	epoch, _ := a[2].(string)
	ns, _ := a[3].(string)
	now, err := strconv.ParseInt(nows, 10, 64)
	if err != nil {
		return bad()
	}
	n, err := strconv.ParseUint(ns, 10, 64)
	if err != nil {
		return bad()
	}
	r := reply{refused: status == "EPOCH", now: now, epoch: epochMark{id: epoch, n: n}}
	switch rest := a[4].(type) {
	case int64:
		r.adopted = rest == 1
	case []any:
		r.notes = rest
	default:
		return bad()
	}
	return r, nil
}

// parseCommit reads the commit number of {epoch, number}.
func parseCommit(a []string) (uint64, error) {
	if len(a) != 2 {
		return 0, fmt.Errorf("unexpected answer %.100v", a)
	}
	n, err := strconv.ParseUint(a[1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("unexpected answer %.100v: %w", a, err)
	}
	return n, nil
}

// refusals begin the errors with which Redis answers a script that it did not begin.
func refusals() []string {
	return []string{
		"NOSCRIPT ", "OOM ", "NOPERM ", "NOAUTH ", "WRONGPASS ", "LOADING ", "READONLY ", "MASTERDOWN ", "CLUSTERDOWN ",
		"MISCONF ", "NOREPLICAS ", "BUSY ", "MOVED ", "ASK ", "TRYAGAIN ", "CROSSSLOT ", "ERR max number of clients",
		"ERR unknown command", "ERR Protocol error",
	}
}

// definite says whether an error that came as an answer leaves all as it was. One that apply.lua raised does: it
// raises none once it has written. Redis 7 ends it with "script: sha, on @user_script:line.", 6.2 begins it with
// "ERR Error running script".
func definite(err error) bool {
	var answer goredis.Error
	if !errors.As(err, &answer) {
		return false
	}
	msg := answer.Error()
	if strings.Contains(msg, "user_script") || strings.Contains(msg, "Error compiling script") {
		return true
	}
	for _, p := range refusals() {
		if strings.HasPrefix(msg, p) {
			return true
		}
	}
	return false
}

// send runs the script once. If the error is not nil, sent tells whether the change may have happened.
func (s *Store) send(ctx context.Context, gen *generation, keys []string, args []any) (r reply, sent bool, err error) {
	sc := s.scripts.of(gen.server)
	r, sent, err = s.sendAs(ctx, gen, "evalsha", sc.sha, keys, args)
	if err != nil && !sent && goredis.HasErrorPrefix(err, "NOSCRIPT") {
		return s.sendAs(ctx, gen, "eval", sc.text, keys, args)
	}
	return r, sent, err
}

func (s *Store) sendAs(
	ctx context.Context, gen *generation, command, what string, keys []string, args []any,
) (r reply, sent bool, err error) {
	mark := new(seal)
	line := make([]any, 0, 4+len(keys)+len(args))
	line = append(line, command, what, len(keys))
	for i := range keys {
		line = append(line, &keys[i])
	}
	line = append(append(line, args...), mark)
	v, err := run(ctx, s, func(ctx context.Context) (any, error) { return gen.client.Do(ctx, line...).Result() })
	if err != nil {
		return reply{}, mark.withdraw() && !definite(err), err
	}
	r, err = parseReply(v)
	return r, err != nil, err
}
