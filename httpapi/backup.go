package httpapi

import (
	"net/http"
	"time"
)

// mediaBackup is the type of a backup.
const mediaBackup = "application/vnd.holt.backup"

// backup streams a copy of the whole store. An answer that breaks off lacks its end, which whoever reads it misses.
func (a *API) backup(x *exchange) error {
	if err := x.params(); err != nil {
		return err
	}
	if x.r.Method == http.MethodHead {
		return x.sent(x.write(http.StatusOK, mediaBackup, nil))
	}
	_, err := a.broker.Backup(x.ctx(), &streamed{x: x, media: mediaBackup})
	return err
}

// streamed is an answer without a length: each write has its own time to get through.
type streamed struct {
	x     *exchange
	media string
}

// Write implements io.Writer. The first one sends the headers.
func (s *streamed) Write(p []byte) (int, error) {
	x := s.x
	if x.status == 0 {
		h := x.header()
		h.Set("Content-Type", s.media)
		h["Cache-Control"] = noStore
		h["X-Content-Type-Options"] = noSniff
		x.hangUpAtStop()
		x.status = http.StatusOK
		x.w.WriteHeader(x.status)
	}
	_ = http.NewResponseController(x.w).SetWriteDeadline(time.Now().Add(x.api.cfg.WriteTimeout + time.Duration(len(p))*time.Second/minRate))
	return x.w.Write(p)
}
