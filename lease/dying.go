package lease

// DyingAt is Dying for one record; false if it is not dying (any more).
func (w *Window) DyingAt(at Offset) (Death, bool) {
	if s := w.dyingAt(at); s != 0 {
		return w.death(s), true
	}
	if o, ok := w.ahead.find(at); ok && o == rejected {
		return Death{Claim: Claim{Offset: at, Epoch: w.epoch}, Reason: ReasonRejected}, true
	}
	return Death{}, false
}
