package httpapi

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/backup"
	"github.com/holtmq/holt/queue/store"
)

// copies is a broker that copies a moment of ten bytes.
type copies struct {
	Broker
	asked []backup.Place
}

func (c *copies) Backup(_ context.Context, at backup.Place, begin func(store.Backup) io.Writer) (store.Backup, error) {
	c.asked = append(c.asked, at)
	info := store.Backup{Opens: 1, Sequence: 7}
	if at.Moment != "" && at.Moment != info.Tag() {
		return store.Backup{}, queue.ErrBackupGone
	}
	_, err := io.WriteString(begin(info), "0123456789"[at.Offset:])
	return info, err
}

func TestBackup(t *testing.T) {
	inBubble(t, func(h *house) {
		c := &copies{Broker: h.spy.Broker}
		h.spy.Broker = c
		for at, rest := range map[string]string{"": "0123456789", "?moment=1-7&offset=4": "456789"} {
			if a := h.get("/v1/backup" + at).is(200); a.body != rest || a.header.Get("ETag") != `"1-7"` {
				t.Errorf("%q: %q, ETag %s", at, a.body, a.header.Get("ETag"))
			}
		}
		asked := len(c.asked)
		gone := h.get("/v1/backup?moment=1-6&offset=4")
		gone.problem(412, api.PreconditionFailed)
		if !strings.Contains(gone.body, "the moment of this backup is not kept any more; begin a new one") {
			t.Errorf("of a moment that is gone: %s", gone.body)
		}
		for _, bad := range []string{"offset=4", "moment=1-7&offset=-1", "moment=1-7&offset=x", "since=1"} {
			h.get("/v1/backup?"+bad).problem(400, api.InvalidRequest)
		}
		h.call("HEAD", "/v1/backup", "").is(200) // copies nothing, and so knows no moment
		if len(c.asked) != asked+1 {
			t.Errorf("asked for %v", c.asked[asked:])
		}
	})
}
