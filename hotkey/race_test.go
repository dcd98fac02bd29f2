//go:build race

package hotkey

const raceDetector = true
