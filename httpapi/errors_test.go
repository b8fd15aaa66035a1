package httpapi

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
)

// sources parses the files of a package, without tests.
func sources(t *testing.T, dir string) []*ast.File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no sources in %s: %v", dir, err)
	}
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// sentinels returns the names of the errors that the packages queue and dlq export.
func sentinels(t *testing.T) []string {
	var names []string
	for _, f := range append(sources(t, "../queue"), sources(t, "../dlq")...) {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				for _, n := range spec.(*ast.ValueSpec).Names {
					if strings.HasPrefix(n.Name, "Err") {
						names = append(names, n.Name)
					}
				}
			}
		}
	}
	return names
}

// rows returns the names of the sentinels in the table.
func rows(t *testing.T) []string {
	var names []string
	f, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	table := f.Scope.Lookup("table").Decl.(*ast.ValueSpec).Values[0].(*ast.CompositeLit)
	for _, row := range table.Elts {
		names = append(names, row.(*ast.CompositeLit).Elts[0].(*ast.SelectorExpr).Sel.Name)
	}
	return names
}

func TestEverySentinelHasARow(t *testing.T) {
	want, got := sentinels(t), rows(t)
	slices.Sort(want)
	slices.Sort(got)
	if len(want) < 20 || !slices.Equal(got, want) {
		t.Errorf("rows of\n%v, want\n%v", got, want)
	}
}

// codes returns the codes of client/api with the status that their comments name.
func codes(t *testing.T) map[api.Code]int {
	out := map[api.Code]int{}
	for _, f := range sources(t, "../client/api") {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, spec := range g.Specs {
				v := spec.(*ast.ValueSpec)
				if kind, ok := v.Type.(*ast.Ident); !ok || kind.Name != "Code" {
					continue
				}
				code, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				status, err := strconv.Atoi(strings.TrimSpace(v.Comment.Text()))
				if err != nil {
					t.Fatalf("code %s: %v", code, err)
				}
				out[api.Code(code)] = status
			}
		}
	}
	return out
}

func TestEveryRowHasACodeOfTheAPI(t *testing.T) {
	known := codes(t)
	for _, r := range table {
		if known[r.code] != r.status {
			t.Errorf("%v: %s with %d, want %d", r.err, r.code, r.status, known[r.code])
		}
		f := faultOf(fmt.Errorf("do it: %w", r.err))
		if f.code != r.code || f.status != r.status || f.detail == "" {
			t.Errorf("%v is answered as %+v", r.err, f)
		}
		if f.status >= 500 && f.status != http.StatusInsufficientStorage && strings.Contains(f.detail, "do it") {
			t.Errorf("%v shows what the broker said: %q", r.err, f.detail)
		}
		if retries := r.status == 429 || r.status == 503 || r.status == 507; retries != (f.retry > 0) {
			t.Errorf("%v: retry after %v", r.err, f.retry)
		}
	}
}

// What may have happened must never look like something that did not.
func TestUnknownBeatsRefusal(t *testing.T) {
	for _, r := range table {
		f := faultOf(fmt.Errorf("%w: %w", r.err, queue.ErrUnknown))
		if f.status < 500 {
			t.Errorf("unknown with %v is answered as %d", r.err, f.status)
		}
	}
}

func TestOtherErrors(t *testing.T) {
	if f := faultOf(errors.New("secret path")); f.status != 500 || f.code != api.Internal || strings.Contains(f.detail, "secret") {
		t.Errorf("an error of no kind is answered as %+v", f)
	}
	if f := faultOf(context.DeadlineExceeded); f.status != 503 {
		t.Errorf("a deadline is answered as %+v", f)
	}
	if f := faultOf(context.Canceled); f.status != 503 || !strings.Contains(f.detail, "closed its side") { // read by who closes that side only
		t.Errorf("a client that does not wait is answered as %+v", f)
	}
	f := faultOf(fmt.Errorf("read: %w", &queue.RangeError{Start: 3, End: 9}))
	if f.status != 416 || *f.start != 3 || *f.end != 9 {
		t.Errorf("a range error is answered as %+v", f)
	}
	f = faultOf(&queue.SettleError{Failed: []queue.Failure{{Receipt: "a", Err: queue.ErrLeaseLost}, {Receipt: "b", Err: queue.ErrInvalidReceipt}}})
	if f.status != 409 || f.code != api.LeaseLost || len(f.failed) != 2 || f.failed[1].Code != api.InvalidReceipt {
		t.Errorf("a settle error is answered as %+v", f)
	}
	// With records to publish one receipt refuses all: how many there were besides is not known here.
	if f = faultOf(&queue.SettleError{Failed: []queue.Failure{{Receipt: "a", Err: queue.ErrLeaseLost}}}); !strings.HasPrefix(f.detail, "nothing was settled: ") {
		t.Errorf("one receipt that failed is answered as %q", f.detail)
	}
}

func TestRetryAfterIsAtLeastASecond(t *testing.T) {
	for d, want := range map[int]string{1: "1", 999: "1", 1000: "1", 1001: "2", 10_000: "10"} {
		if got := retryAfter(time.Duration(d) * time.Millisecond); got != want {
			t.Errorf("%d ms: %s, want %s", d, got, want)
		}
	}
}

// The guide names every code a client can get.
func TestCodesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/HTTP-API.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range table {
		if !strings.Contains(string(doc), "`"+string(r.code)+"`") {
			t.Errorf("docs/HTTP-API.md does not say what %s means", r.code)
		}
	}
}
