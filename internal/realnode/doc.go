// Package realnode answers: how does a test get a real memcached, and how does it break it?
//
// Start runs the machine's memcached binary on a free loopback port for the length of one test:
//
//	node := realnode.Start(t)          // plain TCP, one thread
//	client := dial(node.Addr)
//	node.Pause()                       // SIGSTOP: connects succeed, nothing answers
//	node.Resume()                      // SIGCONT
//	node.Kill()                        // SIGKILL: connection refused
//	require.NoError(t, node.Restart()) // same port, empty memory
//
// StartUnix, StartTLS and StartAuth start the other ways a memcached can be reached. Launch is the same for programs
// that are no tests.
//
// A test that needs memcached where none is installed is skipped, with a message on standard error; if the environment
// variable CI is set it fails, because there a skipped test would be a hole that nobody sees.
package realnode
