package client

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/client/api"
)

// TestPaths: what each call asks for, and that lists go on to their end.
func TestPaths(t *testing.T) {
	place := Place{Topic: "a b", Partition: 2, Offset: 17}
	tests := []struct {
		name string
		call func(*testing.T, *Client) error
		want []string
	}{
		{"scheduled", func(t *testing.T, c *Client) error { return drain(c.Scheduled(t.Context(), "t")) },
			[]string{"GET /v1/topics/t/scheduled?limit=1000", "GET /v1/topics/t/scheduled?cursor=next&limit=1000"}},
		{"cancel", func(t *testing.T, c *Client) error { return c.CancelScheduled(t.Context(), "t", "7f") },
			[]string{"DELETE /v1/topics/t/scheduled/7f"}},
		{"run now", func(t *testing.T, c *Client) error {
			_, err := c.RunScheduled(t.Context(), "t", "7f")
			return err
		}, []string{"POST /v1/topics/t/scheduled/7f/run"}},
		{"schedules", func(t *testing.T, c *Client) error { return drain(c.Schedules(t.Context())) },
			[]string{"GET /v1/schedules?limit=1000", "GET /v1/schedules?cursor=next&limit=1000"}},
		{"schedule", func(t *testing.T, c *Client) error {
			s, err := c.Schedule(t.Context(), "s")
			if s.ETag != `"e"` {
				t.Errorf("ETag %q", s.ETag)
			}
			return err
		}, []string{"GET /v1/schedules/s"}},
		{"put schedule", func(t *testing.T, c *Client) error {
			_, err := c.PutSchedule(t.Context(), "s", api.ScheduleChange{Cron: new("@daily")}, IfNew())
			return err
		}, []string{"PUT /v1/schedules/s"}},
		{"delete schedule", func(t *testing.T, c *Client) error { return c.DeleteSchedule(t.Context(), "s") },
			[]string{"DELETE /v1/schedules/s"}},
		{"group records", func(t *testing.T, c *Client) error { return drain(c.GroupRecords(t.Context(), "g", "leased")) },
			[]string{"GET /v1/groups/g/records?limit=1000&state=leased", "GET /v1/groups/g/records?cursor=next&limit=1000&state=leased"}},
		{"group record", func(t *testing.T, c *Client) error {
			_, err := c.GroupRecord(t.Context(), "g", place)
			return err
		}, []string{"GET /v1/groups/g/records/a%20b/2/17"}},
		{"ack", func(t *testing.T, c *Client) error { return c.AckPlace(t.Context(), "g", place) },
			[]string{"POST /v1/groups/g/records/a%20b/2/17/ack"}},
		{"release", func(t *testing.T, c *Client) error { return c.ReleasePlace(t.Context(), "g", place) },
			[]string{"POST /v1/groups/g/records/a%20b/2/17/release"}},
		{"reject", func(t *testing.T, c *Client) error { return c.RejectPlace(t.Context(), "g", place) },
			[]string{"POST /v1/groups/g/records/a%20b/2/17/reject"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got []string
				_, c := newNetwork(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					got = append(got, r.Method+" "+r.URL.RequestURI())
					w.Header().Set("ETag", `"e"`)
					switch {
					case r.Method == http.MethodDelete:
						w.WriteHeader(http.StatusNoContent)
					case r.URL.Query().Has("limit") && !r.URL.Query().Has("cursor"):
						answer(w, map[string]any{"items": []any{map[string]any{}}, "next_cursor": "next"})
					default:
						answer(w, map[string]any{"items": []any{}})
					}
				}))
				if err := tt.call(t, c); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func drain[T any](list func(func(T, error) bool)) (err error) {
	for _, e := range list {
		err = e
	}
	return err
}
