// Package lease is the state machine of one share group on one partition.
package lease
