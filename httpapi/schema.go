package httpapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/schema"
)

// getSchema answers with one version of a topic's schema, or with the one that its values are checked by.
func (a *API) getSchema(x *exchange) error {
	v, err := a.broker.SchemaVersion(x.ctx(), x.topic, x.version)
	if err != nil {
		return err
	}
	return x.json(http.StatusOK, wireSchema(v))
}

func wireSchema(v queue.SchemaVersion) api.SchemaVersion {
	return api.SchemaVersion{Version: v.Version, Schema: v.Schema, Compatibility: string(v.Compatibility), CreatedAt: api.Time(v.CreatedAt)}
}

func (a *API) listSchemaVersions(x *exchange) error {
	list := "schemas/" + x.topic
	limit, at, err := x.page(list)
	if err != nil {
		return err
	}
	after := 0
	if at != "" {
		if after, err = strconv.Atoi(at); err != nil || after < 1 {
			return errCursor
		}
	}
	versions, err := a.broker.SchemaVersions(x.ctx(), x.topic, after, limit+1)
	if err != nil {
		return err
	}
	versions, next := cutPage(list, versions, limit, func(v queue.SchemaVersion) string { return strconv.Itoa(v.Version) })
	out := api.SchemaVersionList{Items: make([]api.SchemaVersion, len(versions)), NextCursor: next}
	for i, v := range versions {
		out.Items[i] = wireSchema(v)
	}
	return x.json(http.StatusOK, out)
}

// checkSchema answers what the topic would say to a schema and to values.
func (a *API) checkSchema(x *exchange) error {
	s := x.scanBody()
	req := readSchemaCheck(s, int(a.limits.MaxPublish))
	if err := s.done(); err != nil {
		return err
	}
	verdict, err := a.broker.CheckSchema(x.ctx(), x.topic, req)
	if err != nil {
		return err
	}
	out := api.SchemaCheckResponse{Accepted: verdict.Refused == nil && len(verdict.Violations) == 0, Violations: make([]api.Violation, len(verdict.Violations))}
	if verdict.Refused != nil {
		out.Reason = verdict.Refused.Error()
	}
	for i := range verdict.Violations {
		out.Violations[i] = wireViolation(&verdict.Violations[i])
	}
	return x.json(http.StatusOK, out)
}

func readSchemaCheck(s *scanner, most int) (req queue.SchemaCheck) {
	s.object(func(name []byte) bool {
		switch string(name) {
		case "schema":
			if !s.null() {
				req.Schema = s.raw()
			}
		case "schema_compatibility":
			if !s.null() {
				req.Compatibility = schema.Compatibility(s.string())
			}
		case "values":
			s.array(func(i int) {
				if i >= most {
					s.fail(newFault(http.StatusRequestEntityTooLarge, api.RequestTooLarge, "more than %d values", most))
					return
				}
				req.Values = append(req.Values, s.raw())
			})
		default:
			return false
		}
		return true
	})
	return req
}

func wireViolation(v *queue.SchemaViolation) api.Violation {
	return api.Violation{Topic: v.Topic, Version: v.Version, Record: v.Record, Pointer: v.Pointer, Reason: v.Reason}
}

// mergeSchema reads a schema, which is replaced as a whole: only its compatibility with the one before says what may change.
func mergeSchema(m merger, to *string) {
	if m.null() {
		*to = ""
		return
	}
	var compact bytes.Buffer
	if raw := m.raw(); m.err == nil && json.Compact(&compact, raw) == nil {
		*to = compact.String()
	}
}
