package console

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store"
)

// Base is the path under which the console is served.
const Base = "/console/"

// Source is what the shared snapshot is taken from; *queue.Broker is one.
type Source interface {
	// TopicSummaries and GroupOverviews return up to limit topics or groups with names after the given one, by name.
	TopicSummaries(ctx context.Context, after string, limit int) ([]queue.TopicInfo, error)
	GroupOverviews(ctx context.Context, after string, limit int) ([]queue.GroupInfo, error)
	// Ribbon shows the window of each partition of a share group in so many cells.
	Ribbon(ctx context.Context, group string, cells int) ([]queue.GroupRibbon, error)
	// AddHistory keeps a sample for a day; History returns those from a time (Unix seconds) on.
	AddHistory(s queue.HistorySample)
	History(since int64) []queue.HistorySample
	Health() store.Health
	Info() queue.Info
}

// Config is what the console needs. API and Source are required.
type Config struct {
	API         http.Handler                         // serves /v1
	Source      Source                               // of the snapshot
	Environment string                               // shown as a badge, as in "production"; "" = none
	Asks        func() bool                          // tells whether a token is asked for; nil = never
	Admit       func(token string) bool              // tells whether a token is taken; needed with Asks
	Latency     func() (typical, slow time.Duration) // of recent commits, the median and the slowest in a hundred; nil = not known
	Log         *slog.Logger                         // nil = slog.Default()
}

// Console serves the pages. Its methods may be called by any number of goroutines.
type Console struct {
	cfg      Config
	mux      *http.ServeMux
	pages    pages
	assets   assets
	sessions *sessions
	sampler  *sampler
	sparks   sparks
	document atomic.Pointer[reference] // read when it is first shown: it is part of the program
	started  time.Time
}

// New makes a console. It panics if the templates it is built with are broken.
func New(cfg Config) *Console {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	c := &Console{cfg: cfg, mux: http.NewServeMux(), assets: newAssets(), sessions: newSessions(), sparks: sparks{all: map[string]*sparkCounts{}}, started: time.Now()}
	c.sampler = newSampler(cfg.Source, cfg.Latency)
	c.pages = newPages(c.assets)
	c.register()
	return c
}

// policy lets a page load what this server serves, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// ServeHTTP implements http.Handler for paths below Base.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if clean := path.Clean(r.URL.Path); clean != strings.TrimSuffix(r.URL.Path, "/") && clean != r.URL.Path {
		http.NotFound(w, r) // the router would redirect, and a path like "//host" is another host's
		return
	}
	c.mux.ServeHTTP(w, r)
}

// handler serves one page. An error it returns becomes a page of its own.
type handler func(v *visit) error

// register fills the router.
func (c *Console) register() {
	c.mux.Handle("GET "+Base+"asset/", c.assets)
	c.mux.HandleFunc("GET "+Base+"login", c.showLogin)
	c.mux.HandleFunc("POST "+Base+"login", c.login)
	c.mux.HandleFunc("POST "+Base+"logout", c.logout)
	for pattern, h := range map[string]handler{
		"GET {$}":                     showOverview,
		"GET search":                  showSearch,
		"GET topics":                  showTopics,
		"GET topics/{topic}":          showTopic,
		"GET topics/{topic}/messages": showMessages,
		"GET topics/{topic}/messages/{p}/{offset}": showMessage,
		"GET topics/{topic}/export":                exportMessages,
		"GET topics/{topic}/publish":               showPublish,
		"GET groups":                               showGroups,
		"GET groups/{group}":                       showGroup,
		"GET groups/{group}/records":               showRecords,
		"GET groups/{group}/leases":                showLeases,
		"GET letters":                              showAllLetters,
		"GET groups/{group}/letters":               showLetters,
		"GET groups/{group}/letters/{id}":          showLetter,
		"GET redrives":                             showRedrives,
		"GET redrives/{id}":                        showRedrive,
		"GET topics/{topic}/tail":                  showTail,
		"GET topics/{topic}/tail/events":           tailEvents,
		"GET topics/{topic}/scheduled":             showScheduled,
		"GET schedules":                            showSchedules,
		"GET topology":                             showTopology,
		"GET reference":                            showReference,
		"GET history":                              showHistory,
		"GET history/data":                         historyData,
		"GET do/{action}":                          askAction,
		"POST do/{action}":                         doAction,
		"GET ":                                     func(*visit) error { return errNoPage },
	} {
		method, rest, _ := strings.Cut(pattern, " ")
		c.mux.HandleFunc(method+" "+Base+rest, func(w http.ResponseWriter, r *http.Request) { c.visit(w, r, h) })
	}
}

// asks tells whether the API asks for a token, and so the console for a login.
func (c *Console) asks() bool { return c.cfg.Asks != nil && c.cfg.Asks() }

// Run takes samples for the history until ctx is done; its error is ctx's.
func (c *Console) Run(ctx context.Context) error {
	if err := c.sampler.run(ctx); err != nil {
		return fmt.Errorf("samples of the console: %w", err)
	}
	return nil
}
