// Package browsertest tests the page of package inspect in a real browser, headless Chromium. It is a module of its own because
// of the driver.
package browsertest
