// Package api is Holt's wire format: the JSON bodies of the HTTP API and its error codes, shared by server and client.
//
// Field names and shapes are the HTTP API's (docs/HTTP-API.md). Durations are strings as in "1.5s" or "7d" (see Duration),
// times RFC 3339 UTC with milliseconds (see Time). A field that has no value is absent.
package api
