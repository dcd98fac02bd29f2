// Rootonly is a program that uses the root package and nothing else, so that a test can read what that links.
package main

import (
	"fmt"

	"github.com/nohop/memcache"
)

func main() {
	_, err := memcache.New()
	fmt.Println(err)
}
