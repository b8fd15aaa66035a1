// Package record is the record and its stored form: Kafka's record batch v2.
package record
