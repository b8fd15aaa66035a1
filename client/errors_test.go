package client

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/client/api"
)

// TestSentinels holds the sentinels complete: one of each name for each code of the API.
func TestSentinels(t *testing.T) {
	codes := declared(t, "api/code.go", func(v ast.Expr) (string, bool) {
		lit, ok := v.(*ast.BasicLit)
		if !ok {
			return "", false
		}
		s, err := strconv.Unquote(lit.Value)
		return s, err == nil
	})
	if len(codes) < 30 {
		t.Fatalf("found only %d codes in api/code.go", len(codes))
	}
	sentinels := declared(t, "errors.go", func(v ast.Expr) (string, bool) {
		call, ok := v.(*ast.CallExpr)
		if !ok || len(call.Args) != 1 {
			return "", false
		}
		sel, ok := call.Args[0].(*ast.SelectorExpr)
		if !ok {
			return "", false
		}
		return codes[sel.Sel.Name], true
	})
	for name, code := range codes {
		if got := sentinels["Err"+name]; got != code {
			t.Errorf("Err%s is the sentinel of %q, want %q", name, got, code)
		}
	}
}

// declared maps the names declared at the top of a file to what value makes of their values.
func declared(t *testing.T, file string, value func(ast.Expr) (string, bool)) map[string]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, d := range f.Decls {
		gen, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, s := range gen.Specs {
			vs, ok := s.(*ast.ValueSpec)
			if !ok || len(vs.Values) != 1 {
				continue
			}
			if v, ok := value(vs.Values[0]); ok {
				out[vs.Names[0].Name] = v
			}
		}
	}
	return out
}

func TestErrorIs(t *testing.T) {
	tests := []struct {
		name      string
		err       error
		is, isNot []error
		temporary bool
	}{
		{"lease lost", problemError(409, api.LeaseLost), []error{ErrLeaseLost}, []error{ErrAlreadySettled, ErrUnknown}, false},
		{"internal", problemError(500, api.Internal), []error{ErrInternal, ErrUnknown}, nil, true},
		{"unavailable", problemError(503, api.Unavailable), []error{ErrUnavailable, ErrUnknown}, nil, true},
		{"shutting down", problemError(503, api.ShuttingDown), []error{ErrShuttingDown}, []error{ErrUnknown}, true},
		{"storage full", problemError(507, api.StorageFull), []error{ErrStorageFull}, []error{ErrUnknown}, true},
		{"backlog full", problemError(429, api.BacklogFull), []error{ErrBacklogFull}, []error{ErrUnknown}, true},
		{"a proxy's page", problemError(502, ""), []error{ErrUnknown}, []error{ErrInternal}, true},
		{"unreachable", ErrUnreachable, []error{ErrUnreachable}, []error{ErrUnknown}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, target := range tt.is {
				if !errors.Is(tt.err, target) {
					t.Errorf("%v is not %v", tt.err, target)
				}
			}
			for _, target := range tt.isNot {
				if errors.Is(tt.err, target) {
					t.Errorf("%v is %v", tt.err, target)
				}
			}
			if got := Temporary(tt.err); got != tt.temporary {
				t.Errorf("Temporary = %t, want %t", got, tt.temporary)
			}
		})
	}
}

func problemError(status int, code api.Code) error {
	return &Error{api.Problem{Status: status, Code: code}}
}

