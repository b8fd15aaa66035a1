// Package record is the record and its stored form: Kafka's record batch v2 (magic 2), as producers write it and consumers read it.
//
// It guarantees: what Builder encodes, every Kafka client decodes, and byte for byte the same for the same calls; what Kafka
// producers write with any of the five codecs, Reader decodes. A batch covers the offsets [Base, Last] and holds at most one
// record for each; Rewrite and Join drop records and never move one. No input makes it panic, read out of bounds, or take more
// than MaxUncompressed bytes for a batch; whatever is sealed anew (Rewrite, Join) had its checksum
// verified first, so damage is never given a good checksum. Times are whole milliseconds, UTC. Nothing here reads a clock or starts a goroutine.
//
// The caller owes it: Check for bytes that came from a disk or a stranger, before a Reader that trusts them; batches of a
// stranger read to the end (Reader.Next until false, Reader.Err nil) before they are stored, for Check does not look inside records;
// no change of a batch while records read from it are in use; one goroutine at a time for a Builder or a Reader.
package record
