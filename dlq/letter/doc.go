// Package letter is what a dead letter is: the envelope that a record gains when a group gives it up and it is copied to the group's
// dead-letter topic, the fingerprint that puts equal errors together, and the filter and summary that operators find letters with.
//
// A letter keeps key, value and headers of the record and gains the holt-dl-* headers; a record that was a letter before
// (a dead-letter topic read by a group) gets new ones in place of the old. Some more headers are for the broker alone (see Hidden).
//
// It is pure: no I/O, no clock.
package letter
