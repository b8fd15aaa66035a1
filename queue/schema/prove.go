package schema

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// maxProof bounds the steps of one proof, each of which compares two schemas at most at their top.
const maxProof = 200_000

// compileCost is how many steps it counts as that a schema is compiled to check values by it.
const compileCost = 100

// prover shows that every value that satisfies some schemas satisfies another one. It goes by the words of the schemas, never by examples: what
// it shows is so; what it cannot show may be so all the same.
//
// A pair of schemas under way counts as shown: values are finite, and no schema comes back to itself without going into the value.
type prover struct {
	left   int
	proved map[string]bool
	trail  []string // keys of proved, in the order they came

	compilers map[*document]*compiler
}

// unproved says where a proof ends, as a place in values ("/lines/*/price"), and why.
type unproved struct{ at, why string }

// Error implements error.
func (u *unproved) Error() string {
	if u.at == "" {
		return "the value: " + u.why
	}
	return u.at + ": " + u.why
}

func no(at, format string, args ...any) error {
	return &unproved{at, fmt.Sprintf(format, args...)}
}

var errTooComplex = errors.New("the schemas are too complex to compare")

// within shows that values of all of a are values of b.
func (p *prover) within(a []node, b node, at string) error {
	if p.left -= 1 + len(a); p.left < 0 {
		return errTooComplex
	}
	key := pairKey(a, b)
	if p.proved[key] {
		return nil
	}
	mark := len(p.trail)
	p.proved[key] = true
	p.trail = append(p.trail, key)
	err := p.show(flatten(a, nil), b, at)
	if err != nil && len(a) == 0 {
		err = no(at, "anything is allowed there on one side: nothing is said of it, and additionalProperties or items is open")
	}
	if err != nil { // nor does anything hold that was shown on the way
		for _, k := range p.trail[mark:] {
			delete(p.proved, k)
		}
		p.trail = p.trail[:mark]
	}
	return err
}

// pairKey names a pair of sides; a schema is told apart by its document and its pointer.
func pairKey(a []node, b node) string {
	var s strings.Builder
	for _, n := range append(a[:len(a):len(a)], b) {
		fmt.Fprintf(&s, "%p%s\x00", n.doc, n.ptr)
	}
	return s.String()
}

// flatten returns the schemas that all hold where those of list do: what $ref and allOf name stands beside them.
func flatten(list []node, out []node) []node {
	for _, n := range list {
		if n.flat {
			out = append(out, n)
			continue
		}
		n.flat = true
		out = append(out, n)
		if to, ok := n.ref(); ok {
			out = flatten([]node{to}, out)
		}
		out = flatten(n.list("allOf"), out)
	}
	return out
}

func (p *prover) show(a []node, b node, at string) error {
	if len(a) == 0 {
		a = []node{{val: true}} // somebody must be asked
	}
	if v, ok := plainBool(b); ok && v {
		return nil
	}
	if types(a) == 0 || isFalse(a) {
		return nil // nothing satisfies a
	}
	for _, n := range a {
		if n.doc == b.doc && n.ptr == b.ptr || p.likeness().same(n, b) {
			return nil
		}
	}
	if values, ok := finite(a); ok {
		return p.everyOne(values, b, at)
	}
	err := p.conjuncts(a, b, at)
	if err == nil || errors.Is(err, errTooComplex) {
		return err
	}
	if chosen := p.branches(a, b, at); chosen == nil || errors.Is(chosen, errTooComplex) {
		return chosen
	}
	return err
}

// conjuncts shows everything that b asks for, one keyword after the other.
func (p *prover) conjuncts(a []node, b node, at string) error {
	if v, ok := b.val.(bool); ok && !v {
		return no(at, "nothing is allowed there any more")
	}
	if to, ok := b.ref(); ok {
		if err := p.within(a, to, at); err != nil {
			return err
		}
	}
	for _, c := range b.list("allOf") {
		if err := p.within(a, c, at); err != nil {
			return err
		}
	}
	for _, keyword := range b.assertions() {
		if err := p.keyword(a, b, keyword, at); err != nil {
			return err
		}
	}
	return nil
}

// branches shows it for each branch of a choice that a has: a value takes one of them.
func (p *prover) branches(a []node, b node, at string) error {
	for i, n := range a {
		for _, keyword := range []string{"anyOf", "oneOf"} {
			choice := n.list(keyword)
			if len(choice) == 0 {
				continue
			}
			rest := append(append([]node{}, a[:i]...), without(n, keyword))
			rest = append(rest, a[i+1:]...)
			err := error(nil)
			for _, c := range choice {
				if err = p.within(append(rest[:len(rest):len(rest)], c), b, at); err != nil {
					break
				}
			}
			if err == nil || errors.Is(err, errTooComplex) {
				return err
			}
		}
	}
	return no(at, "no choice to go by")
}

// without returns a schema without its choice, and without the keywords that depend on it; its $ref and allOf stand beside it already.
func without(n node, keyword string) node {
	obj := maps.Clone(n.object())
	for _, k := range []string{keyword, "unevaluatedItems", "unevaluatedProperties"} {
		delete(obj, k)
	}
	return node{doc: n.doc, ptr: n.ptr + "\x00" + keyword, val: obj, flat: true}
}

func isFalse(a []node) bool {
	for _, n := range a {
		if v, ok := n.val.(bool); ok && !v {
			return true
		}
	}
	return false
}

// finite returns the values that satisfy a, and perhaps some more, if a names them.
func finite(a []node) (values []any, ok bool) {
	for _, n := range a {
		if v, has := n.object()["const"]; has {
			return []any{v}, true
		}
		if list, has := n.object()["enum"].([]any); has && (!ok || len(list) < len(values)) {
			values, ok = list, true
		}
	}
	if !ok {
		return nil, false
	}
	var out []any
	set := types(a)
	for _, v := range values {
		if typeOf(v)&set != 0 {
			out = append(out, v)
		}
	}
	return out, true
}

// compiler compiles schemas of one document for one checker.
type compiler struct {
	check *checker
	from  *jsonschema.Compiler
	made  map[string]*jsonschema.Schema // by pointer
}

// compiled returns the schema of a node, and what checks by it.
func (p *prover) compiled(n node) (*checker, error) {
	c := p.compilers[n.doc]
	if c == nil {
		check, from, err := newCompiler(n.doc)
		if err != nil {
			return nil, err
		}
		c = &compiler{check, from, map[string]*jsonschema.Schema{}}
		p.compilers[n.doc] = c
	}
	s := c.made[n.ptr]
	if s == nil {
		p.left -= compileCost
		var err error
		if s, err = c.from.Compile(where + "#" + strings.ReplaceAll(n.ptr, "%", "%25")); err != nil {
			return nil, err
		}
		c.made[n.ptr] = s
	}
	c.check.compiled = s
	return c.check, nil
}

// everyOne shows that values satisfy b, by checking them.
func (p *prover) everyOne(values []any, b node, at string) error {
	for _, v := range values { // what is seen at once
		if p.left--; p.left < 0 {
			return errTooComplex
		}
		if want, ok := b.object()["const"]; ok && !equal(v, want) || typeOf(v)&types([]node{b}) == 0 {
			return no(at, "%s is allowed on one side only", short(fmt.Sprint(v)))
		}
	}
	c, err := p.compiled(b)
	if err != nil {
		return no(at, "%v", err)
	}
	for _, v := range values {
		if p.left--; p.left < 0 {
			return errTooComplex
		}
		if err := c.check(v, MaxBytes*stepsPerByte); err != nil {
			return no(at, "%s is allowed on one side only", short(fmt.Sprint(v)))
		}
	}
	return nil
}
