package mcjson_test

import (
	"fmt"

	"github.com/nohop/memcache/route/internal/mcjson"
)

func Example() {
	config, err := mcjson.Parse([]byte(`{
  "macros": {
    "pool": {"type": "macroDef", "params": ["zone"], "result": {"servers": ["10.0.%zone%.1:11211", "10.0.%zone%.2:11211"]}}
  },
  "pools": {"near": "@pool(1)", "far": "@pool(2)"}, // two zones
  "route": "AllSyncRoute|Pool|%router-name%",
}`), "mcrouter.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	config, err = mcjson.Expand(config, mcjson.Options{Params: map[string]any{"router-name": "near"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, pool := range config.Get("pools").Members {
		for _, server := range pool.Value.Get("servers").Items {
			fmt.Println(pool.Name, server.Str)
		}
	}
	fmt.Println(config.Get("route").Str)
	fmt.Println(config.Get("pools").Get("far").Get("servers").Errorf("too few servers"))
	// Output:
	// near 10.0.1.1:11211
	// near 10.0.1.2:11211
	// far 10.0.2.1:11211
	// far 10.0.2.2:11211
	// AllSyncRoute|Pool|near
	// mcrouter.json:3:76: too few servers, in macro "pool" called at mcrouter.json:5:40
}

func ExampleParse_malformed() {
	_, err := mcjson.Parse([]byte("{\n  \"pools\": {},\n  \"pools\": {}\n}"), "mcrouter.json")
	fmt.Println(err)
	// Output:
	// mcrouter.json:3:3: key "pools" is given twice; the first is at line 2, column 3
}
