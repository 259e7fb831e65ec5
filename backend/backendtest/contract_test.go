package backendtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// contract returns the sentences of the comments on the types of core's store.go and locker.go, on their methods
// and on their fields, in order.
func contract(t *testing.T) []string {
	t.Helper()
	var sentences []string
	for _, file := range []string{"../../core/store.go", "../../core/locker.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				continue
			}
			ast.Inspect(g, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GenDecl:
					sentences = append(sentences, split(n.Doc)...)
				case *ast.Field:
					sentences = append(sentences, split(n.Doc)...)
					sentences = append(sentences, split(n.Comment)...)
				}
				return true
			})
		}
	}
	return sentences
}

// boundary is the end of a sentence: a full stop, and something that can begin another one.
var boundary = regexp.MustCompile(`\. ([A-Z\[])`)

// split returns the sentences of a comment, each on one line and without its full stop.
func split(c *ast.CommentGroup) []string {
	text := strings.Join(strings.Fields(c.Text()), " ")
	if text == "" {
		return nil
	}
	text = boundary.ReplaceAllString(strings.TrimSuffix(text, "."), "\n$1")
	return strings.Split(text, "\n")
}

func TestEveryRuleIsASentenceOfTheContract(t *testing.T) {
	t.Parallel()
	sentences := contract(t)
	names := make(map[string]bool)
	for _, c := range Cases() {
		if names[c.Name] {
			t.Errorf("two cases are named %q", c.Name)
		}
		names[c.Name] = true
		if len(c.Rules) == 0 {
			t.Errorf("case %q enforces nothing", c.Name)
		}
		for _, rule := range c.Rules {
			if !slices.Contains(sentences, rule) {
				t.Errorf("case %q: the contract does not say %q", c.Name, rule)
			}
		}
	}
}

func TestEverySentenceOfTheContractIsEnforced(t *testing.T) {
	t.Parallel()
	enforced := make(map[string]bool)
	for _, c := range Cases() {
		for _, rule := range c.Rules {
			enforced[rule] = true
		}
	}
	sentences := contract(t)
	if len(sentences) < 100 {
		t.Fatalf("only %d sentences: the contract was not read", len(sentences))
	}
	for _, s := range sentences {
		_, untestable := Untestable()[s]
		switch {
		case enforced[s] && untestable:
			t.Errorf("a case enforces what is listed as untestable: %q", s)
		case !enforced[s] && !untestable:
			t.Errorf("no case enforces %q", s)
		}
	}
	for s, reason := range Untestable() {
		if !slices.Contains(sentences, s) {
			t.Errorf("untestable, but the contract does not say %q", s)
		}
		if reason == "" {
			t.Errorf("untestable without a reason: %q", s)
		}
	}
}
