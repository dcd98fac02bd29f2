package memcachetest_test

import "testing"

func TestExpiryOfTheExample(t *testing.T) { testExpiry(t) }
