package belfry_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/belfry-io/belfry"

// anything of this module: for what wires or tests the rest.
const anything = "..."

// A line says what the packages that match a pattern may import. One without a wildcard names exactly what its
// package does import once it exists: what it no longer needs has to go from here.
type line struct {
	pkg     string   // as for path.Match
	of      []string // packages of this module
	beyond  []string // modules beyond the standard library
	tests   []string // modules that its tests may import besides
	testing bool     // may import testing outside its tests
}

// imports is the table of who may import what. Beside it stands docs/dependencies.md.
func imports() []line {
	const (
		yaml     = "go.yaml.in/yaml/v3"
		goleak   = "go.uber.org/goleak"
		goCron   = "github.com/netresearch/go-cron"
		goRedis  = "github.com/redis/go-redis/v9"
		urfave   = "github.com/urfave/cli/v2"
		rapid    = "pgregory.net/rapid"
		table    = "backend/internal/table"
		evidence = "evidence"
	)
	cron := []string{"github.com/robfig/cron/v3", "github.com/adhocore/gronx"} // compared with ours
	return []line{
		{
			pkg: "core", beyond: []string{goCron},
			tests: append(cron, goleak, rapid, "github.com/cockroachdb/datadriven"),
		},
		{pkg: "backend", of: []string{"core"}},
		{pkg: "backend/all", of: []string{"backend", "backend/memory", "backend/redis"}},
		{pkg: table, of: []string{"core"}},
		{pkg: "backend/memory", of: []string{"core", table}, tests: []string{goleak}},
		{pkg: "backend/redis", of: []string{"core", table}, beyond: []string{goRedis}, tests: []string{goleak}},
		{pkg: "backend/etcd", of: []string{"core", table}, beyond: []string{"go.etcd.io/etcd"}, tests: []string{goleak}},
		{
			pkg: "backend/raft", of: []string{"core", table},
			beyond: []string{"github.com/hashicorp/raft", "github.com/hashicorp/raft-boltdb", "go.etcd.io/bbolt"},
			tests:  []string{goleak},
		},
		{
			pkg: "backend/backendtest", of: []string{"core"}, beyond: []string{"github.com/anishathalye/porcupine"},
			testing: true,
		},
		{pkg: evidence, of: []string{"core"}},
		{pkg: "jobfile", of: []string{"core"}, beyond: []string{yaml}, tests: []string{goleak}},
		{pkg: "web", of: []string{"core", evidence, "jobfile"}, beyond: []string{"github.com/prometheus/client_golang"}},
		{pkg: "belfrytest", of: []string{"core", "backend/memory"}, testing: true},
		{
			pkg: "cli", of: []string{anything}, beyond: []string{urfave, yaml},
			tests: []string{goleak, "github.com/rogpeppe/go-internal"},
		},
		{pkg: "cli/handlers", of: []string{"core", evidence}, tests: []string{goleak}},
		{pkg: "cli/belfry", of: []string{"backend/all", "backend/redis", "cli"}},
		{pkg: "bench", of: []string{anything}},
		{pkg: "examples/*", of: []string{anything}, tests: []string{goleak}},
		{pkg: "internal/*", of: []string{anything}, beyond: []string{goRedis, goleak}, testing: true},
	}
}

// testsOf is what the tests of any package may import of this module: what it is tried on and with.
func testsOf() []string {
	return []string{"core", "backend", "backend/all", "backend/backendtest", "backend/memory", "internal/proctest", "internal/sim"}
}

// A source is one parsed file.
type source struct {
	name string // from the root, with slashes
	pkg  string // its directory; "." is the root
	test bool
	file *ast.File
}

// sources parses every file of this module, whatever its build constraints say.
func sources(t *testing.T) ([]source, *token.FileSet) {
	t.Helper()
	var all []source
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if skipped(name, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		all = append(all, source{name, path.Dir(name), strings.HasSuffix(name, "_test.go"), f})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("only %d files: the module was not read", len(all))
	}
	return all, fset
}

// skipped says whether a directory is no part of this module.
func skipped(name, base string) bool {
	if name == "." {
		return false
	}
	if base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return true
	}
	_, err := os.Stat(filepath.Join(name, "go.mod"))
	return err == nil // a module of its own
}

// lineOf returns the line of the table that a package comes under.
func lineOf(pkg string) (line, bool) {
	for _, l := range imports() {
		if ok, err := path.Match(l.pkg, pkg); err == nil && ok {
			return l, true
		}
	}
	return line{}, false
}

// importsOf returns the paths that a file imports.
func importsOf(t *testing.T, f *ast.File) []string {
	t.Helper()
	var paths []string
	for _, spec := range f.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	return paths
}

// under says whether a package is of one of the modules, or is one of the packages.
func under(p string, modules []string) bool {
	return slices.ContainsFunc(modules, func(m string) bool {
		rest, ok := strings.CutPrefix(p, m)
		return ok && (rest == "" || rest[0] == '/')
	})
}

// allowed says whether the file may import the path.
func allowed(s source, l line, p string) bool {
	own, local := strings.CutPrefix(p, module+"/")
	standard := !strings.Contains(strings.Split(p, "/")[0], ".")
	switch {
	case p == "testing" || strings.HasPrefix(p, "testing/"):
		return s.test || l.testing
	case standard:
		return true
	case local && own == s.pkg, local && slices.Contains(l.of, own):
		return true
	case local && own == "internal/proctest":
		return s.test
	case local:
		return slices.Contains(l.of, anything) || s.test && slices.Contains(testsOf(), own)
	}
	return under(p, l.beyond) || s.test && under(p, l.tests)
}

