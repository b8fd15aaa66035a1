package console

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/holtmq/holt/client/api"
)

//go:embed template
var templateFiles embed.FS

// pages are the parsed templates, by name of their file.
type pages map[string]*template.Template

// newPages parses every page together with the layout and the parts that pages share. It panics if one is broken: they are part of the program.
func newPages(files assets) pages {
	funcs := template.FuncMap{"asset": files.link}
	for name, fn := range formats {
		funcs[name] = fn
	}
	shared := template.Must(template.New("").Funcs(funcs).ParseFS(templateFiles, "template/layout.html", "template/part.html"))
	all := pages{}
	entries, err := templateFiles.ReadDir("template")
	if err != nil {
		panic("console: the embedded templates cannot be read: " + err.Error())
	}
	for _, e := range entries {
		name, _ := strings.CutSuffix(e.Name(), ".html")
		if name == "layout" || name == "part" {
			continue
		}
		t := template.Must(template.Must(shared.Clone()).ParseFS(templateFiles, "template/"+e.Name()))
		all[name] = t
	}
	return all
}

// visit is one request of a page and its answer.
type visit struct {
	c      *Console
	w      http.ResponseWriter
	r      *http.Request
	token  string // of the session; "" when no token is asked for
	now    time.Time
	status int // of the answer; 0 = 200
}

// page is what the layout shows around a page's own data.
type page struct {
	Name, Title string
	Nav         string // which entry of the menu is this page's
	Root        string // relative path to the console's root, ending in "/"
	Self        string // this page's path and query, relative to the root
	Env, Theme  string
	Version     string
	Login       bool // there is a session to end
	Bare        bool // without menu
	Crumbs      []crumb
	Tabs        []tab
	Origin      string // where the API is, for curl
	Data        any
	Now         time.Time
}

// about is the page with other data, for a part of it.
func about(p *page, data any) *page {
	other := *p
	other.Data = data
	return &other
}

// crumb is one step of the way to a page; tab a page beside it. Links are relative to the root.
type (
	crumb struct{ Text, Link string }
	tab   struct {
		Text, Link string
		Count      int64 // < 0: none is shown
		On         bool
	}
)

// page makes a page with its surroundings.
func (v *visit) page(name, title string, data any) *page {
	rest, query := v.shown()
	self := rest
	if query != "" {
		self += "?" + query
	}
	p := &page{
		Name: name, Title: title, Nav: name, Root: strings.Repeat("../", strings.Count(rest, "/")), Self: self, Env: v.c.cfg.Environment,
		Version: v.c.cfg.Source.Info().Version, Login: v.c.asks(), Origin: v.origin(), Data: data, Now: v.now,
	}
	if p.Root == "" {
		p.Root = "./"
	}
	if cookie, err := v.r.Cookie("holt_theme"); err == nil && (cookie.Value == "dark" || cookie.Value == "light") {
		p.Theme = cookie.Value
	}
	return p
}

// shown is the path below Base, and the query, of the page that the answer is for: links are relative to it. A part of a page is for the page that asks.
func (v *visit) shown() (rest, query string) {
	if v.partial() {
		if u, err := url.Parse(v.r.Header.Get("HX-Current-URL")); err == nil {
			if _, rest, ok := strings.Cut(u.EscapedPath(), Base); ok {
				return rest, u.RawQuery
			}
		}
	}
	return strings.TrimPrefix(v.r.URL.EscapedPath(), Base), v.r.URL.RawQuery
}

// render sends a whole page.
func (v *visit) render(p *page) error { return v.send(p.Name, "layout", p) }

// fragment sends one template of a page's file, for a part of a page.
func (v *visit) fragment(file, name string, p *page) error { return v.send(file, name, p) }

func (v *visit) send(file, name string, p *page) error {
	t := v.c.pages[file]
	if t == nil {
		return fmt.Errorf("there is no page %q", file)
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, name, p); err != nil {
		return fmt.Errorf("page %s: %w", file, err)
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	allowWrite(v.w, b.Len())
	if v.status != 0 {
		v.w.WriteHeader(v.status)
	}
	_, _ = v.w.Write(b.Bytes()) // the browser is gone: nothing to do
	return nil
}

// allowWrite gives a browser time to take n bytes.
func allowWrite(w http.ResponseWriter, n int) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(10*time.Second + time.Duration(n)*time.Second/(16<<10)))
}

