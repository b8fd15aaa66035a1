// Package topology draws who talks to whom: topics with what is in them and who published there, groups with what they read and who worked for them.
//
// It guarantees that noting a call costs next to nothing, and that a picture has at most MaxItems topics and as many groups. It shows memory, which may
// run ahead of the disk: answers wait for what was enqueued.
//
// The caller owes it Run in the background.
package topology
