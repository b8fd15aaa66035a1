package httpapi

import (
	"io"
	"math"
	"net/http"
	"time"

	"github.com/holtmq/holt/queue/backup"
	"github.com/holtmq/holt/queue/store"
)

// mediaBackup is the type of a backup.
const mediaBackup = "application/vnd.holt.backup"

// backup streams a copy of the whole store, or the rest of one that broke off. One that breaks off lacks its end, which whoever reads it misses.
func (a *API) backup(x *exchange) error {
	offset, err := x.queryInt("offset", 0, 0, math.MaxInt64)
	if err != nil {
		return err
	}
	at := backup.Place{Moment: x.query.Get("moment"), Offset: offset}
	if at.Offset > 0 && at.Moment == "" {
		return invalid("offset is of a backup that broke off: moment says of which, as its ETag did")
	}
	if x.r.Method == http.MethodHead {
		return x.sent(x.write(http.StatusOK, mediaBackup, nil))
	}
	_, err = a.broker.Backup(x.ctx(), at, func(info store.Backup) io.Writer {
		return &streamed{x: x, media: mediaBackup, tag: `"` + info.Tag() + `"`}
	})
	return err
}

// streamed is an answer without a length: each write has its own time to get through.
type streamed struct {
	x     *exchange
	media string
	tag   string // its ETag; "" = none
}

// Write implements io.Writer. The first one sends the headers.
func (s *streamed) Write(p []byte) (int, error) {
	x := s.x
	if x.status == 0 {
		h := x.header()
		h.Set("Content-Type", s.media)
		if s.tag != "" {
			h.Set("ETag", s.tag)
		}
		h["Cache-Control"] = noStore
		h["X-Content-Type-Options"] = noSniff
		x.hangUpAtStop()
		x.status = http.StatusOK
		x.w.WriteHeader(x.status)
	}
	_ = http.NewResponseController(x.w).SetWriteDeadline(time.Now().Add(x.api.cfg.WriteTimeout + time.Duration(len(p))*time.Second/minRate))
	return x.w.Write(p)
}
