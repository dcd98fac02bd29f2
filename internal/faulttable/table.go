package main

import (
	"fmt"
	"io"
)

// row is one line of the table.
type row struct {
	what, goal, ours, beside string
	met                      bool
}

// add appends to what ours came to.
func (r *row) add(separator, text string) {
	if r.ours != "" {
		r.ours += separator
	}
	r.ours += text
}

func printHead(out io.Writer) {
	fmt.Fprintln(out, "| what | goal | this client | beside it | |")
	fmt.Fprintln(out, "| --- | --- | --- | --- | --- |")
}

func (r *row) print(out io.Writer) {
	verdict := "met"
	if !r.met {
		verdict = "**missed**"
	}
	fmt.Fprintf(out, "| %s | %s | %s | %s | %s |\n", r.what, r.goal, r.ours, r.beside, verdict)
}
