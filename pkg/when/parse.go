package when

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxTests bounds a condition: nobody writes more by hand.
const maxTests = 32

// maxCount is the largest count that a float64 holds exactly (IEEE 754).
const maxCount = 1 << 53

// Parse reads a condition. Its errors say what is wrong in words for who wrote
// it.
func Parse(text string) (*Condition, error) {
	words, err := split(text)
	if err != nil {
		return nil, err
	}
	c := &Condition{any: [][]test{nil}}
	for n := 1; ; n++ {
		if n > maxTests {
			return nil, fmt.Errorf("more than %d tests", maxTests)
		}
		if len(words) < 3 {
			return nil, incomplete(words)
		}
		t, err := parseTest(words[0], words[1], words[2])
		if err != nil {
			return nil, err
		}
		last := len(c.any) - 1
		c.any[last] = append(c.any[last], t)
		words = words[3:]
		if len(words) == 0 {
			return c, nil
		}
		switch words[0] {
		case "and":
		case "or":
			c.any = append(c.any, nil)
		default:
			return nil, fmt.Errorf("%q stands where \"and\" or \"or\" should", words[0])
		}
		words = words[1:]
	}
}

func incomplete(words []string) error {
	if len(words) == 0 {
		return errors.New("a test such as p99>5ms is missing")
	}
	return fmt.Errorf("%q is no whole test, such as p99>5ms", strings.Join(words, " "))
}

// split gives words and operators.
func split(text string) ([]string, error) {
	var out []string
	word := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '%' || r == 'µ' || r == 'μ'
	}
	for {
		text = strings.TrimLeft(text, " \t\n")
		if text == "" {
			return out, nil
		}
		n := strings.IndexFunc(text, func(r rune) bool { return !word(r) })
		switch {
		case n < 0:
			n = len(text)
		case n == 0:
			n = operatorAt(text)
		}
		if n == 0 {
			return nil, fmt.Errorf("%q is nothing that a condition has in it", []rune(text)[0])
		}
		out, text = append(out, text[:n]), text[n:]
	}
}

// operatorAt is the length of the operator that text begins with, 0 for none.
func operatorAt(text string) int {
	for _, op := range operators() {
		if strings.HasPrefix(text, op) {
			return len(op)
		}
	}
	return 0
}

func parseTest(name, op, value string) (test, error) {
	all := signals()
	i := slices.IndexFunc(all, func(s signal) bool { return s.name == name })
	if i < 0 {
		return test{}, fmt.Errorf("%q is none of %s", name, strings.Join(Signals(), ", "))
	}
	if !slices.Contains(operators(), op) {
		return test{}, fmt.Errorf("%q stands after %s where one of > >= < <= should", op, name)
	}
	t := test{signal: all[i], op: op}
	for _, u := range t.signal.units {
		if v, ok := u.parse(value); ok {
			t.value, t.unit = v, u
			return t, nil
		}
	}
	return test{}, fmt.Errorf("%q is no value of %s: it takes %s", value, name, t.signal.takes())
}

func (s signal) takes() string {
	words := map[unit]string{duration: "a time such as 5ms", count: "a number", percent: "a percentage such as 1%"}
	var out []string
	for _, u := range s.units {
		out = append(out, words[u])
	}
	return strings.Join(out, " or ")
}

// parse gives a value that is finite and not negative.
func (u unit) parse(s string) (float64, bool) {
	switch u {
	case duration:
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 || d > maxCount || s == "0" { // a time has its unit
			return 0, false
		}
		return float64(d), true
	case percent:
		number, found := strings.CutSuffix(s, "%")
		v, err := strconv.ParseFloat(number, 64)
		return v, found && err == nil && v >= 0 && v <= 100
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return float64(n), err == nil && n <= maxCount
}
