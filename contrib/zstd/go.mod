module github.com/nohop/memcache/contrib/zstd

go 1.26.0

replace github.com/nohop/memcache => ../../

require (
	github.com/nohop/memcache v0.0.0-00010101000000-000000000000
	github.com/stretchr/testify v1.12.1
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/klauspost/compress v1.20.3
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sync v0.24.0 // indirect
)
