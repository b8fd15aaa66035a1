// Package httpapi is Holt's HTTP API, version 1: it turns requests into calls of the broker and their outcomes into answers.
//
// It guarantees that every error is an application/problem+json answer with a stable code, that a 4xx changed nothing, that a
// value's JSON is never re-encoded, that every body, batch, header and wait has a limit, and that leases whose holder was gone
// before the answer was written go back uncounted. It keeps no state of its own beyond metrics.
//
// The caller owes it a broker that does not keep the bytes of a Message after Publish returned without an error, a server made by
// NewServer, and the names under which that server is reached (Config.Hosts).
//
// # A call
//
// The table (server.go) says of each route what its path and its query have. Both are read before its handler runs (asked in query.go): a handler begins
// with what it was asked for, reads the body with scanBody, calls the broker, and answers with json, or with encode and answer where records go out. Any
// error it returns is answered as a problem.
//
// # JSON
//
// Bodies are read by a scanner of this package (json.go), not by encoding/json: the standard decoder matches names whatever
// their case, takes the last of duplicate fields, puts U+FFFD in the place of bytes that are not UTF-8, goes over the body two
// or three times, and a map loses the order of headers. Each of these would change a record silently. The scanner walks the
// body once, points into it instead of copying, and knows for every error where it is. A fuzz target holds it to what
// encoding/json calls valid. Answers that carry records are appended by hand (encode.go), since encoding/json
// re-encodes raw values; all other answers are the structs of client/api through encoding/json.
package httpapi
