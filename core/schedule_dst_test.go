package core

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestScheduleScripts runs the specification of cron times: testdata/dst. -rewrite writes the answers anew.
func TestScheduleScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/dst", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd != "fires" {
				d.Fatalf(t, "no such command: %s", d.Cmd)
			}
			var zone, from string
			var n int
			d.ScanArgs(t, "zone", &zone)
			d.ScanArgs(t, "from", &from)
			d.ScanArgs(t, "n", &n)
			s := Cron(strings.TrimSpace(d.Input), zone)
			if err := s.Err(); err != nil {
				return err.Error() + "\n"
			}
			loc, err := time.LoadLocation(zone)
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			var out strings.Builder
			for _, f := range fires(s, instant(t, from), n) {
				fmt.Fprintf(&out, "%s  %s\n", f, instant(t, f).In(loc).Format("Mon 2006-01-02 15:04:05 -07:00"))
			}
			return out.String()
		})
	})
}
