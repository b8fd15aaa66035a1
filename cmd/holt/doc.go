// Command holt is the work queue Holt: server and command line in one binary.
//
// Commands are nouns, then verbs; each noun has a file. They talk to a server with the client package, write data to
// standard output and prose to standard error, and exit with 0 (done), 1 (failed) or 2 (wrong usage).
package main
