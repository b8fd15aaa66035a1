package httpapi

import (
	"crypto/rand"
	"net/http"
	"strconv"
	"sync/atomic"
)

// requestIDs makes ids that differ between requests and between starts of the server.
type requestIDs struct {
	prefix string
	last   atomic.Uint64
}

func newRequestIDs() requestIDs { return requestIDs{prefix: rand.Text()[:10] + "-"} }

// of returns the request's own id if it is sane: 1 to 128 printable characters of ASCII without space, quotes and backslash.
func (ids *requestIDs) of(r *http.Request) string {
	if own := r.Header.Get("X-Request-Id"); saneID(own) {
		return own
	}
	return ids.next()
}

// next is a new id.
func (ids *requestIDs) next() string { return ids.prefix + strconv.FormatUint(ids.last.Add(1), 36) }

func saneID(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\'' || c == '\\' {
			return false
		}
	}
	return true
}
