package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/holtmq/holt/httpapi/trace"
)

// Defaults of Config.
const (
	DefaultHeaderTimeout = 3 * time.Second
	DefaultBodyTimeout   = 10 * time.Second
	DefaultWriteTimeout  = 10 * time.Second
	DefaultIdleTimeout   = 2 * time.Minute
	DefaultMaxHeader     = 16 << 10
	DefaultMaxConns      = 16_384
	DefaultMaxBodies     = 256 << 20
	DefaultMaxAnswers    = 128 << 20
)

// Config is what an operator can set of the HTTP API. The zero value of a field is its default.
type Config struct {
	Hosts          []string      // names under which the server is reached, without port, beside the loopback ones; "*" = any
	TrustedOrigins []string      // "https://host[:port]" whose pages may call this server
	Tokens         []Token       // those that are taken; none: no token is asked for
	HeaderTimeout  time.Duration // for a request's headers; 3 s
	BodyTimeout    time.Duration // for the first bytes of a body, which then come at minRate at least; 10 s
	WriteTimeout   time.Duration // for the first bytes of an answer, which then go at minRate at least; 10 s
	IdleTimeout    time.Duration // between two requests of a connection; 2 min
	MaxHeader      int           // bytes of a request's line and headers; 16 KiB
	MaxConns       int           // open connections; one more is closed at once; 16,384
	MaxBodies      int64         // bytes of memory for large bodies under way, all together; 256 MiB
	MaxAnswers     int64         // bytes of records in answers under way, all together: the nearer, the less the next one may hold; 128 MiB
	Environment    string        // shown in the console as a badge, as in "production"; "" = none
	DeadLetters    DeadLetters   // serves dead letters and redrives; nil = they are not served
	Commits        *Commits      // measures shown by /metrics; nil = none
	Tracer         *trace.Tracer // nil: no spans are made, contexts are carried all the same
	Log            *slog.Logger  // slog.Default()
}

// Validate reports every fault at once; nil if there is none.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	for _, h := range c.Hosts {
		check(h != "" && !strings.ContainsAny(h, "/ @") && (h == "*" || !strings.Contains(h, "*")), "host %q: give a name or address without scheme and port, or \"*\"", h)
	}
	for _, o := range c.TrustedOrigins {
		u, err := url.Parse(o)
		check(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.Path == "", "trusted origin %q: write it as in \"https://console.example\"", o)
		if err == nil {
			check(http.NewCrossOriginProtection().AddTrustedOrigin(o) == nil, "trusted origin %q is not an origin", o)
		}
	}
	for _, t := range c.Tokens {
		check(len(t.Secret) >= minToken && !strings.ContainsAny(t.Secret, " \t\r\n"), "a token has %d bytes: it must have %d at least, and no white space", len(t.Secret), minToken)
		check(t.Rights != 0 && t.Rights&^AllRights == 0, "a token has no rights, or some that there are not")
	}
	check(c.HeaderTimeout >= 0 && c.BodyTimeout >= 0 && c.WriteTimeout >= 0 && c.IdleTimeout >= 0, "timeouts must not be negative")
	check(c.MaxHeader >= 0 && c.MaxHeader <= 1<<20, "the limit of headers is %d bytes: it must be at most 1 MiB", c.MaxHeader)
	check(c.MaxConns >= 0 && c.MaxBodies >= 0 && c.MaxAnswers >= 0, "limits must not be negative")
	return errors.Join(errs...)
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	set(&c.HeaderTimeout, DefaultHeaderTimeout)
	set(&c.BodyTimeout, DefaultBodyTimeout)
	set(&c.WriteTimeout, DefaultWriteTimeout)
	set(&c.IdleTimeout, DefaultIdleTimeout)
	set(&c.MaxHeader, DefaultMaxHeader)
	set(&c.MaxConns, DefaultMaxConns)
	set(&c.MaxBodies, DefaultMaxBodies)
	set(&c.MaxAnswers, DefaultMaxAnswers)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
