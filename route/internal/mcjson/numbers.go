package mcjson

import (
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// addNumbers enters arithmetic and the casts.
func addNumbers(add adder) {
	for name, op := range map[string]func(a, b int64) (int64, string){
		"add": addInts, "sub": subInts, "mul": mulInts, "div": divInts, "mod": modInts,
		"bitwiseAnd":        func(a, b int64) (int64, string) { return a & b, "" },
		"bitwiseOr":         func(a, b int64) (int64, string) { return a | b, "" },
		"bitwiseXor":        func(a, b int64) (int64, string) { return a ^ b, "" },
		"bitwiseLeftShift":  shiftLeft,
		"bitwiseRightShift": shiftRight,
	} {
		add(name, func(c *call) (*Value, error) { return c.arithmetic(op) }, "A", "B")
	}
	add("bitwiseNot", (*call).bitwiseNot, "A")
	add("bool", func(c *call) (*Value, error) { return c.cast(Bool, toBool) }, "value")
	add("double", func(c *call) (*Value, error) { return c.cast(Float, toFloat) }, "value")
	add("int", func(c *call) (*Value, error) { return c.cast(Int, toInt) }, "value")
	add("str", func(c *call) (*Value, error) { return c.cast(String, toText) }, "value")
}

// arithmetic works on two ints. op returns a problem if there is no result.
func (c *call) arithmetic(op func(a, b int64) (result int64, problem string)) (*Value, error) {
	a, err := c.argOf("A", Int)
	if err != nil {
		return nil, err
	}
	b, err := c.argOf("B", Int)
	if err != nil {
		return nil, err
	}
	result, problem := op(a.Int, b.Int)
	if problem != "" {
		return nil, c.errorf("%s (A is %d, B is %d)", problem, a.Int, b.Int)
	}
	return c.madeInt(result)
}

func (c *call) bitwiseNot() (*Value, error) {
	a, err := c.argOf("A", Int)
	if err != nil {
		return nil, err
	}
	return c.madeInt(^a.Int)
}

const overflow = "the result does not fit 64 bits"

func addInts(a, b int64) (int64, string) {
	sum := a + b
	if (a < 0) == (b < 0) && (sum < 0) != (a < 0) {
		return 0, overflow
	}
	return sum, ""
}

func subInts(a, b int64) (int64, string) {
	difference := a - b
	if (a < 0) != (b < 0) && (difference < 0) != (a < 0) {
		return 0, overflow
	}
	return difference, ""
}

func mulInts(a, b int64) (int64, string) {
	high, low := bits.Mul64(magnitude(a), magnitude(b))
	negative := (a < 0) != (b < 0)
	switch {
	case high != 0 || low > 1<<63 || low == 1<<63 && !negative:
		return 0, overflow
	case negative:
		return -int64(low), ""
	}
	return int64(low), ""
}

// magnitude is |a|, also of the smallest int64.
func magnitude(a int64) uint64 {
	if a < 0 {
		return -uint64(a)
	}
	return uint64(a)
}

func divInts(a, b int64) (int64, string) {
	switch {
	case b == 0:
		return 0, "division by zero"
	case a == math.MinInt64 && b == -1:
		return 0, overflow
	}
	return a / b, ""
}

func modInts(a, b int64) (int64, string) {
	if b == 0 {
		return 0, "division by zero"
	}
	return a % b, ""
}

func shiftLeft(a, b int64) (int64, string) {
	if b < 0 || b > 63 {
		return 0, "B is not within 0 and 63"
	}
	return int64(uint64(a) << b), ""
}

// shiftRight fills with zeros, as mcrouter does.
func shiftRight(a, b int64) (int64, string) {
	if b < 0 || b > 63 {
		return 0, "B is not within 0 and 63"
	}
	return int64(uint64(a) >> b), ""
}

// cast converts a scalar by folly's rules: nothing may get lost, and null, arrays and objects have no other form.
func (c *call) cast(to Kind, convert func(*Value) (Value, bool)) (*Value, error) {
	v, err := c.argOf("value", Bool, Int, Float, String)
	if err != nil {
		return nil, err
	}
	result, ok := convert(v)
	if !ok {
		return nil, c.errorf("%s %q is no %s", v.Kind, shorten(plainText(v)), to)
	}
	return c.made(result)
}

func toBool(v *Value) (Value, bool) {
	result := Value{Kind: Bool}
	switch v.Kind {
	case Bool:
		result.Bool = v.Bool
	case Int, Float:
		number, _ := v.Number()
		result.Bool = number != 0
	default:
		switch strings.ToLower(strings.Trim(v.Str, space)) {
		case "1", "y", "yes", "t", "true", "on":
			result.Bool = true
		case "0", "n", "no", "f", "false", "off":
		default:
			return result, false
		}
	}
	return result, true
}

func toInt(v *Value) (Value, bool) {
	result := Value{Kind: Int, Int: v.Int}
	switch v.Kind {
	case Bool:
		if v.Bool {
			result.Int = 1
		}
	case Float:
		result.Int = int64(v.Float)
		return result, v.Float >= math.MinInt64 && v.Float < -math.MinInt64 && float64(result.Int) == v.Float
	case String:
		var err error
		result.Int, err = strconv.ParseInt(strings.Trim(v.Str, space), 10, 64)
		return result, err == nil
	}
	return result, true
}

func toFloat(v *Value) (Value, bool) {
	result := Value{Kind: Float, Float: v.Float}
	switch v.Kind {
	case Bool:
		if v.Bool {
			result.Float = 1
		}
	case Int:
		result.Float = float64(v.Int)
		back, ok := toInt(&result)
		return result, ok && back.Int == v.Int
	case String:
		var err error
		result.Float, err = strconv.ParseFloat(strings.Trim(v.Str, space), 64)
		finite := !math.IsInf(result.Float, 0) && !math.IsNaN(result.Float)
		return result, err == nil && finite
	}
	return result, true
}

func toText(v *Value) (Value, bool) { return Value{Kind: String, Str: plainText(v)}, true }

// plainText writes a scalar; bools are 1 and 0, as in folly.
func plainText(v *Value) string {
	switch v.Kind {
	case Bool:
		if v.Bool {
			return "1"
		}
		return "0"
	case Int:
		return strconv.FormatInt(v.Int, 10)
	case Float:
		return floatText(v.Float)
	}
	return v.Str
}

// floatText writes the shortest digits that say the number, with an exponent where JavaScript has one.
func floatText(f float64) string {
	if size := math.Abs(f); size != 0 && (size < 1e-6 || size >= 1e21) {
		return strconv.FormatFloat(f, 'E', -1, 64)
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}
