package hotkey

// appendTemplate appends key with all that looks like a number or an id replaced by '#', so that the keys of one family
// look the same: "user:81:name" and "user:9:name" are both "user:#:name". Replaced are UUIDs, whole words of hex digits
// (at least 8 with a digit among them, or at least 16), and runs of decimal digits anywhere. It is never longer than key.
func appendTemplate(dst []byte, key string) []byte {
	for len(key) > 0 {
		n := idLen(key)
		if n > 0 {
			dst = append(dst, '#')
			key = key[n:]
			continue
		}
		n = wordLen(key)
		if n == 0 {
			dst = append(dst, key[0])
			key = key[1:]
			continue
		}
		dst = appendWithoutDigits(dst, key[:n])
		key = key[n:]
	}
	return dst
}

// idLen returns the length of the UUID or the word of hex digits that s begins with, 0 if there is none.
func idLen(s string) int {
	if isUUID(s) {
		return uuidLen
	}
	n := wordLen(s)
	digits := 0
	for i := range n {
		if !isHex(s[i]) {
			return 0
		}
		if isDigit(s[i]) {
			digits++
		}
	}
	if n >= 16 || n >= 8 && digits > 0 {
		return n
	}
	return 0
}

const uuidLen = 36 // 8-4-4-4-12

// isUUID reports whether s begins with one that is a whole word.
func isUUID(s string) bool {
	if len(s) < uuidLen || len(s) > uuidLen && isWord(s[uuidLen]) {
		return false
	}
	for i := range uuidLen {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if !isHex(s[i]) {
				return false
			}
		}
	}
	return true
}

// wordLen returns how many letters and digits s begins with.
func wordLen(s string) int {
	n := 0
	for n < len(s) && isWord(s[n]) {
		n++
	}
	return n
}

func appendWithoutDigits(dst []byte, word string) []byte {
	for i := range len(word) {
		switch {
		case !isDigit(word[i]):
			dst = append(dst, word[i])
		case i == 0 || !isDigit(word[i-1]):
			dst = append(dst, '#')
		}
	}
	return dst
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }
func isHex(b byte) bool   { return isDigit(b) || 'a' <= b|0x20 && b|0x20 <= 'f' }
func isWord(b byte) bool  { return isDigit(b) || 'a' <= b|0x20 && b|0x20 <= 'z' || b >= 0x80 }
