package placement

// ConstShard is mcrouter's hash_func "ConstShard": a key of the form "prefix:shard:rest" goes to node number shard, if
// that is a decimal number below n; every other key goes where Ch3 puts it.
//
// n is 1 to 2^23.
func ConstShard(n int) (Func, error) {
	if err := checkSize("ConstShard", n, ch3MaxNodes); err != nil {
		return nil, err
	}
	return func(key string) int {
		if node := shardNumber(key, n); node < n {
			return node
		}
		return ch3(bytesOf(key), n)
	}, nil
}

// shardNumber is the shard id as a decimal number, or limit if it is none below limit.
func shardNumber(key string, limit int) int {
	shard, ok := ShardID(key)
	if !ok {
		return limit
	}
	number := 0
	for i := range len(shard) {
		if !isDigit(shard[i]) {
			return limit
		}
		number = number*10 + int(shard[i]-'0')
		if number >= limit {
			return limit
		}
	}
	return number
}
