//go:build !race

package hotcopy

const raceDetector = false
