// Package redis answers: how does a fleet that runs a Redis anyway keep its rule table there?
//
// The table is a string in JSON under one key, and a message on the channel of the same name with ":changed" behind it says
// that it has changed. Messages can be lost, so the key is looked at every two seconds all the same; as long as it has not
// changed, that moves some 100 bytes.
//
//	store := redis.New(client, "memcache:rules")
//	lease := redis.NewLease(client, "memcache:lease") // for a rulestore.Publisher
//
// All calls end with their context. Scripts (EVAL) must be allowed. Only programs that import this package link go-redis.
package redis
