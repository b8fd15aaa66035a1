package httpapi

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-chi/chi/v5"
	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/httpapi/console"
	"github.com/holtmq/holt/queue"
)

// API is the handler of all routes.
type API struct {
	broker  Broker
	cfg     Config
	limits  queue.Limits
	mux     *chi.Mux
	methods []string // that some route has
	hosts   hosts
	origin  *http.CrossOriginProtection
	metrics *metrics
	tokens  atomic.Pointer[tokens]
	ids     requestIDs
	buffers sync.Pool    // of *[]byte: bodies and answers
	batches sync.Pool    // of *batch
	tails   atomic.Int64 // open ones
	held    atomic.Int64 // bytes of large bodies under way, against cfg.MaxBodies
	room    *queue.AnswerRoom
	console *console.Console
}

// New makes the API over a broker. Errors: what is wrong with the configuration.
func New(b Broker, cfg Config) (*API, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configuration of the HTTP API: %w", err)
	}
	cfg = cfg.withDefaults()
	a := &API{
		broker: b, cfg: cfg, limits: b.Info().Limits, mux: chi.NewMux(), hosts: newHosts(cfg.Hosts),
		origin: http.NewCrossOriginProtection(), ids: newRequestIDs(), room: queue.NewAnswerRoom(cfg.MaxAnswers),
	}
	if err := a.SetTokens(cfg.Tokens); err != nil {
		return nil, err
	}
	for _, o := range cfg.TrustedOrigins {
		if err := a.origin.AddTrustedOrigin(o); err != nil {
			return nil, fmt.Errorf("trusted origin %q: %w", o, err)
		}
	}
	m, err := newMetrics(b, &cfg)
	if err != nil {
		return nil, err
	}
	a.metrics = m
	a.console = a.newConsole()
	a.register()
	return a, nil
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// NewServer makes a server with the limits of cfg around a handler. The caller listens and calls Serve, and Shutdown once the broker is stopping.
func NewServer(handler http.Handler, cfg Config) *http.Server {
	cfg = cfg.withDefaults()
	limit := connLimit{max: int64(cfg.MaxConns)}
	// What is promised of connections (deadlines of single requests, how they end at a shutdown) is shown for HTTP/1.1, with TLS, too.
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:           markServed(handler),
		ConnContext:       withConn,
		Protocols:         &protocols,
		ReadHeaderTimeout: cfg.HeaderTimeout,
		IdleTimeout:       cfg.IdleTimeout,
		// The API itself answers headers over the limit with a problem; this is where net/http stops reading.
		MaxHeaderBytes: 4 * cfg.MaxHeader,
		ConnState: func(c net.Conn, state http.ConnState) {
			if p, ok := c.(*problemConn); ok && state == http.StateIdle { // the answer is out
				p.served.Store(false)
			}
			limit.changed(c, state)
		},
	}
}

// connLimit closes connections over a maximum as soon as they are accepted.
type connLimit struct {
	max  int64
	open atomic.Int64
}

func (l *connLimit) changed(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if l.open.Add(1) > l.max {
			c.Close() // the server sees it and goes on to StateClosed
		}
	case http.StateClosed, http.StateHijacked:
		l.open.Add(-1)
	}
}

// handler serves one route. An error it returns is answered as a problem, if nothing was written yet.
type handler func(x *exchange) error

// route is one method of one pattern.
type route struct {
	name    string // "POST /v1/topics/{topic}/records", in metrics and logs
	query   string // the names of the parameters that it takes
	handler handler
	late    bool   // served during a shutdown, too
	open    bool   // served without a token, too
	free    bool   // its query is its handler's business
	rights  Rights // of which a token needs one; 0: see needs
	timed   *timings
	parts   []string // of its path, those that are parameters
	params  []string // of its query
}