func TestProblem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := newNetwork(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/v1/topics/full":
				w.Header().Set("Retry-After", "2")
				refuse(w, api.Problem{Status: 429, Code: api.BacklogFull, Detail: "wait", RequestID: "r1", RetryAfterMS: 1500})
			case "/v1/topics/seconds":
				w.Header().Set("Retry-After", "3")
				w.Header().Set("X-Request-Id", "r2")
				refuse(w, api.Problem{Status: 503, Code: api.ShuttingDown})
			case "/v1/topics/page":
				w.WriteHeader(http.StatusBadGateway)
				_, _ = w.Write([]byte("<h1>bad\n  gateway</h1>" + strings.Repeat("x", 500)))
			case "/v1/topics/nonsense":
				_, _ = w.Write([]byte("{"))
			}
		}))
		get := func(topic string) (*Error, error) {
			_, err := c.Topic(t.Context(), topic)
			var e *Error
			errors.As(err, &e)
			return e, err
		}
		if e, err := get("full"); e == nil || e.RetryAfter() != 1500*time.Millisecond || e.RequestID != "r1" ||
			e.Error() != "backlog_full: wait" {
			t.Errorf("full: %+v", err)
		}
		if e, err := get("seconds"); e == nil || e.RetryAfter() != 3*time.Second || e.RequestID != "r2" {
			t.Errorf("seconds: %+v", err)
		}
		if e, err := get("page"); e == nil || e.Status != 502 || !strings.HasPrefix(e.Detail, "<h1>bad gateway</h1>") || len(e.Detail) != 200 {
			t.Errorf("page: %+v", err)
		}
		if e, err := get("nonsense"); e != nil || !errors.Is(err, ErrAnswer) || !errors.Is(err, ErrUnknown) {
			t.Errorf("nonsense: %v", err)
		}
	})
}

func TestConnectionErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		defer close(hold)
		n, c := newNetwork(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-hold:
			case <-r.Context().Done():
			}
		}))
		ctx, cancel := context.WithCancelCause(t.Context())
		got := make(chan error, 1)
		go func() { got <- c.Publish(t.Context(), "a", Text("x")) }()
		synctest.Wait()
		n.down()
		if err := <-got; !errors.Is(err, ErrUnknown) || errors.Is(err, ErrUnreachable) {
			t.Errorf("broken connection: %v", err)
		}
		if err := c.Publish(t.Context(), "a", Text("x")); !errors.Is(err, ErrUnreachable) || errors.Is(err, ErrUnknown) {
			t.Errorf("no server: %v", err)
		}
		n.up()
		enough := errors.New("enough")
		go func() {
			_, err := c.Lease(ctx, "g", LeaseOptions{Wait: time.Minute})
			got <- err
		}()
		synctest.Wait()
		cancel(enough)
		if err := <-got; !errors.Is(err, ErrUnknown) || !errors.Is(err, enough) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

// A server that is not trusted, or speaks another protocol, was sent nothing.
func TestUntrustedServer(t *testing.T) {
	var calls atomic.Int64
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) })
	plain, secure := httptest.NewServer(handler), httptest.NewUnstartedServer(handler)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer plain.Close()
	defer secure.Close()
	for _, address := range []string{secure.URL, "https://" + strings.TrimPrefix(plain.URL, "http://")} {
		c, err := New(address)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Publish(t.Context(), "a", Text("x")); !errors.Is(err, ErrUnreachable) || errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %v", address, err)
		}
		c.Close()
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("%d calls arrived", n)
	}
}

func TestNewRefusesWhatNoHeaderHolds(t *testing.T) {
	for _, o := range []Option{WithToken("secret\n"), WithToken("a\x00b"), WithName("a\r\nb")} {
		if _, err := New("127.0.0.1:1", o); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v", err)
		}
	}
}

func TestNewAddress(t *testing.T) {
	tests := []struct{ in, want string }{
		{"127.0.0.1:4658", "http://127.0.0.1:4658"},
		{"http://a/", "http://a"},
		{"https://a/holt/", "https://a/holt"},
		{"ftp://a", ""},
		{"http://", ""},
		{"http://a?x=1", ""},
		{"http://a b", ""},
		{"http://a:65536", ""},
		{"http://a:65535", "http://a:65535"},
	}
	for _, tt := range tests {
		c, err := New(tt.in)
		switch {
		case tt.want == "" && err == nil:
			t.Errorf("%q: accepted as %s", tt.in, c.base)
		case tt.want != "" && (err != nil || c.base.String() != tt.want):
			t.Errorf("%q: %v, want %s", tt.in, err, tt.want)
		}
	}
}
