package schema

import (
	"fmt"
)

// Compatibility says what a schema must have in common with the one it takes the place of.
type Compatibility string

// The compatibilities. An empty one is None.
const (
	None     Compatibility = "none"
	Backward Compatibility = "backward" // who reads by the new schema can read what was written by the old one: old ⊆ new
	Forward  Compatibility = "forward"  // who reads by the old schema can read what is written by the new one: new ⊆ old
	Full     Compatibility = "full"     // both
)

// Valid tells whether c is one of the compatibilities.
func (c Compatibility) Valid() bool {
	switch c {
	case "", None, Backward, Forward, Full:
		return true
	}
	return false
}

// Compatible returns nil if the new schema can take the place of the old one, which may be nil for any value, as the new one may. What it
// cannot prove it refuses. Errors: ErrIncompatible.
func Compatible(c Compatibility, was, now *Schema) error {
	if was == nil && now == nil {
		return nil
	}
	was, now = orAny(was), orAny(now)
	if c == Backward || c == Full {
		if err := within(was, now); err != nil {
			return fmt.Errorf("%w (%s): not every value of the old schema is one of the new: %w", ErrIncompatible, c, err)
		}
	}
	if c == Forward || c == Full {
		if err := within(now, was); err != nil {
			return fmt.Errorf("%w (%s): not every value of the new schema is one of the old: %w", ErrIncompatible, c, err)
		}
	}
	return nil
}

// orAny returns a schema that takes everything for none.
func orAny(s *Schema) *Schema {
	if s != nil {
		return s
	}
	doc := &document{at: map[string]node{}}
	doc.root = node{doc: doc, val: true}
	doc.at[""] = doc.root
	return &Schema{doc: doc}
}

// within returns nil if it can be proved that every value of a is one of b, else where and why not.
func within(a, b *Schema) error {
	p := &prover{left: maxProof, proved: map[string]bool{}, compilers: map[*document]*compiler{}}
	if err := p.within([]node{a.doc.root}, b.doc.root, ""); err != nil {
		return err
	}
	return nil
}