// table of what is served. HEAD goes with every GET: net/http leaves the body out.
func (a *API) table() []route {
	routes := []route{
		{name: "GET /healthz", handler: a.healthz, late: true, open: true},
		{name: "GET /readyz", handler: a.readyz, late: true, open: true},
		{name: "GET /metrics", free: true, handler: a.scrape, late: true},
		{name: "GET /openapi.yaml", handler: a.openapi, rights: AllRights},
		{name: "GET /v1/info", handler: a.info, rights: AllRights},
		{name: "GET /v1/backup", query: "moment offset", handler: a.backup, rights: Manage},
		{name: "GET /v1/topology", handler: a.topology},
		{name: "GET /asyncapi.yaml", handler: a.asyncapi, rights: AllRights},

		{name: "GET /v1/topics", query: "limit cursor", handler: a.listTopics},
		{name: "PUT /v1/topics/{topic}", query: "force", handler: a.putTopic},
		{name: "GET /v1/topics/{topic}", handler: a.getTopic},
		{name: "DELETE /v1/topics/{topic}", query: "force", handler: a.deleteTopic},
		{name: "GET /v1/topics/{topic}/schema", handler: a.getSchema, rights: Read | Publish},
		{name: "GET /v1/topics/{topic}/schema/versions", query: "limit cursor", handler: a.listSchemaVersions, rights: Read | Publish},
		{name: "GET /v1/topics/{topic}/schema/versions/{version}", handler: a.getSchema, rights: Read | Publish},
		{name: "POST /v1/topics/{topic}/schema/check", handler: a.checkSchema, rights: Read | Publish},
		{name: "POST /v1/topics/{topic}/records", query: "wait", handler: a.publish, rights: Publish},
		{name: "GET /v1/topics/{topic}/partitions/{partition}/records", query: "offset max max_bytes wait encoding", handler: a.read},
		{name: "GET /v1/topics/{topic}/partitions/{partition}/records/{offset}", query: "encoding", handler: a.readOne},
		{name: "GET /v1/topics/{topic}/keys/{key}", query: "encoding", handler: a.keyOfPath},
		{name: "GET /v1/topics/{topic}/key", query: "key key_base64 encoding", handler: a.keyOfQuery},
		{name: "GET /v1/topics/{topic}/tail", query: "from key key_base64 encoding", handler: a.tail},
		{name: "GET /v1/topics/{topic}/scheduled", query: "limit cursor encoding", handler: a.listScheduled},
		{name: "DELETE /v1/topics/{topic}/scheduled/{id}", handler: a.cancelScheduled, rights: Publish | Manage},
		{name: "POST /v1/topics/{topic}/scheduled/{id}/run", handler: a.runScheduled},

		{name: "GET /v1/schedules", query: "limit cursor", handler: a.listSchedules},
		{name: "PUT /v1/schedules/{schedule}", handler: a.putSchedule},
		{name: "GET /v1/schedules/{schedule}", query: "encoding", handler: a.getSchedule},
		{name: "DELETE /v1/schedules/{schedule}", handler: a.deleteSchedule},

		{name: "GET /v1/groups", query: "limit cursor partitions", handler: a.listGroups},
		{name: "PUT /v1/groups/{group}", handler: a.putGroup},
		{name: "GET /v1/groups/{group}", query: "partitions", handler: a.getGroup, rights: Read | Work},
		{name: "DELETE /v1/groups/{group}", query: "force", handler: a.deleteGroup},
		{name: "POST /v1/groups/{group}/pause", handler: a.pause},
		{name: "POST /v1/groups/{group}/resume", handler: a.resume},
		{name: "POST /v1/groups/{group}/reset", handler: a.reset},
		{name: "POST /v1/groups/{group}/lease", query: "encoding", handler: a.lease, rights: Work},
		{name: "POST /v1/groups/{group}/settle", handler: a.settle, late: true, rights: Work},
		{name: "POST /v1/groups/{group}/join", handler: a.join, rights: Work},
		{name: "POST /v1/groups/{group}/poll", query: "encoding", handler: a.poll, rights: Work},
		{name: "POST /v1/groups/{group}/heartbeat", handler: a.heartbeat, late: true, rights: Work},
		{name: "POST /v1/groups/{group}/commit", handler: a.commit, late: true, rights: Work},
		{name: "GET /v1/groups/{group}/offsets", handler: a.offsets, rights: Read | Work},
		{name: "POST /v1/groups/{group}/leave", handler: a.leave, late: true, rights: Work},
		{name: "GET /v1/groups/{group}/records", query: "state limit cursor", handler: a.listGroupRecords},
		{name: "GET /v1/groups/{group}/records/{topic}/{partition}/{offset}", handler: a.getGroupRecord},
		{name: "POST /v1/groups/{group}/records/{topic}/{partition}/{offset}/release", handler: a.settleAt(queue.Release), late: true},
		{name: "POST /v1/groups/{group}/records/{topic}/{partition}/{offset}/ack", handler: a.settleAt(queue.Ack), late: true},
		{name: "POST /v1/groups/{group}/records/{topic}/{partition}/{offset}/reject", handler: a.settleAt(queue.Reject), late: true},
		{name: "POST /v1/groups/{group}/records/{topic}/{partition}/{offset}/extend", handler: a.extendAt, late: true},
	}
	routes = append(routes, a.letterRoutes()...)
	for _, v := range verbs {
		routes = append(routes, route{name: "POST /v1/groups/{group}/" + v.name, handler: a.settleOne(v), late: true, rights: Work})
	}
	for _, rt := range routes {
		if path, ok := strings.CutPrefix(rt.name, "GET "); ok {
			rt.name = "HEAD " + path
			routes = append(routes, rt)
		}
	}
	return routes
}

// register puts the table into the router.
func (a *API) register() {
	for _, rt := range append(a.table(), a.consoleRoutes()...) {
		method, pattern, _ := strings.Cut(rt.name, " ")
		a.mux.Method(method, pattern, a.serving(rt))
		if !slices.Contains(a.methods, method) {
			a.methods = append(a.methods, method)
		}
	}
	slices.Sort(a.methods)
	a.mux.NotFound(a.serving(route{name: "none", free: true, handler: notFound, rights: AllRights}))
	a.mux.MethodNotAllowed(a.serving(route{name: "none", free: true, handler: a.methodNotAllowed, rights: AllRights}))
}

func (a *API) serving(rt route) http.HandlerFunc {
	rt.timed = a.metrics.route(rt.name)
	rt.parts, rt.params = partsOf(rt.name), strings.Fields(rt.query)
	return func(w http.ResponseWriter, r *http.Request) { a.serve(&rt, w, r) }
}

func notFound(x *exchange) error {
	return newFault(http.StatusNotFound, api.NotFound, "there is nothing at %s; /openapi.yaml has the routes, and /console/ is for browsers", cut(x.r.URL.Path))
}

func (a *API) methodNotAllowed(x *exchange) error {
	path := x.r.URL.Path
	if x.r.URL.RawPath != "" {
		path = x.r.URL.RawPath
	}
	var allow []string
	for _, m := range a.methods {
		if a.mux.Match(chi.NewRouteContext(), m, path) {
			allow = append(allow, m)
		}
	}
	x.header().Set("Allow", strings.Join(allow, ", "))
	return newFault(http.StatusMethodNotAllowed, api.MethodNotAllowed, "%s is not for this path; it takes %s", cut(x.r.Method), strings.Join(allow, ", "))
}
