package httpapi

import (
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/holtmq/holt/queue/catalog"
)

// nameRule is what names must look like.
const nameRule = `a name has 1 to 200 characters (a group's 196) of A-Z, a-z, 0-9, "_", "." and "-", and does not begin with "." or "-"`

// name returns the topic or group of the path.
func (x *exchange) name(param string) (string, error) {
	s, err := x.param(param)
	if err != nil {
		return "", err
	}
	if !catalog.ValidName(s) || param == "group" && !catalog.ValidGroupName(s) {
		return "", invalid("%q cannot name a %s: %s", cut(s), param, nameRule)
	}
	return s, nil
}

// number returns a partition or an offset of the path.
func (x *exchange) number(param string) (int64, error) {
	s, err := x.param(param)
	if err != nil {
		return 0, err
	}
	return whole(param, s, 0, 1<<63-1)
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

// params parses the query, which may have the given parameters, each once.
func (x *exchange) params(allowed ...string) error {
	if x.r.URL.RawQuery == "" {
		return nil
	}
	q, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		return invalid("the query is broken: %v", err)
	}
	for name, values := range q {
		switch {
		case !slices.Contains(allowed, name) && len(allowed) == 0:
			return invalid("no such query parameter: %q; this call takes none", cut(name))
		case !slices.Contains(allowed, name):
			return invalid("no such query parameter: %q; this call takes %v", cut(name), allowed)
		case len(values) > 1:
			return invalid("the query parameter %q is given twice", name)
		}
	}
	x.query = q
	return nil
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
