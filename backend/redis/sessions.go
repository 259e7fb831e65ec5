package redis

import "github.com/belfry-io/belfry/core"

// Sessions are records: Redis has nothing that would do better. A key with a time to live would end a session by
// the server's clock, which steps, and at a fail-over without anyone having waited; so the store embeds a
// RecordLocker, and each beat is one Apply whose answer carries the clock.
var _ core.Locker = (*core.RecordLocker)(nil)
