package schema

import (
	"errors"
	"strconv"
)

// applicator shows what a keyword asks of parts of a value, or by other schemas of the value itself.
func (p *prover) applicator(a []node, b node, keyword, at string) error {
	switch keyword {
	case "required":
		return required(a, b, at)
	case "properties":
		return p.properties(a, b, at)
	case "patternProperties":
		return p.patterns(a, b, at)
	case "additionalProperties":
		return p.additional(a, b, at)
	case "prefixItems":
		return p.prefix(a, b, at)
	case "items":
		return p.items(a, b, at)
	case "anyOf":
		return p.choice(a, b, at)
	case "not":
		return p.negation(a, b, at)
	case "propertyNames":
		want, _ := b.child(keyword)
		return p.some(a, func(n node) error {
			if have, ok := n.child(keyword); ok {
				return p.within([]node{have}, want, at+"/*")
			}
			return no(at, "propertyNames is asked for on one side only")
		})
	case "dependentRequired":
		return dependents(a, b, at)
	case "contains", "minContains", "maxContains":
		return p.alike(a, b, at, "contains", "minContains", "maxContains")
	case "if", "then", "else":
		return p.alike(a, b, at, "if", "then", "else")
	case "oneOf", "dependentSchemas":
		return p.alike(a, b, at, keyword)
	default: // what is left is unevaluated by others depends on the whole schema, and show found no schema that is the same
		return no(at, "%s is compared only where both schemas are the same around it", keyword)
	}
}

// some shows something by one schema of a.
func (p *prover) some(a []node, show func(n node) error) error {
	var first error
	for _, n := range a {
		err := show(n)
		if err == nil || errors.Is(err, errTooComplex) {
			return err
		}
		if first == nil || n.object() != nil && len(n.assertions()) > 0 {
			first = err
		}
	}
	return first
}

// alike shows keywords that some schema of a has the same, all of them.
func (p *prover) alike(a []node, b node, at string, words ...string) error {
	return p.some(a, func(n node) error {
		for _, k := range words {
			_, x := n.object()[k]
			_, y := b.object()[k]
			if x != y || x && !p.likeness().keyword(n, b, k) {
				return no(at, "%s differs, and is compared word by word only", k)
			}
		}
		return nil
	})
}

// choice shows one branch of anyOf, or the same choice.
func (p *prover) choice(a []node, b node, at string) error {
	for _, c := range b.list("anyOf") {
		err := p.within(a, c, at)
		if err == nil || errors.Is(err, errTooComplex) {
			return err
		}
	}
	return no(at, "no branch of anyOf takes every value of the other side")
}

// negation shows not: what b excludes a must exclude, and perhaps more.
func (p *prover) negation(a []node, b node, at string) error {
	want, _ := b.child("not")
	return p.some(a, func(n node) error {
		if have, ok := n.child("not"); ok {
			return p.within([]node{want}, have, at)
		}
		return no(at, "not is asked for on one side only")
	})
}

func required(a []node, b node, at string) error {
	list, _ := b.object()["required"].([]any)
	for _, v := range list {
		if name, _ := v.(string); !requires(a, name) {
			return no(at, "%q is required on one side only", short(name))
		}
	}
	return nil
}

func dependents(a []node, b node, at string) error {
	all, _ := b.object()["dependentRequired"].(map[string]any)
	for _, name := range sorted(all) {
		list, _ := all[name].([]any)
		for _, v := range list {
			if s, _ := v.(string); !requires(a, s) && !dependsOn(a, name, v) {
				return no(at, "%q is required with %q on one side only", short(s), short(name))
			}
		}
	}
	return nil
}

func dependsOn(a []node, name string, on any) bool {
	for _, n := range a {
		all, _ := n.object()["dependentRequired"].(map[string]any)
		list, _ := all[name].([]any)
		for _, v := range list {
			if v == on {
				return true
			}
		}
	}
	return false
}

