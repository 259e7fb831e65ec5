// Package backend turns a URL into a store. It knows no store itself: who wires a program passes a map from scheme
// to opener, as package backend/all does for those of this module.
package backend

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/belfry-io/belfry/core"
)

// An Opener connects to the store at a URL. It returns when the store has answered and can be trusted with claims,
// or with an error that does not show the URL's password.
type Opener func(ctx context.Context, address string) (core.Store, error)

// Openers are the openers by URL scheme, in lower case. A plain map: copy, add and leave out as you like, before
// it is used.
type Openers map[string]Opener

// As makes an Opener of a function that returns a store of its own type. A nil pointer in it does not become a
// store that is not nil.
func As[S core.Store](open func(ctx context.Context, address string) (S, error)) Opener {
	return func(ctx context.Context, address string) (core.Store, error) {
		s, err := open(ctx, address)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
}

// local are the addresses that a bare name stands for.
func local(name string) (address string, ok bool) {
	switch name {
	case "memory":
		return "memory://", true
	case "redis":
		return "redis://127.0.0.1:6379/0", true
	case "etcd":
		return "etcd://127.0.0.1:2379", true
	}
	return "", false
}

// Open connects to the store at address: a URL, or the bare name of a backend for the one at its usual local
// address. [core.ErrInvalid] if no opener takes it; the error lists those there are. Other errors are the opener's.
func (o Openers) Open(ctx context.Context, address string) (core.Store, error) {
	full, bare := local(address)
	if !bare {
		full = address
	}
	scheme, _, found := strings.Cut(full, "://")
	if !found {
		return nil, o.refuse(fmt.Sprintf("%q is neither a URL nor the name of a backend", Redact(address)))
	}
	open := o[strings.ToLower(scheme)]
	if open == nil {
		return nil, o.refuse(fmt.Sprintf("no backend for %q", strings.ToLower(scheme)+"://"))
	}
	s, err := open(ctx, full)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", Redact(full), err)
	}
	return s, nil
}

// refuse is the error for an address that nobody opens.
func (o Openers) refuse(problem string) error {
	remedy := "this program was built without backends"
	if len(o) > 0 {
		remedy = "use " + strings.Join(o.Schemes(), ", ")
	}
	return fmt.Errorf("open store: %w", &core.FieldError{Field: "backend", Problem: problem, Remedy: remedy})
}

// Schemes returns the schemes that can be opened, as "redis://", in order.
func (o Openers) Schemes() []string {
	schemes := slices.Sorted(maps.Keys(o))
	for i := range schemes {
		schemes[i] += "://"
	}
	return schemes
}

const hidden = "xxxxx"

// Redact returns the URL without its secrets, for logs and errors: the password of the user, and the options
// whose name says that they are secret. A URL that cannot be parsed loses all that could be a password.
func Redact(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" && strings.Contains(address, "@") {
		return redactUser(cutQuery(address))
	}
	if _, has := u.User.Password(); has {
		u.User = url.UserPassword(u.User.Username(), hidden)
	}
	if u.RawQuery != "" {
		u.RawQuery = redactQuery(u.RawQuery)
	}
	return u.String()
}

// redactUser hides the password in what is not a URL: it may hold any byte, so it goes up to the last @.
func redactUser(address string) string {
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		scheme, rest = "", address
	} else {
		scheme += "://"
	}
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return address
	}
	user, _, _ := strings.Cut(rest[:at], ":")
	return scheme + user + ":" + hidden + rest[at:]
}

// cutQuery removes the query of what is not a URL: nobody can say which of it is secret.
func cutQuery(address string) string {
	before, _, found := strings.Cut(address, "?")
	if found {
		return before + "?" + hidden
	}
	return before
}

// redactQuery hides the secret options and leaves the others as they are written.
func redactQuery(query string) string {
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, _, _ := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(name)
		if err != nil || secret(plain) {
			pairs[i] = name + "=" + hidden
		}
	}
	return strings.Join(pairs, "&")
}

// secret says whether an option of that name holds a secret.
func secret(option string) bool {
	option = strings.ToLower(option)
	return slices.ContainsFunc([]string{"pass", "secret", "token", "credential"}, func(word string) bool {
		return strings.Contains(option, word)
	})
}
