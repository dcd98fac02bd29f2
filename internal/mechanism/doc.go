// Package mechanism answers: would a test notice if a mechanism that keeps replicas coherent were missing?
//
// In a normal build each mechanism is a constant and on, so the compiler leaves nothing of the question in the code that
// asks. In a build with the tag "mechanisms" it is a variable, which a test switches off before it makes clients:
//
//	cd internal/nemesis && go run -tags mechanisms . -without M3 -expect I2
package mechanism

// Tag is the build tag with which mechanisms can be switched off.
const Tag = "mechanisms"
