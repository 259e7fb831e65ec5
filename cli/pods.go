package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/belfry-io/belfry/core"
)

func (p *program) podsCommand() *cli.Command {
	return &cli.Command{
		Name:  "pods",
		Usage: "show the running pods",
		Description: `SKEW is the pod's clock against the backend's, as the pod last told it.

  belfry pods
  belfry pods --output json`,
		Flags: globalFlags(),
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			ctx, cancel := within(c)
			defer cancel()
			s, done, err := p.client(ctx, c)
			if err != nil {
				return err
			}
			defer done()
			pods, err := s.Pods(ctx)
			if err != nil {
				return err
			}
			if pods == nil {
				pods = []core.Pod{} // an empty list in JSON, not null
			}
			return p.show(c, pods, func(w io.Writer) {
				row(w, "NAME", "SESSION", "STARTED", "VERSION", "RUNNING", "QUEUES", "HANDLERS", "SKEW", "STATE")
				for _, pod := range pods {
					state := "serving"
					if pod.Draining {
						state = "draining"
					}
					row(w, pod.Name, pod.Session, utc(pod.Started), pod.Version, fmt.Sprintf("%d/%d", pod.Running, pod.Slots),
						strings.Join(pod.Queues, ","), strings.Join(pod.Handlers, ","), pod.Skew.Round(time.Millisecond), state)
				}
			})
		},
	}
}
