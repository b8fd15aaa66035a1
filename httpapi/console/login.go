package console

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"
)

// Limits of sessions.
const (
	maxSessions   = 1024
	sessionLength = 12 * time.Hour
	sessionCookie = "holt_session"
)

// sessions are the logins, by the hash of the cookie's value. They live in memory only: after a restart one logs in again. The token itself never
// goes to the browser; each call of the API carries it, so that a token taken away ends the session.
type sessions struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]session
}

type session struct {
	token string
	until time.Time
}

func newSessions() *sessions { return &sessions{all: map[[sha256.Size]byte]session{}} }

// open makes a session and returns the cookie's value. The oldest session makes room for one too many.
func (s *sessions) open(token string, now time.Time) string {
	id := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.all) >= maxSessions {
		var oldest [sha256.Size]byte
		first := time.Time{}
		for key, one := range s.all {
			if first.IsZero() || one.until.Before(first) {
				oldest, first = key, one.until
			}
		}
		delete(s.all, oldest)
	}
	s.all[sha256.Sum256([]byte(id))] = session{token, now.Add(sessionLength)}
	return id
}

// of returns the token of a request's session; ok is false if it has none.
func (s *sessions) of(r *http.Request, now time.Time) (token string, ok bool) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return "", false
	}
	key := sha256.Sum256([]byte(cookie.Value))
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.all[key]
	if ok && now.After(one.until) {
		delete(s.all, key)
		ok = false
	}
	return one.token, ok
}

func (s *sessions) close(r *http.Request) {
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		s.mu.Lock()
		delete(s.all, sha256.Sum256([]byte(cookie.Value)))
		s.mu.Unlock()
	}
}

// loginPage is what the page asks for.
type loginPage struct{ Wrong bool }

func (c *Console) showLogin(w http.ResponseWriter, r *http.Request) {
	c.loginPage(w, r, http.StatusOK, false)
}

func (c *Console) loginPage(w http.ResponseWriter, r *http.Request, status int, wrong bool) {
	v := &visit{c: c, w: w, r: r, now: time.Now(), status: status}
	p := v.page("login", "Log in", loginPage{wrong})
	p.Bare = true
	if err := v.render(p); err != nil {
		c.cfg.Log.Warn("console page not shown", "path", r.URL.Path, "err", err)
	}
}

// login trades a token for a session. The cookie has no path: it is the browser's idea of this page's folder, whatever prefix a proxy adds.
func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	token := r.PostFormValue("token")
	if c.asks() && !c.cfg.Admit(token) {
		c.loginPage(w, r, http.StatusForbidden, true)
		return
	}
	if c.asks() {
		http.SetCookie(w, &http.Cookie{
			Name: sessionCookie, Value: c.sessions.open(token, time.Now()), HttpOnly: true, Secure: isSecure(r), SameSite: http.SameSiteStrictMode,
			MaxAge: int(sessionLength.Seconds()),
		})
	}
	redirect(w, "./")
}

func (c *Console) logout(w http.ResponseWriter, r *http.Request) {
	c.sessions.close(r)
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, HttpOnly: true, Secure: isSecure(r), SameSite: http.SameSiteStrictMode, MaxAge: -1})
	redirect(w, "login")
}

// redirect sends a browser to a place relative to where it is; net/http would make it absolute, without a proxy's prefix.
func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
}
