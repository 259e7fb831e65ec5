// Package proctest runs real servers for tests, and stands between them and their clients to lose what they say.
package proctest
