// Package console is the operators' console at /console/: pages made by the server, with a little script for what moves.
//
// It guarantees that nothing of a record is interpreted (html/template escapes it, and the content security policy allows neither inline
// script nor inline style nor any other origin), that GET changes nothing, that every filter is in the URL, and that every action is a call
// of the public API, shown as curl and as a command line before it is done. It holds no state but sessions, one snapshot that all open
// pages share, and the ring of the last 24 hours.
//
// What is shown beyond the snapshot, and all that is done, goes through the API's own handler: what the console can, a script can.
//
// The caller owes it a handler that has checked the request's host and origin before, and that is the API itself (Config.API).
//
// Links are relative, so that it works under any path prefix of a proxy in front.
package console
