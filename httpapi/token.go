package httpapi

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/holtmq/holt/client/api"
)

// minToken is the length of the shortest token that may be configured, in bytes.
const minToken = 16

// Rights are what a token may do, as bits.
type Rights uint8

const (
	Read    Rights = 1 << iota // look at everything
	Publish                    // publish records, cancel scheduled ones
	Work                       // lease and settle, join, poll and commit
	Manage                     // all else: make, change and delete, reset, redrive and purge, settle by place, back up

	AllRights = Read | Publish | Work | Manage
)

var rightNames = []string{"read", "publish", "work", "manage"}

// String lists them: "read or publish".
func (r Rights) String() string {
	var names []string
	for i, name := range rightNames {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " or ")
}

// Token is a bearer token (RFC 6750) and what it may do.
type Token struct {
	Secret string // of minToken bytes at least, without white space
	Rights Rights
}

// ParseToken reads "TOKEN" or "TOKEN RIGHT…", a line of a file of tokens; without rights a token may do everything. It does not judge the token itself.
func ParseToken(line string) (Token, error) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return Token{}, errors.New("there is no token in an empty line")
	}
	t := Token{Secret: words[0]}
	for _, word := range words[1:] {
		right := Rights(0)
		for i, name := range rightNames {
			if word == name {
				right = 1 << i
			}
		}
		if right == 0 {
			return Token{}, fmt.Errorf("a token is followed by something that is no right of it: write read, publish, work or manage, with white space between, or nothing for all")
		}
		t.Rights |= right
	}
	if t.Rights == 0 {
		t.Rights = AllRights
	}
	return t, nil
}

// tokens are what each bearer token may do, by its hash; none: everybody may do everything. Hashes are looked up, so that the time of it tells nothing of a token.
type tokens map[[sha256.Size]byte]Rights

// SetTokens changes the bearer tokens that are taken, from the next request on; a call that waits goes on to its end. None: no token is asked for. What stands twice
// has the rights of both.
func (a *API) SetTokens(all []Token) error {
	if err := (Config{Tokens: all}).Validate(); err != nil {
		return err
	}
	t := tokens{}
	for _, one := range all {
		t[sha256.Sum256([]byte(one.Secret))] |= one.Rights
	}
	a.tokens.Store(&t)
	return nil
}

// admit refuses a request without a token that may do what it asks for. What tells only that the process is up and ready is for everybody.
func (t tokens) admit(x *exchange) error {
	x.rights = AllRights
	if len(t) == 0 || x.route.open {
		return nil
	}
	given := x.r.Header.Get("Authorization")
	scheme, token, _ := strings.Cut(given, " ")
	if strings.EqualFold(scheme, "Bearer") {
		if x.rights = t.rights(strings.TrimSpace(token)); x.rights != 0 {
			return x.may(x.route.needs())
		}
	}
	x.header().Set("WWW-Authenticate", `Bearer realm="holt"`)
	if given == "" {
		return newFault(http.StatusUnauthorized, api.Unauthenticated, "this server asks for a token: send it as in \"Authorization: Bearer TOKEN\"")
	}
	return newFault(http.StatusUnauthorized, api.Unauthenticated, "the token is not one of this server's")
}

// rights are those of a token; 0 = it is not taken.
func (t tokens) rights(token string) Rights { return t[sha256.Sum256([]byte(token))] }

// may refuses an exchange whose token has none of these rights.
func (x *exchange) may(any Rights) error {
	if x.rights&any == 0 {
		return newFault(http.StatusForbidden, api.Forbidden, "the token may not do this: it needs the right %s; nothing was done", any)
	}
	return nil
}

// needs are the rights of which a token needs one for the route: said, or by its method.
func (r *route) needs() Rights {
	switch {
	case r.rights != 0:
		return r.rights
	case strings.HasPrefix(r.name, http.MethodGet), strings.HasPrefix(r.name, http.MethodHead):
		return Read
	}
	return Manage
}
