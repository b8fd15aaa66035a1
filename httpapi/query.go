package httpapi

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
)

// nameRule is what names must look like.
const nameRule = `a name has 1 to 200 characters (a group's 196) of A-Z, a-z, 0-9, "_", "." and "-", and does not begin with "." or "-"`

// asked is what the path and the query of a request say, as far as its route takes it.
type asked struct {
	topic, group, schedule string
	item                   string // the id of a dead letter, a redrive or a delayed record
	key                    string
	version                int
	partition              int
	offset                 queue.Offset

	query  url.Values
	values encoding      // ?encoding=
	wait   time.Duration // ?wait=
	force  bool          // ?force=
}

// parse reads what the path says, and then the query.
func (x *exchange) parse() error {
	for _, part := range x.route.parts {
		text, err := x.param(part)
		if err == nil {
			err = x.part(part, text)
		}
		if err != nil {
			return err
		}
	}
	if x.r.URL.RawQuery == "" || x.route.free {
		return nil
	}
	return x.parseQuery()
}

// partsOf are the parameters of a route's path.
func partsOf(route string) (parts []string) {
	for part := range strings.SplitSeq(route, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			parts = append(parts, strings.TrimSuffix(name, "}"))
		}
	}
	return parts
}

// part reads one parameter of the path.
func (a *asked) part(name, text string) (err error) {
	n := int64(0)
	switch name {
	case "topic":
		a.topic, err = nameOf(name, text, catalog.ValidName)
	case "group":
		a.group, err = nameOf(name, text, catalog.ValidGroupName)
	case "schedule":
		a.schedule, err = nameOf(name, text, catalog.ValidName)
	case "partition":
		n, err = whole(name, text, 0, math.MaxInt64)
		a.partition = int(n)
	case "offset":
		n, err = whole(name, text, 0, math.MaxInt64)
		a.offset = queue.Offset(n)
	case "version":
		n, err = whole(name, text, 1, math.MaxInt32)
		a.version = int(n)
	case "id":
		a.item = text
	case "key":
		a.key = text
	default:
		panic("httpapi: no part of a path is called " + name)
	}
	return err
}

func nameOf(what, text string, valid func(string) bool) (string, error) {
	if !valid(text) {
		return "", invalid("%q cannot name a %s: %s", cut(text), what, nameRule)
	}
	return text, nil
}

// param returns a part of the path, decoded: chi matches the path as it was sent if it has escapes that matter.
func (x *exchange) param(name string) (string, error) {
	s := chi.URLParam(x.r, name)
	if x.r.URL.RawPath == "" {
		return s, nil
	}
	s, err := url.PathUnescape(s)
	if err != nil {
		return "", invalid("the path has a broken escape: %v", err)
	}
	return s, nil
}

// parseQuery reads the query, which may have what the route takes, each once.
func (x *exchange) parseQuery() error {
	q, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		return invalid("the query is broken: %v", err)
	}
	takes := x.route.params
	for name, values := range q {
		switch {
		case !slices.Contains(takes, name) && len(takes) == 0:
			return invalid("no such query parameter: %q; this call takes none", cut(name))
		case !slices.Contains(takes, name):
			return invalid("no such query parameter: %q; this call takes %v", cut(name), takes)
		case len(values) > 1:
			return invalid("the query parameter %q is given twice", name)
		}
	}
	x.query = q
	if x.values, err = x.queryEncoding(); err != nil {
		return err
	}
	if x.wait, err = x.queryWait(); err != nil {
		return err
	}
	x.force, err = x.queryBool("force")
	return err
}

// queryInt returns a whole number of the query, def if it is not there.
func (x *exchange) queryInt(name string, def, lo, hi int64) (int64, error) {
	if !x.query.Has(name) {
		return def, nil
	}
	return whole(name, x.query.Get(name), lo, hi)
}

func (x *exchange) queryBool(name string) (bool, error) {
	switch v := x.query.Get(name); {
	case !x.query.Has(name), v == "false":
		return false, nil
	case v == "true":
		return true, nil
	default:
		return false, invalid("%s: must be true or false, not %q", name, cut(v))
	}
}

// queryWait returns the wait of the query; 0 if it is not there.
func (x *exchange) queryWait() (time.Duration, error) {
	if !x.query.Has("wait") {
		return 0, nil
	}
	d, f := parseDuration(x.query.Get("wait"), 0, x.api.limits.MaxWait)
	if f != nil {
		f.detail = "wait: " + f.detail
		return 0, f
	}
	return d, nil
}

// queryEncoding returns the form that the query asks for.
func (x *exchange) queryEncoding() (encoding, error) {
	switch v := x.query.Get("encoding"); {
	case !x.query.Has("encoding"):
		return encodeAuto, nil
	case v == "text":
		return encodeText, nil
	case v == "base64":
		return encodeBase64, nil
	default:
		return 0, invalid("encoding: must be text or base64, not %q; leave it out for JSON where a value is JSON", cut(v))
	}
}

func whole(name, text string, lo, hi int64) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < lo || n > hi || text[0] == '+' {
		return 0, invalid("%s: must be a whole number from %d to %d, not %q", name, lo, hi, cut(text))
	}
	return n, nil
}
