package core

import (
	"encoding/json"
	"fmt"
)

// maxInfo is the limit of Session.Info.
const maxInfo = 16 << 10

// podInfo is what a pod tells of itself at each beat. The JSON names are the stored form.
type podInfo struct {
	Started  micros   `json:"at"`          // by the store's clock
	Version  string   `json:"v,omitempty"` // Options.Version
	Queues   []string `json:"q"`
	Handlers []string `json:"h"`
	Cut      bool     `json:"cut,omitempty"` // there are more handlers than stand in Handlers
	Slots    int      `json:"n"`
	Running  int      `json:"run,omitempty"`
	Free     int      `json:"free,omitempty"`
	Clock    micros   `json:"clk"`            // its own wall clock when it beat
	Skew     micros   `json:"skew,omitempty"` // its wall clock minus the store's
	Format   int      `json:"f"`              // the highest format of State that it reads
	Deal     int      `json:"d"`              // the version of the deal that it follows
	Leaving  bool     `json:"leave,omitempty"`
	Full     bool     `json:"full,omitempty"`
}

// encodePodInfo returns the stored form of p. If it is longer than maxInfo, handlers are left out from the end of
// their list and Cut is set; if that is not enough it is an [ErrInvalid], since a pod must name all of its queues.
func encodePodInfo(p *podInfo) ([]byte, error) {
	b := marshalPlain(p)
	if len(b) <= maxInfo {
		return b, nil
	}
	short := *p
	short.Cut = true
	for len(b) > maxInfo && len(short.Handlers) > 0 {
		over := len(b) - maxInfo
		for over > 0 && len(short.Handlers) > 0 {
			last := len(short.Handlers) - 1
			over -= len(short.Handlers[last]) + len(`,""`)
			short.Handlers = short.Handlers[:last]
		}
		b = marshalPlain(&short)
	}
	if len(b) > maxInfo {
		return nil, fmt.Errorf("encode session info: %w", &FieldError{
			Field: "queues", Problem: fmt.Sprintf("with the version they take %d bytes", len(b)),
			Remedy: fmt.Sprintf("keep them below %d", maxInfo),
		})
	}
	return b, nil
}

// decodePodInfo reads what encodePodInfo writes. Fields that this build does not know are passed over.
func decodePodInfo(b []byte) (podInfo, error) {
	var p podInfo
	if err := json.Unmarshal(b, &p); err != nil {
		return podInfo{}, fmt.Errorf("decode session info: %w", err)
	}
	return p, nil
}
