package backendtest

// Untestable returns the sentences of the contract that no case enforces, each with the reason. Together with the
// cases' rules they are the whole contract.
func Untestable() map[string]string {
	const (
		prose   = "says what the thing is for; nothing follows from it that another sentence does not say"
		caller  = "binds the engine, not the store"
		faults  = "takes a network or a server that fails; the backend's own tests do that"
		example = "an example"
	)
	return map[string]string{
		"It is all that belfry asks of a backend, and it knows nothing of jobs, schedules or retries: the engine decides, the store compares and sets": prose,
		"What follows is the contract": prose,
		"Package backendtest has a case for each sentence of it and of the methods' comments; a backend that passes them is done":     "a test of this package sees to it",
		"Where a fail-over can lose acknowledged changes a counter is not enough: max(old + 1, the store's clock in microseconds) is": faults,
		"A change is sent once": faults,
		"Client libraries' own retries are off for Apply; who sends again is the engine": faults,
		"Records that are not due in the range cost nothing":                             "a cost; the benchmarks measure it",
		"It mends its connection itself":                                                 faults,
		"Most changes need not be told":                                                  caller,

		"A Checker is a Store that can say which settings of its server would break the contract": "which settings those are is the backend's to test",
		"Open refuses those that are certain to lose claims; Check tells all of them":             "which settings those are is the backend's to test",
		"A Finding is one thing about a server to change, or to know":                             prose,
		"claims can be lost":                          example,
		"\"maxmemory-policy\"":                        example,
		"\"allkeys-lru lets the server delete jobs\"": example,
		"\"CONFIG SET maxmemory-policy noeviction\"":  example,

		"A backend that has leases of its own implements it on them; the others embed a [RecordLocker], which needs nothing but the rest of [Store]": "how a backend is built",
		"Named locks need no backend code: they are records that the engine steps (see [Scheduler.Lock])":                                            prose,
		"No machine's clock is ever compared with another's":                                                                                         "how a backend is built; a clock cannot be put wrong from here",
		"After [ErrUncertain] open another one":                                                                                                      caller,
	}
}
