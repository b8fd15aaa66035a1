package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store/badger"
)

// fillData makes a data directory with a record in it.
func fillData(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	st, err := badger.Open(t.Context(), badger.Config{Dir: dir, MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	b, err := queue.Open(t.Context(), st, queue.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Publish(t.Context(), "t", []queue.Message{{Value: bytes.Repeat([]byte("x"), 4<<10)}}, 0); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDoctor(t *testing.T) {
	dir := fillData(t)
	var out, errs bytes.Buffer
	if code := run(context.Background(), []string{"doctor", "--data", dir, "--json"}, nil, &out, &errs); code != exitDone {
		t.Fatalf("exit %d: %s%s", code, out.String(), errs.String())
	}
	var d doctorJSON
	if err := json.Unmarshal(out.Bytes(), &d); err != nil || !d.Sound || d.Records != 1 || !d.Clean {
		t.Fatalf("%s: %v", out.String(), err)
	}
	logs, err := filepath.Glob(filepath.Join(dir, "*.vlog"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("value files: %v, %v", logs, err)
	}
	b, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, bytes.Repeat([]byte("x"), 1000))
	b[at+500] ^= 1
	if err := os.WriteFile(logs[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if code := run(context.Background(), []string{"doctor", "--data", dir, "-o", "table"}, nil, &out, &errs); code != exitFailed {
		t.Fatalf("a flipped bit: exit %d: %s%s", code, out.String(), errs.String())
	}
	if got := out.String(); !strings.Contains(got, "faults") {
		t.Errorf("the report names no fault:\n%s", got)
	}
}

func TestDoctorWrongUse(t *testing.T) {
	other := t.TempDir()
	for _, args := range [][]string{{"doctor", "--data", filepath.Join(other, "none")}, {"doctor", "--data", os.Args[0]}, {"doctor", "--data", other}} {
		var out, errs bytes.Buffer
		if code := run(context.Background(), args, nil, &out, &errs); code != exitFailed || errs.Len() == 0 {
			t.Errorf("%v: exit %d, %q", args, code, errs.String())
		}
	}
	if names, err := os.ReadDir(other); err != nil || len(names) > 0 {
		t.Errorf("it left %v in a directory without data, %v", names, err)
	}
}
