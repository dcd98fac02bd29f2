// Package memcache answers: how does a program written for github.com/bradfitz/gomemcache run on this library, with no
// more changed than an import path?
//
//	import "github.com/bradfitz/gomemcache/memcache" // before
//	import "github.com/nohop/memcache/gomemcache"    // after
//
// Types, methods, fields, constants and error values have gomemcache's names and meaning, and keys live where gomemcache
// puts them, so that old and new programs can share servers while they are being moved. The folder is named after what the
// package is compatible with; the package is named memcache, because that is what the programs call it.
//
// It is for moving. What this library adds, contexts, replicas, zones, failover and rules, is in the root package. Both can
// be used in one program: the errors are the same values.
//
// # The life of a Get
//
//  1. Client.Get checks the key (client.go).
//  2. The ServerSelector picks an address, and the client's node for it is looked up, or made (nodes.go).
//  3. The node queues the request on a connection that all goroutines share (package pool).
//  4. The reply becomes an Item or an error (get.go, errors.go).
//
// # What differs
//
// Each line names the tests that show it; those named TestDifference… run gomemcache beside this package.
//
//   - All goroutines share one or two connections to each server, so MaxIdleConns has no effect. Each connection begins
//     with the command "version"; to memcached 1.6.13 and later most requests are meta commands.
//   - An empty key is ErrMalformedKey. gomemcache sends it, and the server then takes a value for commands
//     (TestDifferenceEmptyKey, TestMalformedKeys). Keys are checked before anything else (TestDifferenceTheKeyIsCheckedFirst).
//   - DeleteAll flushes all servers, not only the one that an empty key would live on
//     (TestDifferenceDeleteAllReachesAllServers).
//   - GetAndTouch fills in CasID (TestDifferenceGetAndTouchReadsTheVersion).
//   - Timeout bounds an operation as a whole; in gomemcache it begins anew with each item that comes (TestEndlessItemsEnd). It
//     may change at any time (TestTimeoutMayChange); DialContext counts when a server is first picked
//     (TestDialContextAfterClose).
//   - A server that does not answer, or takes no connection, fails its operations at once until it is back; it is dialed
//     again every 220 to 240 ms, or probed, until it has not been used for a minute (TestAHungServerCostsTwoTimeouts,
//     TestRefusedConnections).
//   - A server's restart fails no read (TestARestartFailsNoRead), and an error line after which the server goes on does not
//     cost the connection (TestRefusedStoresKeepTheConnection).
//   - Errors other than the sentinels have types: TestDifferenceErrorsHaveKinds, TestTimeoutsAreNetErrors,
//     TestConnectTimeoutError. Their texts differ. If several servers fail a GetMulti, the error has that of each
//     (TestGetMultiKeepsWhatItGot).
//   - A reply that is not the request's is an error and never another key's value (TestShiftedRepliesBringNoWrongValue); no
//     reply causes a panic or takes the memory that it announces (TestHostileReplies).
//   - Close ends what is under way (TestCloseDuringAnOperation). Servers that the selector no longer names lose their
//     connection after a minute without use (TestServersThatLeftAreClosed).
//   - A Client without a selector returns ErrNoServers (TestNoServers).
package memcache
