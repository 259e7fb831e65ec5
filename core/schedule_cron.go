package core

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	cron "github.com/netresearch/go-cron"
)

// maxCronExpr bounds an expression in bytes; all sixty minutes in a list are 169.
const maxCronExpr = 512

// A cronSpec is a compiled expression in its zone: bit sets, in which bit n stands for the value n. It is comparable,
// so that equal expressions can be interned.
type cronSpec struct {
	loc            *time.Location
	second, minute uint64
	hour, dom      uint32
	month          uint16
	dow            uint8

	fromEnd     uint32   // L is bit 0, L-n bit n
	nearest     uint32   // nW is bit n
	lastWeekday bool     // LW
	nth         [6]uint8 // weekdays named as n#k, by k
	lastDow     uint8    // weekdays named as nL

	either   bool // both day fields are restricted: a day that one of them names will do
	realTime bool // the hour is "*" or has a step: see next
}

// A cronField is one of the six, with the values it may have.
type cronField struct {
	name     string
	min, max int
	names    []string // of the values from min on
	example  string
}

// The fields in order; the first is left out of a crontab with five.
const (
	fieldSecond = iota
	fieldMinute
	fieldHour
	fieldDom
	fieldMonth
	fieldDow
)

var cronFields = [6]cronField{ //nolint:gochecknoglobals // constant
	fieldSecond: {"second", 0, 59, nil, `a value 0-59, a list "0,30", a range "0-9", a step "*/10", "*" or "H"`},
	fieldMinute: {"minute", 0, 59, nil, `a value 0-59, a list "0,30", a range "0-9", a step "*/15", "*" or "H"`},
	fieldHour:   {"hour", 0, 23, nil, `a value 0-23, a list "8,20", a range "9-17", a step "*/2", "*" or "H"`},
	fieldDom:    {"day of month", 1, 31, nil, `a value 1-31, a list "1,15", a range "1-7", a step "*/2", "L", "L-2", "LW", "15W", "*" or "H"`},
	fieldMonth: {
		"month", 1, 12,
		[]string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"},
		`a value 1-12, a name JAN-DEC, a list "3,9", a range "NOV-FEB", a step "*/3", "*" or "H"`,
	},
	fieldDow: {
		"day of week", 0, 7,
		[]string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"},
		`a value 0-7, a name SUN-SAT, a list "MON,FRI", a range "MON-FRI", "FRIL", "MON#2", "*" or "H"`,
	},
}

// cronDescriptors are the short forms, by what they stand for.
var cronDescriptors = map[string]string{ //nolint:gochecknoglobals // constant
	"@yearly":   "0 0 0 1 1 *",
	"@annually": "0 0 0 1 1 *",
	"@monthly":  "0 0 0 1 * *",
	"@weekly":   "0 0 0 * * 0",
	"@daily":    "0 0 0 * * *",
	"@midnight": "0 0 0 * * *",
	"@hourly":   "0 0 * * * *",
}

// compileCron compiles a canonical expression. spread says that it has an H; the fields with an H are then only an
// example of what they may become.
func compileCron(expr string, loc *time.Location) (spec cronSpec, spread bool, bad *FieldError) {
	fields, bad := splitCron(expr)
	if bad != nil {
		return cronSpec{}, false, bad
	}
	plain := make([]string, 0, len(cronFields))
	for i, text := range fields {
		resolved, hashed, bad := resolveField(i, text, "")
		if bad == nil {
			resolved, bad = plainField(i, resolved)
		}
		if bad != nil {
			if strings.Count(expr, " ") == 5 {
				return cronSpec{}, false, inField(i, i+1, bad)
			}
			return cronSpec{}, false, inField(i, i, bad)
		}
		spread = spread || hashed
		plain = append(plain, resolved)
	}
	spec, err := parseCron(strings.Join(plain, " "))
	if err != nil {
		return cronSpec{}, false, &FieldError{Problem: fmt.Sprintf("cron %q: %v", expr, err), Remedy: "see docs/cron.md"}
	}
	spec.loc = loc
	spec.either = !hasStar(fields[fieldDom]) && !hasStar(fields[fieldDow])
	spec.realTime = hasStar(fields[fieldHour]) || strings.Contains(fields[fieldHour], "/")
	if _, ok := spec.next(neverProbe); !ok {
		return cronSpec{}, false, &FieldError{
			Problem: fmt.Sprintf("cron %q never fires: no day has such a date and time", expr),
			Remedy:  "check the day of month against the month",
		}
	}
	return spec, spread, nil
}

// neverProbe is where the search starts that tells whether an expression ever fires: 2020-01-01, the same for all
// pods. The search is long enough for the answer to hold for any start.
const neverProbe = 1577836800

