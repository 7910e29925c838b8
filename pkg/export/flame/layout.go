package flame

// box is a frame with its place in a drawing that is width wide. Its edges
// come from running sums of the whole, so that neighbors join without a gap.
type box struct {
	frame    *Frame
	depth    int
	from, to float64
	value    uint64
	against  uint64
}

// layout places all frames that have a value, the root first.
func layout(root *Frame, v View, width float64) []box {
	whole := root.Sum(v.Value)
	if whole == 0 {
		return nil
	}
	var out []box
	var place func(f *Frame, depth int, begin uint64)
	place = func(f *Frame, depth int, begin uint64) {
		value := f.Sum(v.Value)
		if value == 0 {
			return
		}
		out = append(out, box{
			frame: f, depth: depth, value: value, against: f.Sum(v.Against),
			from: edge(begin, whole, width), to: edge(begin+value, whole, width),
		})
		for _, c := range f.Children {
			place(c, depth+1, begin)
			begin += c.Sum(v.Value)
		}
	}
	place(root, 0, 0)
	return out
}

func edge(part, whole uint64, width float64) float64 {
	return float64(part) / float64(whole) * width
}

// change is by how much slower a box became, negative for faster.
func (b box) change(v View) float64 {
	if v.Against < 0 {
		return 0
	}
	return (float64(b.value) - float64(b.against)) * float64(v.Slower)
}
