package httpapi

import (
	"context"
	"net/http"

	"github.com/holtmq/holt/httpapi/console"
)

// newConsole makes the console over this API.
func (a *API) newConsole() *console.Console {
	cfg := console.Config{API: a, Source: a.broker, Environment: a.cfg.Environment, Log: a.cfg.Log}
	cfg.Asks = func() bool { return len(*a.tokens.Load()) > 0 }
	cfg.Admit = func(token string) bool { return a.tokens.Load().rights(token)&Read != 0 }
	if a.cfg.Commits != nil {
		cfg.Latency = a.cfg.Commits.Recent
	}
	return console.New(cfg)
}

// consoleRoutes are not of the API: they are for browsers, which bring a session and no token.
func (a *API) consoleRoutes() []route {
	return []route{
		{name: "GET /console", free: true, handler: toConsole, open: true},
		{name: "HEAD /console", free: true, handler: toConsole, open: true},
		{name: "GET /console/*", free: true, handler: a.showConsole, open: true},
		{name: "HEAD /console/*", free: true, handler: a.showConsole, open: true},
		{name: "POST /console/*", free: true, handler: a.showConsole, open: true},
	}
}

func toConsole(x *exchange) error {
	x.header().Set("Location", "console/") // relative: a proxy may have a prefix in front
	x.header().Set("Cache-Control", "no-store")
	x.status = http.StatusSeeOther
	x.allowWrite(0)
	x.w.WriteHeader(x.status)
	return nil
}

func (a *API) showConsole(x *exchange) error {
	x.hangUpAtStop()
	w := &statusWriter{ResponseWriter: x.w, x: x}
	a.console.ServeHTTP(w, x.r)
	if x.status == 0 {
		x.status = http.StatusOK
	}
	return nil
}

// statusWriter takes note of an answer's status for the metrics.
type statusWriter struct {
	http.ResponseWriter
	x *exchange
}

func (w *statusWriter) WriteHeader(status int) {
	w.x.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Run takes the console's samples until ctx is done.
func (a *API) Run(ctx context.Context) error { return a.console.Run(ctx) }
