package backup

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue/store"
)

const text = "everything that is there"

// engine counts the moments that it keeps.
type engine struct{ made, open int }

func (e *engine) Snapshot(context.Context) (store.Snapshot, error) {
	e.made++
	e.open++
	return &moment{e, store.Backup{Opens: 1, Sequence: uint64(e.made)}}, nil
}

type moment struct {
	e    *engine
	info store.Backup
}

func (m *moment) Info() store.Backup { return m.info }
func (m *moment) Close()             { m.e.open-- }

func (m *moment) Copy(_ context.Context, w io.Writer, from int64) (store.Backup, error) {
	_, err := w.Write([]byte(text[from:]))
	return m.info, err
}

var errCut = errors.New("cut")

// cut takes n bytes.
type cut struct {
	bytes.Buffer
	n int
}

func (c *cut) Write(b []byte) (int, error) {
	if n := c.n - c.Len(); n < len(b) {
		c.Buffer.Write(b[:n])
		return n, errCut
	}
	return c.Buffer.Write(b)
}

func TestCopyGoesOnWhereItBrokeOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k Keeper
		e := new(engine)
		defer k.Close()
		run := func(at Place, n int) (got, moment string, err error) {
			out := &cut{n: n}
			_, err = k.Copy(t.Context(), e, at, func(b store.Backup) io.Writer {
				moment = b.Tag()
				return out
			})
			return out.String(), moment, err
		}
		some, first, err := run(Place{}, 5)
		if !errors.Is(err, errCut) || e.open != 1 {
			t.Fatalf("cut: %v, %d moments are kept", err, e.open)
		}
		time.Sleep(KeepFor - time.Second)
		more, again, err := run(Place{first, int64(len(some))}, 3)
		if !errors.Is(err, errCut) || again != first {
			t.Fatalf("cut again: %v, of %s, not %s", err, again, first)
		}
		some += more
		if _, _, err := run(Place{"1-9", 3}, 100); !errors.Is(err, ErrGone) {
			t.Errorf("another moment: %v", err)
		}
		time.Sleep(KeepFor - time.Second)
		more, _, err = run(Place{first, int64(len(some))}, 100)
		if some += more; err != nil || some != text || e.made != 1 || e.open != 0 {
			t.Errorf("%q, %v; %d moments made, %d kept", some, err, e.made, e.open)
		}
		if _, _, err := run(Place{first, 3}, 100); !errors.Is(err, ErrGone) {
			t.Errorf("one that is whole: %v", err)
		}

		_, late, _ := run(Place{}, 5)
		time.Sleep(KeepFor + time.Second)
		synctest.Wait()
		if _, _, err := run(Place{late, 5}, 100); !errors.Is(err, ErrGone) || e.open != 0 {
			t.Errorf("too late: %v, %d moments are kept", err, e.open)
		}

		run(Place{}, 5)
		if _, _, err := run(Place{}, 100); err != nil || e.open != 0 {
			t.Errorf("a new one lets go of the old one: %v, %d moments are kept", err, e.open)
		}
		run(Place{}, 5)
		k.Close()
		if _, _, err := run(Place{}, 100); !errors.Is(err, store.ErrClosed) || e.open != 0 {
			t.Errorf("closed: %v, %d moments are kept", err, e.open)
		}
	})
}

// TestGoesOnBeforeTheBreakIsNoticed goes on with a copy that the server believes to be under way.
func TestGoesOnBeforeTheBreakIsNoticed(t *testing.T) {
	var k Keeper
	e := new(engine)
	_, err := k.Copy(t.Context(), e, Place{}, func(b store.Backup) io.Writer {
		rest := &cut{n: 100}
		_, err := k.Copy(t.Context(), e, Place{b.Tag(), 5}, func(store.Backup) io.Writer {
			if _, err := k.Copy(t.Context(), e, Place{b.Tag(), 5}, nil); !errors.Is(err, ErrBusy) {
				t.Errorf("a third one: %v", err)
			}
			return rest
		})
		if err != nil || rest.String() != text[5:] || e.open != 1 {
			t.Errorf("%v: %q, %d moments are kept", err, rest.String(), e.open)
		}
		return &cut{n: 5}
	})
	if !errors.Is(err, errCut) || e.made != 1 || e.open != 0 {
		t.Errorf("%v, %d moments made, %d kept", err, e.made, e.open)
	}
}

func TestOneCopyAtATime(t *testing.T) {
	var k Keeper
	e := new(engine)
	_, err := k.Copy(t.Context(), e, Place{}, func(store.Backup) io.Writer {
		if _, err := k.Copy(t.Context(), e, Place{}, nil); !errors.Is(err, ErrBusy) {
			t.Errorf("beside another: %v", err)
		}
		return io.Discard
	})
	if err != nil || e.open != 0 {
		t.Errorf("%v, %d moments are kept", err, e.open)
	}
}
