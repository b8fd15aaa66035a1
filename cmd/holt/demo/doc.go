// Package demo is the demo: it runs the program itself as a server and as workers that hash a tree of files, kills them now and then, and compares what the queue and
// the workers say with what was computed directly.
package demo