// property returns the schemas that one schema has for a property.
func (n node) property(name string) (out []node) {
	known := false
	if c, ok := n.named("properties")[name]; ok {
		out, known = append(out, c), true
	}
	patterns := n.named("patternProperties")
	for _, re := range sorted(patterns) {
		if n.doc.matches(re, name) {
			out, known = append(out, patterns[re]), true
		}
	}
	if c, ok := n.child("additionalProperties"); ok && !known {
		out = append(out, c)
	}
	return out
}

// propertyOf returns what all of a ask of a property.
func propertyOf(a []node, name string) (out []node) {
	for _, n := range a {
		out = append(out, n.property(name)...)
	}
	return out
}

func (p *prover) properties(a []node, b node, at string) error {
	all := b.named("properties")
	for _, name := range sorted(all) {
		if err := p.within(propertyOf(a, name), all[name], at+"/"+escape(name)); err != nil {
			return err
		}
	}
	return nil
}

// patterns shows patternProperties: by the same pattern, or by everything that could have such a name.
func (p *prover) patterns(a []node, b node, at string) error {
	all := b.named("patternProperties")
	for _, re := range sorted(all) {
		err := p.some(a, func(n node) error {
			if c, ok := n.named("patternProperties")[re]; ok && p.within([]node{c}, all[re], at+"/*") == nil {
				return nil
			}
			return p.anyNamed(n, func(name string) bool { return b.doc.matches(re, name) }, func(string) bool { return true }, all[re], at)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// additional shows additionalProperties: for each property that b has no word for.
func (p *prover) additional(a []node, b node, at string) error {
	want, _ := b.child("additionalProperties")
	named, patterns := b.named("properties"), b.named("patternProperties")
	unknown := func(name string) bool {
		if _, ok := named[name]; ok {
			return false
		}
		for re := range patterns {
			if b.doc.matches(re, name) {
				return false
			}
		}
		return true
	}
	return p.some(a, func(n node) error {
		return p.anyNamed(n, unknown, func(re string) bool { _, ok := patterns[re]; return !ok }, want, at)
	})
}

// anyNamed shows that whatever a schema allows for the properties in question satisfies want: those with a name that counts, those of a pattern
// that counts, and all others.
func (p *prover) anyNamed(n node, name, pattern func(string) bool, want node, at string) error {
	all := n.named("properties")
	for _, k := range sorted(all) {
		if !name(k) {
			continue
		}
		if err := p.within(n.property(k), want, at+"/"+escape(k)); err != nil {
			return err
		}
	}
	all = n.named("patternProperties")
	for _, re := range sorted(all) {
		if !pattern(re) {
			continue
		}
		if err := p.within([]node{all[re]}, want, at+"/*"); err != nil {
			return err
		}
	}
	var rest []node
	if c, ok := n.child("additionalProperties"); ok {
		rest = []node{c}
	}
	return p.within(rest, want, at+"/*")
}

// item returns what one schema asks of an item.
func (n node) item(i int) []node {
	if list := n.list("prefixItems"); i < len(list) {
		return list[i : i+1]
	}
	if c, ok := n.child("items"); ok {
		return []node{c}
	}
	return nil
}

func (p *prover) prefix(a []node, b node, at string) error {
	for i, want := range b.list("prefixItems") {
		var have []node
		for _, n := range a {
			have = append(have, n.item(i)...)
		}
		if err := p.within(have, want, at+"/"+strconv.Itoa(i)); err != nil {
			return err
		}
	}
	return nil
}

// items shows items: for what stands behind b's prefix.
func (p *prover) items(a []node, b node, at string) error {
	want, _ := b.child("items")
	from := len(b.list("prefixItems"))
	return p.some(a, func(n node) error {
		for i := from; i < len(n.list("prefixItems")); i++ {
			if err := p.within(n.item(i), want, at+"/"+strconv.Itoa(i)); err != nil {
				return err
			}
		}
		var rest []node
		if c, ok := n.child("items"); ok {
			rest = []node{c}
		}
		return p.within(rest, want, at+"/*")
	})
}
