package httpapi

import (
	"crypto/sha256"
	"net/http"
	"strings"

	"github.com/holtmq/holt/client/api"
)

// minToken is the length of the shortest token that may be configured, in bytes.
const minToken = 16

// tokens are the hashes of the bearer tokens that are taken (RFC 6750); none: everybody is. Hashes are looked up, so that the time of it tells nothing of a token.
type tokens map[[sha256.Size]byte]struct{}

func newTokens(all []string) tokens {
	t := tokens{}
	for _, s := range all {
		t[sha256.Sum256([]byte(s))] = struct{}{}
	}
	return t
}

// SetTokens changes the bearer tokens that are taken, from the next request on; a call that waits goes on to its end. None: no token is asked for.
func (a *API) SetTokens(all []string) error {
	if err := (Config{Tokens: all}).Validate(); err != nil {
		return err
	}
	t := newTokens(all)
	a.tokens.Store(&t)
	return nil
}

// admit refuses a request without a token that is taken. What tells only that the process is up and ready is for everybody.
func (t tokens) admit(x *exchange) error {
	if len(t) == 0 || x.route.open {
		return nil
	}
	given := x.r.Header.Get("Authorization")
	scheme, token, _ := strings.Cut(given, " ")
	if strings.EqualFold(scheme, "Bearer") && t.has(strings.TrimSpace(token)) {
		return nil
	}
	x.header().Set("WWW-Authenticate", `Bearer realm="holt"`)
	if given == "" {
		return newFault(http.StatusUnauthorized, api.Unauthenticated, "this server asks for a token: send it as in \"Authorization: Bearer TOKEN\"")
	}
	return newFault(http.StatusUnauthorized, api.Unauthenticated, "the token is not one of this server's")
}

// has tells whether a token is taken.
func (t tokens) has(token string) bool {
	_, ok := t[sha256.Sum256([]byte(token))]
	return ok
}