// checkCronText refuses what is not worth reading.
func checkCronText(expr string) *FieldError {
	if len(expr) > maxCronExpr {
		return &FieldError{
			Problem: fmt.Sprintf("cron expression has %d bytes", len(expr)),
			Remedy:  fmt.Sprintf("use at most %d; a range or a step is shorter than a list", maxCronExpr),
		}
	}
	odd := func(r rune) bool { return r != '\t' && r != '\n' && r != '\r' && (r < ' ' || r > '~') }
	if i := strings.IndexFunc(expr, odd); i >= 0 {
		return &FieldError{
			Problem: fmt.Sprintf("cron expression has an odd character at byte %d", i+1), Remedy: "use plain ASCII",
		}
	}
	return nil
}

// splitCron returns the six fields of an expression, with the second put before five.
func splitCron(expr string) ([]string, *FieldError) {
	if strings.HasPrefix(expr, "@") {
		return splitDescriptor(expr)
	}
	if strings.HasPrefix(expr, "TZ=") || strings.HasPrefix(expr, "CRON_TZ=") {
		return nil, &FieldError{
			Problem: "cron expression begins with a zone", Remedy: "leave it out: the zone is an argument of its own",
		}
	}
	fields := strings.Fields(expr)
	switch len(fields) {
	case 5:
		return append([]string{"0"}, fields...), nil
	case 6:
		return fields, nil
	}
	return nil, &FieldError{
		Problem: fmt.Sprintf("cron %q has %d fields", clip(expr), len(fields)),
		Remedy:  "write five (minute, hour, day of month, month, day of week), or six with seconds first",
	}
}

func splitDescriptor(expr string) ([]string, *FieldError) {
	if fields, ok := cronDescriptors[expr]; ok {
		return strings.Fields(fields), nil
	}
	if strings.HasPrefix(expr, "@every") {
		return nil, &FieldError{
			Problem: fmt.Sprintf("cron %q is no crontab time", clip(expr)), Remedy: `use every, as in "every 5m"`,
		}
	}
	return nil, &FieldError{
		Problem: fmt.Sprintf("cron %q is no known descriptor", clip(expr)),
		Remedy:  "use @hourly, @daily, @midnight, @weekly, @monthly, @yearly or @annually",
	}
}

// inField says where bad is: in field i, which is the nth as the user wrote them.
func inField(i, n int, bad *FieldError) *FieldError {
	f := cronFields[i]
	bad.Problem = fmt.Sprintf("cron field %d (%s): %s", n, f.name, bad.Problem)
	if bad.Remedy == "" {
		bad.Remedy = "use " + f.example
	}
	return bad
}

// hasStar reports whether an item of the field begins with "*" or "?": crontab(5) calls the field unrestricted then.
func hasStar(field string) bool {
	return slices.ContainsFunc(strings.Split(field, ","), func(item string) bool {
		return item != "" && (item[0] == '*' || item[0] == '?')
	})
}

// cronParser reads six plain fields. Its own rules for zones, clock changes, descriptors, H and the two day fields are
// not used.
//
//nolint:gochecknoglobals // constant
var cronParser = cron.MustNewParser(cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Extended)

// parseCron is the one place that knows the parser library: it turns plain fields into bit sets.
func parseCron(plain string) (cronSpec, error) {
	parsed, err := cronParser.Parse(plain)
	if err != nil {
		return cronSpec{}, err //nolint:wrapcheck // the caller quotes the expression
	}
	p, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return cronSpec{}, fmt.Errorf("unexpected schedule %T", parsed)
	}
	dow := uint8(p.Dow & 0x7f)
	if p.Dow&(1<<7) != 0 {
		dow |= 1 // 7 is Sunday too
	}
	spec := cronSpec{
		second: p.Second & (1<<60 - 1), minute: p.Minute & (1<<60 - 1), hour: uint32(p.Hour & (1<<24 - 1)),
		dom: uint32(p.Dom & (1<<32 - 2)), month: uint16(p.Month & (1<<13 - 2)), dow: dow,
	}
	for _, c := range p.DomConstraints {
		switch c.Type {
		case cron.DomLast:
			spec.fromEnd |= 1
		case cron.DomLastOffset:
			spec.fromEnd |= 1 << c.N
		case cron.DomLastWeekday:
			spec.lastWeekday = true
		case cron.DomNearestWeekday:
			spec.nearest |= 1 << c.N
		}
	}
	for _, c := range p.DowConstraints {
		day := uint8(1) << (c.Weekday % 7)
		if c.N < 0 {
			spec.lastDow |= day
			continue
		}
		spec.nth[c.N] |= day
	}
	return spec, nil
}

// cronNumber reads digits only: no sign, at most three.
func cronNumber(text string) (int, bool) {
	if text == "" || len(text) > 3 || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}
