// Package browsertest answers: does the page of package inspect work in a browser?
//
// Its tests drive a headless Chromium. It is a module of its own because of the driver.
package browsertest
