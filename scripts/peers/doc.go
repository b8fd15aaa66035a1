// Peers measures Holt beside servers that people use for the same work, in turns on one machine, each syncing before it answers:
//
//	go run . [-rounds 3] [-seconds 5] [-clients 64] [-batch 1] [-size 100] [-systems holt,jetstream,redis]
//
// Every system gets the same load: clients that publish batches and wait for each answer, then clients that take up to a batch of records,
// and acknowledge them with an answer to wait for. A table shows the rates of each round and their ratio to Holt's. Rates of a
// shared machine prove nothing; ratios of one round say more, and their spread says how much.
//
// It is a module of its own, so that nobody who uses Holt downloads its peers.
package main