func TestImports(t *testing.T) {
	t.Parallel()
	files, _ := sources(t)
	for _, s := range files {
		if s.pkg == "." {
			continue // this test
		}
		l, ok := lineOf(s.pkg)
		if !ok {
			t.Errorf("%s: the table of imports has no line for %s", s.name, s.pkg)
			continue
		}
		for _, p := range importsOf(t, s.file) {
			if !allowed(s, l, p) {
				t.Errorf("%s: %s may not import %s", s.name, s.pkg, p)
			}
		}
	}
}

func TestImportTableIsNotStale(t *testing.T) {
	t.Parallel()
	files, _ := sources(t)
	used := make(map[string][]string) // by package, tests left out
	for _, s := range files {
		if !s.test {
			used[s.pkg] = append(used[s.pkg], importsOf(t, s.file)...)
		}
	}
	for _, l := range imports() {
		paths, exists := used[l.pkg]
		if !exists {
			continue
		}
		for _, of := range l.of {
			if of != anything && !slices.Contains(paths, module+"/"+of) {
				t.Errorf("the table says that %s may import %s; it does not need to", l.pkg, of)
			}
		}
		for _, m := range l.beyond {
			if !slices.ContainsFunc(paths, func(p string) bool { return under(p, []string{m}) }) {
				t.Errorf("the table says that %s may import %s; it does not need to", l.pkg, m)
			}
		}
	}
}

func TestImportRules(t *testing.T) {
	t.Parallel()
	cases := []struct {
		pkg, path string
		test      bool
		want      bool
	}{
		{"core", "fmt", false, true},
		{"core", "testing", false, false},
		{"core", "testing/synctest", true, true},
		{"core", module + "/backend/memory", false, false},
		{"core", module + "/backend/memory", true, true},
		{"core", module + "/cli", true, false},
		{"core", "github.com/redis/go-redis/v9", false, false},
		{"core", "github.com/redis/go-redis/v9", true, false},
		{"backend/redis", "github.com/redis/go-redis/v9", false, true},
		{"backend/redis", "github.com/redis/go-redis/v99", false, false},
		{"backend/memory", module + "/backend/redis", false, false},
		{"backend/backendtest", "testing", false, true},
		{"cli", module + "/internal/proctest", false, false},
		{"cli", module + "/internal/proctest", true, true},
		{"internal/sim", module + "/core", false, true},
	}
	for _, c := range cases {
		l, ok := lineOf(c.pkg)
		if !ok {
			t.Errorf("no line for %s", c.pkg)
		}
		if got := allowed(source{pkg: c.pkg, test: c.test}, l, c.path); got != c.want {
			t.Errorf("%s (test: %t) may import %s: %t, want %t", c.pkg, c.test, c.path, got, c.want)
		}
	}
	if _, ok := lineOf("utils"); ok {
		t.Error("there is a line for any package")
	}
}

// sleeps returns where a file calls time.Sleep outside a function that is passed to synctest.Test.
func sleeps(f *ast.File) []token.Pos {
	var (
		found   []token.Pos
		bubbles []*ast.FuncLit
	)
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch selector(call.Fun) {
		case "synctest.Test":
			for _, arg := range call.Args {
				if lit, ok := arg.(*ast.FuncLit); ok {
					bubbles = append(bubbles, lit)
				}
			}
		case "time.Sleep":
			if !slices.ContainsFunc(bubbles, func(b *ast.FuncLit) bool { return b.Pos() <= n.Pos() && n.End() <= b.End() }) {
				found = append(found, n.Pos())
			}
		}
		return true
	})
	return found
}

// selector returns "package.Name" of an expression that is one, or "".
func selector(e ast.Expr) string {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	x, ok := s.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return x.Name + "." + s.Sel.Name
}

// TestNoSleepOutsideBubbles: a test that sleeps is slow and wrong, unless its clock is a bubble's. The packages that
// deal with real processes have no bubble; they wait for what they want to see.
func TestNoSleepOutsideBubbles(t *testing.T) {
	t.Parallel()
	files, fset := sources(t)
	for _, s := range files {
		if !s.test || s.pkg == "internal/proctest" {
			continue
		}
		for _, pos := range sleeps(s.file) {
			t.Errorf("%v: time.Sleep outside a function passed to synctest.Test", fset.Position(pos))
		}
	}
}

func TestSleepsAreFound(t *testing.T) {
	t.Parallel()
	const text = `package x
func TestA(t *testing.T) { time.Sleep(1) }
func TestB(t *testing.T) { synctest.Test(t, func(t *testing.T) { go func() { time.Sleep(2) }() }); time.Sleep(3) }
func TestC(t *testing.T) { f := func() { time.Sleep(4) }; f() }
`
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "x.go", text, 0)
	if err != nil {
		t.Fatal(err)
	}
	var lines []int
	for _, pos := range sleeps(f) {
		lines = append(lines, fset.Position(pos).Line)
	}
	if !slices.Equal(lines, []int{2, 3, 4}) {
		t.Errorf("sleeps are found in lines %d, want 2, 3 and 4", lines)
	}
}
