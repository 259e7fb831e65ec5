package core

import (
	"testing"
	"time"
)

// BenchmarkNext measures one step of a schedule, from fire time to fire time.
func BenchmarkNext(b *testing.B) {
	for _, text := range []string{
		"every 5s",
		"cron * * * * * * UTC",
		"cron */5 * * * * Asia/Seoul",
		"cron 0 9 * * MON-FRI UTC",
		"cron 0 9 * * MON-FRI America/New_York",
		"cron */5 * * * * America/New_York",
		"cron 0 0 LW * * Australia/Lord_Howe",
		"cron 0 0 29 2 * Europe/London",
	} {
		b.Run(text, func(b *testing.B) {
			s, err := ParseSchedule(text)
			if err != nil {
				b.Fatal(err)
			}
			start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
			t := start
			b.ReportAllocs()
			for b.Loop() {
				if t = s.Next(t); t.IsZero() || t.Year() > 2100 {
					t = start
				}
			}
		})
	}
}

// BenchmarkParseSchedule measures what decoding a job costs.
func BenchmarkParseSchedule(b *testing.B) {
	for b.Loop() {
		if _, err := ParseSchedule("cron 0 9 * * MON-FRI America/New_York"); err != nil {
			b.Fatal(err)
		}
	}
}
