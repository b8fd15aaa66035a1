package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/client/api"
)

func TestGroupReset(t *testing.T) {
	tests := []struct {
		args string
		want api.ResetRequest
		out  string
	}{
		{"--to -1h --dry-run -o name", api.ResetRequest{To: "-1h", DryRun: true}, "emails/0\n"},
		{"--to offset:17 --topic emails --partition 0 --force -o table",
			api.ResetRequest{To: "offset:17", Topics: []string{"emails"}, Partition: new(0), Force: true},
			"TOPIC   PARTITION  FROM  TO\nemails  0          40    17\n"},
		{"--to earliest -t a,b -o ndjson", api.ResetRequest{To: "earliest", Topics: []string{"a", "b"}},
			`{"topic":"emails","partition":0,"from":40,"to":17}` + "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			var got api.ResetRequest
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost || r.URL.Path != "/v1/groups/mailer/reset" {
					t.Errorf("%s %s", r.Method, r.URL)
				}
				if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
					t.Error(err)
				}
				_ = json.NewEncoder(w).Encode(api.ResetResponse{Partitions: []api.ResetPartition{{Topic: "emails", From: 40, To: 17}}})
			}))
			defer s.Close()
			var stdout, stderr bytes.Buffer
			args := append([]string{"group", "reset", "mailer", "--server", s.URL}, strings.Fields(tt.args)...)
			if code := run(t.Context(), args, strings.NewReader(""), &stdout, &stderr); code != exitDone {
				t.Fatalf("exit code %d: %s", code, &stderr)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if stdout.String() != tt.out {
				t.Errorf("%q, want %q", stdout.String(), tt.out)
			}
			if dry := strings.Contains(stderr.String(), "dry run"); dry != tt.want.DryRun {
				t.Errorf("says %q", &stderr)
			}
		})
	}
}
