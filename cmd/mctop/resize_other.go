//go:build !unix

package main

import "os"

// notifyResize does nothing: here the next report finds the new size.
func notifyResize(chan<- os.Signal) {}