var errNoPage = errors.New("there is no such page")

// visit serves a page to a session.
func (c *Console) visit(w http.ResponseWriter, r *http.Request, h handler) {
	v := &visit{c: c, w: w, r: r, now: time.Now()}
	if c.asks() {
		token, ok := c.sessions.of(r, v.now)
		if !ok || !c.cfg.Admit(token) { // not every page asks the API
			v.toLogin()
			return
		}
		v.token = token
	}
	err := h(v)
	if err == nil {
		return
	}
	if isCode(err, api.Unauthenticated) {
		v.toLogin()
		return
	}
	if err := v.failed(err); err != nil {
		c.cfg.Log.Warn("console page not shown", "path", r.URL.Path, "err", err)
		http.Error(w, "the page could not be made; the server's log says why", http.StatusInternalServerError)
	}
}

// toLogin sends to the login page: a part of a page by a header of htmx's.
func (v *visit) toLogin() {
	rest, _ := v.shown()
	to := strings.Repeat("../", strings.Count(rest, "/")) + "login"
	if v.partial() {
		v.w.Header().Set("HX-Redirect", to)
		v.w.WriteHeader(http.StatusNoContent)
		return
	}
	redirect(v.w, to)
}

// partial tells whether a script asks for a part of a page.
func (v *visit) partial() bool { return v.r.Header.Get("HX-Request") == "true" }

// failure is what the page of an error says.
type failure struct {
	Status        int
	Title, Detail string
	Code          string
	RequestID     string
}

// failed shows an error as a page.
func (v *visit) failed(err error) error {
	var r *refused
	f := failure{Status: http.StatusInternalServerError, Title: "The page could not be made", Detail: "the server's log says why"}
	switch {
	case errors.As(err, &r):
		f = failure{r.problem.Status, r.problem.Title, r.problem.Detail, string(r.problem.Code), r.problem.RequestID}
	case errors.Is(err, errNoPage):
		f = failure{Status: http.StatusNotFound, Title: "There is no such page", Detail: "the menu has those that there are"}
	default:
		var bad *badInput
		if errors.As(err, &bad) {
			f = failure{Status: http.StatusBadRequest, Title: "That cannot be shown", Detail: bad.detail}
			break
		}
		v.c.cfg.Log.Warn("console page not made", "path", v.r.URL.Path, "err", err)
	}
	v.status = f.Status
	p := v.page("error", f.Title, f)
	if v.partial() {
		v.w.Header().Set("HX-Reswap", "innerHTML")
		v.status = http.StatusOK // so that htmx shows it
		return v.fragment("error", "problem", p)
	}
	return v.render(p)
}

// badInput is an error of a filter or form; its detail says what is right.
type badInput struct{ detail string }

func (b *badInput) Error() string { return b.detail }

func badf(format string, args ...any) error { return &badInput{fmt.Sprintf(format, args...)} }

// queryInt reads a whole number of the query or form.
func queryInt(q url.Values, name string, def, lo, hi int64) (int64, error) {
	text := strings.TrimSpace(q.Get(name))
	if text == "" {
		return def, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < lo || n > hi {
		return 0, badf("%s must be a whole number from %d to %d, not %q", name, lo, hi, clip(text, 40))
	}
	return n, nil
}

// with is the query with changes: names and values by turns, "" takes a name away.
func with(q url.Values, changes ...string) string {
	out := url.Values{}
	for k, vs := range q {
		out[k] = vs
	}
	for i := 0; i+1 < len(changes); i += 2 {
		if changes[i+1] == "" {
			out.Del(changes[i])
			continue
		}
		out.Set(changes[i], changes[i+1])
	}
	if len(out) == 0 {
		return "?"
	}
	return "?" + out.Encode()
}
