// Package schema checks record values against JSON Schema 2020-12, and tells whether one schema can take the place of another.
//
// It guarantees: no schema makes a request, reads a file or names anything outside itself; compiling is bounded by [MaxBytes],
// [MaxDepth] and [MaxPatternSteps], checking by a number of steps that grows with the value's size; two goroutines may use one
// [Schema] at once; [Compatible] never calls a change compatible that is not (it refuses what it cannot prove, and says why).
//
// It does as the standard says with format, contentEncoding and contentMediaType: they are annotations, nothing is checked.
//
// The caller keeps a Schema as long as it is used: compiling is the costly part.
package schema
