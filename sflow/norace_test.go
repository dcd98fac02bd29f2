//go:build !race

package sflow

const raceDetector = false
