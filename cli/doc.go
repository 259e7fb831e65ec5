// Package cli is the belfry program as a library: [Main] takes arguments and streams and returns an exit code, so
// a program with one more backend, or a test, is a few lines. Each command is a file; what they share is the flags,
// the connection and the printing.
package cli
