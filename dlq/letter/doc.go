// Package letter is the envelope of a dead letter: what a record that a group gave up on gains when it is copied to the
// group's dead-letter topic.
//
// A letter keeps key, value and headers of the record and gains the holt-dl-* headers. A record that was a letter before
// (a dead-letter topic read by a group) gets new ones in place of the old.
package letter
